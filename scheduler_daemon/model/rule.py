"""How often: the repeating part of a schedule."""

from dataclasses import dataclass
from enum import StrEnum


class RuleKind(StrEnum):
    """The kinds of recurrence."""

    #: Every so many minutes; an elapsed rule.
    MINUTES = "minutes"
    #: Every hour, or every so many hours, at a minute; an elapsed rule.
    HOURLY = "hourly"
    #: Each local day, or every so many days, at a time.
    DAILY = "daily"
    #: Chosen days of the week, or of every so many weeks, at a time.
    WEEKLY = "weekly"
    #: A day of the month at a time, in all months or in chosen ones; 29 to 31 clamp to the last day.
    MONTHLY = "monthly"
    #: Five-field cron text.
    CRON = "cron"
    #: One moment only, as local wall time.
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The repeating part of a schedule, read in the schedule's zone."""

    #: Which kind of rule this is; decides which other fields count.
    kind: RuleKind
    #: Local wall time "HH:MM" (daily, weekly, monthly).
    time: str = "00:00"
    #: Days of the week, 0 = Sunday to 6 = Saturday, sorted (weekly).
    days: tuple[int, ...] = ()
    #: Day of the month, 1 to 31 (monthly).
    day: int = 1
    #: Minute of the hour, 0 to 59 (hourly).
    minute: int = 0
    #: Five-field cron text (cron).
    cron: str = ""
    #: Local wall time "YYYY-MM-DDTHH:MM" (once).
    at: str = ""
    #: Further wall times of the same days "HH:MM", all later than *time*, sorted (daily, weekly, monthly).
    also: tuple[str, ...] = ()
    #: Every how many minutes, hours, days or weeks (minutes, hourly, daily, weekly); counted from *start*, else from
    #: Monday 1 January 2024, local midnight.
    every: int = 1
    #: Instead of *day*: "last day", "second last day" to "tenth last day" (the days before it), the n-th working day
    #: ("first working day" to "tenth working day", "last working day"), or the n-th weekday ("second tuesday", "last
    #: friday") (monthly). Working days are Monday to Friday.
    on: str = ""
    #: Further days of the same months, all later than *day*, sorted; each clamps as it does (monthly, without *on*).
    later_days: tuple[int, ...] = ()
    #: Months of the year, 1 to 12, sorted; empty means all (monthly): (1, 4, 7, 10) is quarterly, (12,) yearly.
    months: tuple[int, ...] = ()
    #: First local day on which it may come due, ISO date; empty where it has no beginning.
    start: str = ""
    #: Last local day on which it may come due, ISO date, included; empty where it has no end.
    end: str = ""
    #: Local days on which it does not come due, ISO dates, sorted.
    exclude: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """All wall times of a day, sorted (daily, weekly, monthly)."""
        return (self.time, *self.also)

    @property
    def month_days(self) -> tuple[int, ...]:
        """All days of a month, sorted (monthly, without *on*)."""
        return (self.day, *self.later_days)
