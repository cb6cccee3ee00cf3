"""When and for whom: schedules, their occurrences, their plans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .report import NOTHING, Report
from .rule import Recurrence


class Trigger(StrEnum):
    """What made a run; part of an occurrence's identity."""

    #: The schedule itself came due.
    SCHEDULE = "schedule"
    #: A person, or the app, asked for it now.
    MANUAL = "manual"
    #: A person asked for occurrences of the past.
    BACKFILL = "backfill"


class CatchUp(StrEnum):
    """What happens to occurrences that were missed."""

    #: None of them runs.
    NONE = "none"
    #: The latest runs, the others are coalesced into it.
    LATEST = "latest"
    #: Each runs.
    ALL = "all"


class Overlap(StrEnum):
    """What happens when an occurrence is due while the schedule's last run is unfinished."""

    #: It waits its turn.
    QUEUE = "queue"
    #: It is skipped, with the reason `overlapped`.
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address on one channel."""

    #: Kind of the channel ("email", "folder").
    channel: str
    #: Where to: a mail address, or the folder's own name.
    address: str
    #: How a mail names it: "to", "cc" or "bcc".
    role: str = "to"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rule that says when one report of one shop is made, with its policies."""

    #: Its id, the app's or ours.
    id: str
    #: Domain of the shop.
    shop: str
    #: What people call it.
    name: str
    #: What to tell.
    report: Report
    #: When; None where the row has no rule at all.
    recurrence: Recurrence | None
    #: IANA name of the zone asked for; empty means the shop's.
    zone: str
    #: To whom.
    recipients: tuple[Recipient, ...]
    #: Whether the app's switch is on.
    active: bool = True
    #: The cursor: the earliest occurrence not yet queued, UTC; None until set or when over.
    next_due_at: datetime | None = None
    #: When its last run finished, UTC.
    last_run_at: datetime | None = None
    #: The policy for missed occurrences.
    catch_up: CatchUp = CatchUp.LATEST
    #: How long ago a missed occurrence may lie to be caught up, seconds; 0 is no limit.
    catch_up_window: float = 0.0
    #: Runs are spread over this many seconds behind their moments, each always by the same; 0 is not at all.
    jitter: float = 0.0
    #: The policy for overlapping occurrences.
    overlap: Overlap = Overlap.QUEUE
    #: Smaller runs first within a shop; 100 is ordinary.
    priority: int = 100
    #: Mail address of the person who is told of trouble; empty means `notices.to`.
    owner: str = ""
    #: How long one attempt may take, seconds; 0 means `daemon.deadline`.
    deadline: float = 0.0
    #: When it was paused, UTC; None while it is not.
    paused_at: datetime | None = None
    #: Why it was paused.
    paused_reason: str = ""
    #: What the cursor was computed with, "hash of the rule:milliseconds:key"; None before the first time.
    rule_hash: str | None = None
    #: Counts edits, for compare-and-set.
    version: int = 0
    #: Other options, by name.
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One moment at which a schedule asks for a report."""

    #: Its identity within schedule and trigger: the local wall time asked for
    #: ("2026-11-01T01:30"), the UTC instant ("2026-11-01T05:30Z"), or "at:<milliseconds>".
    key: str
    #: When it is due, UTC.
    due_at: datetime
    #: From when it may start, UTC: behind *due_at* by the schedule's jitter; None is *due_at* itself.
    not_before: datetime | None = None
    #: What is added to the schedule's priority: what is caught up waits behind what is on time.
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which no schedule runs: what comes due in it is skipped."""

    #: Since when, UTC.
    since: datetime
    #: Up to when, UTC, exclusive; None until somebody ends it.
    until: datetime | None = None
    #: Why.
    note: str = ""

    def holds(self, moment: datetime) -> bool:
        """Whether *moment* lies in it."""
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one due schedule now."""

    #: The schedule as it was read; its *next_due_at* is what must still be there.
    schedule: Schedule
    #: Occurrences that get a queued run.
    to_run: tuple[Occurrence, ...] = ()
    #: Occurrences that get a skipped row, with the reason.
    skipped: tuple[tuple[Occurrence, str], ...] = ()
    #: The new cursor, UTC; None when nothing follows.
    next_due_at: datetime | None = None
    #: Whether the schedule is over (a one-off that came due): its switch goes off.
    over: bool = False
    #: What *next_due_at* was computed with, as the schedule's.
    rule_hash: str | None = None
    #: Sentences for the log: an unknown zone, a clamp.
    notes: tuple[str, ...] = ()
