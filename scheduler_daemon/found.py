"""What one look found, and how a check tells of it."""

from collections import Counter
from dataclasses import dataclass, field

from .logs import say
from .model import Pause
from .store import SeenSchedule


@dataclass(slots=True)
class Found:
    """What one look found."""

    #: Schedules that were due.
    due: int = 0
    #: Runs that were queued.
    queued: int = 0
    #: Schedules that were due and cannot be read or planned.
    refused: int = 0
    #: Schedules of which more was due than one look takes in; the next one goes on.
    behind: int = 0
    #: Occurrences that were written down as skipped, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: Domains of their shops.
    shops: set[str] = field(default_factory=set)
    #: Rows that could not be read, now or before, and why.
    unreadable: list[SeenSchedule] = field(default_factory=list)


def tell(found: Found, mode: str, pause: Pause | None = None) -> None:
    """Log what a check found, in the words of the old service."""
    if pause is not None and mode != "hold":
        say("all_paused", "warning", until=pause.until, note=pause.note, due=found.due)
    elif mode == "hold":
        say("delivery_held", "warning", due=found.due)
    elif found.due:
        say("check_found", due=found.due, unreadable=found.refused)
        if found.shops:
            say("check_grouped", shops=len(found.shops))
    else:
        say("check_idle")
