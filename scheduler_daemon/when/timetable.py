"""
When: from a recurrence to its occurrences, and from a due schedule to its plan. Pure; `now` is passed in.

A wall-clock rule asks for local wall times: each runs once, at its first instant, and one that a clock change leaves
out runs at the first moment after the gap. An elapsed rule runs at each instant that fits. The key carries the identity
(DESIGN 6), so that no arithmetic can double an occurrence.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import NamedTuple

from ..lib.clock import from_ms, to_ms
from ..lib.zones import find_zone
from ..model import CatchUp, Occurrence, Overlap, Pause, Plan, Recurrence, RuleKind, Schedule, SkipReason
from .instants import elapsed, resolve
from .recurrence import is_elapsed, rule_hash
from .walls import walls

#: Occurrences of one schedule planned in one tick, the oldest first; what lies behind them the following ticks plan.
#: More than the wall times of any gap in a zone (180 minutes), which share one moment.
MOST_AT_ONCE = 300
MILLISECOND = timedelta(milliseconds=1)
#: How late an occurrence may be and still count as on time.
GRACE = timedelta(minutes=10)
#: What is added to the priority of a run that is caught up: what is on time comes first.
BEHIND = 100

#: Length of a key that is a wall time, "2026-11-01T01:30"; those of instants end with Z.
WALL_KEY = 16

Skips = tuple[tuple[Occurrence, str], ...]
#: By an occurrence's key the one that follows it.
Following = dict[str, Occurrence | None]


# Occurrences --------------------------------------------------------------------------------------------------------


def occurrences(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[Occurrence]:
    """Yield the occurrences of *rule* whose due moment lies after *after* (UTC, exclusive), in order."""
    if is_elapsed(rule):
        yield from elapsed(rule, zone, after)
        return
    # A wall time before that of *after* lies behind it too: its first instant was earlier, a gap's end is one moment.
    since = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    for wall in walls(rule, since):
        due_at = resolve(wall, zone)
        if due_at is not None and due_at > after:
            yield Occurrence(key=wall.isoformat(timespec="minutes"), due_at=due_at)


def by_instant(occurrence: Occurrence) -> Occurrence:
    """Return *occurrence* with the key of a moment that no rule asks for (DESIGN 6): ``at:1795625149947``."""
    return replace(occurrence, key=f"at:{to_ms(occurrence.due_at)}")


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


def say_next(schedule: Schedule, moment: datetime, shop_zone: str | None) -> str:
    """Return *moment* for people in the schedule's zone: ``Mon 30 Nov 2026 08:00 CET``."""
    _, zone, _ = zone_of(schedule, shop_zone)
    return f"{from_ms(to_ms(moment)).astimezone(zone):%a %d %b %Y %H:%M %Z}"


# The mark of a cursor: with which rule and for which occurrence it was computed ---------------------------------------


class Mark(NamedTuple):
    """A schedule's `rule_hash` column, read; older versions wrote no key."""

    digest: str
    cursor: str
    key: str


def mark_of(rule: Recurrence | None, zone_name: str, upcoming: Occurrence | None) -> str:
    """Return what stands beside a cursor: "hash of the rule:milliseconds:key"; the hash alone where nothing follows."""
    digest = rule_hash(rule, zone_name)
    return digest if upcoming is None else f"{digest}:{to_ms(upcoming.due_at)}:{upcoming.key}"


def _read_mark(schedule: Schedule) -> Mark:
    digest, _, rest = (schedule.rule_hash or "").partition(":")
    cursor, _, key = rest.partition(":")
    return Mark(digest, cursor, key)


def _stale(schedule: Schedule, digest: str) -> bool:
    """Whether the rule was edited while the cursor is still the one that we computed with the old rule."""
    mark = _read_mark(schedule)
    if not mark.digest or mark.digest == digest or schedule.next_due_at is None:
        return False
    return mark.cursor == str(to_ms(schedule.next_due_at))


def _moved(schedule: Schedule, digest: str, zone: tzinfo) -> tuple[bool, datetime | None]:
    """
    Return whether new zone data moved the occurrence of the cursor that we computed, and where to.

    None is a moment that the zone now leaves out.
    """
    mark, cursor = _read_mark(schedule), schedule.next_due_at
    if cursor is None or mark.digest != digest or mark.cursor != str(to_ms(cursor)) or len(mark.key) != WALL_KEY:
        return False, cursor
    try:
        now_at = resolve(datetime.fromisoformat(mark.key), zone)
    except ValueError:
        return False, cursor
    return now_at != cursor, now_at


