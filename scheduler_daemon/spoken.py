"""Recurrences as people write them: ``monday 08:00``, ``weekday 8:30``, ``monthly 1 08:00``, ``*/15 * * * *``."""

import re

from .model import Recurrence, RuleKind
from .recurrence import DAYS, bad, check, read_clock, read_cron, read_month_day

WEEKDAY = {name.lower(): number for number, name in enumerate(DAYS)}
WEEKDAY |= {name[:3].lower(): number for number, name in enumerate(DAYS)}
GROUPS = {"weekday": (1, 2, 3, 4, 5), "weekdays": (1, 2, 3, 4, 5), "weekend": (0, 6)}
CLOCK = re.compile(r"(.*?)(?:\s+at)?\s+(\d{1,2}:\d{2})")


def read_words(text: str) -> Recurrence:
    """Return the recurrence that *text* means; raise UsageError with the forms that are understood."""
    words = " ".join(text.lower().replace(",", " ").split()).removeprefix("every ")
    if not words:
        raise bad("The recurrence is empty.")
    if len(words.split()) == 5 and re.fullmatch(r"[\d*/,\-a-z#]+", words.split()[0]) and not words[0].isalpha():
        read_cron(text)
        return Recurrence(RuleKind.CRON, cron=" ".join(text.split()))
    if words.startswith(("hourly", "hour")):
        return _hourly(text, words)
    if words.startswith("once "):
        return check(Recurrence(RuleKind.ONCE, at=text.split(None, 1)[1].strip().replace(" ", "T")))
    found = CLOCK.fullmatch(words)
    if not found:
        raise bad(f"{text!r} is not understood.")
    return _at_time(text, found[1].strip(), read_clock(found[2]))


def _hourly(text: str, words: str) -> Recurrence:
    found = re.fullmatch(r"(?:hourly|hour)(?: (?:at )?:?(\d{1,2}))?", words)
    if not found:
        raise bad(f"{text!r} is not understood.")
    return check(Recurrence(RuleKind.HOURLY, minute=int(found[1] or 0)))


def _at_time(text: str, what: str, clock: str) -> Recurrence:
    if what in ("daily", "day"):
        return Recurrence(RuleKind.DAILY, time=clock)
    month = re.fullmatch(r"(?:monthly|month)(?: on)?(?: day)?(?: (\d{1,2}))?", what)
    if month:
        return Recurrence(RuleKind.MONTHLY, time=clock, day=read_month_day(int(month[1] or 1)))
    days: set[int] = set()
    for word in what.removeprefix("weekly").replace(" and ", " ").split():
        if word in GROUPS:
            days |= set(GROUPS[word])
        elif word.rstrip("s") in WEEKDAY or word in WEEKDAY:
            days.add(WEEKDAY.get(word, WEEKDAY.get(word.rstrip("s"), 0)))
        elif word != "on":
            raise bad(f"{text!r} is not understood: {word!r} is no day.")
    if not days:
        raise bad(f"{text!r} names no day.")
    return Recurrence(RuleKind.WEEKLY, time=clock, days=tuple(sorted(days)))
