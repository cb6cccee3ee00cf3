"""
A recurrence as a person would say it: ``Every 2 weeks on Friday at 09:00, until 2027-01-31``.

Whatever is said here `spoken` reads back as the same rule.
"""

import re
from collections.abc import Sequence

from ..lib.words import plural
from ..model import Recurrence, RuleKind

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "last")
#: The ordinals of days before the last one: the second last is one day before it.
LATER = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
WORKDAYS = (1, 2, 3, 4, 5)
#: The months in which quarters begin, and in which they end: a quarter's last day is that of its last month.
QUARTERS = (1, 4, 7, 10)
QUARTER_ENDS = (3, 6, 9, 12)
#: Times of day of cron text that are said one by one.
MOST_TIMES = 6


def sentence(rule: Recurrence | None) -> str:
    """Return *rule* in words, without zone: ``Every Monday at 08:00``."""
    if rule is None:
        return "At moments that the app sets"
    bounds = f" from {rule.start}" if rule.start else ""
    bounds += f" until {rule.end}" if rule.end else ""
    said = f"{_core(rule)},{bounds}" if bounds else _core(rule)
    return f"{said}, except {listed(rule.exclude)}" if rule.exclude else said


def _core(rule: Recurrence) -> str:
    if rule.kind is RuleKind.MINUTES:
        return f"Every {_each(rule.every, 'minute')}"
    if rule.kind is RuleKind.HOURLY:
        return f"Every {_each(rule.every, 'hour')} at :{rule.minute:02}"
    if rule.kind is RuleKind.ONCE:
        return f"Once, on {rule.at.replace('T', ' at ')}"
    if rule.kind is RuleKind.CRON:
        return _cron(rule.cron)
    return f"Every {_days(rule)} at {listed(rule.times)}"


def _days(rule: Recurrence) -> str:
    if rule.kind is RuleKind.DAILY:
        return _each(rule.every, "day")
    if rule.kind is RuleKind.WEEKLY:
        if rule.every == 1:
            return weekdays(rule.days)
        which = "weekdays" if rule.days == WORKDAYS else weekdays(rule.days) if len(rule.days) < 7 else "every day"
        return f"{_each(rule.every, 'week')} on {which}"
    return _in_months(rule.months, rule)


def _in_months(months: Sequence[int], rule: Recurrence) -> str:
    clamp = " (or the month's last day)" if rule.month_days[-1] > 28 and not rule.on else ""
    numbers = listed([str(number) for number in rule.month_days])
    if len(months) == 1:
        name = MONTHS[months[0] - 1]
        if rule.on:
            return f"year on the {titled(rule.on)} of {name}"
        # A month that always has the day needs no clamp.
        return f"year on {numbers} {name}{clamp if months[0] == 2 else ''}"
    which = f"the {titled(rule.on)}" if rule.on else f"day{'s' if rule.later_days else ''} {numbers}{clamp}"
    if not months:
        return f"month on {which}"
    if tuple(months) == (QUARTER_ENDS if is_at_end(rule.on) else QUARTERS):
        return f"quarter on {which}"
    return f"{listed([MONTHS[number - 1] for number in months])} on {which}"


def is_at_end(on: str) -> bool:
    """Whether a day of the month is counted from its end: "last friday", "second last day"."""
    return on.startswith("last ") or on.endswith(" last day")


def titled(on: str) -> str:
    """Return which day of the month in words: ``second Tuesday``, ``third last day (2 days before the last)``."""
    first, _, rest = on.partition(" ")
    if rest == "last day":
        return f"{on} ({plural(LATER.index(first) + 1, 'day')} before the last)"
    return f"{first} {rest.capitalize()}" if rest.capitalize() in DAYS else on


def weekdays(days: Sequence[int]) -> str:
    """Return days of the week (0 = Sunday) in words: ``Monday and Friday``, ``weekday`` for all working days."""
    if tuple(days) == WORKDAYS:
        return "weekday"
    if len(days) == 7:
        return "day"
    return listed([DAYS[day] for day in sorted(days, key=lambda day: (day - 1) % 7)])


def listed(items: Sequence[str]) -> str:
    """Return *items* as a list in words: ``08:00, 12:00 and 18:00``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _each(number: int, unit: str) -> str:
    return unit if number == 1 else f"{number} {unit}s"


# Cron text ----------------------------------------------------------------------------------------------------------


def _cron(text: str) -> str:
    """Return cron text in words where it is of a plain form, with the text itself beside; else the text alone."""
    minute, hour, day, month, weekday = _without_names(text).split()
    # A step beyond the field leaves its first value alone: "*/90" is minute 0 of each hour, and not every 90 minutes.
    minute, hour = _first_alone(minute, 60), _first_alone(hour, 24)
    often = _cron_often(minute, hour, [day, month, weekday])
    days = _cron_days(day, month, weekday)
    times = _cron_times(minute, hour)
    plain = often or (f"{days} at {listed(times)}" if days and times else "")
    return f"Every {plain} (cron {text})" if plain else f"By cron text '{text}'"


def _without_names(text: str) -> str:
    """Return cron text with numbers in place of the names of days and months, and ``*`` in place of Quartz's ``?``."""
    numbers = {name[:3].upper(): str(number) for number, name in enumerate(DAYS)}
    numbers |= {name[:3].upper(): str(number) for number, name in enumerate(MONTHS, 1)}
    return re.sub(r"[A-Za-z]{3}", lambda found: numbers.get(found[0].upper(), found[0]), text).replace("?", "*")


