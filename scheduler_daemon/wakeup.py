"""What ends the loop's sleep: a signal, or a thread that is done. Each writes one byte into a pipe, and no more."""

import os
import select
import signal
from contextlib import suppress

#: Signals that the daemon understands; each is only noted by its handler.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Wakeup:
    """A sleep that can be ended from a signal handler or from any thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def catch_signals(self) -> None:
        """Take `SIGNALS`, also those that waited: they end a sleep and are returned by it. Main thread only."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the program's first lines

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
