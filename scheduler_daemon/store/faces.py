"""
What the app sees of a run: `lastRunAt` of its schedule and the rows of its own `ReportHistory`.

On a database of our own `ReportHistory` is a view and costs nothing; on the app's it is a table, written in the same
transactions as the ledger and in the app's words (DESIGN 5).
"""

from datetime import datetime
from typing import Any

from ..errors import SchedulerError
from ..lib.clock import from_ms
from ..model import Outcome, Run, RunStatus
from .engine import Engine
from .moments import Style, encode

WORDS = {RunStatus.SUCCEEDED: "SUCCESS"}

STARTED = """
INSERT INTO {app}"ReportHistory" ("id", "reportScheduleId", "shop", "status", "startedAt")
VALUES (?, ?, ?, 'RUNNING', ?)
ON CONFLICT ("id") DO UPDATE SET "status" = 'RUNNING', "error" = NULL"""

CLOSED = """
UPDATE {app}"ReportHistory" SET "status" = ?, "completedAt" = ?, "recordCount" = ?, "fileName" = ?, "error" = ?
WHERE "id" = ?"""

LEDGER = "SELECT file_name, record_count, error, error_code FROM {ours}scheduler_run WHERE id = ?"

LAST_RUN = 'UPDATE {app}"ReportSchedule" SET "lastRunAt" = ? WHERE "id" = ?'


class Faces:
    """Writes the app's own rows; every call stands inside the ledger's transaction."""

    def __init__(self, engine: Engine, *, has_table: bool, last_run: Style, history: Style) -> None:
        self.engine = engine
        self.has_table = has_table
        self.last_run = last_run
        self.history = history

    def started(self, run: Run) -> None:
        """Show that *run* runs."""
        if self.has_table:
            at = encode(run.started_at, self.history)
            self.engine.write(STARTED, (run.id, run.schedule_id, run.shop, at))

    def finished(self, run: Run, outcome: Outcome) -> None:
        """Show that *run* is over."""
        if self.has_table:
            self._close(run.id, outcome.status, self._now())

    def closed(self, run_id: str, status: RunStatus) -> None:
        """Show that a run which is not at hand is over (quarantined on adoption)."""
        if self.has_table:
            self._close(run_id, status, self._now())

    def last_run_at(self) -> Any:
        """Return this moment as `lastRunAt` holds it."""
        return encode(self._now(), self.last_run)

    def _close(self, run_id: str, status: RunStatus, now: datetime) -> None:
        rows = self.engine.write(LEDGER, (run_id,))
        if not rows:
            raise SchedulerError(f"Run {run_id} is not in the ledger.", code="unknown_run")
        name, count, error, code = rows[0]
        sentence = error if error or status is RunStatus.SUCCEEDED else (code or status.value)
        word = WORDS.get(status, "FAILED")
        self.engine.write(CLOSED, (word, encode(now, self.history), count, name, sentence, run_id))

    def _now(self) -> datetime:
        from ..lib.clock import utc_now

        return from_ms(int(utc_now().timestamp() * 1000))


def styles(engine: Engine, table: str, names: tuple[str, ...]) -> dict[str, Style]:
    """Return the style in which each moment column of an app's table is written; integers where it is empty."""
    if not engine.is_sqlite:
        return dict.fromkeys(names, Style.NATIVE)
    found = {}
    for name in names:
        sql = f'SELECT typeof("{name}") FROM "{table}" WHERE "{name}" IS NOT NULL ORDER BY rowid DESC LIMIT 1'
        rows = engine.read(sql)
        found[name] = Style.TEXT if rows and rows[0][0] == "text" else Style.INTEGER
    return found
