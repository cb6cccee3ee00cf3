"""The values inside a recurrence: times of day, days, dates, cron text; each read and refused by name."""

import calendar
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from ..errors import UsageError
from ..lib.words import did_you_mean
from ..lib.zones import FIRST_YEAR, LAST_YEAR
from .cron_nearest import nearest_cron
from .rule_text import DAYS, MONTHS, ORDINALS

CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
HINT = (
    'Write one like "monday 08:00", "daily 07:30 and 16:00", "every 2 weeks on friday at 9:00", "monthly 1 08:00", '
    '"last working day 17:00", "hourly :15", "every 90 minutes", "once 2026-12-24 08:00" or five-field cron text.'
)
#: The fields of cron text, and what each may hold besides lists, ranges and steps of at least 1.
CRON_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, or L for the last, and one that its months have",
    "month": "1 to 12, or a name like JAN",
    "day-of-week": "0 to 7, or a name like MON; MON#1 is the first of a month, 5L its last Friday",
}
#: In a field of cron text: a range from a value to itself, with a step.
ONE_VALUE = re.compile(r"(^|,)(\w+)-\2/[1-9]\d*(?=,|$)", re.IGNORECASE)
#: Which working days of a month there are, from its first on; every month has ten, and "last" the last one.
WORKING_DAYS = (*ORDINALS[:5], "sixth", "seventh", "eighth", "ninth", "tenth", "last")
#: What may stand instead of a day of the month, besides the n-th weekday.
SPECIAL_DAYS = ("last day", *(f"{number} last day" for number in WORKING_DAYS[1:-1]))
SPECIAL_DAYS += tuple(f"{number} working day" for number in WORKING_DAYS)
#: A working day, as people call it; "weekday" only behind a number.
WORKING_DAY = r"(?:working|business|work)[ -]?day"
#: The numbers of ordinals, however they are written.
ORDINAL_FORMS = {name: name for name in ORDINALS} | {
    "1st": "first",
    "2nd": "second",
    "3rd": "third",
    "4th": "fourth",
    "5th": "fifth",
}
WORKING_FORMS = ORDINAL_FORMS | {name: name for name in WORKING_DAYS}
WORKING_FORMS |= {f"{number}th": name for number, name in enumerate(WORKING_DAYS[5:10], 6)}
WEEKDAY = {name.lower(): number for number, name in enumerate(DAYS)}
WEEKDAY |= {name[:3].lower(): number for number, name in enumerate(DAYS)}
WEEKDAY |= {"tues": 2, "weds": 3, "thur": 4, "thurs": 4}
MONTH = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
MONTH |= {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)} | {"sept": 9}


def bad(message: str, nearest: str = "") -> UsageError:
    """Return the error for a recurrence that cannot be used; *nearest* is one that works, as it would be written."""
    return UsageError(message, code="bad_recurrence", hint=f'The nearest that works: "{nearest}".' if nearest else HINT)


def read_clock(text: str) -> str:
    """Return *text* as "HH:MM"; raise UsageError where it is no time of day."""
    found = CLOCK.fullmatch(text.strip())
    if not found:
        raise bad(f"{text!r} is not a time of day from 00:00 to 23:59.")
    return f"{int(found[1]):02}:{found[2]}"


def read_weekday(value: int | str) -> int:
    """Return a day of the week as 0 (Sunday) to 6; 7 is Sunday too, and names are read."""
    if isinstance(value, str) and value.strip().lower() in WEEKDAY:
        return WEEKDAY[value.strip().lower()]
    try:
        number = int(value)
    except ValueError:
        raise bad(f"{value!r} is no day of the week.{did_you_mean(str(value).lower(), WEEKDAY)}") from None
    if not 0 <= number <= 7:
        raise bad(f"{number} is no day of the week; they go from 0 (Sunday) to 6 (Saturday).")
    return number % 7


def read_month_day(number: int) -> int:
    """Return a day of the month from 1 to 31."""
    if not 1 <= number <= 31:
        raise bad(f"{number} is no day of the month; they go from 1 to 31.")
    return number


def read_month(value: int | str) -> int:
    """Return a month as 1 to 12; names are read."""
    if isinstance(value, str) and value.strip().lower() in MONTH:
        return MONTH[value.strip().lower()]
    try:
        number = int(value)
    except ValueError:
        raise bad(f"{value!r} is no month.{did_you_mean(str(value).lower(), MONTH)}") from None
    if not 1 <= number <= 12:
        raise bad(f"{number} is no month; they go from 1 to 12.")
    return number


