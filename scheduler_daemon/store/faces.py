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

#: A schedule that the app has deleted has no history any more: its foreign key would refuse the row, and with it the
#: start of each of the shop's runs. Its row stays as it is until the commit, so that none is deleted in between.
KNOWN = 'SELECT 1 FROM {app}"ReportSchedule" WHERE "id" = ?{share}'

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
        self._texts = {sql: engine.text(sql) for sql in (KNOWN, STARTED, CLOSED, LEDGER, LAST_RUN)}

    def started(self, execute: Execute, run: Run) -> None:
        """Show that *run* runs, where the app still knows its schedule."""
        if self.has_table and execute(self._texts[KNOWN], (run.schedule_id,)).fetchone() is not None:
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


#: A moment as Prisma 7 writes it; SQLite's own CURRENT_TIMESTAMP (a blank between day and time) is nobody's style.
ISO = "____-__-__T%"


def styles(engine: Engine, model: Any, *fields: Any) -> dict[str, Style]:
    """
    Return the style in which each moment column of an app's table is written.

    A column that is empty so far gets the style in which the app wrote its schedules and sessions, else integers: an
    app of Prisma 7 compares its columns as text, and an integer among them would be before every moment.
    """
    if not engine.is_sqlite:
        return {field.name: Style.NATIVE for field in fields}
    return {field.name: _newest(engine, model, field) or _of_app(engine) for field in fields}


def _of_app(engine: Engine) -> Style:
    schedule, session = engine.tables.report_schedule, engine.tables.session
    places = ((schedule, schedule.updated_at), (schedule, schedule.next_run_at), (session, session.expires))
    found = (_newest(engine, model, field) for model, field in places)
    return next((style for style in found if style is not None), Style.INTEGER)


def _newest(engine: Engine, model: Any, field: Any) -> Style | None:
    """Return the style of the newest moment in a column; None where it has none."""
    name = field.column_name
    sql = f"""SELECT typeof("{name}") FROM "{model._meta.table_name}"
    WHERE typeof("{name}") IN ('integer', 'real') OR "{name}" LIKE '{ISO}' ORDER BY rowid DESC LIMIT 1"""
    rows = engine.read(sql)
    if not rows:
        return None
    return Style.TEXT if rows[0][0] == "text" else Style.INTEGER
