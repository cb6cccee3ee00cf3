"""When a report is made, and what it is about: rules, their moments, plans, periods. Pure; `now` is passed in."""
