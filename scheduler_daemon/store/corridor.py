"""
The corridor of one claimed shop: adopt, start, publish, finish; each write names the fence.

`finish` of one run and `start` of the next share a commit (DESIGN 6), so that a run costs one commit of its own.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import LeaseLost
from ..lib.clock import to_ms
from ..model import Delivery, Lease, Outcome, ReportFile, Run, RunStatus
from .engine import Engine
from .faces import LAST_RUN, Faces
from .leases import HOLD, Leases
from .rows import RUN_COLUMNS, RUN_FIELDS, run_from_row

#: A run whose holder was lost this often is kept from taking another process down (notes on schedulers, E.5).
MOST_LOST_LEASES = 3

LOST_ATTEMPTS = """
INSERT INTO {ours}scheduler_attempt
  (run_id, number, holder, fence, started_at, finished_at, status, error_code, error, timings)
SELECT id, attempt, 'lost', COALESCE(fence, 0), COALESCE(started_at, queued_at), {now}, 'lost', 'lease_lost',
  'The process that made it was lost.', '{}'
FROM {ours}scheduler_run WHERE shop = ? AND status = 'running' AND fence < ?
ON CONFLICT DO NOTHING"""

ADOPT = f"""
UPDATE {{ours}}scheduler_run SET
  status = CASE WHEN lost_leases + 1 >= {MOST_LOST_LEASES} THEN 'skipped' ELSE 'queued' END,
  reason = CASE WHEN lost_leases + 1 >= {MOST_LOST_LEASES} THEN 'quarantined' ELSE reason END,
  error_code = CASE WHEN lost_leases + 1 >= {MOST_LOST_LEASES} THEN 'abandoned' ELSE error_code END,
  error = CASE WHEN lost_leases + 1 >= {MOST_LOST_LEASES}
    THEN 'The process that made it was lost {MOST_LOST_LEASES} times.' ELSE error END,
  finished_at = CASE WHEN lost_leases + 1 >= {MOST_LOST_LEASES} THEN {{now}} ELSE finished_at END,
  lost_leases = lost_leases + 1, not_before = {{now}}
WHERE shop = ? AND status = 'running' AND fence < ?
RETURNING id, status"""

NEXT = """
UPDATE {ours}scheduler_run SET status = 'running', fence = ?, started_at = {now}, attempt = attempt + 1,
  reason = NULL
WHERE id = (
  SELECT id FROM {ours}scheduler_run WHERE shop = ? AND status = 'queued' AND not_before <= {now}
  ORDER BY priority, due_at, id LIMIT 1
) AND status = 'queued'"""

START = f"{NEXT} RETURNING {RUN_COLUMNS}"

CLOSE = """
UPDATE {ours}scheduler_run SET status = ?, reason = ?, error_code = ?, error = ?,
  record_count = COALESCE(?, record_count),
  not_before = COALESCE(?, not_before), finished_at = CASE WHEN ? = 1 THEN {now} END
WHERE id = ? AND fence = ? AND status = 'running'"""

ATTEMPT = """
INSERT INTO {ours}scheduler_attempt
  (run_id, number, holder, fence, started_at, finished_at, status, error_code, error, timings)
VALUES (?, ?, ?, ?, ?, {now}, ?, ?, ?, ?)"""

_CLOSE = CLOSE.replace("= COALESCE(?,", "= COALESCE(?::bigint,")
_ATTEMPT = ATTEMPT.replace(
    "VALUES (?, ?, ?, ?, ?, {now}, ?, ?, ?, ?)", "SELECT f.id, ?, ?, ?, ?, {now}, ?, ?, ?, ? FROM f"
)
_NEXT_FIELDS = ", ".join("n." + name for name in RUN_FIELDS)

#: The same in one statement and so in one round trip: five of them would halve the runs per second.
CLOSE_AND_START_POSTGRES = f"""
WITH l AS MATERIALIZED (SELECT shop FROM {{ours}}scheduler_shop WHERE shop = ? AND fence = ? FOR UPDATE),
f AS ({_CLOSE} AND EXISTS (SELECT 1 FROM l) RETURNING id),
a AS ({_ATTEMPT}),
n AS ({NEXT} AND ? = 1 AND EXISTS (SELECT 1 FROM f) RETURNING {RUN_COLUMNS})
SELECT (SELECT COUNT(*) FROM f), {_NEXT_FIELDS} FROM (SELECT 1) one LEFT JOIN n ON TRUE"""

PUBLISH = """
UPDATE {ours}scheduler_run SET period_start = ?, period_end = ?, record_count = ?, file_name = ?, file_size = ?,
  sha256 = ?, spool_path = ?
