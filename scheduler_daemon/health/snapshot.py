"""What is true now, in the form of the state file (DESIGN 7)."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import __version__
from ..errors import SchedulerError
from ..lib import boot
from ..lib.clock import iso
from ..model import Pause
from ..threads import Hold
from .counts import Asked, Counts
from .problems import Problem, of_database, problems


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
    #: Until when, UTC, where that is known.
    waits_until: datetime | None = None
    #: What went wrong since: code, message, hint, at; None while all is well.
    last_error: dict[str, Any] | None = None
    #: What keeps the heartbeat from extending the leases of the shops at work; None while it does.
    beat_error: SchedulerError | None = None
    #: The delivery mode, the rows set aside and the slots, as the loop last saw them.
    asked: Asked = field(default_factory=Asked)
    #: Threads that hang and were given up on.
    leaked: int = 0
    #: Why the configuration was refused when it was last read again; empty where it was taken.
    refused: str = ""


@dataclass(slots=True)
class Observer:
    """Puts together what the state file says."""

    mode: str
    started_at: datetime
    counts: Counts
    #: Why the state file is not written; told to whoever asks the database. None while it is.
    silent: Problem | None = None

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
            "database": self.counts.store.target.shown,
            "started_at": iso(self.started_at),
            "written_at": iso(now),
            "tick": {
                "number": tick.number,
                "last_good_at": iso(tick.last_good_at) if tick.last_good_at else None,
                "took_ms": tick.took_ms,
                "next_at": iso(tick.next_at) if tick.next_at else None,
                "waits_for": tick.waits_for,
                "waits_until": iso(tick.waits_until) if tick.waits_until else None,
            },
            "running": [_running(hold) for hold in holds],
            "delivery_mode": tick.asked.delivery_mode,
            "paused": _paused(tick.asked.paused),
            "counts": self.counts.numbers,
            "next": self.counts.upcoming,
            "slots": {"total": workers, "free": workers - len(holds)},
            "problems": self._problems(tick),
            "last_error": tick.last_error,
        }

    def _problems(self, tick: Tick) -> list[dict[str, str]]:
        unwell = self.counts.unwell
        if unwell is None and (last := tick.last_error):
            unwell = of_database(last["code"], last["message"], last["hint"])
        if unwell is None and (beat := tick.beat_error) is not None:
            unwell = of_database(beat.code, beat.message, beat.hint)
        return problems(
            mode=tick.asked.delivery_mode,
            counts=self.counts.numbers,
            breaches=self.counts.breaches,
            unwell=unwell,
            silent=self.silent,
            leaked=tick.leaked,
            unreadable=len(tick.asked.aside),
            paused=tick.asked.paused,
            refused=tick.refused,
        )


def _paused(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {"since": iso(pause.since), "until": iso(pause.until) if pause.until else None, "note": pause.note}


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
    """Return the kernel's boot id; where a sandbox hides it, what the environment says, or nothing."""
    return boot.boot_id() or os.environ.get("SCHEDULER_BOOT_ID", "")
