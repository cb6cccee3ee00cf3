"""
What must be true at any time, asked as indexable probes: each looks for one breach and stops at the first.

A breach means that something which the design makes impossible, or mends by itself, has lasted too long.
"""

from datetime import timedelta

from ..lib.clock import EPOCH
from .engine import Engine
from .values import read_moment

#: Work that waits for a shop that nobody holds.
UNOWNED_WORK = """
SELECT shop, next_work_at FROM {ours}scheduler_shop
WHERE next_work_at < {now} - ? AND lease_until < {now} - ? AND paused_at IS NULL
ORDER BY next_work_at LIMIT 1"""

#: A run whose holder is gone, and whom nobody has adopted.
UNOWNED_RUN = """
SELECT r.id, s.shop FROM {ours}scheduler_run r JOIN {ours}scheduler_shop s ON s.shop = r.shop
WHERE r.status = 'running' AND s.lease_until < {now} - ? LIMIT 1"""

#: A delivery that is being sent for longer than any may take.
STUCK_DELIVERY = """
SELECT run_id FROM {ours}scheduler_delivery WHERE state = 'sending' AND updated_at < {now} - ? LIMIT 1"""

#: How far this machine's clock may be from the database's: leases do not depend on it, due moments do.
MOST_SKEW_MS = 2000


class Invariants:
    """Looks for breaches."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def breaches(self, patience: timedelta, deadline: timedelta, *, slots_free: bool) -> list[tuple[str, str]]:
        """
        Return what is breached, as (error code, sentence).

        *patience* is how long work may lie unowned while *slots_free*; *deadline* is how long an attempt may take.
        """
        wait, longest = int(patience.total_seconds() * 1000), int(deadline.total_seconds() * 1000)
        found = []
        if slots_free and (rows := self.engine.read(UNOWNED_WORK, (wait, wait))):
            since = f"{read_moment(rows[0][1]) or EPOCH:%Y-%m-%d %H:%M:%S} UTC"
            found.append(("work_unowned", f"Work of {rows[0][0]} waits since {since}, and slots are free."))
        if rows := self.engine.read(UNOWNED_RUN, (wait,)):
            found.append(("run_unowned", f"Run {rows[0][0]} of {rows[0][1]} lost its process and was not taken back."))
        if rows := self.engine.read(STUCK_DELIVERY, (longest + wait,)):
            found.append(("outbox_stuck", f"A delivery of run {rows[0][0]} is being sent for too long."))
        return found
