"""What the owner of a report is told: of trouble, and of its end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice tells."""

    #: A run ended without reaching everyone: failed, partial, without session, quarantined, or its row is unreadable.
    FAILED = "failed"
    #: A run waits for another try and has been for so long that its owner would miss it; told once.
    LATE = "late"
    #: A schedule of which trouble was told has succeeded again.
    RECOVERED = "recovered"
    #: A schedule was paused after too many permanent failures in a row.
    PAUSED = "paused"
    #: A shop was paused: its token is dead, or Shopify has closed it.
    SHOP_PAUSED = "shop_paused"
    #: A shop that was paused by itself works again.
    SHOP_RESUMED = "shop_resumed"


class NoticeState(StrEnum):
    """Where a notice stands; it counts only once it was sent."""

    #: Waits for its mail, or for the next try.
    PENDING = "pending"
    #: Taken by a process that is sending it.
    SENDING = "sending"
    #: The mail server, or the command, took it.
    TOLD = "told"
    #: Given up: it could not be sent for days.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told to one person or to the command: one row of `scheduler_notice`."""

    #: ULID.
    id: str
    #: What it tells.
    kind: NoticeKind
    #: The way it goes: "email" or "command".
    channel: str
    #: Mail address of the owner; empty means `notices.to`, or the command.
    recipient: str
    #: Domain of the shop.
    shop: str
    #: The schedule; empty where the shop as a whole is meant.
    schedule_id: str
    #: What people call the schedule; the shop's domain where it as a whole is meant.
    name: str
    #: Whether it is told at once; else it waits for the next digest.
    urgent: bool
    #: Where it stands.
    state: NoticeState
    #: When it happened, UTC, on the database's clock.
    created_at: datetime
    #: The run, where there is one.
    run_id: str | None = None
    #: Stable word for what went wrong.
    error_code: str | None = None
    #: One sentence on what went wrong.
    error: str | None = None
    #: Tries so far.
    attempts: int = 0
    #: Not before this moment is it tried, UTC.
    not_before: datetime | None = None
    #: When it was told, UTC.
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the end of a run means beyond its own row."""

    #: The end of trouble, or more of it.
    recovered: bool
    #: Stable word for what went wrong; empty at its end.
    code: str = ""
    #: One sentence on what went wrong; empty at its end.
    sentence: str = ""
    #: Whether the run counts towards the pause of its schedule: it will fail again unchanged.
    permanent: bool = False
    #: Whether the shop as a whole is paused: none of its reports can be made.
    closes_shop: bool = False
    #: Whether the run is not over but late.
    late: bool = False
    #: Whether the owner is told; not of what a person tried by hand and sees on the screen.
    told: bool = True
