"""One look: queue what is due. Rescue needs no step: a lease that ended is free."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .found import Found
from .lib.clock import monotonic
from .model import CatchUp, Overlap, Plan, SkipReason
from .pace import MOST_LATE, Pace
from .planning import Planning
from .priority import Rules
from .replan import Replanner
from .store import SeenSchedule, Store
from .store.cursors import PAGE
from .when import timetable

#: A shop and a schedule id to which a look is limited; empty means all.
Only = tuple[str, str]
EVERYTHING: Only = ("", "")


class Planner:
    """Queues what is due."""

    def __init__(self, store: Store, mode: str, rules: Rules | None = None) -> None:
        self.store = store
        self.planning = Planning(store, mode, rules or Rules())
        self.replanner = Replanner(self.planning)
        #: The daemon's; without one a look takes in a share of every schedule at once.
        self.pace: Pace | None = None

    def check(self, now: datetime, only: Only = EVERYTHING) -> Found:
        """Look at everything, as a check does: missing cursors, edited rules, cursors that are none, what is due."""
        self.planning.aside.clear()  # a row that was corrected runs at this check
        self.replanner.settled.clear()
        found = Found()
        self.replanner.set_cursors(now, found)
        self.replanner.take_zone_data(now)
        self.replanner.find_edits(now)
        if self.planning.mode != "hold" and only == EVERYTHING:
            for item in self.store.cursors.strange(self.planning.aside):
                self.planning.refuse(item, now, found)
        return self.queue_due(now, only, found)

    def queue_due(self, now: datetime, only: Only = EVERYTHING, found: Found | None = None) -> Found:
        """
        Queue the runs of everything due, and add it to *found*; in mode hold, only count.

        Of a schedule that missed much, one plan's share (`timetable.MOST_AT_ONCE`): nobody else waits for the rest.
        With a pace what is late is taken as `queue_late` does. *only* limits it to a shop and a schedule id.
        """
        found = found or Found()
        if self.pace is None or self.planning.mode == "hold" or only != EVERYTHING:
            self._take_in(now, found, only)
            return found
        self.queue_on_time(now, found)
        return self.queue_late(now, found)

    def queue_all_due(self, now: datetime, only: Only) -> None:
        """Queue what of *only* is due, share after share, until nothing is left."""
        while self.queue_due(now, only).behind:
            continue

    def queue_on_time(self, now: datetime, found: Found | None = None) -> Found:
        """Queue the runs of what came due in the last `timetable.GRACE`; it never waits for what is late."""
        found = found or Found()
        self._take_in(now, found, since=now - timetable.GRACE)
        return found

    def queue_late(self, now: datetime, found: Found | None = None) -> Found:
        """Queue what came due before that: with a pace one look's share, and the next after a rest."""
        found = found or Found()
        if self.pace is None or not self.pace.rests(now):
            started = monotonic()
            left = self._take_in(now, found, before=now - timetable.GRACE)
            if self.pace is not None:
                self.pace.took(now, started, left)
        return found

    def next_look_at(self, now: datetime) -> datetime | None:
        """Return when the next look finds something due, UTC; None where nothing has a moment. Raise StoreError."""
        if self.pace is None or not self.pace.rests(now):
            return self.store.cursors.next_due_at(self.planning.aside)
        upcoming = self.store.cursors.next_due_at(self.planning.aside, since=now - timetable.GRACE)
        return min((moment for moment in (upcoming, self.pace.turn) if moment is not None), default=None)

    def _take_in(
        self,
        now: datetime,
        found: Found,
        only: Only = EVERYTHING,
        *,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> bool:
        """
        Queue what is due in [*since*, *before*), page by page; return whether more of it is due.

        Of what is late (*before*) it takes `MOST_LATE` rows; those that missed least come first.
        """
        self.planning.forget_aside(now)
        handled: set[tuple[str, object]] = set()
        behind: set[str] = set()
        room = math.inf if before is None else MOST_LATE
        while True:
            aside = self.planning.aside.keys() | behind
            seen = self.store.cursors.due(now, aside=aside, only=only, since=since, before=before)
            fresh = [item for item in seen if (item.id, item.cursor) not in handled and item.id not in behind]
            if self.planning.mode == "hold" or not fresh:
                found.due += len(fresh)
                break
            plans, looked_at = self._share(fresh, now, found, room)
            handled |= {(item.id, item.cursor) for item in fresh[:looked_at]}
            room -= sum(len(plan.to_run) + len(plan.skipped) for _, plan in plans)
            found.queued += self.planning.queue(plans, now, found)
            found.skipped.update(reason for _, plan in plans for _, reason in plan.skipped)
            found.refused += sum(item.id in self.planning.aside for item in fresh[:looked_at])
            found.shops |= {item.shop for item, plan in plans if plan.to_run and item.id not in self.planning.aside}
            behind |= {item.id for item, plan in plans if _goes_on(plan, now) and item.id not in self.planning.aside}
            if len(seen) < PAGE or room <= 0:
                break
        found.behind += len(behind)
        return bool(behind) or room <= 0

    def _share(
        self, fresh: Sequence[SeenSchedule], now: datetime, found: Found, room: float
    ) -> tuple[list[tuple[SeenSchedule, Plan]], int]:
        """Return the plans of as many of *fresh* as make *room* rows, and how many were looked at."""
        pauses = self.store.pauses.all()
        plans: list[tuple[SeenSchedule, Plan]] = []
        for number, item in enumerate(fresh):
            if room <= 0:
                return plans, number
            found.due += 1
            if (plan := self.planning.plan_row(item, now, found, pauses)) is not None:
                plans.append((item, plan))
                room -= len(plan.to_run) + len(plan.skipped)
        return plans, len(fresh)

    def skip_due(self, seen: SeenSchedule, now: datetime, *, zone_kept: bool = True) -> int:
        """
        Write down as skipped whatever of one schedule has come due and is not queued; nothing of it runs.

        What came due in a pause is `paused`, all else `misfired`. Without *zone_kept* the keys are instants: in another
        zone the same wall time may lie ahead, and must come due. Return how many rows. In mode hold too: it is a
        person who moves the schedule's cursor.
        """
        written = 0
        while True:
            due = self.store.cursors.due(now, aside=self.planning.aside, only=(seen.shop, seen.id))
            schedule = due[0].schedule if due else None
            if schedule is None:
                return written
            missed = replace(due[0], schedule=replace(schedule, catch_up=CatchUp.NONE, overlap=Overlap.QUEUE))
            plan = self.planning.plan_row(missed, now, Found(), self.store.pauses.all())
            if plan is None:
                return written
            skipped = (*plan.skipped, *((item, SkipReason.MISFIRED.value) for item in plan.to_run))
            if not zone_kept:
                skipped = tuple((timetable.by_instant(item), why) for item, why in skipped)
            self.planning.queue([(due[0], replace(plan, to_run=(), skipped=skipped))], now, Found())
            written += len(skipped)
            if not _goes_on(plan, now):
                return written


def _goes_on(plan: Plan, now: datetime) -> bool:
    """Whether more occurrences of the schedule are due than one plan takes in."""
    return plan.next_due_at is not None and plan.next_due_at <= now
