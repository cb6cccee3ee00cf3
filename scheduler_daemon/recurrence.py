"""The rule of a schedule: read, checked, written as JSON, told as a sentence."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .errors import UsageError
from .lib.words import did_you_mean
from .model import Recurrence, RuleKind

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
HINT = (
    'Write one like "monday 08:00", "daily 07:30", "monthly 1 08:00", "hourly :15", "once 2026-12-24 08:00" '
    "or five-field cron text."
)


def bad(message: str) -> UsageError:
    """Return the error for a recurrence that cannot be used."""
    return UsageError(message, code="bad_recurrence", hint=HINT)


def read_clock(text: str) -> str:
    """Return *text* as "HH:MM"; raise UsageError where it is no time of day."""
    found = CLOCK.fullmatch(text.strip())
    if not found:
        raise bad(f"{text!r} is not a time of day from 00:00 to 23:59.")
    return f"{int(found[1]):02}:{found[2]}"


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


def read_weekday(number: int) -> int:
    """Return a day of the week as 0 (Sunday) to 6; 7 is Sunday too."""
    if not 0 <= number <= 7:
        raise bad(f"{number} is no day of the week; they go from 0 (Sunday) to 6 (Saturday).")
    return number % 7


def read_month_day(number: int) -> int:
    """Return a day of the month from 1 to 31."""
    if not 1 <= number <= 31:
        raise bad(f"{number} is no day of the month; they go from 1 to 31.")
    return number


def from_json(data: Mapping[str, Any]) -> Recurrence:
    """Return the recurrence of a stored rule; raise UsageError where it cannot be read."""
    try:
        kind = RuleKind(data["kind"])
    except (KeyError, ValueError):
        named = str(data.get("kind"))
        raise bad(f"{named!r} is no kind of rule.{did_you_mean(named, [item.value for item in RuleKind])}") from None
    days = tuple(sorted({read_weekday(int(day)) for day in data.get("days", ())}))
    made = Recurrence(
        kind,
        time=read_clock(str(data.get("time", "00:00"))),
        days=days,
        day=read_month_day(int(data.get("day", 1))),
        minute=int(data.get("minute", 0)),
        cron=str(data.get("cron", "")),
        at=str(data.get("at", "")),
    )
    return check(made)


def check(rule: Recurrence) -> Recurrence:
    """Return *rule* if it can come due; raise UsageError saying why it cannot."""
    if rule.kind is RuleKind.WEEKLY and not rule.days:
        raise bad("A weekly rule needs at least one day of the week.")
    if rule.kind is RuleKind.HOURLY and not 0 <= rule.minute <= 59:
        raise bad(f"{rule.minute} is no minute of the hour; they go from 0 to 59.")
    if rule.kind is RuleKind.CRON:
        read_cron(rule.cron)
    if rule.kind is RuleKind.ONCE:
        read_wall_time(rule.at)
    return rule


def read_wall_time(text: str) -> datetime:
    """Return a one-off's local wall time, naive; raise UsageError."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "T"))
    except ValueError:
        raise bad(f"{text!r} is no date and time like 2026-12-24T08:00.") from None
    if moment.tzinfo is not None:
        raise bad(f"{text!r} names an offset; write the wall time, the schedule's zone says the rest.")
    return moment.replace(second=0, microsecond=0)


def read_cron(text: str, start: datetime | None = None) -> Any:
    """
    Return a cronsim iterator of naive wall times after *start*; raise UsageError for anything but five fields.

    cronsim reads six fields as seconds first, so they are refused here; it reads the text, the timetable decides.
    """
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if len(fields) != 5:
        raise bad(f"{text!r} has {len(fields)} fields; cron text has five (minute hour day month weekday).")
    try:
        return CronSim(text, start or datetime(2026, 1, 1))  # noqa: DTZ001 (wall time)
    except CronSimError as error:
        raise bad(f"{text!r} cannot be read as cron text: {error}.") from None


def is_elapsed(rule: Recurrence) -> bool:
    """Whether *rule* runs by elapsed time: hourly, or `*` or `*/n` in cron's hour field (DESIGN 6)."""
    if rule.kind is RuleKind.CRON:
        return rule.cron.split()[1].startswith("*")
    return rule.kind is RuleKind.HOURLY


def to_json(rule: Recurrence) -> dict[str, Any]:
    """Return *rule* as plain data: its kind and the fields that count for it."""
    fields: dict[RuleKind, tuple[str, ...]] = {
        RuleKind.HOURLY: ("minute",),
        RuleKind.DAILY: ("time",),
        RuleKind.WEEKLY: ("time", "days"),
        RuleKind.MONTHLY: ("time", "day"),
        RuleKind.CRON: ("cron",),
        RuleKind.ONCE: ("at",),
    }
    values = {name: getattr(rule, name) for name in fields[rule.kind]}
    return {"kind": rule.kind.value, **{key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}}


def rule_hash(rule: Recurrence | None, zone: str) -> str:
    """Return a short hash of *rule* read in *zone*; it changes when the rule was edited."""
    text = json.dumps([None if rule is None else to_json(rule), zone], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sentence(rule: Recurrence | None) -> str:
    """Return *rule* as a person would say it, without zone: ``Every Monday at 08:00``."""
    if rule is None:
        return "At moments that the app sets"
    if rule.kind is RuleKind.HOURLY:
        return f"Every hour at :{rule.minute:02}"
    if rule.kind is RuleKind.DAILY:
        return f"Every day at {rule.time}"
    if rule.kind is RuleKind.WEEKLY:
        return f"Every {_days(rule.days)} at {rule.time}"
    if rule.kind is RuleKind.MONTHLY:
        clamp = " (or the month's last day)" if rule.day > 28 else ""
        return f"Every month on day {rule.day}{clamp} at {rule.time}"
    if rule.kind is RuleKind.ONCE:
        return f"Once, on {rule.at.replace('T', ' at ')}"
    return _cron_sentence(rule.cron)


def _cron_sentence(text: str) -> str:
    """Return cron text in words where it is of a plain form, else as it stands."""
    minute, hour, *days, weekday = text.split()
    if minute.startswith("*/") and [hour, *days, weekday] == ["*"] * 4:
        return f"Every {_each(minute, 'minute')}"
    if minute.isdigit() and days == ["*", "*"]:
        if hour.startswith("*/") and weekday == "*":
            return f"Every {_each(hour, 'hour')} at :{int(minute):02}"
        chosen = _weekdays(weekday)
        if hour.isdigit() and chosen:
            return f"Every {_days(chosen)} at {int(hour):02}:{int(minute):02}"
    return f"By cron text {text!r}"


def _each(step: str, unit: str) -> str:
    number = step.removeprefix("*/")
    return unit if number == "1" else f"{number} {unit}s"


def _weekdays(field: str) -> tuple[int, ...]:
    """Return the days of cron's last field where it is ``*``, a list of digits or one range; else none."""
    if field == "*":
        return tuple(range(7))
    if re.fullmatch(r"[0-7]-[0-7]", field):
        return tuple(sorted({day % 7 for day in range(int(field[0]), int(field[2]) + 1)}))
    return tuple(sorted({int(day) % 7 for day in field.split(",")})) if re.fullmatch(r"[0-7](,[0-7])*", field) else ()


def _days(days: tuple[int, ...]) -> str:
    if days == (1, 2, 3, 4, 5):
        return "weekday"
    if len(days) == 7:
        return "day"
    monday_first = sorted(days, key=lambda day: (day - 1) % 7)
    names = [DAYS[day] for day in monday_first]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
