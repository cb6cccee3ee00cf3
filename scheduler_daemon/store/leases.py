"""
The shop's lease: taken, extended and given back by conditional updates, compared with the database's clock.

The statements are those of notes on schedulers, E.4 and E.5. A lease is not a state but a comparison: whoever finds
`lease_until` in the past may claim. Each claim raises the fence, and each later write names it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import cast

from ..errors import LeaseLost
from ..lib.clock import from_ms, monotonic
from ..model import Lease
from .engine import Engine, Rows
from .group import Execute
from .holder import is_gone
from .values import LAST_MOMENT

#: `next_work_at` of a shop without work: far beyond any moment, and half of what a bigint holds.
NEVER = 4_611_686_018_427_387_904
#: The part of a lease that its holder uses: what is left is for the way there and back.
SAFE = 0.9

FREE = "next_work_at <= {now} AND lease_until <= {now} AND paused_at IS NULL"
TAKE = "SET holder = ?, fence = fence + 1, beat = 0, lease_until = {now} + ?"

CLAIM_SQLITE = f"""
UPDATE {{ours}}scheduler_shop {TAKE} WHERE shop IN (
  SELECT shop FROM {{ours}}scheduler_shop WHERE {FREE} AND (? = '' OR shop = ?) BUSY ORDER BY next_work_at LIMIT ?
) RETURNING shop, fence"""

#: A plain sub-select with LIMIT and SKIP LOCKED may be evaluated twice; a materialized one is not.
CLAIM_POSTGRES = f"""
WITH c AS MATERIALIZED (
  SELECT shop FROM {{ours}}scheduler_shop WHERE {FREE} AND (?::text = '' OR shop = ?) BUSY
  ORDER BY next_work_at LIMIT ? FOR UPDATE SKIP LOCKED
)
UPDATE {{ours}}scheduler_shop s {TAKE.replace("fence + 1", "s.fence + 1")}
FROM c WHERE s.shop = c.shop RETURNING s.shop, s.fence"""

#: MySQL has no UPDATE ... RETURNING (MariaDB 10.11 neither): rows are locked, then changed.
FREE_MYSQL = f"""
SELECT shop, fence FROM {{ours}}scheduler_shop WHERE {FREE} AND (? = '' OR shop = ?) BUSY
ORDER BY next_work_at LIMIT ? FOR UPDATE SKIP LOCKED"""

CLAIMS = {"sqlite": CLAIM_SQLITE, "postgres": CLAIM_POSTGRES, "mysql": FREE_MYSQL}

BEAT = """
UPDATE {ours}scheduler_shop SET beat = beat + 1, lease_until = {now} + ?
WHERE shop = ? AND fence = ? AND holder = ?"""

HOLD = "SELECT 1 FROM {ours}scheduler_shop WHERE shop = ? AND fence = ?"

WORK = "SELECT MIN(not_before), {now} FROM {ours}scheduler_run WHERE shop = ? AND status = 'queued'"

#: The fence grows here too: what a thread of the old holder still writes is refused from now on.
RELEASE = """
UPDATE {ours}scheduler_shop SET holder = NULL, fence = fence + 1, lease_until = 0, next_work_at = ?
WHERE shop = ? AND fence = ?"""

NEXT_WORK = f"""
SELECT next_work_at FROM {{ours}}scheduler_shop
WHERE next_work_at < {NEVER} AND paused_at IS NULL AND lease_until <= {{now}} ORDER BY next_work_at LIMIT 1"""


def lock_shops(engine: Engine, shops: Collection[str]) -> None:
    """
    Lock the rows of *shops* until the open transaction ends; a shop without a row has none to lock.

    Whoever writes to several shops, or to a shop's schedules and runs as well, locks the shops first, and all in one
    order: else two daemons wait for each other until the server ends one of them (PostgreSQL: after a second). The
    order is the database's own, which sorts other than Python does. SQLite has one writer anyway.
    """
    if shops and not engine.is_sqlite:
        marks = ", ".join("?" * len(shops))
        sql = f"SELECT shop FROM {{ours}}scheduler_shop WHERE shop IN ({marks}) ORDER BY shop FOR UPDATE"
        engine.write(sql, sorted(shops))


class Leases:
    """Claims, beats and releases of shops for one holder."""

    def __init__(self, engine: Engine, holder: str, lease: timedelta) -> None:
        self.engine = engine
        self.holder = holder
        self.length = lease.total_seconds()
        self._ms = int(self.length * 1000)
        #: Asks whether a lease still holds; where rows can be locked, it stays so until the transaction's end.
        self.hold_text = engine.text(HOLD + engine.dialect.lock)
        self._work_text, self._release_text = engine.text(WORK), engine.text(RELEASE)

    def claim(self, limit: int, only: str = "", busy: Iterable[str] = ()) -> list[Lease]:
        """
        Take up to *limit* shops that have work now and no live lease, the longest-waiting first.

        *only* names the one shop that may be taken; *busy* those that are not asked for, because a thread of this
        process is still at work there: it gave its shop back a moment ago, or it lost it. The returned leases are
        valid from the moment before the statement was sent, so a slow answer makes them shorter, never longer.
        """

        def steps(execute: Execute) -> list[Lease]:
            return self.take(execute, limit, only, busy)

        return cast(list[Lease], self.engine.together(steps))

    def take(self, execute: Execute, limit: int, only: str = "", busy: Iterable[str] = ()) -> list[Lease]:
        """Claim inside the transaction of *execute*."""
        sent, out = monotonic(), sorted(busy)
        take, free = (self.holder, self._ms), (only, only, *out, limit)
        without = f"AND shop NOT IN ({', '.join('?' * len(out))})" if out else ""
        text = self.engine.text(CLAIMS[self.engine.kind].replace("BUSY", without))
        if self.engine.kind == "mysql":
            rows = self._take_in_steps(execute, text, free, take)
        else:
            rows = execute(text, (*take, *free) if self.engine.kind == "sqlite" else (*free, *take)).fetchall()
        until = sent + self.length * SAFE
        return [Lease(shop=row[0], fence=row[1], valid_until=until) for row in rows]

    def _take_in_steps(self, execute: Execute, ask: str, free: tuple[object, ...], take: tuple[object, ...]) -> Rows:
        """Claim where an UPDATE returns no rows: the locked rows are ours until the commit."""
        rows = execute(ask, free).fetchall()
        if rows:
            marks = ", ".join("?" * len(rows))
            text = self.engine.text(f"UPDATE {{ours}}scheduler_shop {TAKE} WHERE shop IN ({marks})")
            execute(text, (*take, *(row[0] for row in rows)))
        return [(shop, fence + 1) for shop, fence in rows]

    def beat(self, leases: Iterable[Lease]) -> tuple[float, list[Lease]]:
        """Extend *leases*; return until when they are valid (monotonic) and those that were lost."""
        sent, ours = monotonic(), list(leases)
        with self.engine.transaction():
            lock_shops(self.engine, [lease.shop for lease in ours])
            lost = [lease for lease in ours if not self._extend(lease)]
        return sent + self.length * SAFE, lost

    def _extend(self, lease: Lease) -> bool:
        return self.engine.count(BEAT, (self._ms, lease.shop, lease.fence, self.holder)) == 1

    def holds(self, lease: Lease, execute: Execute) -> bool:
        """Whether *lease* is still ours, asked inside the transaction of *execute* and true until its end."""
        return execute(self.hold_text, (lease.shop, lease.fence)).fetchone() is not None

    def require(self, lease: Lease, execute: Execute) -> None:
        """Raise LeaseLost unless *lease* is still ours, as `holds` asks it."""
        if not self.holds(lease, execute):
            raise LeaseLost(f"The lease on {lease.shop} went to another holder.")

    def release(self, lease: Lease, also: Callable[[Execute], None] | None = None) -> bool:
        """
        Give *lease* back and say when the shop has work next; False where it was no longer ours.

        *also* is done before, in the same commit. The row is locked by a statement of its own before the runs are
        looked at: in one statement PostgreSQL would look at them as they were before a waiting *queue* committed, and
        the shop would sleep over its work. A shop with work left stands behind those that wait by now: however much it
        has, each of the others gets its turn before it comes again.
        """

        def steps(execute: Execute) -> bool:
            return self.give_back(execute, lease, also)

        return bool(self.engine.together(steps))

    def give_back(self, execute: Execute, lease: Lease, also: Callable[[Execute], None] | None = None) -> bool:
        """Release inside the transaction of *execute*."""
        if not self.holds(lease, execute):
            return False
        if also is not None:
            also(execute)
        found, now = execute(self._work_text, (lease.shop,)).fetchone()
        # A moment that is none (SQLite keeps any text) waits for `Mending.shorten_waits`.
        next_work = max(found, int(now)) if isinstance(found, int) and found < NEVER else NEVER
        return bool(execute(self._release_text, (next_work, lease.shop, lease.fence)).rowcount == 1)

    def next_work_at(self) -> datetime | None:
        """Return the earliest moment at which an unpaused, unleased shop has work, UTC, or None."""
        rows = self.engine.read(NEXT_WORK)
        return from_ms(rows[0][0]) if rows and isinstance(rows[0][0], int) and rows[0][0] < LAST_MOMENT else None

    def held_elsewhere(self, shops: Sequence[str] = ()) -> dict[str, str]:
        """Return the holders, by shop, of leases that live and are not ours."""
        sql = "SELECT shop, holder FROM {ours}scheduler_shop WHERE lease_until > {now} AND holder <> ?"
        rows = self.engine.read(sql, (self.holder,))
        return {shop: holder for shop, holder in rows if not shops or shop in shops}

    def lost_elsewhere(self, now: datetime) -> dict[str, datetime]:
        """
        Return when they end, by shop, of leases that live though their holder's process is gone from this machine.

        The moments are UTC on the clock of *now*; from then on whoever looks next takes the shop.
        """
        sql = "SELECT shop, holder, lease_until - {now} FROM {ours}scheduler_shop WHERE lease_until > {now}"
        rows = self.engine.read(f"{sql} AND holder <> ?", (self.holder,))
        return {shop: now + timedelta(milliseconds=int(left)) for shop, holder, left in rows if is_gone(holder)}
