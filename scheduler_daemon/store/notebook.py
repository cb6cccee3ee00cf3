"""What the database remembers of itself and of the daemons on it: settings, and a row for each daemon."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..lib.clock import EPOCH, from_ms
from ..model import Node
from .engine import Engine
from .values import read_moment

#: What `note_node` writes besides the daemon's name.
FACTS = ("host", "pid", "boot_id", "version", "mode", "started_at", "last_good_at", "skew_ms", "snapshot")


class Notebook:
    """The rows of `scheduler_setting` and `scheduler_node`."""

    def __init__(self, engine: Engine, holder: str) -> None:
        self.engine = engine
        self.holder = holder

    def setting(self, name: str) -> str:
        """Return a remembered setting, empty where there is none."""
        rows = self.engine.read("SELECT value FROM {ours}scheduler_setting WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a setting."""
        self._put(self.engine.tables.setting, {"name": name, "value": value}, "name")

    def note_node(self, facts: Mapping[str, Any]) -> None:
        """Keep this daemon's row: host, pid, boot id, version, mode, moments (milliseconds), snapshot (JSON text)."""
        self._put(self.engine.tables.node, {"node": self.holder, **{name: facts[name] for name in FACTS}}, "node")

    def forget_node(self, name: str = "") -> None:
        """Remove this daemon's row, after a clean stop; or that of another, *name*, which is known to be gone."""
        row = self.engine.tables.node
        self.engine.change(row.delete().where(row.node == (name or self.holder)))

    def nodes(self) -> list[Node]:
        """Return what each daemon on this database last wrote, by host and name."""
        row = self.engine.tables.node
        query = row.select().order_by(row.host, row.node)
        return [node_from_row(found) for found in self.engine.fetch_named(query)]

    def now(self) -> datetime:
        """Return the moment on the database's clock, UTC: what nodes are judged by."""
        return from_ms(int(self.engine.read("SELECT {now}")[0][0]))

    def _put(self, row: Any, values: Mapping[str, Any], key: str) -> None:
        others = {name: value for name, value in values.items() if name != key}
        with self.engine.transaction():
            if self.engine.change(row.update(others).where(getattr(row, key) == values[key])) == 0:
                self.engine.change(row.insert(values).on_conflict_ignore())


def node_from_row(row: Mapping[str, Any]) -> Node:
    """Return the Node of a row of `scheduler_node`; what of it cannot be read becomes a blank."""
    try:
        snapshot = json.loads(row["snapshot"] or "{}")
    except (ValueError, TypeError, RecursionError):
        snapshot = {}
    pid, skew = row["pid"], row["skew_ms"]
    return Node(
        name=str(row["node"]),
        **{name: str(row[name] or "") for name in ("host", "version", "mode")},
        pid=pid if isinstance(pid, int) else 0,
        started_at=read_moment(row["started_at"]) or EPOCH,
        last_good_at=read_moment(row["last_good_at"]),
        skew_ms=skew if isinstance(skew, int) else 0,
        snapshot=snapshot if isinstance(snapshot, dict) else {},
    )
