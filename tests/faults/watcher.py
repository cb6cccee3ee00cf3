"""What is written down while a sitting goes on: the faults, the shops' leases, one daemon's use of the machine."""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .databases import Base, Sql
from .fleet import Node
from .post import wall

#: How many deadlocks the server has ended since it runs.
DEADLOCKS = {
    "postgres": "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    "mariadb": "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'",
}


class FaultLog:
    """Every fault with its window, as JSON lines; moments are milliseconds since 1970."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, kind: str, begun: int, **facts: Any) -> dict[str, Any]:
        """Write down one fault that is over now, or will be at *until*."""
        row = {"kind": kind, "begun": begun, "until": facts.pop("until", wall()), **facts}
        with self._lock:
            self.rows.append(row)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return row

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the faults of these kinds."""
        return [row for row in self.rows if row["kind"] in kinds]


class Pulse(threading.Thread):
    """Notes when the machine did not let us run: then a daemon may lose its leases by no fault of anybody's."""

    #: Seconds by which a sleep may be late.
    LATE = 0.7

    def __init__(self, log: FaultLog) -> None:
        super().__init__(name="pulse", daemon=True)
        self.log = log
        self.stopped = threading.Event()

    def run(self) -> None:
        """Sleep and look at the clock until told to stop."""
        while not self.stopped.is_set():
            begun, before = wall(), time.monotonic()
            time.sleep(0.1)
            if (late := time.monotonic() - before - 0.1) > self.LATE:
                self.log.add("starved", begun, seconds=round(late, 1))


class Watcher(threading.Thread):
    """Looks at the shops' leases ten times a second and keeps each change, with the database's own moment."""

    def __init__(self, base: Base, nodes: Sequence[Node]) -> None:
        super().__init__(name="watcher", daemon=True)
        self.sql, self.nodes = Sql(base), nodes
        self.stopped = threading.Event()
        self._counted = 0
        #: Deadlocks that the server has ended, as far as it was asked before each of its own ends.
        self.deadlocks = 0
        #: By shop: (moment, fence, holder, next_work_at, moment of the look before) at each change, in order. What was
        #: seen was so at that moment at the latest: it is asked for once the rows are read.
        self.changes: dict[str, list[tuple[int, int, str, int, int]]] = {}
        #: (moment, KiB, descriptors, threads) of the daemon that is never killed.
        self.usage: list[tuple[int, int, int, int]] = []
        #: What its descriptors were at the last look: kind and how many.
        self.open_files: dict[str, int] = {}

    def run(self) -> None:
        """Look until told to stop."""
        looks = before = 0
        while not self.stopped.wait(0.1):
            with suppress(Exception):
                rows, _ = self.sql.once("SELECT shop, fence, holder, next_work_at FROM {s}scheduler_shop")
                at = int(self.sql.once("SELECT {now}")[0][0][0])
                for shop, fence, holder, work in rows:
                    known = self.changes.setdefault(shop, [])
                    if not known or known[-1][1:3] != (fence, holder or ""):
                        known.append((at, int(fence), holder or "", int(work), before))
                before = at
            looks += 1
            if looks % 10 == 0:
                with suppress(Exception):
                    self._ask_for_deadlocks()
            if looks % 20 == 0:
                with suppress(Exception):
                    self.usage.append((wall(), *self.nodes[0].usage()))
                    self.open_files = self.nodes[0].open_files()
        self.sql.close()

    def _ask_for_deadlocks(self) -> None:
        if self.sql.base.kind in DEADLOCKS:
            rows, _ = self.sql.once(DEADLOCKS[self.sql.base.kind])
            count = int(rows[0][-1]) if rows else 0
            self.deadlocks += count - self._counted if count >= self._counted else count
            self._counted = count
