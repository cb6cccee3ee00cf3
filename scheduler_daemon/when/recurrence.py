"""The rule of a schedule: read from columns and JSON, checked, written as JSON, hashed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from ..lib.words import did_you_mean
from ..model import Recurrence, RuleKind
from .rule_parts import (
    bad,
    read_clock,
    read_cron,
    read_date,
    read_month,
    read_month_day,
    read_on,
    read_wall_time,
    read_weekday,
)
from .rule_text import MONTHS, sentence, titled
from .walls import ANCHOR, CIRCLE, allows, first_wall

__all__ = ["check", "from_json", "is_elapsed", "read_columns", "read_cron", "rule_hash", "sentence", "tidy", "to_json"]

#: The longest "every" of each kind, with its unit: a week of minutes and hours, a year of days and weeks.
MOST = {
    RuleKind.MINUTES: (10_080, "minute"),
    RuleKind.HOURLY: (168, "hour"),
    RuleKind.DAILY: (366, "day"),
    RuleKind.WEEKLY: (52, "week"),
}
#: Days of a month, February at its longest.
LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: "Every so many months" that come back in the same months each year.
FITTING = (1, 2, 3, 4, 6, 12)
#: Days that may be excluded.
MOST_EXCLUDED = 1000
#: The fields of each kind as they are stored; those below stand at all kinds, and only where they say something.
FIELDS: dict[RuleKind, tuple[str, ...]] = {
    RuleKind.MINUTES: (),
    RuleKind.HOURLY: ("minute",),
    RuleKind.DAILY: ("time",),
    RuleKind.WEEKLY: ("time", "days"),
    RuleKind.MONTHLY: ("time", "day"),
    RuleKind.CRON: ("cron",),
    RuleKind.ONCE: ("at",),
}
LATER_FIELDS = ("every", "months", "start", "end", "exclude")
BLANK = Recurrence(RuleKind.DAILY)
KNOWN = frozenset(field.name for field in fields(Recurrence)) - {"also", "later_days"} | {"times", "month_days"}


def read_columns(frequency: str, day_of_week: int | None, day_of_month: int | None, time: str) -> Recurrence | None:
    """
    Return the recurrence that the app's columns mean (DESIGN 5), or None for `CUSTOM` without a rule.

    Raise UsageError naming the value that cannot be read.
    """
    word = frequency.strip().upper()
    if word == "CUSTOM":
        return None
    clock = read_clock(time)
    if word == "DAILY":
        return Recurrence(RuleKind.DAILY, time=clock)
    if word == "WEEKLY":
        return Recurrence(RuleKind.WEEKLY, time=clock, days=(read_weekday(1 if day_of_week is None else day_of_week),))
    if word == "MONTHLY":
        return Recurrence(RuleKind.MONTHLY, time=clock, day=read_month_day(1 if day_of_month is None else day_of_month))
    if word == "HOURLY":
        return Recurrence(RuleKind.HOURLY, minute=int(clock[3:]))
    known = ("DAILY", "WEEKLY", "MONTHLY", "HOURLY", "CUSTOM")
    raise bad(f"{frequency!r} is no frequency; there are {', '.join(known)}.{did_you_mean(word, known)}")


# JSON ---------------------------------------------------------------------------------------------------------------


def from_json(data: Mapping[str, Any]) -> Recurrence:
    """Return the recurrence of a stored rule; raise UsageError where it cannot be read or never comes due."""
    named = str(data.get("kind"))
    try:
        kind = RuleKind(named)
    except ValueError:
        raise bad(f"{named!r} is no kind of rule.{did_you_mean(named, [item.value for item in RuleKind])}") from None
    for name in data:
        if name not in KNOWN:
            raise bad(f"A rule has no field {name!r}.{did_you_mean(str(name), KNOWN)}")
    if data.get("times") and data.get("time") is not None:
        raise bad("A rule has either a time or times.")
    times = sorted({read_clock(str(text)) for text in _many(data, "times")}) or [read_clock(data.get("time", "00:00"))]
    numbers = _month_days(data)
    made = Recurrence(
        kind,
        time=times[0],
        also=tuple(times[1:]),
        days=tuple(sorted({read_weekday(day) for day in _many(data, "days")})),
        day=numbers[0],
        later_days=tuple(numbers[1:]),
        on=read_on(str(data["on"])) if data.get("on") else "",
        months=tuple(sorted({read_month(month) for month in _many(data, "months")})),
        minute=_whole(data, "minute", 0),
        every=_whole(data, "every", 1),
        cron=str(data.get("cron") or ""),
        at=str(data.get("at") or ""),
        start=read_date(data["start"]) if data.get("start") else "",
        end=read_date(data["end"]) if data.get("end") else "",
        exclude=tuple(sorted({read_date(day) for day in _many(data, "exclude")})),
    )
    return check(tidy(made))


def _many(data: Mapping[str, Any], name: str) -> Iterable[Any]:
    value = data.get(name)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise bad(f"The rule's {name} {value!r} is no list.")
    return value


def _month_days(data: Mapping[str, Any]) -> list[int]:
    """Return the days of the month of a stored rule, sorted: its "month_days", else its "day"."""
    many = list(_many(data, "month_days"))
    if many and data.get("day") is not None:
        raise bad("A rule has either a day or month_days.")
    whole = [_whole({"month_days": item}, "month_days", 1) for item in many] or [_whole(data, "day", 1)]
    return sorted({read_month_day(number) for number in whole})


def _whole(data: Mapping[str, Any], name: str, default: int) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise bad(f"The rule's {name} {value!r} is no whole number.")
    try:
        return int(value)
    except ValueError:
        raise bad(f"The rule's {name} {value!r} is no whole number.") from None


def to_json(rule: Recurrence) -> dict[str, Any]:
    """Return *rule* as plain data: its kind, the fields that count for it, and what else is not at its default."""
    names = [*FIELDS[rule.kind], *(name for name in LATER_FIELDS if getattr(rule, name) != getattr(BLANK, name))]
    values = {name: getattr(rule, name) for name in names}
    if rule.also:
        values = {"times": rule.times, **{name: value for name, value in values.items() if name != "time"}}
    if rule.later_days:
        values = {"month_days": rule.month_days, **{name: value for name, value in values.items() if name != "day"}}
    if rule.on:
        values = {"on": rule.on, **{name: value for name, value in values.items() if name != "day"}}
    return {"kind": rule.kind.value, **{key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}}


@lru_cache(20_000)
def rule_hash(rule: Recurrence | None, zone: str) -> str:
    """
    Return a short hash of *rule* read in *zone*; it changes when the rule was edited.

    What stands at its default is left out, so that a field of a new version makes no stored cursor stale.
    """
    text = json.dumps([None if rule is None else to_json(rule), zone], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_elapsed(rule: Recurrence) -> bool:
    """Whether *rule* runs by elapsed time: minutes, hourly, `*` or `*/n` in cron's hour field (DESIGN 6)."""
    if rule.kind is RuleKind.CRON:
        return rule.cron.split()[1].startswith("*")
    return rule.kind in (RuleKind.HOURLY, RuleKind.MINUTES)


