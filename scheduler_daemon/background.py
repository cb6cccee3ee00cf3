"""A thread beside the others: it works when it is woken, or every so often, until it is told to stop."""

import threading
from collections.abc import Callable

from .lib.clock import monotonic
from .logs import say_defect

#: Seconds between two pieces of work at least, however long each takes.
LEAST_REST = 0.05


class Background:
    """
    Does *work* in a thread of its own when it is woken and, with *every* (seconds), that long after it last began.

    A defect of *work* is told and does not end the thread. *ended* is called in the thread as its last: what was opened
    there, a connection to the database, is closed there.
    """

    def __init__(
        self, name: str, work: Callable[[], None], ended: Callable[[], None], every: float | None = None
    ) -> None:
        self._work, self._ended, self._every = work, ended, every
        self._woken = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def wake(self) -> None:
        """Work now, or as soon as what is at work is done."""
        self._woken.set()

    def stop(self) -> None:
        """Ask it to end; what is at work is finished."""
        self._over = True
        self._woken.set()

    def has_ended(self, seconds: float) -> bool:
        """Wait at most *seconds* for its end; return whether it has ended, or never began."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def _run(self) -> None:
        rest = self._every
        while not self._over:
            self._woken.wait(rest)
            if self._over:
                break
            self._woken.clear()
            began = monotonic()
            try:
                self._work()
            except Exception as error:  # it must go on: for whoever waits for it, silence looks like all is well
                say_defect("loop_failed", error)
            rest = None if self._every is None else max(LEAST_REST, self._every - (monotonic() - began))
        self._ended()
