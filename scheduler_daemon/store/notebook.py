"""What the database remembers of itself and of the daemons on it: settings, and a row for each daemon."""

from collections.abc import Mapping
from typing import Any

from .engine import Engine

#: What `note_node` writes besides the daemon's name.
FACTS = ("host", "pid", "boot_id", "version", "mode", "started_at", "last_good_at", "skew_ms", "snapshot")


class Notebook:
    """The rows of `scheduler_setting` and `scheduler_node`."""

    def __init__(self, engine: Engine, holder: str) -> None:
        self.engine = engine
        self.holder = holder

    def setting(self, name: str) -> str:
        """Return a remembered setting, empty where there is none."""
        row = self.engine.tables.setting
        rows = self.engine.fetch(row.select(row.value).where(row.name == name))
        return str(rows[0][0]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a setting."""
        self._put(self.engine.tables.setting, {"name": name, "value": value}, "name")

    def note_node(self, facts: Mapping[str, Any]) -> None:
        """Keep this daemon's row: host, pid, boot id, version, mode, moments (milliseconds), snapshot (JSON text)."""
        self._put(self.engine.tables.node, {"node": self.holder, **{name: facts[name] for name in FACTS}}, "node")

    def forget_node(self) -> None:
        """Remove this daemon's row, after a clean stop."""
        row = self.engine.tables.node
        self.engine.change(row.delete().where(row.node == self.holder))

    def _put(self, row: Any, values: Mapping[str, Any], key: str) -> None:
        others = {name: value for name, value in values.items() if name != key}
        with self.engine.transaction():
            if self.engine.change(row.update(others).where(getattr(row, key) == values[key])) == 0:
                self.engine.change(row.insert(values).on_conflict_ignore())
