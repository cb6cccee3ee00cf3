"""Days of the week as people write them: ``mon, wed and fri``, ``weekdays``, ``monday to friday``."""

import re

from ..lib.words import did_you_mean
from .rule_parts import WEEKDAY, bad
from .rule_text import WORKDAYS

ALL_DAYS = tuple(range(7))
GROUPS = {"weekday": WORKDAYS, "weekend": (0, 6), "workday": WORKDAYS, "day": ALL_DAYS}
DAY_NAME = "|".join(sorted(WEEKDAY, key=len, reverse=True))
#: "monday to friday", "mon-fri".
SPAN = re.compile(rf"\b({DAY_NAME})s?(?: ?[-–] ?| to | through )({DAY_NAME})s?\b")
#: Words that say how often: beside another of their kind they are no day.
OFTEN = ("daily", "weekly", "monthly", "quarterly", "yearly", "annually", "hourly", "month", "quarter", "year", "hour")


def read_days(text: str, what: str) -> tuple[int, ...]:
    """Return the days (0 is Sunday) that *what* names; raise UsageError, which quotes the whole *text*."""
    days: set[int] = set()
    for first, last in SPAN.findall(what):
        begin = WEEKDAY[first]
        days |= {(begin + number) % 7 for number in range((WEEKDAY[last] - begin) % 7 + 1)}
    for word in re.sub(r"^(?:weekly|week)(?= |$)", "", SPAN.sub("", what)).split():
        plain = word if word in WEEKDAY else word.rstrip("s")
        if plain in GROUPS:
            days |= set(GROUPS[plain])
        elif plain in WEEKDAY:
            days.add(WEEKDAY[plain])
        elif word in OFTEN:
            raise bad(f"{text!r} is not understood: {word!r} does not go with the rest.")
        elif word not in ("on", "and", "every"):
            near = did_you_mean(word, [*WEEKDAY, *GROUPS, "daily", "monthly", "hourly", "quarterly", "yearly"])
            raise bad(f"{text!r} is not understood: {word!r} is no day.{near}")
    if not days:
        raise bad(f"{text!r} names no day.")
    return tuple(sorted(days))
