"""Recurrences as people write them: ``monday 08:00``, ``weekdays at 8am``, ``monthly 1 08:00``, ``*/15 * * * *``."""

import re

from .errors import UsageError
from .lib.words import did_you_mean
from .model import Recurrence, RuleKind
from .recurrence import DAYS, bad, check, read_clock, read_cron, read_month_day

WEEKDAY = {name.lower(): number for number, name in enumerate(DAYS)}
WEEKDAY |= {name[:3].lower(): number for number, name in enumerate(DAYS)}
WEEKDAY |= {"tues": 2, "weds": 3, "thur": 4, "thurs": 4}
GROUPS = {"weekday": (1, 2, 3, 4, 5), "weekend": (0, 6), "workday": (1, 2, 3, 4, 5)}
CLOCK = re.compile(r"(.*?)(?:\s+at)?\s+(noon|midnight|\d{1,2}:\d{2}(?: ?[ap]m)?|\d{1,2} ?[ap]m)")
HALF = re.compile(r"(\d{1,2})(?::(\d{2}))? ?([ap])m")
EACH = re.compile(r"(\d{1,2}) (minute|hour)s?")
MONTH = re.compile(r"(?:monthly|month)(?: on)?(?: the)?(?: day)?(?: (\d{1,2})(?:st|nd|rd|th)?| last(?: day)?)?")


def read_words(text: str) -> Recurrence:
    """Return the recurrence that *text* means; raise UsageError with the forms that are understood."""
    words = " ".join(text.lower().replace(",", " ").split()).removeprefix("every ")
    if not words:
        raise bad("The recurrence is empty.")
    if len(text.split()) == 5 and re.fullmatch(r"[\d*/,\-]+", text.split()[0]):
        read_cron(text)
        return Recurrence(RuleKind.CRON, cron=" ".join(text.split()))
    each = EACH.fullmatch(words)
    if each:
        return _each(text, int(each[1]), each[2])
    if words.startswith(("hourly", "hour")):
        return _hourly(text, words)
    if words.startswith("once "):
        at = words.removeprefix("once ").replace(" at ", " ").replace(" ", "T").upper()
        return check(Recurrence(RuleKind.ONCE, at=at))
    found = CLOCK.fullmatch(words)
    if not found:
        raise _not_understood(text, words)
    return _at_time(text, found[1].strip(), _clock(found[2]))


def _not_understood(text: str, words: str) -> UsageError:
    if re.fullmatch(r"\d{1,2}:\d{2}", words):
        return bad(f'{text!r} names no day; write "daily {words}", or a day of the week.')
    if re.fullmatch(r"[\d*/\- ]+", words):
        return bad(f"{text!r} has {len(words.split())} fields; cron text has five (minute hour day month weekday).")
    return bad(f"{text!r} is not understood{'' if re.search('[0-9]', words) else ': it names no time of day'}.")


def _clock(text: str) -> str:
    """Return a time of day as "HH:MM"; 12 am is midnight, 12 pm noon."""
    if text in ("noon", "midnight"):
        return "12:00" if text == "noon" else "00:00"
    half = HALF.fullmatch(text)
    if half is None:
        return read_clock(text)
    hour = int(half[1])
    if not 1 <= hour <= 12:
        raise bad(f"{text!r} is not a time of day; with am and pm the hours go from 1 to 12.")
    return read_clock(f"{hour % 12 + (12 if half[3] == 'p' else 0)}:{half[2] or '00'}")


def _each(text: str, number: int, unit: str) -> Recurrence:
    """Return every so many minutes or hours as cron text; only what divides the hour or the day comes evenly."""
    whole = 60 if unit == "minute" else 24
    if number == 0 or whole % number:
        fits = ", ".join(str(item) for item in range(1, whole) if whole % item == 0)
        raise bad(f"{text!r} does not come evenly: of {unit}s there are {fits}.")
    return Recurrence(RuleKind.CRON, cron=f"*/{number} * * * *" if unit == "minute" else f"0 */{number} * * *")


def _hourly(text: str, words: str) -> Recurrence:
    found = re.fullmatch(r"(?:hourly|hour)(?: (?:at )?:?(\d{1,2}))?", words)
    if not found:
        raise bad(f"{text!r} is not understood.")
    return check(Recurrence(RuleKind.HOURLY, minute=int(found[1] or 0)))


def _at_time(text: str, what: str, clock: str) -> Recurrence:
    if what in ("daily", "day"):
        return Recurrence(RuleKind.DAILY, time=clock)
    month = MONTH.fullmatch(what)
    if month:
        day = 31 if " last" in what else int(month[1] or 1)
        return Recurrence(RuleKind.MONTHLY, time=clock, day=read_month_day(day))
    days: set[int] = set()
    for word in what.removeprefix("weekly").replace(" and ", " ").split():
        plain = word if word in WEEKDAY else word.rstrip("s")
        if plain in GROUPS:
            days |= set(GROUPS[plain])
        elif plain in WEEKDAY:
            days.add(WEEKDAY[plain])
        elif word != "on":
            near = did_you_mean(word, [*WEEKDAY, *GROUPS, "daily", "monthly", "hourly"])
            raise bad(f"{text!r} is not understood: {word!r} is no day.{near}")
    if not days:
        raise bad(f"{text!r} names no day.")
    return Recurrence(RuleKind.WEEKLY, time=clock, days=tuple(sorted(days)))
