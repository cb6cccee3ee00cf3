"""What the loop waits for, in words, for `scheduler status`."""

from dataclasses import dataclass
from datetime import datetime

from .model import Pause


@dataclass(frozen=True, slots=True)
class Awaited:
    """What one turn of the loop found ahead; moments in UTC, None for none."""

    #: Whether a report that comes due is started only by a check: `daemon.wake`, or the mode hold.
    checks_only: bool = False
    #: The pause of everything, where there is one.
    pause: Pause | None = None
    #: Whether work is ready and no slot is free.
    full: bool = False
    #: The next moment of a schedule.
    due: datetime | None = None
    #: Whether that is the next look at what is late.
    late: bool = False
    #: When something queued may start: a retry, a run with jitter, what a lost daemon held.
    work: datetime | None = None

    def said(self) -> tuple[str, datetime | None]:
        """Return what is waited for, and until when (UTC) at the latest where that is known."""
        if self.pause is not None:
            return "the end of the pause of everything", self.pause.until
        if self.full:
            return "a free slot", None
        if self.work is not None and (self.due is None or self.work < self.due):
            return "a retry, or a queued run whose time comes", self.work
        if self.checks_only:
            return "the next check", None
        if self.due is not None:
            return ("the next look at what is late" if self.late else "a report that comes due"), self.due
        return "a schedule", None
