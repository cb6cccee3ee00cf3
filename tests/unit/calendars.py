"""
A slow and obvious oracle: what a rule asks for, found minute by minute on the local calendar, and random rules for it.

It shares no code with `walls` and `instants`: each minute of UTC is looked at, its wall time read from the zone, and
asked whether the rule means it.
"""

import calendar
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any

from hypothesis import strategies as st

from scheduler_daemon.lib.zones import find_zone, zone_names
from scheduler_daemon.model import Recurrence, RuleKind
from scheduler_daemon.when.recurrence import tidy
from scheduler_daemon.when.rule_text import DAYS

MINUTE = timedelta(minutes=1)
#: Zones whose changes are odd: half an hour, at midnight, two hours, a day left out.
ODD = (
    *("Australia/Lord_Howe", "America/Santiago", "America/Havana", "Asia/Beirut", "Antarctica/Troll", "Pacific/Apia"),
    *("Africa/Casablanca", "America/New_York", "Europe/Paris", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns"),
)
#: Days beside which clocks change somewhere among them, 2011 to 2027.
NIGHTS = (
    *("2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2027-04-04", "2026-09-06"),
    *("2011-12-30", "2027-02-07", "2026-03-15", "2024-02-29", "2026-12-31", "2027-03-14", "2026-04-04"),
)


def oracle(rule: Recurrence, zone: tzinfo, after: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """Return (key, due moment) of the occurrences in (*after*, *until*], by looking at every minute."""
    return (
        _elapsed(rule, zone, after, until)
        if rule.kind in ELAPSED or _is_wild(rule)
        else _asked(rule, zone, after, until)
    )


ELAPSED = (RuleKind.MINUTES, RuleKind.HOURLY)


def _is_wild(rule: Recurrence) -> bool:
    return rule.kind is RuleKind.CRON and rule.cron.split()[1].startswith("*")


def _minutes(after: datetime, until: datetime) -> list[datetime]:
    first = after.replace(second=0, microsecond=0) + MINUTE
    return [first + number * MINUTE for number in range(int((until - first) / MINUTE) + 1)]


def _elapsed(rule: Recurrence, zone: tzinfo, after: datetime, until: datetime) -> list[tuple[str, datetime]]:
    found = []
    for instant in _minutes(after, until):
        local = instant.astimezone(zone)
        if _day_allowed(rule, local.date()) and _fits_elapsed(rule, zone, instant, local):
            found.append((instant.strftime("%Y-%m-%dT%H:%MZ"), instant))
    return found


def _fits_elapsed(rule: Recurrence, zone: tzinfo, instant: datetime, local: datetime) -> bool:
    if rule.kind is RuleKind.CRON:
        return fits_cron(rule.cron, local.replace(tzinfo=None))
    if rule.kind is RuleKind.HOURLY and rule.every == 1:
        return local.minute == rule.minute
    anchor = date.fromisoformat(rule.start or "2024-01-01")
    first = datetime(anchor.year, anchor.month, anchor.day, tzinfo=zone).astimezone(UTC)
    while first.astimezone(zone).date() < anchor:  # a day that begins behind a gap
        first += MINUTE
    while (first - MINUTE).astimezone(zone).date() >= anchor:
        first -= MINUTE
    gone = int((instant - first) / MINUTE)
    if rule.kind is RuleKind.MINUTES:
        return gone % rule.every == 0
    return (gone - rule.minute) % (60 * rule.every) == 0


def _asked(rule: Recurrence, zone: tzinfo, after: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """Walk the real minutes; a wall time comes due when it is first shown, or passed over within a day."""
    found: list[tuple[str, datetime]] = []
    start = after - timedelta(hours=30)
    seen_until = (start.astimezone(zone)).replace(tzinfo=None, second=0, microsecond=0)
    for instant in _minutes(start, until):
        local = instant.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        if local - seen_until > timedelta(hours=23):
            seen_until = local - MINUTE  # the zone left a day out: nothing of it comes due
        while seen_until < local:
            seen_until += MINUTE
            if _day_allowed(rule, seen_until.date()) and _fits_wall(rule, seen_until) and after < instant <= until:
                found.append((seen_until.strftime("%Y-%m-%dT%H:%M"), instant))
    return found


def _day_allowed(rule: Recurrence, day: date) -> bool:
    text = str(day)
    if (rule.start and text < rule.start) or (rule.end and text > rule.end):
        return False
    return text not in rule.exclude


def _fits_wall(rule: Recurrence, wall: datetime) -> bool:
    if rule.kind is RuleKind.ONCE:
        return wall.isoformat(timespec="minutes") == rule.at
    if rule.kind is RuleKind.CRON:
        return fits_cron(rule.cron, wall)
    if f"{wall:%H:%M}" not in rule.times:
        return False
    anchor = date.fromisoformat(rule.start or "2024-01-01")
    if rule.kind is RuleKind.DAILY:
        return (wall.date() - anchor).days % rule.every == 0
    if rule.kind is RuleKind.WEEKLY:
        monday = anchor - timedelta(days=anchor.weekday())
        weeks = (wall.date() - timedelta(days=wall.weekday()) - monday).days // 7
        return int(f"{wall:%w}") in rule.days and weeks % rule.every == 0
    if rule.months and wall.month not in rule.months:
        return False
    return _fits_month(rule, wall.date())


NTH = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
NTH |= {"sixth": 5, "seventh": 6, "eighth": 7, "ninth": 8, "tenth": 9}


def _fits_month(rule: Recurrence, day: date) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    month = [date(day.year, day.month, number) for number in range(1, length + 1)]
    if not rule.on:
        return day.day in {min(number, length) for number in (rule.day, *rule.later_days)}
    ordinal, _, name = rule.on.partition(" ")
    chosen = [item for item in month if name == "day" or (item.weekday() < 5 and name == "working day")]
    if name.capitalize() in DAYS:
        chosen = [item for item in month if item.strftime("%A") == name.capitalize()]
    if name == "last day":
        return day == month[-1 - NTH[ordinal]]
    number = NTH[ordinal]
    return len(chosen) > number and day == chosen[number]


# Cron, read by hand -------------------------------------------------------------------------------------------------


def fits_cron(text: str, wall: datetime) -> bool:
    """Whether *wall* fits five-field cron *text* made of numbers, lists, ranges, steps, L and #."""
    minute, hour, day, month, weekday = text.split()
    if wall.minute not in _numbers(minute, 0, 59) or wall.hour not in _numbers(hour, 0, 23):
        return False
    if wall.month not in _numbers(month, 1, 12):
        return False
    last = calendar.monthrange(wall.year, wall.month)[1]
    day_fits = wall.day == last if day == "L" else wall.day in _numbers(day, 1, 31)
    number = wall.isoweekday() % 7
    if "#" in weekday:
        wanted, nth = weekday.split("#")
        weekday_fits = number == int(wanted) % 7 and (wall.day - 1) // 7 + 1 == int(nth)
    elif weekday.endswith("L"):
        weekday_fits = number == int(weekday[:-1]) % 7 and wall.day + 7 > last
    else:
        weekday_fits = number in {item % 7 for item in _numbers(weekday, 0, 7)}
    if day.startswith("*") or weekday.startswith("*"):
        return day_fits and weekday_fits
    return day_fits or weekday_fits


@cache
def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, final = span.partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" or (step and not final) else int(final or first)
        found |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


# Random rules -------------------------------------------------------------------------------------------------------

clocks = st.builds(lambda n: f"{n // 60:02}:{n % 60:02}", st.integers(0, 24 * 60 - 1) | st.integers(0, 240))
days = st.dates(date(2023, 1, 1), date(2028, 1, 1)).map(str)
working = st.sampled_from([f"{number} working day" for number in NTH])
ons = (
    st.sampled_from(["", "", "last day"])
    | working
    | st.sampled_from([f"{number} last day" for number, place in NTH.items() if place > 0])
    | st.builds(
        lambda n, d: f"{n} {d.lower()}",
        st.sampled_from(["first", "second", "third", "fourth", "fifth", "last"]),
        st.sampled_from(DAYS),
    )
)
months = st.sets(st.integers(1, 12), max_size=4).map(lambda found: tuple(sorted(found)))


@st.composite
def crons(draw: Any) -> str:
    """Draw five-field cron text."""
    minute = draw(st.sampled_from(["0", "30", "*/15", "5,35", "10-12", "59", "*/7"]))
    hour = draw(st.sampled_from(["0", "1", "2", "*", "*/2", "*/5", "1-3", "0,23", "8"]))
    day = draw(st.sampled_from(["*", "*", "*", "1", "15,28", "L", "*/2", "1-7"]))
    month = draw(st.sampled_from(["*", "*", "*", "3,10,11", "4"]))
    weekday = draw(st.sampled_from(["*", "*", "1-5", "0", "7", "6#1", "5L", "2,4"]))
    return f"{minute} {hour} {day} {month} {weekday}"


@st.composite
def rules(draw: Any) -> Recurrence:
    """Draw a rule of any kind, in its one form."""
    kind = draw(st.sampled_from(list(RuleKind)))
    first, *others = sorted(draw(st.sets(clocks, min_size=1, max_size=3)))
    bounds = {"start": draw(st.just("") | days), "exclude": tuple(sorted(draw(st.sets(days, max_size=2))))}
    if draw(st.booleans()):
        bounds["end"] = max(bounds["start"], draw(days))
    if kind is RuleKind.ONCE:
        return Recurrence(kind, at=f"{draw(days)}T{first}")
    if kind is RuleKind.CRON:
        return Recurrence(kind, cron=draw(crons()), **bounds)
    every = draw(st.integers(1, 4) | st.just(1))
    if kind is RuleKind.MINUTES:
        return Recurrence(kind, every=draw(st.integers(1, 200)), **bounds)
    if kind is RuleKind.HOURLY:
        return Recurrence(kind, every=every, minute=draw(st.integers(0, 59)), **bounds)
    made = Recurrence(kind, time=first, also=tuple(others), **bounds)
    return tidy(_filled(draw, kind, made, every))


def _filled(draw: Any, kind: RuleKind, made: Recurrence, every: int) -> Recurrence:
    from dataclasses import replace

    if kind is RuleKind.DAILY:
        return replace(made, every=every)
    if kind is RuleKind.WEEKLY:
        chosen = draw(st.sets(st.integers(0, 6), min_size=1, max_size=6))
        return replace(made, every=every, days=tuple(sorted(chosen)))
    on = draw(ons)
    first, *later = sorted(draw(st.sets(st.integers(1, 31), min_size=1, max_size=3)))
    chosen_days = {} if on else {"day": first, "later_days": tuple(later)}
    return replace(made, on=on, months=draw(months), **chosen_days)


@st.composite
def zones(draw: Any) -> str:
    """Draw an odd zone, or any other of the installed zone data."""
    return str(draw(st.sampled_from(ODD) | st.sampled_from(sorted(zone_names() - {"Factory", "localtime"}))))


@st.composite
def moments(draw: Any) -> datetime:
    """Draw a moment (UTC) near a night on which some clock changes, or any of some years."""
    near = st.builds(
        lambda day, back: datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(minutes=back),
        st.sampled_from(NIGHTS),
        st.integers(-600, 2400),
    )
    anywhere = st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return draw(near | near | anywhere)


def zone(name: str) -> tzinfo:
    """Return the zone."""
    return find_zone(name)
