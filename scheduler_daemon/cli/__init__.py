"""The command line: the only place where errors become words and exit codes."""

from .early import hold_signals

hold_signals()

from .main import main  # noqa: E402 - the imports are what takes time

__all__ = ["main"]