WHERE id = ? AND fence = ? AND status = 'running'"""

ADD_DELIVERY = """
INSERT INTO {ours}scheduler_delivery
  (id, run_id, channel, recipient, role, copy, "key", state, attempts, not_before, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, {now})
ON CONFLICT DO NOTHING"""


class Corridor:
    """What a holder may write about the runs of a shop, as long as its lease is his."""

    def __init__(self, engine: Engine, leases: Leases, faces: Faces) -> None:
        self.engine = engine
        self.leases = leases
        self.faces = faces
        self._texts = tuple(engine.text(sql) for sql in (HOLD, CLOSE, ATTEMPT, START))

    def adopt(self, lease: Lease, repeatable: tuple[str, ...]) -> list[tuple[str, RunStatus]]:
        """
        Take back the runs that a lost holder left `running`; return them with the status they took.

        Their deliveries found in `sending` become `unknown`, or `pending` again on the channels in *repeatable*,
        which recognise a repeat by its key. Raise LeaseLost.
        """
        with self.engine.transaction():
            self._hold(lease)
            self.engine.write(LOST_ATTEMPTS, (lease.shop, lease.fence))
            found = self.engine.write(ADOPT, (lease.shop, lease.fence))
            adopted = [(str(row[0]), RunStatus(row[1])) for row in found]
            for run_id, status in adopted:
                self._settle_sending(run_id, repeatable)
                if status.final:
                    self.faces.closed(run_id, status)
        return adopted

    def _settle_sending(self, run_id: str, repeatable: tuple[str, ...]) -> None:
        if repeatable:
            marks = ", ".join("?" * len(repeatable))
            again = f"""UPDATE {{ours}}scheduler_delivery SET state = 'pending', updated_at = {{now}}
            WHERE run_id = ? AND state = 'sending' AND channel IN ({marks})"""
            self.engine.write(again, (run_id, *repeatable))
        unknown = """
        UPDATE {ours}scheduler_delivery SET state = 'unknown', error_code = 'smtp_unknown', updated_at = {now},
          error = 'The process was lost while it was being sent; it may have gone out.'
        WHERE run_id = ? AND state = 'sending'"""
        self.engine.write(unknown, (run_id,))

    def start(self, lease: Lease) -> Run | None:
        """Start the shop's next run that may start now; None where there is none. Raise LeaseLost."""
        with self.engine.transaction():
            self._hold(lease)
            return self._start(lease)

    def _start(self, lease: Lease) -> Run | None:
        rows = self.engine.write(START, (lease.fence, lease.shop))
        if not rows:
            return None
        run = run_from_row(rows[0])
        self.faces.started(run)
        return run

    def publish(self, lease: Lease, run: Run, file: ReportFile, spool_path: str, deliveries: list[Delivery]) -> None:
        """Write down the finished file and a `pending` row for each recipient, before anything is sent."""
        period = file.about.period
        facts = (to_ms(period.start), to_ms(period.end), file.about.row_count, file.name, file.size, file.sha256)
        with self.engine.transaction():
            self._hold(lease)
            if self.engine.count(PUBLISH, (*facts, spool_path, run.id, lease.fence)) != 1:
                raise LeaseLost(f"Run {run.id} is no longer ours.")
            for item in deliveries:
                to = item.recipient
                key = (item.id, run.id, to.channel, to.address, to.role, item.copy, item.key)
                self.engine.write(ADD_DELIVERY, key)

    def finish(self, lease: Lease, run: Run, outcome: Outcome, *, go_on: bool) -> Run | None:
        """
        Close *run*'s attempt as *outcome* says and, with *go_on*, start the shop's next run in the same commit.

        Return that next run, or None. Raise LeaseLost where the run is no longer ours: nothing was written.
        """
        if self.engine.is_sqlite or self.faces.has_table:
            return self._finish_in_steps(lease, run, outcome, go_on)
        return self._finish_at_once(lease, run, outcome, go_on)

    def _finish_in_steps(self, lease: Lease, run: Run, outcome: Outcome, go_on: bool) -> Run | None:
        if self.faces.has_table:
            return self._finish_with_face(lease, run, outcome, go_on)
        hold, close, attempt, start = self._texts

        def steps(execute: Callable[..., Any]) -> Any:
            if execute(hold, (lease.shop, lease.fence)).fetchone() is None:
                raise LeaseLost(f"The lease on {lease.shop} went to another holder.")
            if execute(close, (*self._close_values(outcome), run.id, lease.fence)).rowcount != 1:
                raise LeaseLost(f"Run {run.id} is no longer ours.")
            execute(attempt, (run.id, *self._attempt_values(lease, run, outcome)))
            return execute(start, (lease.fence, lease.shop)).fetchone() if go_on else None

        row = self.engine.at_once(steps)
        return None if row is None else run_from_row(row)

    def _finish_with_face(self, lease: Lease, run: Run, outcome: Outcome, go_on: bool) -> Run | None:
        with self.engine.transaction():
            self._hold(lease)
            if self.engine.count(CLOSE, (*self._close_values(outcome), run.id, lease.fence)) != 1:
                raise LeaseLost(f"Run {run.id} is no longer ours.")
            self.engine.write(ATTEMPT, (run.id, *self._attempt_values(lease, run, outcome)))
            if outcome.status.final:
                self.faces.finished(run, outcome)
            return self._start(lease) if go_on else None

    def _finish_at_once(self, lease: Lease, run: Run, outcome: Outcome, go_on: bool) -> Run | None:
        values = (
            *(lease.shop, lease.fence),
            *(*self._close_values(outcome), run.id, lease.fence),
            *self._attempt_values(lease, run, outcome),
            *(lease.fence, lease.shop, int(go_on)),
        )
        row = self.engine.write(CLOSE_AND_START_POSTGRES, values)[0]
        if row[0] != 1:
            raise LeaseLost(f"Run {run.id} is no longer ours.")
        return None if row[1] is None else run_from_row(row[1:])

    def release(self, lease: Lease, finished: Sequence[str] = ()) -> bool:
        """Give the shop back; *finished* has the ids of the schedules whose runs ended under this lease."""
        at = self.faces.last_run_at()
        return self.leases.release(lease, [(at, schedule_id) for schedule_id in dict.fromkeys(finished)], LAST_RUN)

    @staticmethod
    def _close_values(outcome: Outcome) -> tuple[Any, ...]:
        wait = None if outcome.not_before is None else to_ms(outcome.not_before)
        final = int(outcome.status.final)
        error = (outcome.reason, outcome.error_code, outcome.error)
        return (outcome.status.value, *error, outcome.record_count, wait, final)

    def _attempt_values(self, lease: Lease, run: Run, outcome: Outcome) -> tuple[Any, ...]:
        started = to_ms(run.started_at or run.queued_at)
        timings = json.dumps(dict(outcome.timings)) if outcome.timings else "{}"
        status = outcome.status.value if outcome.status.final else ("retry" if outcome.counts else "waited")
        return (
            run.attempt,
            self.leases.holder,
            lease.fence,
            started,
            status,
            outcome.error_code,
            outcome.error,
            timings,
        )

    def _hold(self, lease: Lease) -> None:
        if not self.leases.holds(lease):
            raise LeaseLost(f"The lease on {lease.shop} went to another holder.")
