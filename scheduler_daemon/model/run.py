"""What happens: runs, attempts, deliveries and how each ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .report import NOTHING, Report
from .schedule import Recipient, Trigger

#: No daemon may be configured to hold a shop longer than this without a heartbeat.
LONGEST_LEASE = timedelta(minutes=10)
#: A run that was queued so long ago and waits for another try is late: its owner would miss it.
LATE_AFTER = timedelta(hours=1)
#: How the occurrence key of a test begins.
TEST = "test:"


class RunStatus(StrEnum):
    """Where a run stands; the last four are final."""

    #: Written down, waiting for its turn, for a retry or for its shop.
    QUEUED = "queued"
    #: Somebody wrote this under a fence; whether he is alive the shop's lease decides.
    RUNNING = "running"
    #: Made and delivered to everyone.
    SUCCEEDED = "succeeded"
    #: Made and delivered to some; the others will not get it without help.
    PARTIAL = "partial"
    #: Not made, or delivered to nobody.
    FAILED = "failed"
    #: Not tried, for the reason that stands beside it.
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """Whether a run in this status is over."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class SkipReason(StrEnum):
    """Why an occurrence was not run."""

    #: It was missed, and the schedule does not catch up.
    MISFIRED = "misfired"
    #: A later occurrence of the same schedule ran instead.
    COALESCED = "coalesced"
    #: The schedule's last run was still unfinished.
    OVERLAPPED = "overlapped"
    #: The schedule or its shop was paused.
    PAUSED = "paused"
    #: The shop has no usable offline session.
    NO_SESSION = "no_session"
    #: The report's condition was not met.
    CONDITION = "condition"
    #: A person cancelled it.
    CANCELLED = "cancelled"
    #: It lost its process too often and is kept from killing another.
    QUARANTINED = "quarantined"


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    #: Not sent, or safe to send again.
    PENDING = "pending"
    #: Written at the last moment before it goes out: from here on it may have.
    SENDING = "sending"
    #: The receiver took it.
    DELIVERED = "delivered"
    #: The receiver refused it for good, or the tries are used up.
    FAILED = "failed"
    #: It may have gone out; nobody can say. Never sent again in silence.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work for one shop, until a moment."""

    #: Domain of the shop.
    shop: str
    #: The fencing token: grows at each claim, named by each write.
    fence: int
    #: Until when the holder may act, on this process's monotonic clock, seconds.
    valid_until: float


@dataclass(frozen=True, slots=True)
class Run:
    """The making of the report for one occurrence: one row of the ledger."""

    #: ULID.
    id: str
    #: The schedule it belongs to.
    schedule_id: str
    #: Domain of the shop.
    shop: str
    #: What made it.
    trigger: Trigger
    #: The occurrence's identity.
    occurrence_key: str
    #: When it was due, UTC.
    due_at: datetime
    #: Not before this moment may it start, UTC.
    not_before: datetime
    #: Where it stands.
    status: RunStatus
    #: When its row was written, UTC.
    queued_at: datetime
    #: What was asked for when it was queued; None where the row cannot be read.
    report: Report | None
    #: To whom, as asked for when it was queued.
    recipients: tuple[Recipient, ...] = ()
    #: What people call its schedule.
    name: str = ""
    #: The owner, told of trouble.
    owner: str = ""
    #: IANA name of the zone of its schedule; empty means the shop's.
    zone: str = ""
    #: How long one attempt may take, seconds; 0 means `daemon.deadline`.
    deadline: float = 0.0
    #: Why it was skipped.
    reason: str | None = None
    #: Number of the attempt that is running, or ran last; 0 before the first.
    attempt: int = 0
    #: How often the holder of its shop's lease was lost while it ran.
    lost_leases: int = 0
    #: Smaller runs first within a shop.
    priority: int = 100
    #: Under which fence it runs, or ran last.
    fence: int | None = None
    #: When its last attempt started, UTC.
    started_at: datetime | None = None
    #: When it ended for good, UTC.
    finished_at: datetime | None = None
    #: First moment of its period, UTC.
    period_start: datetime | None = None
    #: First moment after its period, UTC.
    period_end: datetime | None = None
    #: Rows in its table.
    record_count: int | None = None
    #: Name of its file.
    file_name: str | None = None
    #: Size of its file, bytes.
    file_size: int | None = None
    #: SHA-256 of its file.
    sha256: str | None = None
    #: Where its file lies in the spool, relative to `spool.dir`.
    spool_path: str | None = None
    #: Stable word for what went wrong.
    error_code: str | None = None
    #: One sentence on what went wrong.
    error: str | None = None
    #: What of its row cannot be read, as a sentence; such a value is blank here (a moment: 1970). Empty as a rule.
    damage: str = ""

    @property
    def is_test(self) -> bool:
        """Whether it went to the person who tries the report, and to nobody else (`reports run --send-to`)."""
        return self.trigger is Trigger.MANUAL and self.occurrence_key.startswith(TEST)


@dataclass(frozen=True, slots=True)
class Entry:
    """A shop that was claimed and entered in one commit: its lease, what was adopted, the run that was started."""

    #: The lease, as a claim gives it.
    lease: Lease
    #: Ids of the runs that a lost holder had left `running`, with the status each took.
    adopted: tuple[tuple[str, RunStatus], ...]
    #: The shop's next run, started; None where it has none after all.
    run: Run | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The handing over of one report file to one recipient."""

    #: ULID.
    id: str
    #: The run it belongs to.
    run_id: str
    #: To whom.
    recipient: Recipient
    #: By which a repeat is recognised: Message-ID, idempotency header, file name.
    key: str
    #: Where it stands.
    state: DeliveryState
    #: 0 for the original, 1 and more for copies resent by hand.
    copy: int = 0
    #: Tries so far.
    attempts: int = 0
    #: Not before this moment is it tried, UTC.
    not_before: datetime | None = None
    #: What the channel gave back.
    receipt: Mapping[str, Any] | None = None
    #: Stable word for what went wrong.
    error_code: str | None = None
    #: One sentence on what went wrong.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a channel gives back for a delivery that was taken."""

    #: Facts worth keeping: message id, server's reply, path.
    facts: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt of a run ended; written down by *finish*."""

    #: The status the run takes; `queued` means another attempt follows.
    status: RunStatus
    #: Skip reason, where it was skipped.
    reason: str | None = None
    #: Stable word for what went wrong.
    error_code: str | None = None
    #: One sentence on what went wrong.
    error: str | None = None
    #: When the next attempt may start, UTC; only with `queued`.
    not_before: datetime | None = None
    #: Whether this attempt counts against `retry.attempts`.
    counts: bool = True
    #: Seconds spent by step ("fetch", "compare", "render", "deliver").
    timings: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    #: Rows in the table.
    record_count: int | None = None
    #: Until when the other runs of the shop wait, UTC, because the trouble is the shop's; None where it is not.
    rest_until: datetime | None = None
    #: Whether it failed in a way that no retry cures.
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a run, as recorded."""

    #: The run.
    run_id: str
    #: Counted from 1.
    number: int
    #: Who tried: host, pid, random.
    holder: str
    #: Under which fence.
    fence: int
    #: When it started, UTC.
    started_at: datetime
    #: When it ended, UTC.
    finished_at: datetime | None
    #: The run's status after it, or "lost".
    status: str
    #: Stable word for what went wrong.
    error_code: str | None
    #: One sentence on what went wrong.
    error: str | None
    #: Seconds spent by step.
    timings: Mapping[str, float]
