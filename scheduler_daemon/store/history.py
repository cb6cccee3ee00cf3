"""Reading the ledger: runs with their attempts and deliveries, counts, and what a person asks of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ..errors import UsageError
from ..lib.clock import to_ms
from ..model import LATE_AFTER, Attempt, Delivery, Run, RunStatus, Trigger
from .engine import Engine
from .rows import attempt_from_row, delivery_from_row, delivery_query, run_from_row, run_query

#: A count stops here: over a million rows a full one takes 50 ms (DESIGN 9).
COUNTED = 10_000


#: Constant SQL, because each claim asks it.
WAITING = f"""
SELECT COUNT(*) FROM (
  SELECT 1 FROM {{ours}}scheduler_run WHERE shop = ? AND status = 'queued' AND not_before <= ? LIMIT {COUNTED}
) waiting"""


class History:
    """Finished and unfinished runs, for people."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.run = engine.tables.run
        # As constants in the text: only so is the index of such rows used (DESIGN 9).
        self._queued, self._running = map(engine.tables.sql, ("'queued'", "'running'"))

    def latest(
        self, *, limit: int = 50, shop: str = "", schedule: str = "", status: Sequence[str] = (), before: str = ""
    ) -> list[Run]:
        """
        Return the latest runs, newest first; *before* (a run id) goes on where a page ended.

        *status* names those that fit, none for every one.
        """
        run = self.run
        query = run_query(self.engine.tables).order_by(run.id.desc()).limit(limit)
        for column, value in ((run.shop, shop), (run.schedule_id, schedule)):
            if value:
                query = query.where(column == value)
        if status:
            query = query.where(run.status.in_(list(status)))
        return self._runs(query.where(run.id < before) if before else query)

    def _runs(self, query: Any) -> list[Run]:
        return [run_from_row(row) for row in self.engine.fetch(query)]

    def find(self, run_id: str) -> Run:
        """Return the run whose id is, or begins or ends with, *run_id*; raise UsageError `unknown_run`."""
        wanted = run_id.strip().upper()
        run = self.run
        fits = (run.id == wanted) | run.id.startswith(wanted) | run.id.endswith(wanted)
        found = self._runs(run_query(self.engine.tables).where(fits).limit(2)) if len(wanted) >= 4 else []
        if len(found) == 1:
            return found[0]
        several = "fits several runs" if found else "is no run in the history"
        raise UsageError(f"{run_id!r} {several}.", code="unknown_run", hint="List them with: scheduler history list")

    def attempts(self, run_id: str) -> list[Attempt]:
        """Return the attempts of a run, the first one first."""
        row = self.engine.tables.attempt
        query = row.select().where(row.run_id == run_id).order_by(row.number)
        return [attempt_from_row(found) for found in self.engine.fetch(query)]

    def deliveries(self, run_id: str) -> list[Delivery]:
        """Return the deliveries of a run, in the order of their making."""
        return [delivery_from_row(row) for row in self.engine.fetch(delivery_query(self.engine.tables, run_id))]

    def failed_attempts(self, run_id: str) -> int:
        """Return how many attempts of a run failed and counted."""
        row = self.engine.tables.attempt
        query = row.select(self.engine.tables.fn.COUNT(row.number)).where(row.run_id == run_id, row.status == "retry")
        return int(self.engine.fetch(query)[0][0])

    def is_followed(self, schedule_id: str, moment: datetime) -> bool:
        """Whether an occurrence of the schedule that was due after *moment* has a run which was not skipped."""
        run = self.run
        later = (run.schedule_id == schedule_id) & (run.due_at > to_ms(moment))
        own = (run.trigger == Trigger.SCHEDULE.value) & (run.status != RunStatus.SKIPPED.value)
        return bool(self.engine.fetch(run.select(run.id).where(later, own).limit(1)))

    def last_of(self, schedule_id: str, limit: int = 5) -> Sequence[Run]:
        """Return the latest runs of a schedule, newest due moment first."""
        run = self.run
        query = run_query(self.engine.tables).where(run.schedule_id == schedule_id)
        return self._runs(query.order_by(run.due_at.desc(), run.id.desc()).limit(limit))

    def between(self, schedule_id: str, start: datetime, end: datetime) -> list[Run]:
        """Return the runs of a schedule that were due in [start, end), the earliest first."""
        run = self.run
        query = run_query(self.engine.tables).where(run.schedule_id == schedule_id)
        return self._runs(query.where(run.due_at >= to_ms(start), run.due_at < to_ms(end)).order_by(run.due_at, run.id))

    def waiting(self, shop: str, now: datetime) -> int:
        """Return how many runs of the shop may start now."""
        return int(self.engine.read(WAITING, (shop, to_ms(now)))[0][0])

    def by_key(self, schedule_id: str, trigger: Trigger, key: str) -> Run | None:
        """Return the run of one occurrence, by its identity; None where there is none."""
        run = self.run
        same = (run.schedule_id == schedule_id) & (run.trigger == trigger.value) & (run.occurrence_key == key)
        return next(iter(self._runs(run_query(self.engine.tables).where(same))), None)

    def runs(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs with these ids."""
        run = self.run
        parts = [ids[start : start + 500] for start in range(0, len(ids), 500)]
        found = [self._runs(run_query(self.engine.tables).where(run.id.in_(list(part)))) for part in parts]
        return sorted((item for part in found for item in part), key=lambda item: item.id)

    def counts(self, now: datetime) -> dict[str, int]:
        """Return the numbers that the state file shows of the ledger; each is counted up to `COUNTED`."""
        run = self.run
        day, at = to_ms(now - timedelta(days=1)), to_ms(now)
        waiting = run.status == self._queued
        retrying = waiting & (run.not_before > at) & ((run.attempt > 0) | run.error_code.is_null(False))
        bad = run.status.in_([RunStatus.FAILED.value, RunStatus.PARTIAL.value])
        asks = {
            "queued": waiting & (run.not_before <= at),
            "retrying": retrying,
            "late": retrying & (run.queued_at < to_ms(now - LATE_AFTER)),
            "succeeded_24h": (run.finished_at > day) & (run.status == RunStatus.SUCCEEDED.value),
            "failed_24h": (run.finished_at > day) & bad,
        }
        return {name: self.engine.tally(run.select(run.id).where(where), COUNTED) for name, where in asks.items()}

    def open_runs(self) -> set[str]:
        """Return the ids of all unfinished runs: their spool files stay."""
        status, name = self.run.status, self.run.select(self.run.id)
        return {
            row[0] for word in (self._queued, self._running) for row in self.engine.fetch(name.where(status == word))
        }
