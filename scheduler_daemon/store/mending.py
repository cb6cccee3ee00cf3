"""
What each check puts right: the net below *queue*, *finish* and *release*, cheap enough for every one of them.

Each repair asks first, without a lock, which shops need it: in ordinary times none. Only then it writes, and locks the
shops before all else, as everybody does (`lock_shops`).
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from ..model import LONGEST_LEASE
from .engine import Engine
from .leases import lock_shops
from .values import LAST_MOMENT

#: Shops mended in one transaction; they stand where the statements say SHOPS.
PART = 200

#: Shops whose queued work is earlier than their row says, and those in which a lost holder left a run running.
LATE = """next_work_at > {now} AND lease_until <= {now} AND shop IN (
  SELECT shop FROM {ours}scheduler_run WHERE status = 'queued' AND not_before <= {now}
  UNION ALL SELECT shop FROM {ours}scheduler_run WHERE status = 'running')"""
WAKE = f"UPDATE {{ours}}scheduler_shop SET next_work_at = {{now}} WHERE {LATE} AND shop IN (SHOPS)"

#: Waits that were written while a clock stood ahead: none may be farther away than its own cap (DESIGN 9).
#: A run that was not tried yet and whose moment has come waits for its jitter, which is no retry's cap; but nothing
#: waits for a moment that is none (in SQLite a text is beyond every number).
FAR = f"""status = 'queued' AND not_before > {{now}} + ?
AND (attempt > 0 OR error_code IS NOT NULL OR due_at > {{now}} + ? OR not_before > {LAST_MOMENT})"""
SHORTEN = f"UPDATE {{ours}}scheduler_run SET not_before = {{now}} + ? WHERE {FAR} AND shop IN (SHOPS)"

SHORTEN_DELIVERIES = """
UPDATE {ours}scheduler_delivery SET not_before = {now} + ? WHERE state = 'pending' AND not_before > {now} + ?
AND run_id IN (SELECT id FROM {ours}scheduler_run WHERE status = 'queued' AND shop IN (SHOPS))"""

SHORTEN_SHOPS = """
UPDATE {ours}scheduler_shop SET next_work_at = {now} + ? WHERE next_work_at > {now} + ? AND lease_until <= {now}
AND shop IN (SHOPS)"""

#: A lease that ends later than any may was written while the database's clock stood ahead; its holder, where he still
#: lives, extends the shorter one. What he left running is work from then on, whatever the row says.
ENDLESS = "lease_until > {now} + ?"
SHORTEN_LEASES = f"""
UPDATE {{ours}}scheduler_shop SET lease_until = {{now}} + ?,
  next_work_at = CASE WHEN next_work_at > {{now}} + ? THEN {{now}} + ? ELSE next_work_at END
WHERE {ENDLESS} AND shop IN (SHOPS)"""


class Mending:
    """Repairs that need no lease, because they only let work start earlier."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def wake(self) -> int:
        """Wake shops whose queued work is earlier than their row says; return their number."""
        ask = f"SELECT shop FROM {{ours}}scheduler_shop WHERE {LATE}"
        return self._mend(ask, (), lambda shops: self._change(WAKE, (), shops))

    def shorten_leases(self, lease: timedelta) -> int:
        """Pull leases that end later than any may (`LONGEST_LEASE`) back to now + *lease*; return their number."""
        longest, ours = (int(item.total_seconds() * 1000) for item in (LONGEST_LEASE, lease))
        ask = f"SELECT shop FROM {{ours}}scheduler_shop WHERE {ENDLESS}"
        values = (ours, ours, ours, longest)
        return self._mend(ask, (longest,), lambda shops: self._change(SHORTEN_LEASES, values, shops))

    def shorten_waits(self, cap: timedelta) -> int:
        """Pull waits that are farther away than *cap* back to now + *cap*; return how many runs waited so."""
        wait = int(cap.total_seconds() * 1000)

        def shorten(shops: Sequence[str]) -> int:
            found = self._change(SHORTEN, (wait, wait, wait), shops)
            self._change(SHORTEN_DELIVERIES, (wait, wait), shops)
            self._change(SHORTEN_SHOPS, (wait, wait), shops)
            return found

        return self._mend(f"SELECT DISTINCT shop FROM {{ours}}scheduler_run WHERE {FAR}", (wait, wait), shorten)

    def _mend(self, ask: str, params: Sequence[Any], change: Callable[[Sequence[str]], int]) -> int:
        """Do *change* to the shops that *ask* names, a part of them in a transaction; return the sum."""
        shops = [row[0] for row in self.engine.read(ask, params)]
        changed = 0
        for start in range(0, len(shops), PART):
            part = shops[start : start + PART]
            with self.engine.transaction():
                lock_shops(self.engine, part)
                changed += change(part)
        return changed

    def _change(self, sql: str, params: Sequence[Any], shops: Sequence[str]) -> int:
        """Run *sql* for *shops* alone; return how many rows it changed."""
        return self.engine.count(sql.replace("SHOPS", ", ".join("?" * len(shops))), (*params, *shops))
