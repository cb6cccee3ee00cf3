"""The database: the only part that imports peewee and knows the app's camelCase names. No row leaves it as such."""

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any

from ..errors import StoreError
from ..lib.clock import to_ms, utc_now
from . import schema
from .corridor import Corridor
from .deliveries import Deliveries
from .engine import Engine
from .faces import Faces, styles
from .history import History
from .leases import Leases
from .moments import Style
from .queueing import Queueing
from .schedule_rows import SeenSchedule
from .schedules import Schedules
from .sessions import Sessions
from .shops import Shops
from .urls import Target, read_url

__all__ = ["SeenSchedule", "Store", "Target", "new_holder", "read_url"]

MODES = ("hold", "redirect", "live")


class Store:
    """One open database and everything that may be asked of it."""

    def __init__(
        self,
        target: Target,
        *,
        types: Mapping[str, str],
        holder: str = "",
        lease: timedelta = timedelta(seconds=60),
        create: bool = False,
        upgrade: bool = True,
        synchronous: str = "FULL",
    ) -> None:
        """
        Open *target*; *types* maps the report types of the table to ours.

        With *create* a missing SQLite file is made. With *upgrade* pending migrations run. Raise StoreError.
        """
        if target.path is not None and not create and not target.path.exists():
            raise StoreError(
                f"There is no database {target.path}.",
                hint="Run: scheduler init. Or name the right one: --config, database.url, the right user.",
            )
        self.target = target
        self.engine = Engine(target, synchronous=synchronous)
        try:
            self._prepare(upgrade)
        except BaseException:
            self.engine.close_thread()
            raise
        self.holder = holder or new_holder()
        history, schedule = self._styles()
        self.types = dict(types)
        self.leases = Leases(self.engine, self.holder, lease)
        has_table = bool(schema.columns(self.engine, "ReportHistory")) and not schema.is_view(
            self.engine, "ReportHistory"
        )
        self.faces = Faces(self.engine, has_table=has_table, last_run=schedule["lastRunAt"], history=history)
        self.corridor = Corridor(self.engine, self.leases, self.faces)
        self.deliveries = Deliveries(self.engine, self.leases)
        self.queueing = Queueing(self.engine, schedule["nextRunAt"], self.types)
        self.schedules = Schedules(self.engine, schedule["nextRunAt"], self.types)
        self.shops = Shops(self.engine)
        self.sessions = Sessions(self.engine, styles(self.engine, "Session", ("expires",))["expires"])
        self.history = History(self.engine)

    def _prepare(self, upgrade: bool) -> None:
        path = self.target.path
        if path is not None and self.engine.created:
            with suppress(OSError):
                path.touch(mode=0o600)
        if upgrade:
            schema.upgrade(self.engine)
            return
        found = schema.status(self.engine)
        schema.refuse_newer(self.engine, found)
        if found.pending:
            raise StoreError(
                f"The database {self.target.shown} needs an upgrade ({found.pending[0]}).",
                code="database_outdated",
                hint="Run: scheduler db upgrade",
            )

    def _styles(self) -> tuple[Style, dict[str, Style]]:
        schedule = styles(self.engine, "ReportSchedule", ("nextRunAt", "lastRunAt"))
        if not self.engine.is_sqlite:
            return Style.NATIVE, schedule
        if not self._has_history():
            return Style.INTEGER, schedule
        return styles(self.engine, "ReportHistory", ("startedAt",))["startedAt"], schedule

    def _has_history(self) -> bool:
        """Whether the app has a `ReportHistory` table of its own, and not our view."""
        name = "ReportHistory"
        return bool(schema.columns(self.engine, name)) and not schema.is_view(self.engine, name)

    @property
    def own(self) -> bool:
        """Whether we made the app's tables: a database of our own."""
        return self.setting("own") == "1"

    @property
    def mode(self) -> str:
        """The delivery mode that the database remembers: "hold" until `go-live` on an app's database, else "live"."""
        return self.setting("mode") or "hold"

    def setting(self, name: str) -> str:
        """Return a remembered setting, empty where there is none."""
        rows = self.engine.read("SELECT value FROM {ours}scheduler_setting WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a setting."""
        sql = """INSERT INTO {ours}scheduler_setting (name, value) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
        self.engine.write(sql, (name, value))

    def skew_ms(self) -> int:
        """Return how far this machine's clock is ahead of the database's, milliseconds."""
        before = utc_now()
        theirs = int(self.engine.read("SELECT {now}")[0][0])
        return (to_ms(before) + to_ms(utc_now())) // 2 - theirs

    def note_node(self, facts: Mapping[str, Any]) -> None:
        """Keep this daemon's row in `scheduler_node`: host, pid, version, mode, moments, snapshot (JSON text)."""
        names = ("host", "pid", "boot_id", "version", "mode", "started_at", "last_good_at", "skew_ms", "snapshot")
        values = tuple(facts[name] for name in names)
        sets = ", ".join(f"{name} = excluded.{name}" for name in names)
        marks = ", ".join("?" * len(names))
        sql = f"""INSERT INTO {{ours}}scheduler_node (node, {", ".join(names)}) VALUES (?, {marks})
        ON CONFLICT (node) DO UPDATE SET {sets}"""
        self.engine.write(sql, (self.holder, *values))

    def forget_node(self) -> None:
        """Remove this daemon's row, after a clean stop."""
        self.engine.write("DELETE FROM {ours}scheduler_node WHERE node = ?", (self.holder,))

    def close(self) -> None:
        """Close this thread's connection."""
        self.engine.close_thread()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def new_holder() -> str:
    """Return a name for this process as a holder of leases: host, pid, random."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"