# Checking -----------------------------------------------------------------------------------------------------------


def tidy(rule: Recurrence) -> Recurrence:
    """Return *rule* in the one form that all writings of it share: a quarter as its months, all months as none."""
    if rule.kind is RuleKind.ONCE:
        at = read_wall_time(rule.at).isoformat(timespec="minutes")
        return rule if at == rule.at else replace(rule, at=at)
    months = rule.months
    if rule.kind is RuleKind.MONTHLY and rule.every != 1:
        months = _every_months(rule)
    every = 1 if rule.kind is RuleKind.MONTHLY else rule.every
    months = () if len(months) == 12 else months
    return rule if (months, every) == (rule.months, rule.every) else replace(rule, months=months, every=every)


def _every_months(rule: Recurrence) -> tuple[int, ...]:
    """Return the months of "every 3 months", counted from its first month, else its start's, else January."""
    if rule.every < 1 or 12 % rule.every:
        away = min(abs(number - rule.every) for number in FITTING)
        near = [number for number in FITTING if abs(number - rule.every) == away]
        raise bad(
            f"Every {rule.every} months {'does not fit a year' if rule.every > 0 else 'never comes due'}.",
            '" or "'.join(_months_words(rule, number) for number in near),
        )
    if rule.every == 12 and rule.months:
        return rule.months
    first = rule.months[0] if rule.months else date.fromisoformat(rule.start).month if rule.start else 1
    return tuple(sorted({(first - 1 + step) % 12 + 1 for step in range(0, 12, rule.every)}))


def _months_words(rule: Recurrence, number: int) -> str:
    """Return *rule* as it would be written for every *number* months; all else of it stays."""
    if rule.months or number == 12:
        near = sentence(tidy(replace(rule, every=number)))
        return near[0].lower() + near[1:]
    near = sentence(replace(rule, every=1))
    return near.replace("Every month", "every month" if number == 1 else f"every {number} months", 1)