def _cron_often(minute: str, hour: str, days: list[str]) -> str:
    """Return "15 minutes", "2 hours at :30", "hour from 09:00 to 17:00 on weekdays"; empty for all else."""
    every_day = days == ["*"] * 3
    if every_day and hour == "*" and _even(minute, 60):
        return _each(_step(minute), "minute")
    if every_day and hour == "*" and (minutes := _cron_minutes(minute)):
        return f"hour at {listed([f':{number:02}' for number in minutes])}"
    if every_day and minute.isdigit() and _even(hour, 24):
        return f"{_each(_step(hour), 'hour')} at :{int(minute):02}"
    span = re.fullmatch(r"(\d{1,2})-(\d{1,2})", hour)
    chosen = _cron_weekdays(days[2])
    if span is None or days[:2] != ["*", "*"] or not chosen or not (minute.isdigit() or _even(minute, 60)):
        return ""
    what = "hour" if minute.isdigit() else _each(_step(minute), "minute")
    first, last = (int(minute), int(minute)) if minute.isdigit() else (0, 60 - _step(minute))
    on = "" if len(chosen) == 7 else f" on {'weekdays' if chosen == WORKDAYS else weekdays(chosen)}"
    return f"{what} from {int(span[1]):02}:{first:02} to {int(span[2]):02}:{last:02}{on}"


def _step(field: str) -> int:
    return int(field[2:] or 1)


def _even(field: str, whole: int) -> bool:
    """Whether *field* is ``*`` or a step that fits into *whole*, so that "every so many" is true."""
    return bool(re.fullmatch(r"\*(/[1-9]\d?)?", field)) and whole % _step(field) == 0


def _first_alone(field: str, whole: int) -> str:
    return "0" if re.fullmatch(r"\*/\d+", field) and _step(field) >= whole else field


def _cron_minutes(field: str) -> list[int]:
    """Return the minutes of a list or of a step that does not fit the hour; none where they are one or too many."""
    if re.fullmatch(r"\d{1,2}(,\d{1,2})+", field):
        found = sorted({int(number) for number in field.split(",")})
    else:
        found = list(range(0, 60, _step(field))) if re.fullmatch(r"\*/[1-9]\d?", field) else []
    return found if 1 < len(found) <= MOST_TIMES else []


def _cron_times(minute: str, hour: str) -> list[str]:
    """Return the times of day of two lists of digits; none where there are more than can be read at a glance."""
    if not all(re.fullmatch(r"\d{1,2}(,\d{1,2})*", field) for field in (minute, hour)):
        return []
    times = sorted({f"{int(h):02}:{int(m):02}" for h in hour.split(",") for m in minute.split(",")})
    return times if len(times) <= MOST_TIMES else []


def _cron_days(day: str, month: str, weekday: str) -> str:
    """Return "Monday in June and July", "month on the first and third Monday"; empty for what is not as plain."""
    months = sorted({int(number) for number in month.split(",")}) if re.fullmatch(r"\d+(,\d+)*", month) else []
    if month != "*" and not (months and 1 <= months[0] <= months[-1] <= 12):
        return ""
    names = f" in {listed([MONTHS[number - 1] for number in months])}" if months else ""
    if day == "*":
        chosen = _cron_weekdays(weekday)
        if chosen:
            return f"{weekdays(chosen)}{names}"
        which = _cron_nth(weekday)
        return f"month on {which}" if which and not months else ""
    numbers = _cron_month_days(day)
    if weekday != "*" or months or not numbers:
        return ""
    return f"month on day{'s' if len(numbers) > 1 else ''} {listed([str(number) for number in numbers])}"


def _cron_month_days(field: str) -> list[int]:
    """Return the days of cron's third field where it is a list of digits that every month has; else none."""
    if not re.fullmatch(r"\d{1,2}(,\d{1,2})*", field):
        return []
    numbers = sorted({int(number) for number in field.split(",")})
    return numbers if numbers[-1] <= 28 else []


def _cron_nth(field: str) -> str:
    """Return "the first and third Monday" for ``1#1,1#3``; empty for what is no list of n-th weekdays."""
    by_day: dict[int, list[int]] = {}
    for item in field.split(","):
        found = re.fullmatch(r"([0-7])(?:#([1-5])|L)", item)
        if found is None:
            return ""
        by_day.setdefault(int(found[1]) % 7, []).append(int(found[2] or 6) - 1)
    return listed([f"the {listed([ORDINALS[n] for n in sorted(nth)])} {DAYS[day]}" for day, nth in by_day.items()])


def _cron_weekdays(field: str) -> tuple[int, ...]:
    """Return the days of cron's last field where it is ``*``, a list of digits or one range; else none."""
    if field == "*":
        return tuple(range(7))
    if re.fullmatch(r"[0-7]-[0-7]", field):
        return tuple(sorted({day % 7 for day in range(int(field[0]), int(field[2]) + 1)}))
    return tuple(sorted({int(day) % 7 for day in field.split(",")})) if re.fullmatch(r"[0-7](,[0-7])*", field) else ()
