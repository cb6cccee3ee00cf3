"""Who works: a daemon, as its row in the database shows it to others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .report import NOTHING


@dataclass(frozen=True, slots=True)
class Node:
    """One daemon on the database."""

    #: Its name as a holder of leases: host, pid, random.
    name: str
    #: The machine it runs on.
    host: str
    #: Its process there.
    pid: int
    #: Its version of this program.
    version: str
    #: Its delivery mode.
    mode: str
    #: When it started, UTC, on its own clock.
    started_at: datetime
    #: When its last good check ended, UTC, on its own clock; None before the first.
    last_good_at: datetime | None = None
    #: How far its clock is ahead of the database's, milliseconds.
    skew_ms: int = 0
    #: What its state file said at its last check.
    snapshot: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
