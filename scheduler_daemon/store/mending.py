"""What each check puts right: the net below *queue*, *finish* and *release*, cheap enough for every one of them."""

from datetime import timedelta

from .engine import Engine

#: Wakes shops whose queued work is earlier than their row says.
WAKE = """
UPDATE {ours}scheduler_shop SET next_work_at = {now} WHERE next_work_at > {now} AND lease_until <= {now}
AND shop IN (SELECT shop FROM {ours}scheduler_run WHERE status = 'queued' AND not_before <= {now})"""

#: Shortens waits that were written while a clock stood ahead: none may be farther away than its own cap (DESIGN 9).
SHORTEN = """
UPDATE {ours}scheduler_run SET not_before = {now} + ? WHERE status = 'queued' AND not_before > {now} + ?"""

SHORTEN_DELIVERIES = """
UPDATE {ours}scheduler_delivery SET not_before = {now} + ? WHERE state = 'pending' AND not_before > {now} + ?"""

SHORTEN_SHOPS = """
UPDATE {ours}scheduler_shop SET next_work_at = {now} + ? WHERE next_work_at > {now} + ? AND lease_until <= {now}
AND shop IN (SELECT shop FROM {ours}scheduler_run WHERE status = 'queued')"""


class Mending:
    """Repairs that need no lease, because they only let work start earlier."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def wake(self) -> int:
        """Wake shops whose queued work is earlier than their row says; return their number."""
        with self.engine.transaction():
            return self.engine.count(WAKE)

    def shorten_waits(self, cap: timedelta) -> int:
        """Pull waits that are farther away than *cap* back to now + *cap*; return how many runs waited so."""
        wait = int(cap.total_seconds() * 1000)
        with self.engine.transaction():
            found = self.engine.count(SHORTEN, (wait, wait))
            if found:
                self.engine.count(SHORTEN_DELIVERIES, (wait, wait))
                self.engine.count(SHORTEN_SHOPS, (wait, wait))
        return found
