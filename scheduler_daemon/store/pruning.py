"""Removing finished runs, with their attempts and deliveries, in small batches that hold no lock for long."""

from collections.abc import Sequence
from datetime import datetime

from ..lib.clock import to_ms
from .engine import Engine

#: Runs removed in one transaction.
BATCH = 200
#: Schedules looked at in one call for too many rows.
SCHEDULES = 100


class Pruning:
    """Retention of the ledger; unfinished runs are never touched."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._after = ""

    def older_than(self, moment: datetime, limit: int = BATCH) -> int:
        """Remove up to *limit* runs that ended before *moment*, the oldest first; return their number."""
        run = self.engine.tables.run
        old = run.select(run.id).where(run.finished_at.is_null(False), run.finished_at < to_ms(moment))
        return self._remove([row[0] for row in self.engine.fetch(old.order_by(run.finished_at).limit(limit))])

    def beyond(self, rows: int, limit: int = BATCH) -> int:
        """
        Remove the oldest finished runs of schedules that have more than *rows*; return their number.

        Each call looks at the next `SCHEDULES` schedules that have runs, and begins anew behind the last.
        """
        run = self.engine.tables.run
        names = run.select(run.schedule_id).where(run.schedule_id > self._after).distinct()
        found = [row[0] for row in self.engine.fetch(names.order_by(run.schedule_id).limit(SCHEDULES))]
        self._after = found[-1] if len(found) == SCHEDULES else ""
        removed = 0
        for schedule_id in found:
            mine = run.select(run.id).where(run.schedule_id == schedule_id, run.finished_at.is_null(False))
            surplus = mine.order_by(run.due_at.desc(), run.id.desc()).offset(rows).limit(limit - removed)
            removed += self._remove([row[0] for row in self.engine.fetch(surplus)])
            if removed >= limit:
                break
        return removed

    def _remove(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        tables = self.engine.tables
        with self.engine.transaction():
            for column in (tables.delivery.run_id, tables.attempt.run_id, tables.run.id):
                self.engine.change(column.model.delete().where(column.in_(list(ids))))
        return len(ids)
