"""One look: queue what is due. Rescue needs no step: a lease that ended is free."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from .errors import StoreError
from .found import Found
from .lib.clock import monotonic
from .lib.words import redact
from .lib.zones import zone_data
from .logs import say
from .model import CatchUp, Overlap, Pause, Plan, Schedule, SkipReason
from .pace import MOST_LATE, Pace
from .priority import Rules, priority_of
from .store import SeenSchedule, Store
from .store.cursors import PAGE
from .when import timetable

#: A row that cannot be read is looked at again after this.
ASIDE = timedelta(hours=1)
#: Rows looked at for edited rules in one check (25 ms); a large table is gone through in several.
SLICE = 150
#: What planning a row raises that cannot be planned: a zone that vanished, values that no rule can have.
UNPLANNABLE = (KeyError, ValueError, TypeError, OverflowError)
#: A shop and a schedule id to which a look is limited; empty means all.
Only = tuple[str, str]
EVERYTHING: Only = ("", "")
#: The setting that holds the version of the zone data with which the next moments were computed, and, while they are
#: computed anew, behind which id that goes on.
ZONE_DATA = "zone_data"
#: Schedules looked at for new zone data in one check (about 2 s).
MOST_REPLANNED = 15_000
#: The setting that says behind which id the next look begins; in the database, so that a timer's checks go on too.
EDITS = "edits_after"


class Planner:
    """Queues what is due; remembers only which rows are set aside."""

    def __init__(self, store: Store, mode: str, rules: Rules | None = None) -> None:
        self.store = store
        self.mode = mode
        self.rules = rules or Rules()
        #: The daemon's; without one a look takes in a share of every schedule at once.
        self.pace: Pace | None = None
        self.aside: dict[str, datetime] = {}
        self._settled: set[str] = set()

    def check(self, now: datetime, only: Only = EVERYTHING) -> Found:
        """Look at everything, as a check does: missing cursors, edited rules, cursors that are none, what is due."""
        self.aside.clear()  # a row that was corrected runs at this check
        self._settled.clear()
        found = Found()
        self.set_cursors(now, found)
        self.take_zone_data(now)
        self.find_edits(now)
        if self.mode != "hold" and only == EVERYTHING:
            for item in self.store.cursors.strange(self.aside):
                self._refuse(item, now, found)
        return self.queue_due(now, only, found)

    def queue_due(self, now: datetime, only: Only = EVERYTHING, found: Found | None = None) -> Found:
        """
        Queue the runs of everything due, and add it to *found*; in mode hold, only count.

        Of a schedule that missed much, one plan's share (`timetable.MOST_AT_ONCE`): nobody else waits for the rest.
        With a pace what is late is taken as `queue_late` does. *only* limits it to a shop and a schedule id.
        """
        found = found or Found()
        if self.pace is None or self.mode == "hold" or only != EVERYTHING:
            self._take_in(now, found, only)
            return found
        self.queue_on_time(now, found)
        return self.queue_late(now, found)

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
            return self.store.cursors.next_due_at(self.aside)
        upcoming = self.store.cursors.next_due_at(self.aside, since=now - timetable.GRACE)
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
        self._forget_aside(now)
        handled: set[tuple[str, object]] = set()
        behind: set[str] = set()
        room = math.inf if before is None else MOST_LATE
        while True:
            aside = self.aside.keys() | behind
            seen = self.store.cursors.due(now, aside=aside, only=only, since=since, before=before)
            fresh = [item for item in seen if (item.id, item.cursor) not in handled and item.id not in behind]
            if self.mode == "hold" or not fresh:
                found.due += len(fresh)
                break
            plans, looked_at = self._share(fresh, now, found, room)
            handled |= {(item.id, item.cursor) for item in fresh[:looked_at]}
            room -= sum(len(plan.to_run) + len(plan.skipped) for _, plan in plans)
            found.queued += self._queue(plans, now, found)
            found.skipped.update(reason for _, plan in plans for _, reason in plan.skipped)
            found.refused += sum(item.id in self.aside for item in fresh[:looked_at])
            found.shops |= {item.shop for item, plan in plans if plan.to_run and item.id not in self.aside}
            behind |= {item.id for item, plan in plans if _goes_on(plan, now) and item.id not in self.aside}
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
            if (plan := self._plan(item, now, found, pauses)) is not None:
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
            due = self.store.cursors.due(now, aside=self.aside, only=(seen.shop, seen.id))
            schedule = due[0].schedule if due else None
            if schedule is None:
                return written
            missed = replace(due[0], schedule=replace(schedule, catch_up=CatchUp.NONE, overlap=Overlap.QUEUE))
            plan = self._plan(missed, now, Found(), self.store.pauses.all())
            if plan is None:
                return written
            skipped = (*plan.skipped, *((item, SkipReason.MISFIRED.value) for item in plan.to_run))
            if not zone_kept:
                skipped = tuple((timetable.by_instant(item), why) for item, why in skipped)
            self._queue([(due[0], replace(plan, to_run=(), skipped=skipped))], now, Found())
            written += len(skipped)
            if not _goes_on(plan, now):
                return written

    def _queue(self, plans: Sequence[tuple[SeenSchedule, Plan]], now: datetime, found: Found) -> int:
        """Queue *plans*; where the database takes them not, each alone, so that one row keeps nobody else waiting."""
        try:
            return self.store.queueing.queue(plans, now)
        except StoreError as error:
            # Only a statement refused for its values is a row's fault; a right that is missing is everybody's.
            if error.retryable or error.code != "database_unavailable":
                raise
            problem = error.message
        except Exception as error:  # a value that no column takes; which row has it, the next lines find out
            problem = f"{type(error).__name__}: {error}"
        if len(plans) > 1:
            return sum(self._queue([pair], now, found) for pair in plans)
        self._refuse(unreadable(plans[0][0], problem), now, found)
        return 0

    def _plan(self, seen: SeenSchedule, now: datetime, found: Found, pauses: Sequence[Pause] = ()) -> Plan | None:
        if seen.schedule is None:
            self._refuse(seen, now, found)
            return None
        try:
            plan = self.plan(seen, seen.schedule, now, pauses)
        except UNPLANNABLE as error:
            self._refuse(unreadable(seen, f"its rule cannot be planned: {error}"), now, found)
            return None
        for note in plan.notes:
            say("schedule_note", "warning", name=seen.name, shop=seen.shop, note=note)
        return plan

    def plan(self, seen: SeenSchedule, schedule: Schedule, now: datetime, pauses: Sequence[Pause]) -> Plan:
        """Return the plan of *schedule*, which *seen* holds, and write nothing; raise what `UNPLANNABLE` lists."""
        schedule = replace(schedule, priority=priority_of(schedule, self.rules))
        unfinished = schedule.overlap is Overlap.SKIP and self.store.queueing.unfinished(seen.id)
        if seen.shop_paused is not None and schedule.paused_at is None:
            schedule = replace(schedule, paused_at=now, paused_reason=seen.shop_paused)
        made = timetable.plan(schedule, now, shop_zone=seen.shop_zone, unfinished=unfinished, pauses=pauses)
        if made.to_run or made.next_due_at is None or schedule.recurrence is None:
            return made
        if schedule.next_due_at is not None and not timetable.is_stale(schedule, seen.shop_zone):
            return made
        name, zone, _ = timetable.zone_of(schedule, seen.shop_zone)
        before = made.next_due_at - timetable.MILLISECOND
        upcoming = self.store.queueing.first_free(seen.id, schedule.recurrence, zone, before)
        return timetable.move(schedule, name, made.to_run, made.skipped, upcoming, made.notes)

    def _refuse(self, seen: SeenSchedule, now: datetime, found: Found) -> None:
        """Set a row that cannot be read aside, with a failed run in the ledger; the others go on."""
        try:
            new = self.store.queueing.refuse(seen, now)
        except Exception as error:
            if not getattr(error, "retryable", False):  # else it comes again: a full disk is no fault of the row's
                self.aside[seen.id] = now + ASIDE
            raise
        self.aside[seen.id] = now + ASIDE
        found.unreadable.append(seen)
        if new:
            say("schedule_refused", "error", name=seen.name, shop=seen.shop, schedule=seen.id, error=seen.problem)

    def _forget_aside(self, now: datetime) -> None:
        self.aside = {key: until for key, until in self.aside.items() if until > now}

    def set_cursors(self, now: datetime, found: Found | None = None) -> int:
        """Give schedules without `nextRunAt` their first moment after now; nothing fires (DESIGN 6)."""
        found, moved = found or Found(), 0
        if self.mode == "hold":
            return 0
        for seen in self.store.cursors.without_cursor(aside=self._settled):
            self._settled.add(seen.id)
            plan = self._plan(seen, now, found)
            if plan is not None and plan.next_due_at is not None:
                self._queue([(seen, plan)], now, found)
                self._settled.discard(seen.id)
                moved += 1
        return moved

    def _was_edited(self, seen: SeenSchedule) -> bool:
        """Whether an active schedule of ours has a cursor that was computed with a rule since edited."""
        schedule = seen.schedule
        if schedule is None or not schedule.active or seen.due_at is None:
            return False
        ours = schedule.report.type in self.store.cursors.types.values()
        return ours and timetable.is_stale(schedule, seen.shop_zone)

    def find_edits(self, now: datetime) -> int:
        """Plan anew schedules whose rule was edited while their cursor is still ours; one slice a check."""
        if self.mode == "hold":
            return 0
        begin = self.store.notebook.setting(EDITS)
        part = self.store.cursors.slice(begin, SLICE)
        end = part[-1].id if len(part) == SLICE else ""
        if end != begin:
            self.store.notebook.remember(EDITS, end)
        return self._plan_anew(part, now)

    def _plan_anew(self, part: Sequence[SeenSchedule], now: datetime) -> int:
        """Plan those of *part* whose cursor was computed with another rule or other zone data; return how many."""
        moved = 0
        pauses = self.store.pauses.all()
        for seen in part:
            if self._was_edited(seen) and (plan := self._plan(seen, now, Found(), pauses)) is not None:
                self._queue([(seen, plan)], now, Found())
                moved += 1
        return moved

    def take_zone_data(self, now: datetime) -> int:
        """
        Go through all schedules where the zone data is another than at the last start, a part of them a check.

        A next moment that the new data moves is moved, by the key of its occurrence; return how many were.
        """
        version = zone_data()[0]
        before, _, behind = self.store.notebook.setting(ZONE_DATA).partition(" ")
        if self.mode == "hold" or before == version:
            return 0
        if not before:  # a database that no daemon has worked on yet
            self.store.notebook.remember(ZONE_DATA, version)
            return 0
        moved = looked_at = 0
        while looked_at < MOST_REPLANNED:
            part = self.store.cursors.slice(behind, SLICE)
            moved, looked_at = moved + self._plan_anew(part, now), looked_at + len(part)
            if len(part) < SLICE:
                before, behind = version, ""
                break
            behind = part[-1].id
        self.store.notebook.remember(ZONE_DATA, f"{before} {behind}".strip())
        say("zone_data_changed", "warning", version=version, before=before, moved=moved, looked_at=looked_at)
        return moved


def _goes_on(plan: Plan, now: datetime) -> bool:
    """Whether more occurrences of the schedule are due than one plan takes in."""
    return plan.next_due_at is not None and plan.next_due_at <= now


def unreadable(seen: SeenSchedule, problem: str) -> SeenSchedule:
    """Return *seen* as a row that cannot be used, and why."""
    return replace(seen, schedule=None, problem=redact(problem)[:300], problem_code="bad_schedule_row")