def read_on(text: str) -> str:
    """Return which day of the month *text* means: "last day", "first working day", "second tuesday"."""
    words = " ".join(text.lower().split())
    first, _, rest = words.partition(" ")
    name = "working day" if rest == "weekday" or re.fullmatch(WORKING_DAY, rest) else rest
    ordinal = (WORKING_FORMS if name in ("working day", "last day") else ORDINAL_FORMS).get(first, first)
    if f"{ordinal} {name}" in SPECIAL_DAYS:
        return f"{ordinal} {name}"
    if ordinal in ORDINALS and rest in WEEKDAY:
        return f"{ordinal} {DAYS[WEEKDAY[rest]].lower()}"
    known = [*SPECIAL_DAYS, *(f"{number} {day.lower()}" for number in ORDINALS for day in DAYS)]
    raise bad(f"{text!r} is no day of the month.{did_you_mean(words, known)}")


def read_date(value: object) -> str:
    """Return a local day as ISO text; raise UsageError."""
    text = str(value).strip()
    try:
        return _within(date.fromisoformat(text)).isoformat()
    except ValueError:
        raise _no_such_day(text, text) or bad(f"{str(value)!r} is no day like 2026-12-24.") from None


def _within(day: date) -> date:
    """Return *day*, a date with or without a time, if its year is one that rules may name; raise UsageError."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise bad(f"The year {day.year} is too far away; years go from {FIRST_YEAR} to {LAST_YEAR}.")
    return day


def _no_such_day(text: str, said: str) -> UsageError | None:
    """Return the error for *text* where it begins with a day that its month has not: 31 February; else None."""
    found = re.match(r"(\d{4})-(\d\d)-(3\d|29)", text)
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < FIRST_YEAR:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    last = calendar.monthrange(year, month)[1]
    if day <= last:
        return None
    near = said.replace(found[0], f"{found[1]}-{found[2]}-{last}")
    return bad(f"There is no {day} {MONTHS[month - 1]} {year}; it ends on the {last}th.", near)


def read_wall_time(text: str) -> datetime:
    """Return a one-off's local wall time, naive; raise UsageError."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "T"))
        _within(moment)
        if "T" not in text.replace(" ", "T"):
            raise bad(f"{text!r} is a day, and no time of day is said.", f"once {moment:%Y-%m-%d} 08:00")
    except ValueError:
        none = _no_such_day(text, f"once {text.replace('T', ' ')}")
        raise none or bad(f"{text!r} is no date and time like 2026-12-24T08:00.") from None
    if moment.tzinfo is not None:
        raise bad(f"{text!r} names an offset; write the wall time, the schedule's zone says the rest.")
    return moment.replace(second=0, microsecond=0)


def _field_at_fault(fields: list[str], error: str) -> str:
    """Return which field cronsim's *error* ("Bad minute") is about, and what it may hold."""
    for field, (name, may_be) in zip(fields, CRON_FIELDS.items(), strict=True):
        if error == f"Bad {name}":
            return f"its {name} is {field!r}, and may be {may_be}"
    return error


@lru_cache(10_000)
def read_cron(text: str) -> Any:
    """
    Return five-field cron text as cronsim reads it: minutes, hours, months, and whether a day fits (`match_day`).

    It reads the text only; what comes due the timetable decides. Six fields, which it would take for seconds first, are
    refused. Raise UsageError.
    """
    fields = text.split()
    if len(fields) != 5:
        near = nearest_cron(text, is_cron)
        raise bad(f"{text!r} has {len(fields)} fields; cron text has five (minute hour day month weekday).", near)
    try:
        return _parsed(fields)
    except ValueError as error:
        near = nearest_cron(text, is_cron)
        if fields[2].isdigit() and 29 < int(fields[2]) < 32 and "day-of-month" in str(error):
            near = near or " ".join([*fields[:2], "L", *fields[3:]])
            raise bad(f"{text!r} never comes due: no month of it has day {fields[2]}.", near) from None
        raise bad(f"{text!r} cannot be read as cron text: {_field_at_fault(fields, str(error))}.", near) from None


def is_cron(text: str) -> bool:
    """Whether *text* can be read as five-field cron text."""
    fields = text.split()
    try:
        return len(fields) == 5 and _parsed(fields) is not None
    except ValueError:
        return False


def _parsed(fields: list[str]) -> Any:
    """Return what cronsim reads in five fields; raise ValueError with its words."""
    from cronsim import CronSim, CronSimError

    # Quartz writes ? where the day may be any.
    days = ["*" if field == "?" else field for field in fields[2:]]
    # A range of one value has that value alone, whatever its step; cronsim reads 5-5/10 as 5/10.
    fields = [ONE_VALUE.sub(r"\1\2", field) for field in (*fields[:2], *days)]
    try:
        return CronSim(" ".join(fields), datetime(2026, 1, 1))  # noqa: DTZ001 (any moment will do)
    except CronSimError as error:
        raise ValueError(str(error)) from None
    except (IndexError, AssertionError) as error:
        raise ValueError("a field of it has no meaning") from error
