"""The loop's fault barrier: whatever a part of it raises is told once, shown, and the loop goes on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .app import App
from .errors import SchedulerError
from .health.lifesigns import LifeSigns
from .health.snapshot import Tick
from .lib.clock import iso, monotonic, utc_now
from .logs import say, unforeseen

#: The code of a database that may be read only.
READONLY = "database_readonly"


@dataclass(slots=True)
class Barrier:
    """Between the loop and what it calls; what it knows of the daemon's health stands in *tick*."""

    app: App
    tick: Tick
    signs: LifeSigns
    #: When the last good check ended, monotonic.
    last_good: float

    def guarded(self, do: Callable[[], Any]) -> Any:
        """Return what *do* returns; whatever it raises is told, and the loop goes on. None then."""
        try:
            return do()
        except SchedulerError as error:
            self._unwell(error)
        except Exception as error:  # a defect must not end the loop
            self._unwell(unforeseen("loop_failed", error))
        return None

    def note_good(self) -> None:
        """Write down that all is well: where that can be written, it is, and others on the database are to know it."""
        good = replace(self.tick, last_good_at=utc_now(), last_error=None)
        self.signs.note_node(good, self.app.mode, self.app.threads.holds())

    def well(self) -> None:
        """Take it that all is well again."""
        if self.tick.last_error is not None:
            say("database_back")
        self.tick.last_error = None
        self.tick.last_good_at = utc_now()
        self.last_good = monotonic()
        self.signs.changed()

    def see_recovery(self) -> None:
        """See whether the last error is over, by a write: a database may be readable all along. Raise StoreError."""
        if self.tick.number == 0 or self.tick.last_error is None:
            return
        if self.tick.last_error["code"] == READONLY:
            self.app.store.require_rights(self.app.mode)
        self.note_good()
        self.well()

    def _unwell(self, error: SchedulerError) -> None:
        last = self.tick.last_error
        # The same trouble is told once, although checks and looks meet it at different tables.
        told = last is not None and (last["message"] == error.message or last["code"] == error.code == READONLY)
        if not told:
            say("check_failed", "error", error=error.message, code=error.code)
        at = iso(utc_now())
        self.tick.last_error = {"code": error.code, "message": error.message, "hint": error.hint, "at": at}
        self.signs.changed()
        self.app.store.close()