def is_stale(schedule: Schedule, shop_zone: str | None) -> bool:
    """Whether the cursor is one of ours, and rule or zone data have changed since it was computed."""
    try:
        name, zone, _ = zone_of(schedule, shop_zone)
    except KeyError:
        return False
    digest = rule_hash(schedule.recurrence, name)
    return _stale(schedule, digest) or _moved(schedule, digest, zone)[0]


# Plan ---------------------------------------------------------------------------------------------------------------


def plan(
    schedule: Schedule,
    now: datetime,
    *,
    shop_zone: str | None = None,
    unfinished: bool = False,
    pauses: Sequence[Pause] = (),
) -> Plan:
    """
    Decide about one due schedule: which occurrences run, which are skipped and why, and what comes next.

    *unfinished* says that the schedule's last run is not over (overlap); *pauses* are the spans in which nothing runs
    at all. Raise KeyError for an unknown zone.
    """
    name, zone, note = zone_of(schedule, shop_zone)
    rule = schedule.recurrence
    digest = rule_hash(rule, name)
    notes = (note,) if note else ()
    if schedule.next_due_at is None or _stale(schedule, digest):
        return move(schedule, name, (), _left_behind(schedule, now, pauses), _following(rule, zone, now), notes)
    moved, cursor = _moved(schedule, digest, zone)
    if cursor is None or (moved and cursor > now):
        later = _following(rule, zone, now if cursor is None else cursor - MILLISECOND)
        return move(schedule, name, (), (), later, (*notes, "New zone data moved its next moment."))
    found, upcoming = _due(rule, zone, cursor, now)
    more = upcoming is not None and upcoming.due_at <= now
    if not found:
        found = [by_instant(Occurrence(key="", due_at=cursor))]
    following: Following = dict(zip((item.key for item in found), [*found[1:], upcoming], strict=True))
    if more and rule is not None:
        newest = _newest(schedule, rule, zone, found[-1].due_at, now)
        behind: list[Occurrence | None] = [*newest[1:], first_after(rule, zone, now)]
        following |= {item.key: then for item, then in zip(newest, behind, strict=False)}
        found += newest
    runs, skipped = _choose(schedule, found, now, unfinished, pauses)
    return move(schedule, name, _timed(schedule, runs, following, now), skipped, upcoming, notes)


def _left_behind(schedule: Schedule, now: datetime, pauses: Sequence[Pause]) -> Skips:
    """Return what a cursor of a rule since edited had come to: it does not run, and its row says so."""
    cursor = schedule.next_due_at
    if cursor is None or cursor > now:
        return ()
    still = schedule.paused_at is not None or any(pause.holds(cursor) for pause in pauses)
    # In another zone the same wall time may lie ahead.
    reason = SkipReason.PAUSED if still else SkipReason.MISFIRED
    return ((by_instant(Occurrence(key="", due_at=cursor)), reason.value),)


def _following(rule: Recurrence | None, zone: tzinfo, after: datetime) -> Occurrence | None:
    return None if rule is None else first_after(rule, zone, after)


def _due(
    rule: Recurrence | None, zone: tzinfo, cursor: datetime, now: datetime
) -> tuple[list[Occurrence], Occurrence | None]:
    """
    Return the occurrences in [cursor, now], at most a batch, and the one that follows.

    None are found for a cursor that the rule does not produce; then what follows lies behind now.
    """
    if rule is None:
        return [], None
    found: list[Occurrence] = []
    for item in occurrences(rule, zone, cursor - MILLISECOND):
        if not found and item.due_at != cursor:
            return [], item if item.due_at > now else first_after(rule, zone, now)
        if item.due_at > now:
            return found, item
        if len(found) == MOST_AT_ONCE:
            if item.due_at != found[-1].due_at:
                return found, item
            # Several wall times of one gap share a moment: what shares the batch's last one comes again, and the
            # ledger's unique key knows it.
            return found, next(one for one in found if one.due_at == item.due_at)
        found.append(item)
    return found, None


