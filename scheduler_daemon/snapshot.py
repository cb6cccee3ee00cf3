"""What is true now, in the form of the state file (DESIGN 7)."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from . import __version__
from .config import Config
from .errors import StoreError
from .lib.clock import iso, monotonic
from .store import Store
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

    def count(self, now: datetime, *, force: bool = False) -> None:
        """Take the counts anew where it is time; keep the old ones while the database does not answer."""
        started = monotonic()
        if started < self._count_again and not force:
            return
        try:
            found = {**self.store.schedules.counts(), **self.store.history.counts(now)}
            earliest = self.store.queueing.next_due_at()
            late = max(0.0, (now - earliest).total_seconds()) if earliest else 0.0
            self._counts = {"due": int(late > 0), **found, "oldest_overdue_s": int(late)}
            self._upcoming = [self._next(item) for item in self.store.schedules.upcoming(UPCOMING)]
            self._unwell = ""
        except StoreError as error:
            self._unwell = error.message
        took = monotonic() - started
        self._count_again = monotonic() + max(1.0, took / SHARE)

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
            "problems": self.problems(tick),
            "last_error": tick.last_error,
        }

    def problems(self, tick: Tick) -> list[dict[str, str]]:
        """Return what is not well, each with its way out."""
        found = []
        if self._unwell or tick.last_error:
            message = self._unwell or str((tick.last_error or {}).get("message"))
            found.append({"code": "database_unavailable", "message": message, "hint": "See: scheduler db status"})
        if tick.delivery_mode == "hold":
            message = "Delivery is on hold: nothing is queued or sent."
            found.append({"code": "delivery_held", "message": message, "hint": "Next: scheduler go-live"})
        failed = self._counts.get("failed_24h", 0)
        if failed:
            message = f"{failed} report{'s' if failed > 1 else ''} failed in the last 24 hours."
            hint = "See: scheduler history list --status failed"
            found.append({"code": "reports_failed", "message": message, "hint": hint})
        late = self._counts.get("oldest_overdue_s", 0)
        if late > 60 and tick.delivery_mode != "hold":
            message = f"A report is due since {late} s and not queued."
            found.append({"code": "overdue", "message": message, "hint": "Run: scheduler check-once"})
        return found


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
