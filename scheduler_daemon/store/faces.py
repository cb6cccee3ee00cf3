"""
What the app sees of a run: `lastRunAt` of its schedule and the rows of its own `ReportHistory`.

On a database of our own `ReportHistory` is a view and costs nothing; on the app's it is a table, written in the same
transactions as the ledger and in the app's words (DESIGN 5).
"""

from collections.abc import Sequence
from typing import Any

from ..lib.clock import utc_now
from ..model import Run, RunStatus
from .engine import Engine
from .group import Execute
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

LAST_RUN = 'UPDATE {app}"ReportSchedule" SET "lastRunAt" = ? WHERE "id" IN'


class Faces:
    """Writes the app's own rows; every call stands inside the ledger's transaction."""

    def __init__(self, engine: Engine, *, has_table: bool, last_run: Style, history: Style) -> None:
        self.engine = engine
        #: Whether the app has a `ReportHistory` of its own.
        self.has_table = has_table
        self.last_run = last_run
        self.history = history
        self._texts = {sql: engine.text(sql) for sql in (STARTED, CLOSED, LEDGER, LAST_RUN)}

    def started(self, execute: Execute, run: Run) -> None:
        """Show that *run* runs."""
        if self.has_table:
            at = encode(run.started_at, self.history)
            execute(self._texts[STARTED], (run.id, run.schedule_id, run.shop, at))

    def closed(self, execute: Execute, run_id: str, status: RunStatus) -> None:
        """Show that a run is over, as the ledger has it."""
        if not self.has_table:
            return
        name, count, error, code = execute(self._texts[LEDGER], (run_id,)).fetchone()
        sentence = error if error or status is RunStatus.SUCCEEDED else (code or status.value)
        word = WORDS.get(status, "FAILED")
        execute(self._texts[CLOSED], (word, encode(utc_now(), self.history), count, name, sentence, run_id))

    def ran(self, execute: Execute, schedule_ids: Sequence[str]) -> None:
        """Write `lastRunAt` of schedules whose runs ended; it is for people, so once a claim and not once a run."""
        ids = list(dict.fromkeys(schedule_ids))
        if ids:
            marks = ", ".join([self.engine.dialect.mark] * len(ids))
            execute(f"{self._texts[LAST_RUN]} ({marks})", (encode(utc_now(), self.last_run), *ids))


def styles(engine: Engine, model: Any, *fields: Any) -> dict[str, Style]:
    """Return the style in which each moment column of an app's table is written; integers where it is empty."""
    if not engine.is_sqlite:
        return {field.name: Style.NATIVE for field in fields}
    found = {}
    for field in fields:
        sql = f"""SELECT typeof("{field.column_name}") FROM "{model._meta.table_name}"
        WHERE "{field.column_name}" IS NOT NULL ORDER BY rowid DESC LIMIT 1"""
        rows = engine.read(sql)
        found[field.name] = Style.TEXT if rows and rows[0][0] == "text" else Style.INTEGER
    return found
