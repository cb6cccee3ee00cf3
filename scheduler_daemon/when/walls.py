"""
The local wall times that a rule asks for, in order; no zone is known here, and no clock change.

A day that is excluded asks for nothing: the first working day of a month is not moved to the second.
"""

import calendar
from bisect import bisect_left
from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from ..lib.zones import LAST_YEAR
from ..model import Recurrence, RuleKind
from .rule_parts import WORKING_DAYS, read_cron, read_wall_time
from .rule_text import DAYS, ORDINALS

DAY = timedelta(days=1)
#: Where "every 2 weeks" is counted from where the rule has no start of its own: a Monday, and the first of a year.
ANCHOR = date(2024, 1, 1)
#: The days of the month change their weekdays in a circle of this many years; whoever is not due in it never is.
CIRCLE = 28
#: The last day that a rule is walked to.
LAST_DAY = date(LAST_YEAR, 12, 31)


def walls(rule: Recurrence, since: datetime) -> Iterator[datetime]:
    """Yield the wall times (naive) that *rule*, no elapsed one, asks for from *since* on (included), in order."""
    if rule.kind is RuleKind.ONCE:
        yield from (wall for wall in (read_wall_time(rule.at),) if wall >= since)
        return
    begin = since.date()
    if rule.start:
        begin = max(begin, date.fromisoformat(rule.start))
    clocks = _cron_clocks(rule.cron) if rule.kind is RuleKind.CRON else _clocks(rule.times)
    for day in _days(rule, begin):
        if rule.end and day.isoformat() > rule.end:
            return
        if allows(rule, day):
            yield from _at(day, clocks, since)


def cron_walls(text: str, since: datetime) -> Iterator[datetime]:
    """Yield the wall times (naive) that fit cron *text* from *since* on (included), in order."""
    clocks = _cron_clocks(text)
    for day in _cron_days(text, since.date()):
        yield from _at(day, clocks, since)


def _at(day: date, clocks: tuple[time, ...], since: datetime) -> Iterator[datetime]:
    first = bisect_left(clocks, since.time()) if day == since.date() else 0
    for number in range(first, len(clocks)):
        yield datetime.combine(day, clocks[number])


@lru_cache(1000)
def _clocks(times: tuple[str, ...]) -> tuple[time, ...]:
    return tuple(time(int(text[:2]), int(text[3:])) for text in times)


@lru_cache(1000)
def _cron_clocks(text: str) -> tuple[time, ...]:
    read = read_cron(text)
    return tuple(time(hour, minute) for hour in sorted(read.hours) for minute in sorted(read.minutes))


def _cron_days(text: str, first: date) -> Iterator[date]:
    """Yield the days that fit the last three fields of cron *text*, from *first* on."""
    fields = " ".join(text.split()[2:])
    for year, month in _months(first, read_cron(text).months):
        days = (date(year, month, number) for number in _cron_month(fields, *calendar.monthrange(year, month)))
        yield from (day for day in days if day >= first)


@lru_cache(10_000)
def _cron_month(fields: str, first_weekday: int, length: int) -> tuple[int, ...]:
    """Return the days that fit cron's last three *fields* in a month that begins so (0 is Monday) and is so long."""
    read, (year, month) = read_cron(f"0 0 {fields}"), _like(first_weekday, length)
    return tuple(number for number in range(1, length + 1) if read.match_day(date(year, month, number)))


@lru_cache
def _like(first_weekday: int, length: int) -> tuple[int, int]:
    """Return a year and a month that begins on this day of the week and is so long."""
    return next(
        (year, month)
        for year in range(ANCHOR.year, ANCHOR.year + CIRCLE)
        for month in range(1, 13)
        if calendar.monthrange(year, month) == (first_weekday, length)
    )


def allows(rule: Recurrence, day: date) -> bool:
    """Whether *day* (local) lies between the rule's start and end and is not excluded."""
    if not (rule.start or rule.end or rule.exclude):
        return True
    text = day.isoformat()
    return (not rule.start or rule.start <= text) and (not rule.end or text <= rule.end) and text not in rule.exclude


def anchor(rule: Recurrence) -> date:
    """Return the day from which "every 2 weeks" is counted: the rule's start, else Monday 1 January 2024."""
    return date.fromisoformat(rule.start) if rule.start else ANCHOR


def _days(rule: Recurrence, first: date) -> Iterator[date]:
    """Yield the days that *rule* asks for from *first* on; whether it allows them, whoever calls asks."""
    if rule.kind is RuleKind.MONTHLY:
        yield from _month_days(rule, first)
        return
    if rule.kind is RuleKind.CRON:
        yield from _cron_days(rule.cron, first)
        return
    monday = anchor(rule) - timedelta(days=anchor(rule).weekday())
    day = first
    if rule.kind is RuleKind.DAILY:
        day += timedelta(days=(anchor(rule) - first).days % rule.every)
    while day.year <= LAST_YEAR:
        if rule.kind is RuleKind.DAILY:
            yield day
            if (LAST_DAY - day).days < rule.every:
                return
            day += timedelta(days=rule.every)
            continue
        if day.isoweekday() % 7 in rule.days and (day - monday).days // 7 % rule.every == 0:
            yield day
        day += DAY


def _month_days(rule: Recurrence, first: date) -> Iterator[date]:
    for year, month in _months(first, rule.months):
        yield from (day for day in month_days(rule, year, month) if day >= first)


def _months(first: date, wanted: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield (year, month) from the month of *first* on; only the *wanted* months of a year, all where it is empty."""
    year, month = first.year, first.month
    while year <= LAST_YEAR:
        if not wanted or month in wanted:
            yield year, month
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def month_days(rule: Recurrence, year: int, month: int) -> list[date]:
    """Return the days of a month that a monthly rule means, in order; of two that clamp to the last day one is left."""
    if rule.on:
        found = _day_on(rule, year, month)
        return [] if found is None else [found]
    _, length = calendar.monthrange(year, month)
    return [date(year, month, number) for number in sorted({min(day, length) for day in rule.month_days})]


def _day_on(rule: Recurrence, year: int, month: int) -> date | None:
    """Return the "last friday" or the like of a month; None where it has no fifth such weekday."""
    first_weekday, length = calendar.monthrange(year, month)
    if rule.on == "last day":
        return date(year, month, length)
    ordinal, _, name = rule.on.partition(" ")
    if name == "last day":
        return date(year, month, length - WORKING_DAYS.index(ordinal))
    if name == "working day":
        working = [number for number in range(1, length + 1) if (first_weekday + number - 1) % 7 < 5]
        return date(year, month, working[-1 if ordinal == "last" else WORKING_DAYS.index(ordinal)])
    weekday = (DAYS.index(name.capitalize()) - 1) % 7
    number = 1 + (weekday - first_weekday) % 7 + 7 * ORDINALS.index(ordinal)
    if ordinal == "last":
        number = 1 + (weekday - first_weekday) % 7 + 28
        number -= 7 if number > length else 0
    return date(year, month, number) if number <= length else None


def first_wall(rule: Recurrence) -> datetime | None:
    """Return a wall time that a repeating *rule* asks for, cron's as they stand; None where `CIRCLE` has none."""
    begin = anchor(rule)
    if not rule.start and rule.end:
        begin = date.fromisoformat(rule.end).replace(day=1)
        begin = begin.replace(year=max(1, begin.year - CIRCLE))
    limit = begin.replace(day=1, year=min(LAST_YEAR, begin.year + CIRCLE + 1)).isoformat()
    found = next(walls(rule, datetime.combine(begin, time())), None)
    return None if found is None or found.isoformat() > limit else found
