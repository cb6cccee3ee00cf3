"""One line that says what is waited for, on a terminal only."""

import os
import sys
import threading
from types import TracebackType
from typing import Any


class Waiting:
    """Shows *text* with a turning sign while it is waited; use it as a context manager."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._status: Any = None

    def __enter__(self) -> "Waiting":
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            from rich.console import Console
            from rich.text import Text

            self._status = Console(stderr=True, highlight=False).status(Text(self.text))
            self._status.start()
        return self

    def show(self, text: str) -> None:
        """Show another text."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(text))

    def pause(self, seconds: float) -> None:
        """Wait."""
        threading.Event().wait(seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
