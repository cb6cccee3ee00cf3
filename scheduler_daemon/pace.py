"""How much of what is late one look takes in, and when the next goes on: the loop stays free for what is on time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .lib.clock import monotonic
from .when.timetable import GRACE

#: Rows of the ledger after which a look leaves the rest of what is late for the next one (about 0.3 s on SQLite).
MOST_LATE = 3000


@dataclass(slots=True)
class Pace:
    """Lets what is late rest between two looks, while some of it is left."""

    #: From the end of one look at what is late to the next.
    rest: timedelta
    #: When that next look is, UTC; None while nothing is left.
    turn: datetime | None = None

    def rests(self, now: datetime) -> bool:
        """Whether what is late has had its share and waits for its turn."""
        # A turn farther away than a rest and a long look was written before the clock was set back.
        return self.turn is not None and now < self.turn <= now + self.rest + GRACE

    def took(self, now: datetime, started: float, left: bool) -> None:
        """Note that a look of *now* (UTC), begun at *started* (monotonic), is over, and whether it left something."""
        self.turn = now + timedelta(seconds=monotonic() - started) + self.rest if left else None
