"""What people write and only cron text can hold: ``first and third monday``, ``mondays in june and july``."""

import re
from collections.abc import Sequence

from ..errors import UsageError
from ..model import Recurrence, RuleKind
from .rule_parts import MONTH, ORDINAL_FORMS, WEEKDAY, bad
from .rule_text import ORDINALS
from .spoken_days import read_days

MONTH_NAME = "|".join(sorted(MONTH, key=len, reverse=True))
IN_MONTHS = re.compile(rf"(.+?) (?:in|of) ((?:{MONTH_NAME})(?:(?: and)? (?:{MONTH_NAME}))*)")
OF_MONTH = re.compile(r"(?:(?:monthly|month)(?: on)? (.+)|(.+?)(?: (?:of|in) (?:the|every|each) month)?)")


def read_many(text: str, what: str, times: Sequence[str]) -> Recurrence | None:
    """
    Return the rule of several n-th weekdays, or of weekdays in some months, at *times* ("HH:MM"); None for all else.

    Raise UsageError where one line of cron text cannot hold the times.
    """
    pairs = _nth_weekdays(what)
    if pairs:
        fields = ",".join(f"{day}L" if number == 6 else f"{day}#{number}" for number, day in pairs)
        return _rule(text, times, f"* * {fields}")
    found = IN_MONTHS.fullmatch(what)
    if found is None:
        return None
    try:
        days = read_days(text, re.sub(r"^daily$", "day", found[1]))
    except UsageError:
        return None  # "last day of february", "15 of june"
    months = ",".join(map(str, read_months(found[2])))
    return _rule(text, times, f"* {months} {'*' if len(days) == 7 else ','.join(map(str, days))}")


def read_months(words: str) -> tuple[int, ...]:
    """Return the numbers of "january and july", sorted."""
    return tuple(sorted({MONTH[word] for word in words.split() if word != "and"}))


def _rule(text: str, times: Sequence[str], days: str) -> Recurrence:
    hours = sorted({int(clock[:2]) for clock in times})
    minutes = sorted({int(clock[3:]) for clock in times})
    if len(hours) * len(minutes) != len(set(times)):
        raise bad(f"{text!r} has times that do not go into one rule: not each of its hours has the same minutes.")
    minute, hour = (",".join(map(str, numbers)) for numbers in (minutes, hours))
    return Recurrence(RuleKind.CRON, cron=f"{minute} {hour} {days}")


def _nth_weekdays(what: str) -> list[tuple[int, int]]:
    """Return (number, weekday) of "first and third monday", 6 for the last; none where it is no list of these."""
    found = OF_MONTH.fullmatch(what)
    pairs: list[tuple[int, int]] = []
    waiting: list[int] = []
    before = ""
    for word in (found[1] or found[2]).split() if found else ():
        plain = word if word in WEEKDAY else word.rstrip("s")
        if word == "last" and before in ORDINAL_FORMS:
            return []  # "second last friday" is not the second and the last
        before = word
        if word in ORDINAL_FORMS:
            waiting.append(ORDINALS.index(ORDINAL_FORMS[word]) + 1)
        elif plain in WEEKDAY and waiting:
            pairs += [(number, WEEKDAY[plain]) for number in waiting]
            waiting = []
        elif word not in ("and", "the", "on"):
            return []
    return [] if waiting or len(pairs) < 2 else sorted(set(pairs))
