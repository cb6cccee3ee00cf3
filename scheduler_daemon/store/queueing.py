"""
What is due is queued, by moving its cursor where that is still what we saw.

A batch of schedules is one short transaction of five statements. Whoever else writes `nextRunAt` wins: his row does not
match, and nothing of its plan is written. The ledger's unique key refuses an occurrence that is there already.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from ..lib.clock import to_ms
from ..lib.ids import new_ulid
from ..lib.words import closed
from ..model import Occurrence, Plan, Recurrence, Schedule, Trigger
from ..when.timetable import occurrences
from .engine import Engine
from .leases import lock_shops
from .moments import Style, encode, style_of
from .new_runs import BATCH, add_planned, insert_runs, run_values, wake_shops
from .rows import asked_to_json
from .schedule_rows import SeenSchedule, is_active
from .troubles import Troubles

#: Occurrences ahead whose keys are asked for in one query.
AHEAD = 30
#: New rows of the ledger after which a transaction ends, so that others come to write between two of them.
MOST_ROWS = 1000

REFUSED = """
INSERT INTO {ours}scheduler_run (id, schedule_id, shop, "trigger", occurrence_key, due_at, not_before, status,
  queued_at, finished_at, report, error_code, error)
VALUES (?, ?, ?, 'schedule', ?, ?, ?, 'failed', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""


class Queueing:
    """Writes the runs of due schedules."""

    def __init__(self, engine: Engine, style: Style, troubles: Troubles) -> None:
        self.engine = engine
        self.troubles = troubles
        self.style = style
        self.row = engine.tables.report_schedule

    def first_free(self, schedule_id: str, rule: Recurrence, zone: tzinfo, after: datetime) -> Occurrence | None:
        """
        Return the first occurrence of *rule* after *after* (UTC) of which the ledger has no row yet; None for none.

        After an edit of the zone a wall time that has its row lies ahead again, and the ledger would refuse it.
        """
        upcoming, run = occurrences(rule, zone, after), self.engine.tables.run
        mine = (run.schedule_id == schedule_id) & (run.trigger == Trigger.SCHEDULE.value)
        while part := list(islice(upcoming, AHEAD)):
            keys = run.select(run.occurrence_key).where(mine, run.occurrence_key.in_([item.key for item in part]))
            known = {str(row[0]) for row in self.engine.fetch(keys)}
            free = next((item for item in part if item.key not in known), None)
            if free is not None:
                return free
        return None

    def unfinished(self, schedule_id: str) -> bool:
        """Whether a run of the schedule is queued or running (overlap); what is made for the past stops nothing."""
        run = self.engine.tables.run
        query = run.select(run.id).where(run.schedule_id == schedule_id, run.finished_at.is_null())
        query = query.where(run.trigger != Trigger.BACKFILL.value)
        return bool(self.engine.fetch(query.limit(1)))

    # Writing --------------------------------------------------------------------------------------------------------

    def queue(self, plans: Sequence[tuple[SeenSchedule, Plan]], now: datetime) -> int:
        """Write what *plans* say, each only if its cursor is still what was seen; return the number of queued runs."""
        queued = 0
        for batch in _batches(plans):
            with self.engine.transaction():
                lock_shops(self.engine, {seen.shop for seen, _ in batch})
                moved = self._move(batch)
                kept = [plan for seen, plan in batch if seen.id in moved]
                queued += add_planned(self.engine, kept, to_ms(now))
                self._remember_rules(kept)
        return queued

    def queue_by_hand(self, schedule: Schedule, name: str, now: datetime) -> None:
        """Queue a run of *schedule* for now, trigger `manual`, key *name*; one of that name is not made twice."""
        at = to_ms(now)
        with self.engine.transaction():
            lock_shops(self.engine, [schedule.shop])
            insert_runs(self.engine, run_values(schedule, Occurrence(name, now), at, Trigger.MANUAL))
            wake_shops(self.engine, {schedule.shop: at})

    def refuse(self, seen: SeenSchedule, now: datetime) -> bool:
        """Write a failed run for a schedule row that cannot be read, once for each of its cursors; True when new."""
        # A key of its own: when the row is corrected, the occurrence itself can still run.
        key = f"refused:{to_ms(seen.due_at)}" if seen.due_at else f"refused:{seen.cursor}"[:64]
        due_at = to_ms(seen.due_at) if seen.due_at else to_ms(now)
        asked = asked_to_json(None, (), name=seen.name, owner="", zone="", deadline=0.0)
        at = to_ms(now)
        error = (seen.problem_code, closed(f"Schedule {seen.name} ({seen.id}): {seen.problem}"))
        run_id = new_ulid(at)
        values = (run_id, seen.id, seen.shop, key, due_at, due_at, at, at, asked, *error)
        run = self.engine.tables.run
        known = run.select(run.id).where(run.schedule_id == seen.id, run.occurrence_key == key).limit(1)
        with self.engine.transaction():
            if self.engine.fetch(known):
                return False
            self.engine.write(REFUSED, values)
            self.troubles.note_failure(self.engine.execute(), seen.shop, seen.id, seen.name, "", run_id, error)
        return True

    def _move(self, batch: Sequence[tuple[SeenSchedule, Plan]]) -> set[str]:
        """Move the cursors that are still what was seen, in one statement; return the ids of those rows."""
        if not self.engine.dialect.returning:
            return self._move_in_steps(batch)
        lite = self.engine.is_sqlite
        first = "(?, ?, ?, ?)" if lite else "(?::text, ?::timestamp, ?::timestamp, ?::boolean)"
        rows = ", ".join([first] + ["(?, ?, ?, ?)"] * (len(batch) - 1))
        active = 's."isActive" = 1' if lite else 's."isActive"'
        sql = f"""
        UPDATE {{app}}"ReportSchedule" AS s SET "nextRunAt" = v.column2, "isActive" = v.column4
        FROM (VALUES {rows}) AS v
        WHERE s."id" = v.column1 AND s."nextRunAt" {self.engine.dialect.same} v.column3 AND {active} RETURNING "id\""""
        values: list[Any] = []
        for seen, plan in sorted(batch, key=lambda pair: pair[0].id):
            style = style_of(seen.cursor, self.style)
            values += [seen.id, encode(plan.next_due_at, style), seen.cursor, not plan.over]
        return {str(row[0]) for row in self.engine.write(sql, values)}

    def _move_in_steps(self, batch: Sequence[tuple[SeenSchedule, Plan]]) -> set[str]:
        """Move the cursors where an UPDATE returns no rows: lock, compare, then change those that match."""
        row = self.row
        ids = [seen.id for seen, _ in batch]
        locked = row.select(row.id, row.next_run_at).where(row.id.in_(ids), is_active(row))
        found: dict[str, Any] = dict(self.engine.fetch(locked.order_by(row.id).for_update()))
        moved = set()
        for seen, plan in batch:
            if seen.id in found and found[seen.id] == seen.cursor:
                cursor = encode(plan.next_due_at, style_of(seen.cursor, self.style))
                self.engine.change(row.update(next_run_at=cursor, is_active=not plan.over).where(row.id == seen.id))
                moved.add(seen.id)
        return moved

    def _remember_rules(self, plans: Sequence[Plan]) -> None:
        changed = [plan for plan in plans if plan.rule_hash and plan.rule_hash != plan.schedule.rule_hash]
        if not changed:
            return
        rows = ", ".join(["(?, '{}', ?)"] * len(changed))
        sql = f"""
        INSERT INTO {{ours}}scheduler_schedule (schedule_id, options, rule_hash) VALUES {rows}
        ON CONFLICT (schedule_id) DO UPDATE SET rule_hash = excluded.rule_hash"""
        values = [value for plan in changed for value in (plan.schedule.id, plan.rule_hash)]
        self.engine.write(sql, values)


def _batches(plans: Sequence[tuple[SeenSchedule, Plan]]) -> Iterator[list[tuple[SeenSchedule, Plan]]]:
    """Yield *plans* in transactions: at most `BATCH` schedules, and no more after `MOST_ROWS` new rows."""
    batch: list[tuple[SeenSchedule, Plan]] = []
    rows = 0
    for seen, plan in plans:
        batch.append((seen, plan))
        rows += len(plan.to_run) + len(plan.skipped)
        if len(batch) == BATCH or rows >= MOST_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
