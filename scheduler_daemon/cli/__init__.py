"""The command line: the only place where errors become words and exit codes."""

from .main import main

__all__ = ["main"]
