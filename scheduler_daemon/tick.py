"""One look: queue what is due, claim what fits, hand it over. Rescue needs no step: a lease that ended is free."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .errors import StoreError
from .lib.clock import utc_now
from .lib.words import redact
from .lib.zones import zone_data
from .logs import say
from .model import CatchUp, Overlap, Pause, Plan, Schedule, SkipReason
from .priority import Rules, priority_of
from .store import SeenSchedule, Store
from .store.queueing import PAGE
from .threads import ShopThreads
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


@dataclass(slots=True)
class Found:
    """What one look found."""

    #: Schedules that were due.
    due: int = 0
    #: Runs that were queued.
    queued: int = 0
    #: Schedules that were due and cannot be read or planned.
    refused: int = 0
    #: Schedules of which more was due than one look takes in; the next one goes on.
    behind: int = 0
    #: Domains of their shops.
    shops: set[str] = field(default_factory=set)
    #: Rows that could not be read, now or before, and why.
    unreadable: list[SeenSchedule] = field(default_factory=list)


class Planner:
    """Queues what is due; remembers only which rows are set aside."""

    def __init__(self, store: Store, mode: str, rules: Rules | None = None) -> None:
        self.store = store
        self.mode = mode
        self.rules = rules or Rules()
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
            for item in self.store.queueing.strange(self.aside):
                self._refuse(item, now, found)
        return self.queue_due(now, only, found)

    def queue_due(self, now: datetime, only: Only = EVERYTHING, found: Found | None = None) -> Found:
        """
        Queue the runs of everything due, and add it to *found*; in mode hold, only count.

        Of a schedule that missed much, one plan's share (`timetable.MOST_AT_ONCE`): nobody else waits for the rest.
        *only* limits it to a shop and a schedule id.
        """
        self._forget_aside(now)
        found = found or Found()
        handled: set[tuple[str, object]] = set()
        behind: set[str] = set()
        while True:
            seen = self.store.queueing.due(now, aside=self.aside.keys() | behind, only=only)
            fresh = [item for item in seen if (item.id, item.cursor) not in handled and item.id not in behind]
            found.due += len(fresh)
            if self.mode == "hold" or not fresh:
                return found
            handled |= {(item.id, item.cursor) for item in fresh}
            pauses = self.store.pauses.all()
            plans = [(item, plan) for item in fresh if (plan := self._plan(item, now, found, pauses)) is not None]
            found.queued += self._queue(plans, now, found)
            found.refused += sum(item.id in self.aside for item in fresh)
            found.shops |= {item.shop for item, plan in plans if plan.to_run and item.id not in self.aside}
            behind |= {item.id for item, plan in plans if _goes_on(plan, now) and item.id not in self.aside}
            found.behind = len(behind)
            if len(seen) < PAGE:
                return found

    def skip_due(self, seen: SeenSchedule, now: datetime, *, zone_kept: bool = True) -> int:
        """
        Write down as skipped whatever of one schedule has come due and is not queued; nothing of it runs.

        What came due in a pause is `paused`, all else `misfired`. Without *zone_kept* the keys are instants: in another
        zone the same wall time may lie ahead, and must come due. Return how many rows. In mode hold too: it is a
        person who moves the schedule's cursor.
        """
        written = 0
        while True:
            due = self.store.queueing.due(now, aside=self.aside, only=(seen.shop, seen.id))
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
        self.aside[seen.id] = now + ASIDE
        found.unreadable.append(seen)
        if self.store.queueing.refuse(seen, now):
            say("schedule_refused", "error", name=seen.name, shop=seen.shop, schedule=seen.id, error=seen.problem)

    def _forget_aside(self, now: datetime) -> None:
        self.aside = {key: until for key, until in self.aside.items() if until > now}

    def set_cursors(self, now: datetime, found: Found | None = None) -> int:
        """Give schedules without `nextRunAt` their first moment after now; nothing fires (DESIGN 6)."""
        found, moved = found or Found(), 0
        if self.mode == "hold":
            return 0
        for seen in self.store.queueing.without_cursor(aside=self._settled):
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
        ours = schedule.report.type in self.store.queueing.types.values()
        return ours and timetable.is_stale(schedule, seen.shop_zone)

    def find_edits(self, now: datetime) -> int:
        """Plan anew schedules whose rule was edited while their cursor is still ours; one slice a check."""
        if self.mode == "hold":
            return 0
        begin = self.store.notebook.setting(EDITS)
        part = self.store.queueing.slice(begin, SLICE)
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
            part = self.store.queueing.slice(behind, SLICE)
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


def start_shops(store: Store, threads: ShopThreads, only: str = "") -> int:
    """Claim as many shops with work as there are free slots and hand them over; return their number."""
    free = threads.free()
    if free <= 0:
        return 0
    leases = store.leases.claim(free, only, threads.busy())
    for lease in leases:
        if not threads.start(lease):
            store.leases.release(lease)  # its thread gave it back a moment ago and has still to end
    return len(leases)


def fill_slots(store: Store, threads: ShopThreads) -> tuple[int, bool]:
    """Start shops until no slot is free or no work is left; return how many, and whether others wait for a slot."""
    started = 0
    while threads.free() and (more := start_shops(store, threads)):
        started += more
    work = None if threads.free() else store.leases.next_work_at()
    return started, work is not None and work <= utc_now()


def tell(found: Found, mode: str, pause: Pause | None = None) -> None:
    """Log what a check found, in the words of the old service."""
    if pause is not None and mode != "hold":
        say("all_paused", "warning", until=pause.until, note=pause.note, due=found.due)
    elif mode == "hold":
        say("delivery_held", "warning", due=found.due)
    elif found.due:
        say("check_found", due=found.due, unreadable=found.refused)
        if found.shops:
            say("check_grouped", shops=len(found.shops))
    else:
        say("check_idle")
