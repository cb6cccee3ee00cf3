"""
From local wall times to instants, and the rules that run by elapsed time: where a zone and its clock changes come in.

A wall time comes due at its first instant; one that a change leaves out at the first moment after the gap; one of a
local day that the zone leaves out altogether (Apia, 30 December 2011) not at all.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo

from ..lib.zones import LAST_YEAR, change_between, stretches
from ..model import Occurrence, Recurrence, RuleKind
from .walls import allows, anchor, cron_walls

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NO_TIME = timedelta(0)


def resolve(wall: datetime, zone: tzinfo) -> datetime | None:
    """
    Return the instant (UTC) at which a local wall time (naive) comes due: its first one, or the first after a gap.

    None where the zone leaves the whole local day out.
    """
    local = wall.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    before = local.utcoffset() or NO_TIME
    behind = local.replace(fold=1).utcoffset() or NO_TIME
    if behind - before >= DAY:
        return None
    naive = wall.replace(tzinfo=UTC)
    return change_between(zone, naive - behind - MINUTE, naive - before + MINUTE)


def elapsed(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[Occurrence]:
    """Yield the occurrences of an elapsed *rule* behind *after* (UTC, exclusive), in order; their keys are instants."""
    if rule.start:
        after = max(after, _midnight(rule, zone) - timedelta(milliseconds=1))
    grid = rule.kind is RuleKind.MINUTES or rule.every > 1
    bounded = bool(rule.start or rule.end or rule.exclude)
    for due_at in _grid(rule, zone, after) if grid else _fitting(rule, zone, after):
        if bounded:
            day = due_at.astimezone(zone).date()
            if rule.end and day.isoformat() > rule.end:
                return
            if not allows(rule, day):
                continue
        yield Occurrence(key=f"{due_at:%Y-%m-%dT%H:%MZ}", due_at=due_at)


def _grid(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Yield every so many minutes or hours, counted from local midnight of the rule's anchor."""
    step = timedelta(minutes=rule.every) if rule.kind is RuleKind.MINUTES else timedelta(hours=rule.every)
    first = _midnight(rule, zone)
    if rule.kind is RuleKind.HOURLY:
        first += timedelta(minutes=rule.minute)
    due_at = first + ((after - first) // step + 1) * step
    while due_at.year <= LAST_YEAR:
        yield due_at
        due_at += step


def _fitting(rule: Recurrence, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Yield each instant whose wall time fits; between two clock changes wall time and elapsed time agree."""
    text = rule.cron if rule.kind is RuleKind.CRON else f"{rule.minute} * * * *"
    for begin, end, offset in stretches(zone, after):
        for wall in cron_walls(text, (begin + offset).replace(tzinfo=None)):
            due_at = wall.replace(tzinfo=UTC) - offset
            if due_at >= end:
                break
            if due_at > after:
                yield due_at


def _midnight(rule: Recurrence, zone: tzinfo) -> datetime:
    day = datetime.combine(anchor(rule), time())
    found = resolve(day, zone)
    return found if found is not None else resolve(day + DAY, zone) or day.replace(tzinfo=UTC)
