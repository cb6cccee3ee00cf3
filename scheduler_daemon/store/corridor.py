"""
The corridor of one claimed shop: enter, publish, finish, leave; each write names the fence.

`finish` of one run and the start of the next share a commit (DESIGN 6), so that a run costs one commit of its own.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from ..errors import LeaseLost
from ..lib.clock import to_ms
from ..model import Delivery, Entry, Lease, Outcome, ReportFile, Run, RunStatus, Trigger
from .adopting import Adopting
from .cancelling import Cancelling
from .engine import Engine
from .faces import Faces
from .group import Execute
from .leases import Leases
from .rows import RUN_COLUMNS, RUN_FIELDS, run_from_row
from .troubles import Troubles

NEXT = """
UPDATE {ours}scheduler_run SET status = 'running', fence = ?, started_at = {now}, attempt = attempt + 1,
  reason = NULL
WHERE id = (
  SELECT id FROM {ours}scheduler_run WHERE shop = ? AND status = 'queued' AND not_before <= {now}
  ORDER BY priority, due_at, id LIMIT 1
) AND status = 'queued'"""

START = f"{NEXT} RETURNING {RUN_COLUMNS}"

#: The same where an UPDATE returns no rows: the row is locked, changed, and read as it is then.
CHOOSE = """
SELECT id FROM {ours}scheduler_run FORCE INDEX (scheduler_run_waiting)
WHERE shop = ? AND status = 'queued' AND not_before <= {now}
ORDER BY priority, due_at, id LIMIT 1 FOR UPDATE"""
TAKE = """
UPDATE {ours}scheduler_run SET status = 'running', fence = ?, started_at = {now}, attempt = attempt + 1, reason = NULL
WHERE id = ?"""
SHOW = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE id = ?"

CLOSE = """
UPDATE {ours}scheduler_run SET status = ?, reason = ?, error_code = ?, error = ?,
  record_count = COALESCE(?, record_count),
  not_before = COALESCE(?, not_before), finished_at = CASE WHEN ? = 1 THEN {now} END
WHERE id = ? AND fence = ? AND status = 'running'"""

CLOSE_HELD = f"{CLOSE} AND EXISTS (SELECT 1 FROM {{ours}}scheduler_shop WHERE shop = ? AND fence = ?)"

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

#: What a commit left behind whose answer was lost: it is made again, and must not be taken for a lost lease. The run
#: that it started is the only one that runs under this fence.
FINISHED = "SELECT 1 FROM {ours}scheduler_attempt WHERE run_id = ? AND number = ? AND fence = ? AND holder = ?"
STARTED = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE shop = ? AND status = 'running' AND fence = ?"

#: "Since the last success" goes on where the period of the last scheduled run that succeeded ended: its due moment.
MOVE_MARK = """
UPDATE {ours}scheduler_schedule SET mark = ? WHERE schedule_id = ? AND (mark IS NULL OR mark < ?)"""

ADD_DELIVERY = """
INSERT INTO {ours}scheduler_delivery
  (id, run_id, channel, recipient, role, copy, "key", state, attempts, not_before, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, {now})
