"""Cancelling: a queued run ends at once; of a running one the wish is written down, and its holder sees it."""

from collections.abc import Sequence

from ..lib.clock import utc_now
from ..model import DeliveryState, RunStatus
from ..verdict import CANCELLED, cancelled, judge
from .engine import Engine
from .faces import Faces
from .group import Execute
from .rows import DELIVERY_COLUMNS, delivery_from_row

#: The wish is a reason on a row that still runs.
WISH = "UPDATE {ours}scheduler_run SET reason = 'cancelled' WHERE id = ? AND status = 'running'"
WISHED = "SELECT reason FROM {ours}scheduler_run WHERE id = ?"

CLOSE_PENDING = """
UPDATE {ours}scheduler_delivery{of_run} SET state = 'failed', error_code = ?, error = ?, updated_at = {now}
WHERE run_id = ? AND state = 'pending'"""

DELIVERIES = f"SELECT {DELIVERY_COLUMNS} FROM {{ours}}scheduler_delivery WHERE run_id = ? ORDER BY id"

CLOSE = """
UPDATE {ours}scheduler_run SET status = ?, reason = ?, error_code = ?, error = ?, finished_at = {now}
WHERE id = ? AND status = 'queued'"""

GIVEN_UP = "The process that sent it was lost too often."
VERDICT = "UPDATE {ours}scheduler_run SET status = ?, reason = NULL, error_code = ?, error = ? WHERE id = ?"


class Cancelling:
    """What is written when a person does not want a run any more."""

    def __init__(self, engine: Engine, faces: Faces) -> None:
        self.engine = engine
        self.faces = faces
        texts = (WISH, CLOSE_PENDING, DELIVERIES, CLOSE, VERDICT)
        self._texts = {sql: engine.text(sql) for sql in texts}
        self._wished_text = engine.text(WISHED + engine.dialect.lock)

    def wish(self, execute: Execute, run_id: str) -> bool:
        """Write down that the run is to be cancelled; False where it does not run."""
        return bool(execute(self._texts[WISH], (run_id,)).rowcount == 1)

    def is_wished(self, execute: Execute, run_id: str) -> bool:
        """Whether a person wants the running run cancelled; nobody can wish it until the transaction's end."""
        found = execute(self._wished_text, (run_id,)).fetchone()
        return found is not None and found[0] == "cancelled"

    def wished(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of the running runs that a person wants cancelled."""
        if not run_ids:
            return []
        marks = ", ".join("?" * len(run_ids))
        sql = f"""SELECT id FROM {{ours}}scheduler_run
        WHERE id IN ({marks}) AND status = 'running' AND reason = 'cancelled'"""
        return [row[0] for row in self.engine.read(sql, tuple(run_ids))]

    def keep_verdict(
        self, execute: Execute, run_id: str, told: tuple[str, str] = ("abandoned", GIVEN_UP)
    ) -> RunStatus | None:
        """
        Give a run that was given up the verdict of its deliveries, where somebody has it; return it.

        What is still pending is not sent any more, and *told* (code, sentence) says why. None where nobody had it and
        nothing was sent again: then it ends as whoever gave it up says.
        """
        execute(self._texts[CLOSE_PENDING], (*told, run_id))
        rows = [delivery_from_row(row) for row in execute(self._texts[DELIVERIES], (run_id,)).fetchall()]
        if not any(row.copy or row.state is DeliveryState.DELIVERED for row in rows):
            return None
        made = judge(rows, utc_now())
        execute(self._texts[VERDICT], (made.status.value, made.error_code, made.error, run_id))
        return made.status

    def close(self, execute: Execute, run_id: str) -> RunStatus:
        """Close a `queued` run as cancelled, its pending deliveries too; return the status it took."""
        execute(self._texts[CLOSE_PENDING], ("cancelled", CANCELLED, run_id))
        rows = [delivery_from_row(row) for row in execute(self._texts[DELIVERIES], (run_id,)).fetchall()]
        made = cancelled(rows, utc_now())
        execute(self._texts[CLOSE], (made.status.value, made.reason, made.error_code, made.error, run_id))
        self.faces.closed(execute, run_id, made.status)
        return made.status
