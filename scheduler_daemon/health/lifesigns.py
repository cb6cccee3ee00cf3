"""How the daemon shows that it lives: the state file, its row in the database, systemd's watchdog."""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .. import __version__
from ..errors import AlreadyRunning, SchedulerError, StoreError
from ..lib.clock import monotonic, to_ms, utc_now
from ..lib.descriptors import RAISE_LIMIT, is_limit, say_limit
from ..lib.disk import reason
from ..lib.words import closed
from ..logs import say
from ..store import Store
from ..systemd import notify, watchdog_seconds
from ..threads import Hold
from .problems import breach
from .snapshot import Observer, Tick, boot_id
from .statefile import WRITE_EVERY, StateFile

#: Seconds that it waits for new numbers at most.
LATEST = 2.0
#: A daemon that showed no life for so long is gone for good.
GONE = timedelta(days=7)
#: And at most this often, in seconds, where something happened.
WRITE_SOON = 1.0


#: What it says of itself in the database while its state file says nothing.
SILENT = {
    "state_lost": "This daemon goes on without a state file",
    "state_unwritable": "The state file cannot be written",
}


@dataclass(slots=True)
class LifeSigns:
    """Written by the main loop only, so that a loop that hangs shows no life."""

    store: Store
    state: StateFile
    observer: Observer
    workers: int
    #: Whether something happened that the state file does not say yet.
    dirty: bool = True
    _written: float = 0.0
    _fed: float = 0.0
    _trouble: str = ""

    def changed(self) -> None:
        """Say that something happened which neither the state file nor the counts in it show yet."""
        self.dirty = self.observer.counts.stale = True

    def show(self, tick: Tick, holds: Sequence[Hold], *, force: bool = False) -> None:
        """Write the state file where it is time, and feed the watchdog; a disk that is full is told, once."""
        self._feed_watchdog()
        since, counts = monotonic() - self._written, self.observer.counts
        if counts.stale and not force:
            counts.take_soon(tick.asked)
        if not force and since < (WRITE_SOON if self.dirty or counts.fresh else WRITE_EVERY):
            return
        now = utc_now()
        if force:
            counts.take(now, tick.asked)
        elif not counts.fresh and counts.take_soon(tick.asked) and since < WRITE_EVERY + LATEST:
            return  # written when the numbers are there
        self._written = monotonic()
        self.dirty = counts.fresh = False
        before = self.observer.silent
        self._write(now, tick, holds)
        if self.observer.silent != before:  # who asks the database is to know it before the next check
            self.note_node(tick, tick.asked.delivery_mode, holds)

    def farewell(self, tick: Tick) -> None:
        """Say that nobody runs here any more."""
        self._write(utc_now(), tick, [], isRunning=False)
        try:
            self.store.notebook.forget_node()
        except StoreError as error:
            say("check_failed", "warning", error=error.message)

    def _write(self, now: datetime, tick: Tick, holds: Sequence[Hold], **instead: object) -> None:
        file = str(self.state.path)
        self.observer.silent = None  # a file that can be read was written
        state = {**self.observer.state(now, tick, holds, self.workers), **instead}
        try:
            if self.state.keep_lock():
                say("state_retaken", "warning", file=file)
            self.state.write(state)
        except AlreadyRunning as error:  # it is theirs now; two daemons on one database are fine
            self._told("state_lost", "error", error.message, file)
        except SchedulerError as error:
            self._told("state_unwritable", "warning", error.message, file)
        except OSError as error:
            why = f"{say_limit()}; {RAISE_LIMIT[0].lower()}{RAISE_LIMIT[1:]}" if is_limit(error) else reason(error)
            self._told("state_unwritable", "warning", why, file)
        else:
            self._trouble = ""

    def _told(self, event: str, level: str, trouble: str, file: str) -> None:
        if trouble != self._trouble:
            say(event, level, error=trouble, file=file)
        self._trouble, self.dirty = trouble, True
        self.observer.silent = breach(event, f"{SILENT[event]}: {closed(trouble)}")

    def replace_predecessors(self) -> None:
        """
        Remove the rows of daemons that are surely gone; raise StoreError.

        One that used this state file on this host: we hold its lock. And any that showed no life for `GONE`.
        """
        now, host, mine = self.store.notebook.now(), socket.gethostname(), str(self.state.path)
        for node in self.store.notebook.nodes():
            seen = node.last_good_at or node.started_at
            same = (node.host, node.snapshot.get("state_file")) == (host, mine)
            if node.name != self.store.holder and (same or now - seen > GONE):
                self.store.notebook.forget_node(node.name)

    def note_node(self, tick: Tick, mode: str, holds: Sequence[Hold] = ()) -> None:
        """Keep this daemon's row in `scheduler_node`; raise StoreError."""
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "boot_id": boot_id(), "version": __version__}
        state = self.observer.state(utc_now(), tick, holds, self.workers)
        snapshot = json.dumps({**state, "state_file": str(self.state.path)})
        facts |= {"mode": mode, "started_at": to_ms(self.observer.started_at), "snapshot": snapshot}
        last = to_ms(tick.last_good_at) if tick.last_good_at else None
        self.store.notebook.note_node({**facts, "last_good_at": last, "skew_ms": self.store.skew_ms()})

    def _feed_watchdog(self) -> None:
        every = watchdog_seconds()
        if every and monotonic() - self._fed >= every:
            self._fed = monotonic()
            notify("WATCHDOG=1")