ON CONFLICT DO NOTHING"""


class Corridor:
    """What a holder may write about the runs of a shop, as long as its lease is his."""

    def __init__(self, engine: Engine, leases: Leases, faces: Faces, troubles: Troubles) -> None:
        self.engine = engine
        self.leases = leases
        self.faces = faces
        self.cancelling = Cancelling(engine, faces)
        self.adopting = Adopting(engine, faces, troubles, self.cancelling)
        self._start_text, self._close_text, self._attempt_text = map(engine.text, (START, CLOSE_HELD, ATTEMPT))
        self._choose_text, self._take_text, self._show_text = map(engine.text, (CHOOSE, TAKE, SHOW))
        self._publish_text, self._delivery_text = map(engine.text, (PUBLISH, ADD_DELIVERY))
        self._mark_text = engine.text(MOVE_MARK)
        self._finished_text, self._started_text = map(engine.text, (FINISHED, STARTED))

    def enter(self, lease: Lease, repeatable: Sequence[str]) -> tuple[list[tuple[str, RunStatus]], Run | None]:
        """
        Take back what a lost holder left `running`, then start the shop's next run.

        Return the adopted runs with the status they took, and the started run or None. Deliveries found in `sending`
        become `unknown`, or `pending` again on the channels in *repeatable*, which recognise a repeat by its key.
        Made again, because its answer was lost, it returns the run that it has started. Raise LeaseLost.
        """

        def steps(execute: Execute) -> Any:
            self.leases.require(lease, execute)
            adopted = self.adopting.adopt(execute, lease, repeatable)
            return adopted, self._started_before(execute, lease) or self._start(execute, lease)

        adopted, run = self.engine.together(steps)
        return adopted, run

    def pass_on(
        self, lease: Lease, finished: Sequence[str], busy: Iterable[str], repeatable: Sequence[str]
    ) -> Entry | None:
        """
        Give the shop back as `leave` does and, in the same commit, claim and enter the one that waits longest.

        One commit where three would do (leave, claim, enter), and nobody needs to be woken: so a claim can be short.
        *busy* and *repeatable* as in `claim` and `enter`. None where no shop waits.
        """

        def steps(execute: Execute) -> Entry | None:
            self.leases.give_back(execute, lease, lambda _: self.faces.ran(execute, finished))
            taken = self.leases.take(execute, 1, busy=busy)
            if not taken:
                return None
            adopted = self.adopting.adopt(execute, taken[0], repeatable)
            return Entry(taken[0], tuple(adopted), self._start(execute, taken[0]))

        passed = self.engine.together(steps)
        return cast(Entry | None, passed)

    def _start_row(self, execute: Execute, lease: Lease) -> Any:
        if self.engine.dialect.returning:
            return execute(self._start_text, (lease.fence, lease.shop)).fetchone()
        chosen = execute(self._choose_text, (lease.shop,)).fetchone()
        if chosen is None:
            return None
        execute(self._take_text, (lease.fence, *chosen))
        return execute(self._show_text, chosen).fetchone()

    def _start(self, execute: Execute, lease: Lease) -> Run | None:
        row = self._start_row(execute, lease)
        if row is None:
            return None
        run = run_from_row(row)
        self.faces.started(execute, run)
        return run

    def publish(self, lease: Lease, run: Run, file: ReportFile, spool_path: str, deliveries: list[Delivery]) -> None:
        """Write down the finished file and a `pending` row for each recipient, before anything is sent."""
        period = file.about.period
        facts = (to_ms(period.start), to_ms(period.end), file.about.row_count, file.name, file.size, file.sha256)

        def steps(execute: Execute) -> None:
            self.leases.require(lease, execute)
            if execute(self._publish_text, (*facts, spool_path, run.id, lease.fence)).rowcount != 1:
                raise LeaseLost(f"Run {run.id} is no longer ours.")
            for item in deliveries:
                to = item.recipient
                key = (item.id, run.id, to.channel, to.address, to.role, item.copy, item.key)
                execute(self._delivery_text, key)

        self.engine.together(steps)

    def finish(
        self, lease: Lease, run: Run, outcome: Outcome, *, go_on: bool, also: Callable[[Execute], None] | None = None
    ) -> Run | None:
        """
        Close *run*'s attempt as *outcome* says and, with *go_on*, start the shop's next run in the same commit.

        *also* writes in that commit what else follows (`Troubles`). Return the next run, or None. A run that would wait
        again while a person wants it cancelled is over. Made again, because its answer was lost, it returns what it
        returned. Raise LeaseLost where the run is no longer ours: nothing was written.
        """
        at_once = self.engine.kind == "postgres" and not self.faces.has_table and outcome.status.final
        if not at_once or also is not None or moves_mark(run, outcome):
            return self._finish_in_steps(lease, run, outcome, go_on, also)
        return self._finish_at_once(lease, run, outcome, go_on)

    def _finish_in_steps(
        self, lease: Lease, run: Run, outcome: Outcome, go_on: bool, also: Callable[[Execute], None] | None
    ) -> Run | None:
        close = (*close_values(outcome), run.id, lease.fence, lease.shop, lease.fence)
        attempt = (run.id, *self._attempt_values(lease, run, outcome))
        faces = self.faces

        def steps(execute: Execute) -> Any:
            if not self.engine.is_sqlite:
                self.leases.require(lease, execute)  # locks the row until the commit; SQLite has one writer anyway
            wished = not outcome.status.final and self.cancelling.is_wished(execute, run.id)
            if execute(self._close_text, close).rowcount != 1:
                return self._finished_before(execute, lease, run)
            execute(self._attempt_text, attempt)
            if also is not None:
                also(execute)
            if wished:
                self.cancelling.close(execute, run.id)
            if moves_mark(run, outcome):
                mark = str(to_ms(run.due_at))
                execute(self._mark_text, (mark, run.schedule_id, mark))
            if faces.has_table:
                if outcome.status.final:
                    faces.closed(execute, run.id, outcome.status)
                return self._start(execute, lease) if go_on else None
            return self._start_row(execute, lease) if go_on else None

        made = self.engine.together(steps)
        return made if made is None or isinstance(made, Run) else run_from_row(made)

    def _finish_at_once(self, lease: Lease, run: Run, outcome: Outcome, go_on: bool) -> Run | None:
        values = (
            *(lease.shop, lease.fence),
            *(*close_values(outcome), run.id, lease.fence),
            *self._attempt_values(lease, run, outcome),
            *(lease.fence, lease.shop, int(go_on)),
        )
        row = self.engine.write(CLOSE_AND_START_POSTGRES, values)[0]
        if row[0] != 1:
            return cast(Run | None, self.engine.together(lambda execute: self._finished_before(execute, lease, run)))
        return None if row[1] is None else run_from_row(row[1:])

    def _finished_before(self, execute: Execute, lease: Lease, run: Run) -> Run | None:
        """Return what the same `finish` returned when its answer was lost; raise LeaseLost where there was none."""
        self.leases.require(lease, execute)
        key = (run.id, run.attempt, lease.fence, self.leases.holder)
        if execute(self._finished_text, key).fetchone() is None:
            raise LeaseLost(f"Run {run.id} is no longer ours.")
        return self._started_before(execute, lease)

    def _started_before(self, execute: Execute, lease: Lease) -> Run | None:
        """Return the run that runs under this fence: it was started by a commit whose answer was lost."""
        row = execute(self._started_text, (lease.shop, lease.fence)).fetchone()
        return None if row is None else run_from_row(row)

    def leave(self, lease: Lease, finished: Sequence[str] = ()) -> bool:
        """Give the shop back; *finished* has the ids of the schedules whose runs ended under this lease."""
        return self.leases.release(lease, lambda execute: self.faces.ran(execute, finished))

    def surrender(
        self,
        lease: Lease,
        run: Run | None,
        outcome: Outcome,
        repeatable: Sequence[str],
        also: Callable[[Execute], None] | None = None,
    ) -> bool:
        """
        Give the shop back for a thread that does not listen, so that a peer need not wait for the lease's end.

        Its *run* takes *outcome*, its deliveries in `sending` are judged as those of a lost holder. What the thread
        still writes is refused. *also* as in `finish`. False where the lease was no longer ours.
        """

        def steps(execute: Execute) -> None:
            if run is None:
                return
            self.adopting.settle(execute, run.id, repeatable)
            wished = not outcome.status.final and self.cancelling.is_wished(execute, run.id)
            close = (*close_values(outcome), run.id, lease.fence, lease.shop, lease.fence)
            if execute(self._close_text, close).rowcount == 1:
                execute(self._attempt_text, (run.id, *self._attempt_values(lease, run, outcome)))
                if wished:
                    self.cancelling.close(execute, run.id)
                if outcome.status.final:
                    told = (str(outcome.error_code), str(outcome.error))
                    kept = self.cancelling.keep_verdict(execute, run.id, told)
                    self.faces.closed(execute, run.id, kept or outcome.status)
                if also is not None:
                    also(execute)

        return self.leases.release(lease, steps)

    def _attempt_values(self, lease: Lease, run: Run, outcome: Outcome) -> tuple[Any, ...]:
        started = to_ms(run.started_at or run.queued_at)
        timings = json.dumps(dict(outcome.timings)) if outcome.timings else "{}"
        status = outcome.status.value if outcome.status.final else ("retry" if outcome.counts else "waited")
        told = (status, outcome.error_code, outcome.error, timings)
        return (run.attempt, self.leases.holder, lease.fence, started, *told)


def moves_mark(run: Run, outcome: Outcome) -> bool:
    """Whether the schedule's mark moves: a scheduled run of a report since the last success went to everyone."""
    wanted = run.report is not None and run.report.period == "since_last_success"
    return wanted and run.trigger is Trigger.SCHEDULE and outcome.status is RunStatus.SUCCEEDED


def close_values(outcome: Outcome) -> tuple[Any, ...]:
    """Return the values of `CLOSE` that come from *outcome*."""
    wait = None if outcome.not_before is None else to_ms(outcome.not_before)
    error = (outcome.reason, outcome.error_code, outcome.error)
    return (outcome.status.value, *error, outcome.record_count, wait, int(outcome.status.final))
