"""What goes on beside the checks, in a thread of its own: old rows and files are removed, paused shops looked at."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from .config import Config
from .errors import StoreError
from .lib.clock import monotonic
from .logs import say, say_defect
from .notices.revival import Revival
from .prepare import sweep
from .spool import Spool
from .store import Store

#: Seconds between two looks at the spool.
SPOOL_EVERY = 600.0
#: Seconds that one round may spend on removing rows.
MOST_SECONDS = 10.0


@dataclass(slots=True)
class Retention:
    """Removes what `history.keep`, `history.rows`, `spool.keep` and `spool.quota` no longer allow."""

    config: Config
    store: Store
    spool: Spool
    revival: Revival
    _spool_again: float = 0.0
    _trouble: str = ""
    _thread: threading.Thread | None = None

    def start(self, now: datetime) -> None:
        """Begin a round, unless the last one is still at work."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._round, args=(now,), name="retention", daemon=True)
            self._thread.start()

    def has_ended(self, seconds: float) -> bool:
        """Wait at most *seconds* for the end of a round; return whether none is at work."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))
        return self._thread is None or not self._thread.is_alive()

    def _round(self, now: datetime) -> None:
        try:
            rows, files = self.prune(now, monotonic() + MOST_SECONDS), self._sweep(now)
            if rows or files:
                say("tidied", rows=rows, files=files)
            self.store.notices.forget(now - self.config.history.keep)
            self.revival.look(now)
            self._trouble = ""
        except StoreError as error:  # the next round goes on; told once
            if error.message != self._trouble:
                say("check_failed", "warning", error=error.message, code=error.code)
            self._trouble = error.message
        except Exception as error:  # a defect must not end in silence
            say_defect("loop_failed", error)
        finally:
            self.store.close()

    def prune(self, now: datetime, until: float) -> int:
        """Remove rows batch by batch until nothing is left to remove or *until* (monotonic); return their number."""
        settings, removed = self.config.history, 0
        for part in self.batches(now - settings.keep, settings.rows):
            removed += part
            if monotonic() > until:
                break
        return removed

    def batches(self, before: datetime | None, rows: int) -> Iterator[int]:
        """
        Remove the runs that ended before *before*, then those beyond *rows* of a schedule; None and 0 are no limit.

        Yield the number of each small batch. The files of a removed run go with it.
        """
        while True:
            part = self.store.pruning.older_than(before) if before is not None else []
            if rows and not part:
                part = self._beyond(rows)
            if not part:
                return
            self.spool.discard(part)
            yield len(part)

    def _beyond(self, rows: int) -> list[str]:
        """Remove the next batch beyond *rows*; it takes several looks until every schedule was looked at."""
        while True:
            part = self.store.pruning.beyond(rows)
            if part or self.store.pruning.at_beginning:
                return part

    def _sweep(self, now: datetime) -> int:
        if monotonic() < self._spool_again:
            return 0
        self._spool_again = monotonic() + SPOOL_EVERY
        return self.sweep(now)

    def sweep(self, now: datetime) -> int:
        """Remove the files that `spool.keep` and `spool.quota` no longer allow; return the number of runs."""
        return sweep(self.spool, self.config, self.store, now)
