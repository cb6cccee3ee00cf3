"""What ends the loop's sleep: a signal, or a thread that is done. Each writes one byte into a pipe, and no more."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

#: Signals that ask for a stop.
STOPS = (signal.SIGTERM, signal.SIGINT)
#: Signals that the daemon understands; each is only noted by its handler.
SIGNALS = (*STOPS, signal.SIGHUP, signal.SIGUSR1)


class Wakeup:
    """A sleep that can be ended from a signal handler or from any thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def catch_signals(self, leave: Callable[[], None]) -> None:
        """
        Take `SIGNALS`, also those that waited: they end a sleep and are returned by it. Main thread only.

        The second that asks for a stop calls *leave*, which does not return, from a thread of its own: the main thread
        may be waiting for a database's lock, or for a server that does not answer.
        """
        noted, note = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(note, False)
        threading.Thread(target=self._pass_on, args=(noted, leave), name="signals", daemon=True).start()
        signal.set_wakeup_fd(note, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the program's first lines

    def _pass_on(self, noted: int, leave: Callable[[], None]) -> None:
        stops = 0
        while True:
            came = os.read(noted, 4096)
            stops += sum(number in STOPS for number in came)
            if stops > 1:
                leave()
            while True:
                try:
                    os.write(self._write, came)
                    break
                except BlockingIOError:  # full of wake-ups, which may be lost; a signal may not
                    time.sleep(0.01)

    def wake(self) -> None:
        """End the sleep; from any thread."""
        with suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._write, b"\0")

    def sleep(self, seconds: float) -> list[int] | None:
        """Sleep at most *seconds*; return None when they passed, else the signals that came (none for a thread)."""
        ready, _, _ = select.select([self._read], [], [], max(0.0, seconds))
        if not ready:
            return None
        return [number for number in os.read(self._read, 4096) if number]
