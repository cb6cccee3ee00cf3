"""A look: start what has come due, and say what the loop waits for and until when; checks start the same work."""

from dataclasses import dataclass
from datetime import datetime

from .app import App
from .awaited import Awaited
from .health.lifesigns import LifeSigns
from .health.snapshot import Tick
from .lib.clock import utc_now
from .model import Pause
from .pace import Pace
from .slots import fill_slots


@dataclass(slots=True)
class Look:
    """Made by the loop every `daemon.peek` and at the moments between; all of it in the main thread."""

    app: App
    tick: Tick
    signs: LifeSigns
    #: The pause of everything, as last seen.
    pause: Pause | None = None

    def look(self) -> datetime:
        """Queue and start what has come due; return when to look again. Raise StoreError."""
        now = utc_now()
        soon = now + self.app.config.daemon.peek
        if self.tick.number == 0:
            return soon
        self.app.store.engine.require_file()
        self.find_pause()
        checks_only = self.app.config.daemon.wake == "check" or self.app.mode == "hold"
        due = None if checks_only else self._queue_due(now)
        ready = self.app.mode != "hold" and self.pause is None
        work = self.app.store.leases.next_work_at() if ready else None
        if work is not None and work <= utc_now():
            self.start_shops()
            work = None
        else:
            self.app.performer.others_wait = False
        pace, pause = self.app.planner.pace, None if self.app.mode == "hold" else self.pause
        late = pace is not None and due is not None and due == pace.turn
        self.note(*Awaited(checks_only, pause, self.app.performer.others_wait, due, late, work).said())
        return min(moment for moment in (due, work, soon) if moment is not None)

    def note(self, waits_for: str, until: datetime | None) -> None:
        """Show what the loop waits for; soon, where it is another thing than before."""
        self.signs.dirty |= waits_for != self.tick.waits_for
        self.tick.waits_for, self.tick.waits_until = waits_for, until

    def take_pace(self) -> None:
        """Take in what is late a share a look; where reports start at checks only, each check takes all."""
        daemon, planner = self.app.config.daemon, self.app.planner
        if daemon.wake == "check":
            planner.pace = None
        elif planner.pace is None or planner.pace.rest != daemon.peek:
            planner.pace = Pace(daemon.peek)

    def find_pause(self) -> None:
        """Find out whether everything is paused, once a turn; what is at work finishes, and nothing more is begun."""
        if self.app.mode == "hold":
            return
        before, self.pause = self.pause, self.app.store.pauses.current(utc_now())
        if before != self.pause:
            self.signs.changed()
        self.app.performer.paused = self.pause is not None

    def start_shops(self) -> None:
        """Claim shops for the slots that are free, and hand them over; raise StoreError."""
        if self.app.mode == "hold" or self.pause is not None:
            return  # what waits for a retry is not sent either
        started, self.app.performer.others_wait = fill_slots(self.app.store, self.app.threads)
        if started:
            self.signs.changed()

    def _queue_due(self, now: datetime) -> datetime | None:
        """Queue what is due; return the next moment of a schedule."""
        planner = self.app.planner
        due = planner.next_look_at(now)
        if due is not None and due <= now:
            # A report is due at this very moment: it starts before anything else is asked.
            for queue in (planner.queue_on_time, planner.queue_late):
                if queue(now).queued:
                    self.signs.changed()
                    self.start_shops()
            due = None
        if planner.replanner.set_cursors(now) or due is None:
            due = planner.next_look_at(now)
        return due
