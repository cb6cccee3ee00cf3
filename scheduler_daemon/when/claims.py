"""
What a phrase says besides its rule: ``twice a day``, ``in the evening``; taken off the words, then held against it.

Whoever writes "every evening at 8" means 20:00 and not 08:00, and "twice daily at 8" lacks a time: neither is guessed.
"""

import re
from dataclasses import dataclass

from ..model import Recurrence, RuleKind
from .rule_parts import bad

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COUNTED = re.compile(
    rf"(?:every |each )?(twice|thrice|(?:{'|'.join(NUMBERS)}|\d{{1,2}}) times|(?:{'|'.join(NUMBERS)}|\d{{1,2}})x)"
    r" (?:(?:an?|per|each|every) (day|week|month|year)|(daily|weekly|monthly|yearly))(?:( on| at)? (.+))?"
)
CLOCK_FIRST = r"\d{1,2}(?::\d\d| ?[ap]m)|noon|midnight"
UNITS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
PARTS = ("morning", "afternoon", "evening", "night")
#: "every morning", "nightly", "in the evening", "monday evenings".
PART = re.compile(
    rf"(?P<alone>^(?:every |each |in the )?(?:{'|'.join(PARTS)})s?\b|^nightly\b|^(?:daily|every day)(?: in the| at)?"
    rf" (?:{'|'.join(PARTS)})\b)|(?: in the| at)? (?:{'|'.join(PARTS)})s?\b"
)
#: The hours of each part of the day, the first and the last; a night's go on to those of the next morning.
HOURS = {"morning": (0, 12), "afternoon": (12, 18), "evening": (16, 23), "night": (18, 23)}
EARLY = 5
#: The kinds of rules that have times of day.
DAYS_KINDS = (RuleKind.DAILY, RuleKind.WEEKLY, RuleKind.MONTHLY)
#: What is counted in each unit, with the form to write.
COUNTS = {
    "day": ("time of day", '"daily at 8:00 and 17:00"'),
    "week": ("day of the week", '"monday and thursday at 8:00"'),
    "month": ("day of the month", '"1st and 15th at 8:00"'),
    "year": ("month", '"every january and july on day 1 at 8:00"'),
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What the words say besides the rule; both empty where they say nothing more."""

    #: How often, with its unit: (2, "day").
    count: tuple[int, str] | None = None
    #: A part of the day.
    part: str = ""


def without_claims(text: str, words: str) -> tuple[str, Claims]:
    """Return *words* (small letters, no commas) without "twice a day" and "in the evening", and what these say."""
    found = PART.search(words)
    part = ""
    if found:
        part = next((name for name in PARTS if name in found[0]), "night")
        words = f"{words[: found.start()]}{'daily' if found['alone'] else ''}{words[found.end() :]}"
    counted = COUNTED.fullmatch(words)
    if counted is None:
        return words, Claims(part=part)
    number, unit = _number(counted[1]), counted[2] or UNITS[counted[3]]
    # "twice a month at 9:00" says at what time, and not on which days.
    if not counted[5] or (unit != "day" and (counted[4] == " at" or re.match(CLOCK_FIRST, counted[5]))):
        what, example = COUNTS[unit]
        raise bad(f"{text!r} does not say which; write each {what}, like {example}.")
    return _in_unit(counted[5], unit), Claims((number, unit), part)


def _number(word: str) -> int:
    first = word.split()[0].removesuffix("x")
    if first in ("twice", "thrice"):
        return 2 if first == "twice" else 3
    return int(first) if first.isdigit() else NUMBERS.index(first) + 1


def _in_unit(rest: str, unit: str) -> str:
    """Return the words behind "twice a month on" as a schedule of their own: ``monthly on 1st and 15th at 8``."""
    if unit == "day":
        clocks = re.match(r"\d|noon|midnight", rest)
        return rest if not clocks else f"at {rest}" if " on " in rest else f"daily at {rest}"
    return f"monthly on {rest}" if unit == "month" and re.match(r"(?:the |days? )?\d", rest) else rest


def hold(text: str, rule: Recurrence, claims: Claims) -> Recurrence:
    """Return *rule* where it is what *claims* say; raise UsageError."""
    if claims.count is not None:
        number, unit = claims.count
        has = _counted(rule, unit)
        if has != number:
            what, example = COUNTS[unit]
            says = f"says {number} times a {unit}"
            raise bad(f"{text!r} {says}, and names {has if has else 'no'} {what}; write each, like {example}.")
    if claims.part:
        _hold_part(text, rule, claims.part)
    return rule


def _counted(rule: Recurrence, unit: str) -> int:
    """Return how often in a unit *rule* comes due, as its words say it; 0 where it is no rule of this unit."""
    if unit == "day" and rule.kind is RuleKind.CRON:
        minute, hour, *_ = rule.cron.split()
        return len(minute.split(",")) * len(hour.split(","))
    if unit == "day":
        return len(rule.times) if rule.kind in DAYS_KINDS else 0
    if unit == "week":
        return len(rule.days) if rule.kind is RuleKind.WEEKLY and rule.every == 1 else 0
    if unit == "year":
        return len(rule.months) if rule.kind is RuleKind.MONTHLY else 0
    if rule.kind is RuleKind.CRON:
        return len(rule.cron.split()[4].split(","))
    return len(rule.month_days) if rule.kind is RuleKind.MONTHLY and not rule.months else 0


def _hold_part(text: str, rule: Recurrence, part: str) -> None:
    if rule.kind not in DAYS_KINDS:
        raise bad(f"{text!r} is not understood: {part!r} does not go with the rest.")
    first, last = HOURS[part]
    for clock in rule.times:
        hour = int(clock[:2])
        # The early hours of "monday night" are Tuesday's; "every night" has them all the same.
        if first <= hour <= last or (part == "night" and rule.kind is RuleKind.DAILY and hour <= EARLY):
            continue
        later = f"; write {hour + 12}:{clock[3:]}, if that is meant" if first <= hour + 12 <= last else ""
        raise bad(f"{text!r} says {part}, and {clock} is none{later}.")
