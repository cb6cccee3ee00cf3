"""What becomes of one schedule: its plan, the writing of plans, and the rows that no plan can be made of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from .errors import StoreError
from .found import Found
from .lib.descriptors import is_limit
from .lib.words import redact
from .logs import say
from .model import Overlap, Pause, Plan, Schedule
from .priority import Rules, priority_of
from .store import SeenSchedule, Store
from .when import timetable

#: A row that cannot be read is looked at again after this.
ASIDE = timedelta(hours=1)
#: What planning a row raises that cannot be planned: a zone that vanished, values that no rule can have.
UNPLANNABLE = (KeyError, ValueError, TypeError, OverflowError)


class Planning:
    """Plans schedules and writes their plans; remembers only which rows are set aside."""

    def __init__(self, store: Store, mode: str, rules: Rules) -> None:
        self.store = store
        #: The delivery mode: on hold, nothing is written.
        self.mode = mode
        #: Which report of a shop goes first.
        self.rules = rules
        #: Rows that cannot be used, by schedule id, and until when (UTC) they are passed over.
        self.aside: dict[str, datetime] = {}

    def forget_aside(self, now: datetime) -> None:
        """Look again at rows that were set aside long enough."""
        self.aside = {key: until for key, until in self.aside.items() if until > now}

    def queue(self, plans: Sequence[tuple[SeenSchedule, Plan]], now: datetime, found: Found) -> int:
        """Queue *plans*; where the database takes them not, each alone, so that one row keeps nobody else waiting."""
        try:
            return self.store.queueing.queue(plans, now)
        except StoreError as error:
            # Only a statement refused for its values is a row's fault; a right that is missing is everybody's.
            if error.retryable or error.code != "database_unavailable":
                raise
            problem = error.message
        except Exception as error:  # a value that no column takes; which row has it, the next lines find out
            if is_limit(error):
                raise
            problem = f"{type(error).__name__}: {error}"
        if len(plans) > 1:
            return sum(self.queue([pair], now, found) for pair in plans)
        self.refuse(unreadable(plans[0][0], problem), now, found)
        return 0

    def plan_row(self, seen: SeenSchedule, now: datetime, found: Found, pauses: Sequence[Pause] = ()) -> Plan | None:
        """Return the plan of a row; None where none can be made, and the row is set aside (told in *found*)."""
        if seen.schedule is None:
            self.refuse(seen, now, found)
            return None
        try:
            plan = self.plan(seen, seen.schedule, now, pauses)
        except UNPLANNABLE as error:
            self.refuse(unreadable(seen, f"its rule cannot be planned: {error}"), now, found)
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

    def refuse(self, seen: SeenSchedule, now: datetime, found: Found) -> None:
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


def unreadable(seen: SeenSchedule, problem: str) -> SeenSchedule:
    """Return *seen* as a row that cannot be used, and why."""
    return replace(seen, schedule=None, problem=redact(problem)[:300], problem_code="bad_schedule_row")
