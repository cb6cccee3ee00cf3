"""What is true now, in the form of the state file (DESIGN 7)."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from . import __version__
from .config import Config
from .errors import StoreError
from .lib.clock import iso, monotonic
from .problems import problems
from .store import Store
from .store.invariants import MOST_SKEW_MS
from .threads import Hold

#: Counting may cost this share of the time at most: on a big table it is done less often.
SHARE = 0.01
UPCOMING = 5


@dataclass(slots=True)
class Tick:
    """How the checks went."""

    #: Counted from 1; 0 before the first.
    number: int = 0
    #: When the last check that went well ended, UTC.
    last_good_at: datetime | None = None
    #: How long it took.
    took_ms: int = 0
    #: When the next one is made, UTC.
    next_at: datetime | None = None
    #: What the loop waits for, in words.
    waits_for: str = ""
    #: What went wrong since: code, message, hint, at; None while all is well.
    last_error: dict[str, Any] | None = None
    #: "hold", "redirect" or "live".
    delivery_mode: str = "live"
    #: Schedules whose row cannot be read.
    unreadable: int = 0
    #: Threads that hang and were given up on.
    leaked: int = 0
    #: Whether a slot is free for one more shop.
    slots_free: bool = True


@dataclass(slots=True)
class Observer:
    """Puts together what the state file says; remembers counts that are dear to take."""

    config: Config
    store: Store
    mode: str
    started_at: datetime
    _counts: dict[str, int] = field(default_factory=dict)
    _upcoming: list[dict[str, Any]] = field(default_factory=list)
    _count_again: float = 0.0
    _unwell: str = ""
    _breaches: list[tuple[str, str]] = field(default_factory=list)

    def count(self, now: datetime, tick: Tick, *, force: bool = False) -> None:
        """Take counts and invariants anew where it is time; keep the old ones while the database does not answer."""
        started = monotonic()
        if started < self._count_again and not force:
            return
        try:
            found = {**self.store.schedules.counts(), **self.store.history.counts(now)}
            earliest = self.store.queueing.next_due_at()
            late = max(0.0, (now - earliest).total_seconds()) if earliest else 0.0
            self._counts = {"due": self.store.queueing.count_due(now), **found, "oldest_overdue_s": int(late)}
            self._breaches = self._look_for_breaches(tick)
            self._upcoming = [self._next(item) for item in self.store.schedules.upcoming(UPCOMING)]
            self._unwell = ""
        except StoreError as error:
            self._unwell = error.message
        took = monotonic() - started
        self._count_again = monotonic() + max(1.0, took / SHARE)

    def _look_for_breaches(self, tick: Tick) -> list[tuple[str, str]]:
        daemon, found = self.config.daemon, []
        if tick.delivery_mode != "hold":
            patience = max(2 * daemon.lease, timedelta(seconds=60))
            found = self.store.invariants.breaches(patience, daemon.deadline, slots_free=tick.slots_free)
        skew = self.store.skew_ms()
        if abs(skew) > MOST_SKEW_MS:
            ahead = "ahead of" if skew > 0 else "behind"
            found.append(("clock_skew", f"This machine's clock is {abs(skew) / 1000:.1f} s {ahead} the database's."))
        return found

    def _next(self, seen: Any) -> dict[str, Any]:
        zone = (seen.schedule.zone if seen.schedule else "") or seen.shop_zone or "UTC"
        at = iso(seen.due_at) if seen.due_at else None
        return {"at": at, "shop": seen.shop, "report": seen.name, "schedule": seen.id, "zone": zone}

    def state(self, now: datetime, tick: Tick, holds: Sequence[Hold], workers: int) -> dict[str, Any]:
        """Return the state file's content."""
        return {
            "schema": 1,
            "mode": self.mode,
            "isRunning": self.mode == "daemon",
            "runningJobs": sorted(hold.lease.shop for hold in holds),
            "jobCount": len(holds),
            "pid": os.getpid(),
            "process_started_at": iso(self.started_at),
            "boot_id": boot_id(),
            "host": socket.gethostname(),
            "version": __version__,
            "database": self.store.target.shown,
            "started_at": iso(self.started_at),
            "written_at": iso(now),
            "tick": {
                "number": tick.number,
                "last_good_at": iso(tick.last_good_at) if tick.last_good_at else None,
                "took_ms": tick.took_ms,
                "next_at": iso(tick.next_at) if tick.next_at else None,
                "waits_for": tick.waits_for,
            },
            "running": [_running(hold) for hold in holds],
            "delivery_mode": tick.delivery_mode,
            "counts": self._counts,
            "next": self._upcoming,
            "slots": {"total": workers, "free": workers - len(holds)},
            "problems": self._problems(tick),
            "last_error": tick.last_error,
        }

    def _problems(self, tick: Tick) -> list[dict[str, str]]:
        last = str(tick.last_error["message"]) if tick.last_error else ""
        return problems(
            mode=tick.delivery_mode,
            counts=self._counts,
            breaches=self._breaches,
            unwell=self._unwell or last,
            leaked=tick.leaked,
            unreadable=tick.unreadable,
        )


def _running(hold: Hold) -> dict[str, Any]:
    run = hold.run
    return {
        "shop": hold.lease.shop,
        "run": run.id if run else None,
        "report": run.name if run else None,
        "since": iso(hold.since) if hold.since else None,
        "step": hold.step,
        "rows": hold.rows,
    }


def boot_id() -> str:
    """Return the kernel's boot id; empty where a sandbox hides it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")
    except OSError:
        return os.environ.get("SCHEDULER_BOOT_ID", "")
