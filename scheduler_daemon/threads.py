"""
The thread pool over shops and its dict of per-shop locks.

A pool thread never looks for work and never waits for a lock: the main thread claims a shop only while a slot is free,
and a shop that is busy here is not even started (notes on reliability, finding 7).
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from .errors import LeaseLost, RunError, StoreError
from .lib.clock import monotonic
from .model import Entry, Lease, Run
from .verdict import CANCELLED

#: More threads than this that hang, and the process had better be started anew.
MOST_LEAKED = 8
#: Seconds between two tries of a write while the database does not answer.
WRITE_AGAIN = 0.5

Made = TypeVar("Made")


class Stopped(RunError):
    """The daemon stops before the attempt is done: the run goes back to the queue and the attempt does not count."""

    code = "interrupted"


class Cancelled(RunError):
    """A person cancelled the run while it ran."""

    code = "cancelled"


@dataclass(slots=True)
class Hold:
    """A shop at work in this process: its lease as the heartbeat keeps it, and what is being done."""

    #: The lease as it was claimed.
    lease: Lease
    #: Until when we may act, monotonic; extended by the heartbeat, 0 once lost.
    valid_until: float
    #: Until when the running attempt may last, monotonic.
    deadline: float = float("inf")
    #: Set when the drain's time is over.
    abort: threading.Event = field(default_factory=threading.Event)
    #: The run at work, None between runs.
    run: Run | None = None
    #: What it is doing ("fetch", "compare", "render", "deliver").
    step: str = ""
    #: Rows fetched so far.
    rows: int = 0
    #: When the run at work started, UTC.
    since: datetime | None = None
    #: Id of the run that a person wants cancelled; the heartbeat sees the wish in the ledger.
    cancelled: str = ""
    #: What was done in the commit that claimed the shop; None where it is still to be entered.
    entry: Entry | None = None

    def check(self, rows: int | None = None) -> None:
        """Raise LeaseLost, Cancelled, Stopped or RunError `deadline_passed` where the attempt must not go on."""
        if rows is not None:
            self.rows = rows
        now = monotonic()
        if now > self.valid_until:
            raise LeaseLost(f"The lease on {self.lease.shop} ran out.")
        if self.cancelled and self.run is not None and self.run.id == self.cancelled:
            raise Cancelled(CANCELLED)
        if self.abort.is_set():
            raise Stopped("The daemon stopped before the report was made.", retryable=True)
        if now > self.deadline:
            raise RunError("The attempt took longer than its deadline.", code="deadline_passed", retryable=True)

    def pause(self, seconds: float) -> None:
        """Sleep, but wake for a stop; then check."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self.abort.wait(min(left, 1.0))
            self.check()

    def keep_trying(self, write: Callable[[], Made]) -> Made:
        """
        Return what *write* returns; where the database does not answer, try again as long as the shop is ours.

        What an attempt has done outside must not be forgotten for a lock of a few seconds: a mail that went out would
        be `unknown`. Raise LeaseLost, or the StoreError where waiting cannot cure it or the drain's time is over.
        """
        while True:
            try:
                return write()
            except StoreError as error:
                if not error.retryable or self.abort.wait(WRITE_AGAIN):
                    raise
            if monotonic() > self.valid_until:
                raise LeaseLost(f"The lease on {self.lease.shop} ran out.")


class ShopThreads:
    """Runs *work* for claimed shops, one thread each; what it returns is the shop that its thread goes on with."""

    def __init__(self, workers: int, work: Callable[[Hold], Entry | None], done: Callable[[], None]) -> None:
        self.workers = workers
        self._work = work
        self._done = done
        # A thread that hangs keeps its place in the pool: there is room for as many more as may hang.
        self._pool = ThreadPoolExecutor(workers + MOST_LEAKED + 1, thread_name_prefix="shop")
        #: Threads given up on that have not come back.
        self.leaked = 0
        #: How many shops were taken up since the start: another number means that `holds` says something new.
        self.taken = 0
        self._locks: dict[str, threading.Lock] = {}
        self._holds: dict[str, Hold] = {}
        self._guard = threading.Lock()

    def free(self) -> int:
        """Return the number of free slots."""
        with self._guard:
            return self.workers - len(self._holds)

    def start(self, lease: Lease) -> bool:
        """Work for the shop of *lease*; False where it is still at work here (who claims leaves out `busy`)."""
        with self._guard:
            hold = self._hold(lease)
        if hold is not None:
            self._pool.submit(self._run, hold)
        return hold is not None

    def _hold(self, lease: Lease, entry: Entry | None = None) -> Hold | None:
        """Take the shop's lock and a slot; None where somebody here has it. The guard is held."""
        if not self._locks.setdefault(lease.shop, threading.Lock()).acquire(blocking=False):
            return None
        self.taken += 1
        hold = self._holds[lease.shop] = Hold(lease, lease.valid_until, entry=entry)
        return hold

    def _run(self, hold: Hold) -> None:
        following: Hold | None = hold
        try:
            while following is not None:
                following = self._work_for(following)
        finally:
            self._done()

    def _work_for(self, hold: Hold) -> Hold | None:
        """Work for one shop and let go of it; return the hold on the shop that was claimed with its release."""
        entry = None
        try:
            entry = self._work(hold)
        finally:
            following = self._move_on(hold, entry)
        while entry is not None and following is None:
            # Whoever held the shop here gave it back before it was claimed, and has only to let go of it.
            time.sleep(0.001)
            with self._guard:
                following = self._hold(entry.lease, entry)
        return following

    def _move_on(self, hold: Hold, entry: Entry | None) -> Hold | None:
        """Let go of the shop of *hold*; return the hold on the shop of *entry*, in the same slot."""
        with self._guard:
            if self._holds.get(hold.lease.shop) is hold:
                self._forget(hold)
            else:
                self.leaked -= 1
            return None if entry is None else self._hold(entry.lease, entry)

    def _forget(self, hold: Hold) -> None:
        del self._holds[hold.lease.shop]
        self._locks.pop(hold.lease.shop).release()

    def abandon(self, hold: Hold) -> None:
        """Give up on a thread that does not come back: its slot is free again, and it is counted as leaked."""
        with self._guard:
            if self._holds.get(hold.lease.shop) is hold:
                self._forget(hold)
                self.leaked += 1
        hold.valid_until = 0.0
        hold.abort.set()

    def holds(self) -> list[Hold]:
        """Return the shops at work."""
        with self._guard:
            return list(self._holds.values())

    def busy(self) -> set[str]:
        """Return the domains of the shops at work."""
        with self._guard:
            return set(self._holds)

    def extend(self, valid_until: float, lost: Iterable[Lease]) -> None:
        """Take in what the heartbeat found: who is valid until when, and who was lost."""
        gone = {(lease.shop, lease.fence) for lease in lost}
        for hold in self.holds():
            mine = (hold.lease.shop, hold.lease.fence)
            hold.valid_until = 0.0 if mine in gone else valid_until

    def abort(self) -> None:
        """Tell all shops at work to give up."""
        for hold in self.holds():
            hold.abort.set()

    def close(self) -> None:
        """Start nothing any more. Threads that had nothing to do have ended on return, and with them what is theirs."""
        with self._guard:
            idle = not self._holds and not self.leaked
        self._pool.shutdown(wait=idle, cancel_futures=True)
