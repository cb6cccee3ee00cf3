"""Taking back what a lost holder left `running`: its attempt is closed as lost, its run waits again or is set aside."""

from collections.abc import Sequence

from ..model import Lease, RunStatus, SkipReason
from .cancelling import Cancelling
from .engine import Engine
from .faces import Faces
from .group import Execute
from .rows import RUN_COLUMNS, run_from_row
from .troubles import Troubles

#: A run whose holder was lost this often is kept from taking another process down (notes on schedulers, E.5).
MOST_LOST_LEASES = 3

#: Asked first, because nearly always there is none.
ABANDONED = "SELECT 1 FROM {ours}scheduler_run WHERE shop = ? AND status = 'running' AND fence < ? LIMIT 1"

LOST_ATTEMPTS = """
INSERT INTO {ours}scheduler_attempt
  (run_id, number, holder, fence, started_at, finished_at, status, error_code, error, timings)
SELECT id, attempt, 'lost', COALESCE(fence, 0), COALESCE(started_at, queued_at), {now}, 'lost', 'lease_lost',
  'The process that made it was lost.', '{}'
FROM {ours}scheduler_run WHERE shop = ? AND status = 'running' AND fence < ?
ON CONFLICT DO NOTHING"""

TOO_OFTEN = f"lost_leases + 1 >= {MOST_LOST_LEASES}"
ADOPT = f"""
UPDATE {{ours}}scheduler_run SET
  status = CASE WHEN {TOO_OFTEN} THEN 'skipped' ELSE 'queued' END,
  reason = CASE WHEN {TOO_OFTEN} THEN 'quarantined' ELSE reason END,
  error_code = CASE WHEN {TOO_OFTEN} THEN 'abandoned' ELSE error_code END,
  error = CASE WHEN {TOO_OFTEN} THEN 'The process that made it was lost {MOST_LOST_LEASES} times.' ELSE error END,
  finished_at = CASE WHEN {TOO_OFTEN} THEN {{now}} ELSE finished_at END,
  lost_leases = lost_leases + 1, not_before = {{now}}
WHERE shop = ? AND status = 'running' AND fence < ?"""

ADOPT_RETURNING = f"{ADOPT} RETURNING id, status, reason"
RUNNING = "SELECT id FROM {ours}scheduler_run WHERE shop = ? AND status = 'running' AND fence < ? FOR UPDATE"
STATUS = "SELECT id, status, reason FROM {ours}scheduler_run WHERE id = ?"

SHOW = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE id = ?"

PENDING_AGAIN = """
UPDATE {ours}scheduler_delivery{of_run} SET state = 'pending', updated_at = {now}
WHERE run_id = ? AND state = 'sending' AND channel = ?"""

UNKNOWN = """
UPDATE {ours}scheduler_delivery{of_run} SET state = 'unknown', error_code = 'smtp_unknown', updated_at = {now},
  error = 'The process was lost while it was being sent; it may have gone out.'
WHERE run_id = ? AND state = 'sending'"""


class Adopting:
    """What a new holder does first."""

    def __init__(self, engine: Engine, faces: Faces, troubles: Troubles, cancelling: Cancelling) -> None:
        self.faces = faces
        self.troubles = troubles
        self.cancelling = cancelling
        self.returning = engine.dialect.returning
        texts = (ABANDONED, LOST_ATTEMPTS, ADOPT, ADOPT_RETURNING, RUNNING, STATUS, SHOW, PENDING_AGAIN, UNKNOWN)
        self._texts = {sql: engine.text(sql) for sql in texts}

    def adopt(self, execute: Execute, lease: Lease, repeatable: Sequence[str]) -> list[tuple[str, RunStatus]]:
        """
        Take back the runs that a lost holder left `running`; return them with the status they took.

        Their deliveries found in `sending` become `unknown`, or `pending` again on the channels in *repeatable*. One
        that a person wanted cancelled meanwhile is over.
        """
        mine = (lease.shop, lease.fence)
        if execute(self._texts[ABANDONED], mine).fetchone() is None:
            return []
        execute(self._texts[LOST_ATTEMPTS], mine)
        adopted = []
        for run_id, word, reason in self._adopted(execute, mine):
            status = RunStatus(word)
            self.settle(execute, run_id, repeatable)
            if status.final:
                kept = self.cancelling.keep_verdict(execute, run_id)
                self.faces.closed(execute, run_id, kept or status)
                if kept is None:
                    run = run_from_row(execute(self._texts[SHOW], (run_id,)).fetchone())
                    self.troubles.failed(execute, run, str(run.error_code), str(run.error))
                status = kept or status
            elif reason == SkipReason.CANCELLED:
                status = self.cancelling.close(execute, run_id)
            adopted.append((run_id, status))
        return adopted

    def settle(self, execute: Execute, run_id: str, repeatable: Sequence[str]) -> None:
        """Judge deliveries found in `sending`: they may have gone out, unless their channel recognises a repeat."""
        for channel in repeatable:
            execute(self._texts[PENDING_AGAIN], (run_id, channel))
        execute(self._texts[UNKNOWN], (run_id,))

    def _adopted(self, execute: Execute, mine: tuple[str, int]) -> list[tuple[str, str, str | None]]:
        """Change the runs; return their ids, new statuses and reasons."""
        if self.returning:
            return list(execute(self._texts[ADOPT_RETURNING], mine).fetchall())
        names = [row[0] for row in execute(self._texts[RUNNING], mine).fetchall()]
        execute(self._texts[ADOPT], mine)
        return [execute(self._texts[STATUS], (name,)).fetchone() for name in names]