def _newest(schedule: Schedule, rule: Recurrence, zone: tzinfo, behind: datetime, now: datetime) -> list[Occurrence]:
    """
    Return the occurrences in (*behind*, *now*] that a backlog must not hold up: those on time, else the latest.

    A later tick meets them again, and the ledger's unique key knows them. None for a schedule whose missed runs must
    come before them.
    """
    if schedule.catch_up is CatchUp.ALL and _in_order(schedule):
        return []
    span = GRACE
    while True:
        since = max(behind, now - span)
        found = list(takewhile(lambda item: item.due_at <= now, occurrences(rule, zone, since)))
        if found or since == behind:
            return [item for item in found if now - item.due_at <= GRACE] or found[-1:]
        span *= 4


def _in_order(schedule: Schedule) -> bool:
    """Whether each run needs the one before it: its period goes on where that ended, or its condition compares."""
    return schedule.report.period == "since_last_success" or bool(schedule.report.condition)


def _choose(
    schedule: Schedule, found: list[Occurrence], now: datetime, unfinished: bool, pauses: Sequence[Pause]
) -> tuple[list[Occurrence], Skips]:
    """Return which of the occurrences that are due run, and why each other one does not."""
    reasons: dict[str, SkipReason] = {}
    still = any(pause.holds(now) for pause in pauses) or schedule.paused_at is not None
    window = timedelta(seconds=schedule.catch_up_window)
    for item in found:
        if still or any(pause.holds(item.due_at) for pause in pauses):
            reasons[item.key] = SkipReason.PAUSED
        elif schedule.overlap is Overlap.SKIP and unfinished:
            reasons[item.key] = SkipReason.OVERLAPPED
        elif window and now - item.due_at > max(window, GRACE):
            reasons[item.key] = SkipReason.MISFIRED
    left = [item for item in found if item.key not in reasons]
    if schedule.catch_up is CatchUp.LATEST or (schedule.catch_up is CatchUp.ALL and schedule.overlap is Overlap.SKIP):
        # Each of them would be unfinished when the next one's turn came: of several the latest runs here too.
        reasons |= {item.key: SkipReason.COALESCED for item in left[:-1]}
    elif schedule.catch_up is CatchUp.NONE:
        on_time = [item for item in left if now - item.due_at <= GRACE][-1:]
        reasons |= {item.key: SkipReason.MISFIRED for item in left if item not in on_time}
    runs = [item for item in left if item.key not in reasons]
    return runs, tuple((item, reasons[item.key].value) for item in found if item.key in reasons)


def _timed(schedule: Schedule, runs: list[Occurrence], following: Following, now: datetime) -> tuple[Occurrence, ...]:
    """Return *runs* with their jitter, and what is caught up behind what is on time."""
    if not _in_order(schedule):
        runs = [replace(item, behind=BEHIND) if now - item.due_at > GRACE else item for item in runs]
    if not schedule.jitter:
        return tuple(runs)
    return tuple(
        item
        if item.key.startswith("at:")
        else replace(item, not_before=item.due_at + spread(schedule, item, _due_at(following[item.key])))
        for item in runs
    )


def _due_at(occurrence: Occurrence | None) -> datetime | None:
    return None if occurrence is None else occurrence.due_at


def spread(schedule: Schedule, occurrence: Occurrence, following: datetime | None) -> timedelta:
    """
    Return the jitter of an occurrence, whole milliseconds: always the same for the same schedule and key.

    It is below the schedule's jitter and never reaches the moment of the occurrence that follows.
    """
    most = timedelta(seconds=schedule.jitter)
    if following is not None:
        most = min(most, max(following - occurrence.due_at, timedelta(0)))
    drawn = hashlib.sha256(f"{schedule.id}|{occurrence.key}".encode()).digest()[:8]
    return timedelta(milliseconds=int.from_bytes(drawn) * (most // MILLISECOND) >> 64)


def move(
    schedule: Schedule,
    zone_name: str,
    runs: tuple[Occurrence, ...],
    skipped: Skips,
    upcoming: Occurrence | None,
    notes: tuple[str, ...],
) -> Plan:
    """Return the plan that runs *runs*, writes *skipped*, and moves the cursor to *upcoming*."""
    rule = schedule.recurrence
    over = rule is not None and rule.kind is RuleKind.ONCE and upcoming is None
    due_at = None if upcoming is None else upcoming.due_at
    return Plan(schedule, runs, skipped, due_at, over, mark_of(rule, zone_name, upcoming), notes)
