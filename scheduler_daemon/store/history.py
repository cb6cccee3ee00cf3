"""Reading the ledger: runs with their attempts and deliveries, counts, and what a person asks of them."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ..errors import UsageError
from ..lib.clock import from_ms, to_ms
from ..model import Attempt, Delivery, Run
from .engine import Engine
from .rows import DELIVERY_COLUMNS, RUN_COLUMNS, delivery_from_row, moment, run_from_row

#: A count stops here: over a million rows a full one takes 50 ms (DESIGN 9).
COUNTED = 10_000


class History:
    """Finished and unfinished runs, for people."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def latest(
        self, *, limit: int = 50, shop: str = "", schedule: str = "", status: str = "", before: str = ""
    ) -> list[Run]:
        """Return the latest runs, newest first; *before* (a run id) goes on where a page ended."""
        wheres = ["1 = 1"]
        values: list[Any] = []
        for column, value in (("shop", shop), ("schedule_id", schedule), ("status", status)):
            if value:
                wheres.append(f"{column} = ?")
                values.append(value)
        if before:
            wheres.append("id < ?")
            values.append(before)
        sql = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE {' AND '.join(wheres)} ORDER BY id DESC LIMIT ?"
        return [run_from_row(row) for row in self.engine.read(sql, (*values, limit))]

    def find(self, run_id: str) -> Run:
        """Return the run whose id is, or begins or ends with, *run_id*; raise UsageError `unknown_run`."""
        wanted = run_id.strip().upper()
        sql = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE id = ? OR id LIKE ? OR id LIKE ? LIMIT 2"
        rows = self.engine.read(sql, (wanted, f"{wanted}%", f"%{wanted}")) if len(wanted) >= 4 else []
        if len(rows) == 1:
            return run_from_row(rows[0])
        several = "fits several runs" if rows else "is no run in the history"
        raise UsageError(f"{run_id!r} {several}.", code="unknown_run", hint="List them with: scheduler history list")

    def attempts(self, run_id: str) -> list[Attempt]:
        """Return the attempts of a run, the first one first."""
        sql = """SELECT run_id, number, holder, fence, started_at, finished_at, status, error_code, error, timings
        FROM {ours}scheduler_attempt WHERE run_id = ? ORDER BY number"""
        return [
            Attempt(
                run_id=row[0],
                number=row[1],
                holder=row[2],
                fence=row[3],
                started_at=from_ms(row[4]),
                finished_at=moment(row[5]),
                status=row[6],
                error_code=row[7],
                error=row[8],
                timings=json.loads(row[9] or "{}"),
            )
            for row in self.engine.read(sql, (run_id,))
        ]

    def deliveries(self, run_id: str) -> list[Delivery]:
        """Return the deliveries of a run, in the order of their making."""
        sql = f"SELECT {DELIVERY_COLUMNS} FROM {{ours}}scheduler_delivery WHERE run_id = ? ORDER BY id"
        return [delivery_from_row(row) for row in self.engine.read(sql, (run_id,))]

    def failed_attempts(self, run_id: str) -> int:
        """Return how many attempts of a run failed and counted."""
        sql = "SELECT COUNT(*) FROM {ours}scheduler_attempt WHERE run_id = ? AND status = 'retry'"
        return int(self.engine.read(sql, (run_id,))[0][0])

    def last_of(self, schedule_id: str, limit: int = 5) -> Sequence[Run]:
        """Return the latest runs of a schedule, newest due moment first."""
        sql = f"""SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE schedule_id = ?
        ORDER BY due_at DESC, id DESC LIMIT ?"""
        return [run_from_row(row) for row in self.engine.read(sql, (schedule_id, limit))]

    def runs(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs with these ids."""
        if not ids:
            return []
        marks = ", ".join("?" * len(ids))
        sql = f"SELECT {RUN_COLUMNS} FROM {{ours}}scheduler_run WHERE id IN ({marks}) ORDER BY id"
        return [run_from_row(row) for row in self.engine.read(sql, tuple(ids))]

    def counts(self, now: datetime) -> dict[str, int]:
        """Return the numbers that the state file shows of the ledger; each is counted up to `COUNTED`."""
        day = to_ms(now - timedelta(days=1))
        at = to_ms(now)
        ledger = "FROM {ours}scheduler_run WHERE"
        asks = {
            "queued": (f"{ledger} finished_at IS NULL AND status = 'queued' AND not_before <= ?", (at,)),
            "retrying": (f"{ledger} finished_at IS NULL AND status = 'queued' AND not_before > ?", (at,)),
            "succeeded_24h": (f"{ledger} finished_at > ? AND status = 'succeeded'", (day,)),
            "failed_24h": (f"{ledger} finished_at > ? AND status IN ('failed', 'partial')", (day,)),
        }
        return {
            name: int(self.engine.read(f"SELECT COUNT(*) FROM (SELECT 1 {sql} LIMIT {COUNTED}) c", values)[0][0])
            for name, (sql, values) in asks.items()
        }

    def open_runs(self) -> set[str]:
        """Return the ids of all unfinished runs: their spool files stay."""
        sql = "SELECT id FROM {ours}scheduler_run WHERE finished_at IS NULL"
        return {row[0] for row in self.engine.read(sql)}
