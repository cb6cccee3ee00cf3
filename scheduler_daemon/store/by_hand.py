"""What a person asks of the ledger: a run once more, its file sent again, its end, occurrences of the past."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ..lib.clock import to_ms
from ..model import Delivery, Lease, Occurrence, Recipient, Run, RunStatus, Schedule, Trigger
from .corridor import ADD_DELIVERY, Corridor
from .engine import Engine
from .faults import translate
from .leases import lock_shops
from .new_runs import insert_runs, new_row, run_values, wake_shops
from .rows import asked_to_json

#: Behind every schedule's own priority (`row_checks`: at most 1,000,000).
LAST = 2_000_000
#: Re-runs of one run that are counted.
MOST_RERUNS = 1000

#: Only a finished run that has a file; its fence stays, so that nobody's late write fits it.
AGAIN = """
UPDATE {ours}scheduler_run SET status = 'queued', reason = 'resend', not_before = {now}, finished_at = NULL,
  lost_leases = 0
WHERE id = ? AND finished_at IS NOT NULL AND spool_path IS NOT NULL"""

LAST_COPY = """
SELECT COALESCE(MAX(copy), 0) FROM {ours}scheduler_delivery WHERE run_id = ? AND channel = ? AND recipient = ?"""

LEASE = """
SELECT fence, CASE WHEN lease_until > {now} THEN 1 ELSE 0 END FROM {ours}scheduler_shop WHERE shop = ?"""
STATUS = "SELECT status FROM {ours}scheduler_run WHERE id = ?"

#: As a release: what a holder that is lost, and comes back, still writes is refused.
RAISE_FENCE = """
UPDATE {ours}scheduler_shop SET holder = NULL, fence = fence + 1, lease_until = 0 WHERE shop = ? AND fence = ?"""


class ByHand:
    """Writes what a person asks for; whoever claims the shop next does it."""

    def __init__(self, engine: Engine, corridor: Corridor) -> None:
        self.engine = engine
        self.corridor = corridor
        self._delivery_text = engine.text(ADD_DELIVERY)
        self._lease_text, self._status_text = (engine.text(sql + engine.dialect.lock) for sql in (LEASE, STATUS))

    def resend(
        self, run: Run, recipients: Sequence[Recipient], make: Callable[[Recipient, int], Delivery], now: datetime
    ) -> list[Delivery]:
        """
        Queue a finished run again with a new copy for each of *recipients*; return the new deliveries.

        *make* returns the row of a recipient's copy of that number. None are returned, and nothing was written, where
        the run is not finished or never had a file.
        """
        made: list[Delivery] = []
        with self.engine.transaction(), translate(self.engine.target.shown):
            execute = self.engine.execute()
            lock_shops(self.engine, [run.shop])
            if self.engine.count(AGAIN, (run.id,)) != 1:
                return []
            for to in recipients:
                last = self.engine.write(LAST_COPY, (run.id, to.channel, to.address))[0][0]
                item = make(to, int(last) + 1)
                key = (item.id, run.id, to.channel, to.address, to.role, item.copy, item.key)
                execute(self._delivery_text, key)
                made.append(item)
            wake_shops(self.engine, {run.shop: to_ms(now)})
        return made

    def rerun(self, run: Run, recipients: Sequence[Recipient], now: datetime) -> str:
        """
        Queue a new run for what *run* was about: the same report, period and due moment, fresh data; return its key.

        Trigger `manual`, key ``rerun:<run>:<n>``, so that neither a cursor nor a mark moves.
        """
        table, at = self.engine.tables.run, to_ms(now)
        begins = f"rerun:{run.id}:"
        mine = (table.schedule_id == run.schedule_id) & (table.trigger == Trigger.MANUAL.value)
        with self.engine.transaction():
            lock_shops(self.engine, [run.shop])
            known = table.select(table.occurrence_key).where(mine, table.occurrence_key.startswith(begins))
            numbers = [int(row[0].removeprefix(begins)) for row in self.engine.fetch(known.limit(MOST_RERUNS))]
            key = f"{begins}{max(numbers, default=0) + 1}"
            asked = asked_to_json(
                *(run.report, recipients),
                name=run.name,
                owner=run.owner,
                zone=run.zone,
                deadline=run.deadline,
            )
            row = new_row(
                schedule_id=run.schedule_id,
                shop=run.shop,
                trigger=Trigger.MANUAL,
                occurrence_key=key,
                due_at=run.due_at,
                not_before=now,
                priority=run.priority,
                at=at,
                report=asked,
            )
            insert_runs(self.engine, row)
            if run.period_start is not None and run.period_end is not None:
                span = table.update(period_start=to_ms(run.period_start), period_end=to_ms(run.period_end))
                self.engine.change(span.where(mine, table.occurrence_key == key))
            wake_shops(self.engine, {run.shop: at})
        return key

    def backfill(self, schedule: Schedule, occurrences: Sequence[Occurrence], now: datetime) -> None:
        """Queue *occurrences* of the past, trigger `backfill`, behind all else; what is there stays as it is."""
        last, at = replace(schedule, priority=LAST), to_ms(now)
        # They are due since long, and wait since now: no other shop stands behind one that waits for months.
        waiting = [replace(item, not_before=now) for item in occurrences]
        with self.engine.transaction():
            lock_shops(self.engine, [schedule.shop])
            rows = [run_values(last, item, at, Trigger.BACKFILL) for item in waiting]
            insert_runs(self.engine, [value for row in rows for value in row])
            wake_shops(self.engine, {schedule.shop: at})

    def cancel(self, run: Run, repeatable: Sequence[str]) -> RunStatus:
        """
        Cancel *run*; return the status it has then.

        A queued one is over at once; of a running one the wish is written down (it stays `running` until its holder
        sees it), or it is over at once where its holder is lost. A final one stays as it is. *repeatable* as in
        `Corridor.enter`.
        """
        cancelling = self.corridor.cancelling
        with self.engine.transaction(), translate(self.engine.target.shown):
            execute = self.engine.execute()
            lease = execute(self._lease_text, (run.shop,)).fetchone()
            status = RunStatus(execute(self._status_text, (run.id,)).fetchone()[0])
            if status is RunStatus.QUEUED:
                return cancelling.close(execute, run.id)
            if status.final or not cancelling.wish(execute, run.id) or (lease is not None and lease[1]):
                return status
            if lease is not None:
                self.engine.count(RAISE_FENCE, (run.shop, lease[0]))
            fence = (lease[0] if lease is not None else run.fence or 0) + 1
            self.corridor.adopting.adopt(execute, Lease(run.shop, fence, 0.0), repeatable)
            return RunStatus(execute(self._status_text, (run.id,)).fetchone()[0])
