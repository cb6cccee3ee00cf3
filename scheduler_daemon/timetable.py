"""
When: from a recurrence to its occurrences, and from a due schedule to its plan. Pure; `now` is passed in.

A wall-clock rule asks for local wall times: each runs once, at its first instant, and one that a clock change leaves
out runs at the first moment after the gap. An elapsed rule runs at each instant whose wall time fits. The key carries
the identity (DESIGN 6), so that no arithmetic can double an occurrence.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

from .lib.clock import from_ms, to_ms
from .lib.zones import find_zone
from .model import CatchUp, Occurrence, Overlap, Plan, Recurrence, RuleKind, Schedule, SkipReason
from .recurrence import is_elapsed, read_cron, read_wall_time, rule_hash

#: Occurrences planned at once; what lies behind them is planned in the next round of the same tick.
MOST_AT_ONCE = 1000
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
#: How late an occurrence may be and still count as on time where misfires do not run (`catch_up = none`).
GRACE = timedelta(minutes=10)


def occurrences(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[Occurrence]:
    """Yield the occurrences of *rule* whose due moment lies after *after* (UTC, exclusive), in order."""
    if is_elapsed(rule):
        yield from _elapsed(rule, zone, after)
        return
    # Two days back: a wall time asked for before the gap may come due after it.
    start = after.astimezone(zone).replace(tzinfo=None) - 2 * DAY
    for wall in _walls(rule, start):
        due_at = resolve(wall, zone)
        if due_at is not None and due_at > after:
            yield Occurrence(key=wall.isoformat(timespec="minutes"), due_at=due_at)


def _walls(rule: Recurrence, start: datetime) -> Iterator[datetime]:
    """Yield the wall times (naive) that *rule* asks for from *start* on; never-ending except for one-offs."""
    if rule.kind is RuleKind.ONCE:
        yield read_wall_time(rule.at)
        return
    if rule.kind is RuleKind.CRON:
        yield from read_cron(rule.cron, start - MINUTE)
        return
    clock = time(int(rule.time[:2]), int(rule.time[3:]))
    day = start.date()
    if rule.kind is RuleKind.MONTHLY:
        yield from (datetime.combine(item, clock) for item in _month_days(rule.day, day))
        return
    while True:
        if rule.kind is RuleKind.DAILY or day.isoweekday() % 7 in rule.days:
            yield datetime.combine(day, clock)
        day += DAY


def _month_days(wanted: int, start: date) -> Iterator[date]:
    year, month = start.year, start.month
    while True:
        last = calendar.monthrange(year, month)[1]
        yield date(year, month, min(wanted, last))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _elapsed(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[Occurrence]:
    """Walk from one clock change to the next; between them wall time and elapsed time agree."""
    text = rule.cron if rule.kind is RuleKind.CRON else f"{rule.minute} * * * *"
    instant, offset = after, _offset(zone, after)
    while True:
        for wall in read_cron(text, (instant + offset).replace(tzinfo=None)):
            due_at = wall.replace(tzinfo=UTC) - offset
            if _offset(zone, due_at) != offset:
                break
            yield Occurrence(key=f"{due_at:%Y-%m-%dT%H:%MZ}", due_at=due_at)
            instant = due_at
        change = _change(zone, instant, due_at)
        # cronsim starts after the minute it is given: one back, so that the moment of the change itself counts.
        instant, offset = change - MINUTE, _offset(zone, change)


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first instant in (*before*, *after*] whose offset differs from *before*'s, to the second."""
    offset = _offset(zone, before)
    low, high = int(before.timestamp()), int(after.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def resolve(wall: datetime, zone: tzinfo) -> datetime | None:
    """
    Return the instant (UTC) at which a local wall time comes due: its first one, or the first after a gap.

    None where the zone leaves the whole local day out.
    """
    local = wall.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    before = local.utcoffset() or timedelta(0)
    behind = local.replace(fold=1).utcoffset() or timedelta(0)
    if behind - before >= DAY:
        return None
    naive = wall.replace(tzinfo=UTC)
    return _change(zone, naive - behind - MINUTE, naive - before + MINUTE)


def first_after(rule: Recurrence, zone: tzinfo, after: datetime) -> Occurrence | None:
    """Return the first occurrence of *rule* after *after* (exclusive), or None where none follows."""
    return next(occurrences(rule, zone, after), None)


def zone_of(schedule: Schedule, shop_zone: str | None) -> tuple[str, tzinfo, str]:
    """
    Return the zone's name, the zone, and a note: the schedule's, else the shop's, else UTC with a warning.

    Raise KeyError for a zone that does not exist.
    """
    name = schedule.zone or shop_zone or ""
    if not name:
        return "UTC", UTC, f"Neither the schedule nor {schedule.shop} has a time zone; UTC was taken."
    return name, find_zone(name), ""


def plan(schedule: Schedule, now: datetime, *, shop_zone: str | None = None, unfinished: bool = False) -> Plan:
    """
    Decide about one due schedule: which occurrences run, which are skipped and why, and what comes next.

    *unfinished* says that the schedule's last run is not over (overlap). Raise KeyError for an unknown zone.
    """
    name, zone, note = zone_of(schedule, shop_zone)
    rule = schedule.recurrence
    digest = rule_hash(rule, name)
    notes = (note,) if note else ()
    cursor = schedule.next_due_at
    if cursor is None or _stale(schedule, digest):
        return _move(schedule, (), (), _following(rule, zone, now), digest, notes)
    found, more = _due(rule, zone, cursor, now)
    if not found:
        found, more = [Occurrence(key=f"at:{to_ms(cursor)}", due_at=cursor)], False
    following = found[-1].due_at if more else now
    runs, skipped = _choose(schedule, found, more, now, unfinished)
    # Several wall times of one gap share a moment: behind a full batch, what shares its last moment comes again, and
    # the ledger's unique key knows it.
    upcoming = _following(rule, zone, following - timedelta(milliseconds=1) if more else following)
    return _move(schedule, runs, skipped, upcoming, digest, notes)


def _stale(schedule: Schedule, digest: str) -> bool:
    """Whether the rule was edited while the cursor is still the one that we computed with the old rule."""
    known, _, cursor = (schedule.rule_hash or "").partition(":")
    if not known or known == digest or schedule.next_due_at is None:
        return False
    return cursor == str(to_ms(schedule.next_due_at))


def is_stale(schedule: Schedule, shop_zone: str | None) -> bool:
    """Whether the rule was edited while the cursor is still the one computed with the old rule."""
    try:
        name, _, _ = zone_of(schedule, shop_zone)
    except KeyError:
        return False
    return _stale(schedule, rule_hash(schedule.recurrence, name))


def _due(rule: Recurrence | None, zone: tzinfo, cursor: datetime, now: datetime) -> tuple[list[Occurrence], bool]:
    """Return the occurrences in [cursor, now], at most a batch, and whether more follow; none for a foreign cursor."""
    if rule is None:
        return [], False
    found: list[Occurrence] = []
    for item in islice(occurrences(rule, zone, cursor - timedelta(milliseconds=1)), MOST_AT_ONCE + 1):
        if item.due_at > now or (not found and item.due_at != cursor):
            break
        found.append(item)
    return found[:MOST_AT_ONCE], len(found) > MOST_AT_ONCE


Skips = tuple[tuple[Occurrence, str], ...]


def _choose(
    schedule: Schedule, found: list[Occurrence], more: bool, now: datetime, unfinished: bool
) -> tuple[tuple[Occurrence, ...], Skips]:
    if schedule.paused_at is not None:
        return (), tuple((item, SkipReason.PAUSED.value) for item in found)
    if schedule.overlap is Overlap.SKIP and unfinished:
        return (), tuple((item, SkipReason.OVERLAPPED.value) for item in found)
    if schedule.catch_up is CatchUp.ALL:
        return tuple(found), ()
    if schedule.catch_up is CatchUp.LATEST:
        latest = () if more else (found[-1],)
        others = found if more else found[:-1]
        return latest, tuple((item, SkipReason.COALESCED.value) for item in others)
    on_time = [item for item in found if now - item.due_at <= GRACE][-1:]
    missed = tuple((item, SkipReason.MISFIRED.value) for item in found if item not in on_time)
    return tuple(on_time), missed


def _following(rule: Recurrence | None, zone: tzinfo, after: datetime) -> datetime | None:
    if rule is None:
        return None
    upcoming = first_after(rule, zone, after)
    return None if upcoming is None else upcoming.due_at


def _move(
    schedule: Schedule,
    runs: tuple[Occurrence, ...],
    skipped: Skips,
    upcoming: datetime | None,
    digest: str,
    notes: tuple[str, ...],
) -> Plan:
    rule = schedule.recurrence
    over = rule is not None and rule.kind is RuleKind.ONCE and upcoming is None
    mark = f"{digest}:{to_ms(upcoming)}" if upcoming is not None else digest
    return Plan(schedule, runs, skipped, upcoming, over, mark, notes)


def say_next(schedule: Schedule, moment: datetime, shop_zone: str | None) -> str:
    """Return *moment* for people in the schedule's zone: ``Mon 30 Nov 2026 08:00 CET``."""
    _, zone, _ = zone_of(schedule, shop_zone)
    return f"{from_ms(to_ms(moment)).astimezone(zone):%a %d %b %Y %H:%M %Z}"
