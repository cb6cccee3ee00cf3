"""What lies ahead of one schedule: its cursor, and the occurrences of its rule behind that."""

from collections.abc import Iterator
from datetime import datetime

from ..model import Occurrence, Schedule
from .timetable import MILLISECOND, by_instant, is_stale, occurrences, zone_of


def coming(schedule: Schedule, shop_zone: str | None, now: datetime) -> Iterator[Occurrence]:
    """
    Yield what will come due after *now* (UTC, exclusive), in order, as the daemon will plan it.

    Nothing comes due before a cursor that lies ahead: behind an edit of the zone a wall time that has its row may lie
    ahead again, and an app may have set a later moment. A cursor that the rule does not produce is itself a moment.
    Raise KeyError for an unknown zone.
    """
    _, zone, _ = zone_of(schedule, shop_zone)
    rule, cursor, since = schedule.recurrence, schedule.next_due_at, now
    if cursor is not None and cursor > now and not is_stale(schedule, shop_zone):
        since = cursor - MILLISECOND
        first = None if rule is None else next(occurrences(rule, zone, since), None)
        if first is None or first.due_at != cursor:
            yield by_instant(Occurrence(key="", due_at=cursor))
    if rule is not None:
        yield from occurrences(rule, zone, since)