def check(rule: Recurrence) -> Recurrence:
    """Return *rule* if it can come due; raise UsageError saying why it cannot, and the nearest that can."""
    if rule.kind is RuleKind.WEEKLY and not rule.days:
        raise bad("A weekly rule needs at least one day of the week.")
    if rule.kind is RuleKind.HOURLY and not 0 <= rule.minute <= 59:
        raise bad(f"{rule.minute} is no minute of the hour; they go from 0 to 59.")
    if rule.kind is RuleKind.CRON:
        read_cron(rule.cron)
    if rule.kind is RuleKind.ONCE:
        read_wall_time(rule.at)
        if rule.start or rule.end or rule.exclude:
            raise bad("A rule that comes due once has no start, no end and no exception.", f"once {rule.at}")
    _check_fields(rule)
    if rule.kind in MOST:
        _check_every(rule)
    _check_month(rule)
    _check_bounds(rule)
    return rule


def _check_fields(rule: Recurrence) -> None:
    """Refuse a field that this kind of rule would leave unread."""
    clocked = rule.kind in (RuleKind.DAILY, RuleKind.WEEKLY, RuleKind.MONTHLY)
    unread = {
        "times": bool(rule.also) and not clocked,
        "on": bool(rule.on) and rule.kind is not RuleKind.MONTHLY,
        "month_days": bool(rule.later_days) and (bool(rule.on) or rule.kind is not RuleKind.MONTHLY),
        "months": bool(rule.months) and rule.kind is not RuleKind.MONTHLY,
        "every": rule.every != 1 and rule.kind not in MOST,
    }
    for name, given in unread.items():
        if given:
            which = "with an on" if name == "month_days" and rule.on else f"of the kind {rule.kind.value}"
            raise bad(f"A rule {which} has no {name}.")


def _check_every(rule: Recurrence) -> None:
    most, unit = MOST[rule.kind]
    if not 1 <= rule.every <= most:
        near = replace(rule, every=min(max(1, rule.every), most))
        said = f"Every {rule.every} {unit}s never comes due." if rule.every < 1 else f"Every {rule.every} {unit}s is"
        reason = said if rule.every < 1 else f"{said} more than {most} {unit}s."
        raise bad(reason, sentence(near).lower())


def _check_month(rule: Recurrence) -> None:
    """Refuse 31 February: a day that none of the chosen months has."""
    if rule.kind is not RuleKind.MONTHLY or rule.on or not rule.months:
        return
    longest = max(LENGTHS[month - 1] for month in rule.months)
    highest = rule.month_days[-1]
    if highest > longest:
        names = " or ".join(MONTHS[month - 1] for month in rule.months)
        near = sentence(replace(rule, on="last day", day=1, later_days=()))
        raise bad(f"There is no {highest} {names}; it ends on the {longest}th.", near[0].lower() + near[1:])


def _check_bounds(rule: Recurrence) -> None:
    if rule.start and rule.end and rule.end < rule.start:
        near = sentence(replace(rule, end=rule.start))
        raise bad(f"It ends on {rule.end}, before it starts on {rule.start}.", near[0].lower() + near[1:])
    if len(rule.exclude) > MOST_EXCLUDED:
        raise bad(f"It has {len(rule.exclude)} exceptions; it may have {MOST_EXCLUDED}.")
    if rule.kind is RuleKind.ONCE or not (rule.end or rule.exclude or rule.on or rule.kind is RuleKind.CRON):
        return
    if _comes_due(rule):
        return
    if rule.exclude and _comes_due(replace(rule, exclude=())):
        near = sentence(replace(rule, exclude=()))
        raise bad("Its exceptions leave no day on which it comes due.", near[0].lower() + near[1:])
    if (rule.start or rule.end) and _comes_due(replace(rule, start="", end="", exclude=())):
        near = sentence(replace(rule, end="", exclude=()))
        raise bad(f"It does not come due between its start and its end, {rule.end}.", near[0].lower() + near[1:])
    if rule.kind is RuleKind.CRON:
        raise bad(f"{rule.cron!r} never comes due: no month of it has that day.")
    raise bad(f"The {titled(rule.on)} never comes.")


def _comes_due(rule: Recurrence) -> bool:
    if not is_elapsed(rule):
        return first_wall(rule) is not None
    if rule.kind is RuleKind.CRON and first_wall(replace(rule, start="", end="", exclude=())) is None:
        return False
    first = date.fromisoformat(rule.start) if rule.start else date.fromisoformat(rule.end) if rule.end else ANCHOR
    last = date.fromisoformat(rule.end) if rule.end else first + timedelta(days=366 * CIRCLE)
    first = first if rule.start else last - timedelta(days=len(rule.exclude) + 1)
    return any(allows(rule, first + timedelta(days=number)) for number in range(min(2000, (last - first).days + 1)))
