"""Removing finished runs, with their attempts and deliveries, in small batches that hold no lock for long."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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

    @property
    def at_beginning(self) -> bool:
        """Whether the next `beyond` begins with the first schedule: the last one looked at was the last of all."""
        return not self._after

    def older_than(self, moment: datetime, limit: int = BATCH) -> list[str]:
        """Remove up to *limit* runs that ended before *moment*, the oldest first; return their ids."""
        old = self._old(moment).order_by(self.engine.tables.run.finished_at).limit(limit)
        return self._remove([row[0] for row in self.engine.fetch(old)])

    def _old(self, moment: datetime) -> Any:
        run = self.engine.tables.run
        return run.select(run.id).where(run.finished_at.is_null(False), run.finished_at < to_ms(moment))

    def count(self, moment: datetime | None, rows: int) -> int:
        """Return how many runs `older_than` *moment* and then `beyond` *rows* would remove; None and 0 are no limit."""
        run, fn = self.engine.tables.run, self.engine.tables.fn
        old = 0 if moment is None else int(self.engine.fetch(self._old(moment).select(fn.COUNT(run.id)))[0][0])
        if not rows:
            return old
        stays = run.finished_at.is_null(False)
        if moment is not None:
            stays &= run.finished_at >= to_ms(moment)
        each = run.select(fn.COUNT(run.id)).where(stays).group_by(run.schedule_id).having(fn.COUNT(run.id) > rows)
        return old + sum(int(row[0]) - rows for row in self.engine.fetch(each))

    def beyond(self, rows: int, limit: int = BATCH) -> list[str]:
        """
        Remove the oldest finished runs of schedules that have more than *rows*; return their ids.

        Each call looks at the next `SCHEDULES` schedules that have runs, and begins anew behind the last; where *limit*
        is reached before, the next call goes on with that schedule.
        """
        run, before = self.engine.tables.run, self._after
        names = run.select(run.schedule_id).where(run.schedule_id > self._after).distinct()
        found = [row[0] for row in self.engine.fetch(names.order_by(run.schedule_id).limit(SCHEDULES))]
        self._after = found[-1] if len(found) == SCHEDULES else ""
        removed: list[str] = []
        for schedule_id in found:
            mine = run.select(run.id).where(run.schedule_id == schedule_id, run.finished_at.is_null(False))
            surplus = mine.order_by(run.due_at.desc(), run.id.desc()).offset(rows).limit(limit - len(removed))
            removed += self._remove([row[0] for row in self.engine.fetch(surplus)])
            if len(removed) >= limit:
                self._after = before
                break
            before = schedule_id
        return removed

    def _remove(self, ids: Sequence[str]) -> list[str]:
        """Remove those of the runs that are still finished: one that is sent again meanwhile stays."""
        if not ids:
            return []
        tables = self.engine.tables
        run = tables.run
        finished = run.select(run.id).where(run.id.in_(list(ids)), run.finished_at.is_null(False)).order_by(run.id)
        with self.engine.transaction():
            locked = finished if self.engine.is_sqlite else finished.for_update()
            found = [row[0] for row in self.engine.fetch(locked)]
            for column in (tables.delivery.run_id, tables.attempt.run_id, run.id) if found else ():
                self.engine.change(column.model.delete().where(column.in_(found)))
        return found
