"""What is being done right now, on a terminal only: shop, report, step, rows so far."""

import os
import sys
from types import TracebackType
from typing import Any

from ..config import Config
from ..lib.clock import utc_now
from ..lib.words import say_length
from ..threads import Hold, ShopThreads
from .output import plain

#: Steps of a run as people say them.
STEPS = {"": "starting", "start": "starting", "fetch": "fetching", "compare": "comparing"}
STEPS |= {"render": "rendering", "deliver": "delivering"}
#: Shops shown at once; a pool may have more.
MOST = 12


class Progress:
    """
    Lines below the log that say what the threads do; use it as a context manager and call `show` now and then.

    Nothing is written where standard error is no terminal. rich leaves colours out for NO_COLOR.
    """

    def __init__(self, config: Config, threads: ShopThreads) -> None:
        self.config = config
        self.threads = threads
        self._shown = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._live: Any = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._logs()

    def show(self, waiting: str = "") -> None:
        """Show what is being done now, and *waiting*, what else there is to say; nothing before there is something."""
        holds = self.threads.holds() if self._shown else []
        lines = [line for line in (*map(doing, holds[:MOST]), waiting) if line]
        if not self._shown or not (lines or self._live):
            return
        from rich.text import Text

        if len(holds) > MOST:
            lines.append(f"and {len(holds) - MOST} more shops")
        text = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
        self._open().update(text, refresh=True)

    def _open(self) -> Any:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False)
            self._live.start()
            self._logs()
        return self._live

    def _logs(self) -> None:
        """Let the log go through standard error as it is now: rich writes it above its own lines."""
        from ..logs import configure

        configure(self.config.log.level, self.config.log.format, sys.stderr)


def doing(hold: Hold) -> str:
    """Return what a shop's thread does: ``acme-tea  Weekly Sales  fetching  1,200 rows  3 s``."""
    shop = hold.lease.shop.removesuffix(".myshopify.com")
    run, since = hold.run, hold.since
    if run is None or since is None:
        return f"{shop}  starting"
    rows = f"  {hold.rows:,} rows" if hold.rows else ""
    took = say_length(utc_now() - since)
    return plain(f"{shop}  {run.name}  {STEPS.get(hold.step, hold.step)}{rows}  {took}")
