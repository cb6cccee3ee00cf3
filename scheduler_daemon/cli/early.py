"""What the program does before it imports anything that takes time."""

import sys
from collections.abc import Sequence

#: Global options that are followed by their value.
VALUED = ("--config", "--log-level", "--log-format")


def hold_signals() -> None:
    """
    Let SIGUSR1 and SIGHUP wait where the command is `run`.

    What follows is imported for most of a second, in which they would end the process. Blocked, they wait in the
    kernel, over an exec too, until the daemon lets them in (`Wakeup.catch_signals`).
    """
    if is_daemon(sys.argv[1:]):
        import signal

        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGHUP))


def is_daemon(words: Sequence[str]) -> bool:
    """Whether the command of *words* is `run`."""
    before = ("", *words)
    names = (word for last, word in zip(before, words, strict=False) if word[:1] != "-" and last not in VALUED)
    return next(names, "") == "run"
