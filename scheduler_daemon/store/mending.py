"""What each check puts right: the net below *queue*, *finish* and *release*, cheap enough for every one of them."""

from datetime import timedelta

from ..model import LONGEST_LEASE
from .engine import Engine
from .values import LAST_MOMENT

#: Wakes shops whose queued work is earlier than their row says, and those in which a lost holder left a run running.
WAKE = """
UPDATE {ours}scheduler_shop SET next_work_at = {now} WHERE next_work_at > {now} AND lease_until <= {now}
AND shop IN (
  SELECT shop FROM {ours}scheduler_run WHERE status = 'queued' AND not_before <= {now}
  UNION ALL SELECT shop FROM {ours}scheduler_run WHERE status = 'running')"""

#: Shortens waits that were written while a clock stood ahead: none may be farther away than its own cap (DESIGN 9).
#: A run that was not tried yet and whose moment has come waits for its jitter, which is no retry's cap; but nothing
#: waits for a moment that is none (in SQLite a text is beyond every number).
SHORTEN = f"""
UPDATE {{ours}}scheduler_run SET not_before = {{now}} + ? WHERE status = 'queued' AND not_before > {{now}} + ?
AND (attempt > 0 OR error_code IS NOT NULL OR due_at > {{now}} + ? OR not_before > {LAST_MOMENT})"""

SHORTEN_DELIVERIES = """
UPDATE {ours}scheduler_delivery SET not_before = {now} + ? WHERE state = 'pending' AND not_before > {now} + ?"""

SHORTEN_SHOPS = """
UPDATE {ours}scheduler_shop SET next_work_at = {now} + ? WHERE next_work_at > {now} + ? AND lease_until <= {now}
AND shop IN (SELECT shop FROM {ours}scheduler_run WHERE status = 'queued')"""


#: A lease that ends later than any may was written while the database's clock stood ahead; its holder, where he still
#: lives, extends the shorter one. What he left running is work from then on, whatever the row says.
SHORTEN_LEASES = """
UPDATE {ours}scheduler_shop SET lease_until = {now} + ?,
  next_work_at = CASE WHEN next_work_at > {now} + ? THEN {now} + ? ELSE next_work_at END
WHERE lease_until > {now} + ?"""


class Mending:
    """Repairs that need no lease, because they only let work start earlier."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def wake(self) -> int:
        """Wake shops whose queued work is earlier than their row says; return their number."""
        with self.engine.transaction():
            return self.engine.count(WAKE)

    def shorten_leases(self, lease: timedelta) -> int:
        """Pull leases that end later than any may (`LONGEST_LEASE`) back to now + *lease*; return their number."""
        longest, ours = (int(item.total_seconds() * 1000) for item in (LONGEST_LEASE, lease))
        with self.engine.transaction():
            return self.engine.count(SHORTEN_LEASES, (ours, ours, ours, longest))

    def shorten_waits(self, cap: timedelta) -> int:
        """Pull waits that are farther away than *cap* back to now + *cap*; return how many runs waited so."""
        wait = int(cap.total_seconds() * 1000)
        with self.engine.transaction():
            found = self.engine.count(SHORTEN, (wait, wait, wait))
            if found:
                self.engine.count(SHORTEN_DELIVERIES, (wait, wait))
                self.engine.count(SHORTEN_SHOPS, (wait, wait))
        return found
