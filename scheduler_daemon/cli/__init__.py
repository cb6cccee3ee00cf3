"""The command line: the only place where errors become words and exit codes."""

import sys
from collections.abc import Sequence

#: Global options that are followed by their value.
VALUED = ("--config", "--log-level", "--log-format")


def is_daemon(words: Sequence[str]) -> bool:
    """Whether the command of *words* is `run`."""
    before = ("", *words)
    names = (word for last, word in zip(before, words, strict=False) if word[:1] != "-" and last not in VALUED)
    return next(names, "") == "run"


if is_daemon(sys.argv[1:]):
    # What follows is imported for most of a second, and SIGUSR1 or SIGHUP would end the process. Blocked, they wait in
    # the kernel, over an exec too, until the daemon lets them in (`Wakeup.catch_signals`).
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGHUP))

from .main import main  # noqa: E402 - see above

__all__ = ["main"]
