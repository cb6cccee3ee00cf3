"""The end of the daemon: reports get time to finish, then the shops are given back; a second stop does not wait."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from .app import App
from .lib.clock import monotonic
from .logs import say
from .systemd import notify
from .threads import Hold

#: Seconds that a thread gets to let go when the drain's time is over.
LAST_WAIT = 2.0


def drain(app: App, sleep: Callable[[float], None], show: Callable[[], None]) -> list[Hold]:
    """
    Let running reports finish up to `daemon.drain`, then give the shops back; return those that did not let go.

    *sleep* waits for so many seconds, or until a thread is done; *show* brings the state file up to date.
    """
    seconds = app.config.daemon.drain.total_seconds()
    say("daemon_stopping")
    notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((seconds + 10) * 1_000_000)}")
    app.performer.draining = True
    app.store.engine.wait_for_locks(min(1.0, seconds / 4))
    until = monotonic() + seconds

    def wait(until: float) -> None:
        while app.threads.busy() and monotonic() < until:
            sleep(min(0.2, until - monotonic()))
            show()

    wait(until)
    app.threads.abort()
    wait(until + min(LAST_WAIT, seconds))
    left = app.threads.holds()
    for hold in left:
        app.performer.surrender(hold)
    return left


def leave(code: int) -> NoReturn:
    """
    End the process and wait for no thread.

    Where one still reads what a server sends, the interpreter's own end would break off with SIGABRT: it closes that
    thread's connection, whose lock nobody lets go of any more (CPython, "could not acquire lock at shutdown").
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def leave_at_once() -> NoReturn:
    """End the process; unfinished reports are taken up when their leases end. From any thread."""
    # Whoever reads the log may be what hangs.
    threading.Timer(1.0, os._exit, (1,)).start()
    say("daemon_leaves", "warning")
    os._exit(1)
