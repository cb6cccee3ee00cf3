"""What a sitting leaves behind, read once after healing, and the verdict that is made of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .app import App
from .databases import Sql
from .fleet import Node
from .watcher import FaultLog, Watcher
from .world import World

#: Faults of which an attempt, a lease or a delivery may be lost.
HARD = ("kill", "freeze", "term", "cut", "restart_server", "lock", "database_full", "starved")
RUN = ("id", "schedule_id", "shop", "occurrence_key", "due_at", "status", "reason", "attempt", "lost_leases")
RUN_MORE = ("fence", "queued_at", "started_at", "finished_at", "error_code", "error")
ATTEMPT = ("run_id", "number", "holder", "fence", "started_at", "finished_at", "status", "error_code")
DELIVERY = ("id", "run_id", "channel", "recipient", "key", "state", "attempts", "receipt", "error", "updated_at")

#: Takes a line for whoever watches.
Tell = Callable[[str], None]


@dataclass(slots=True)
class Verdict:
    """What the oracle says."""

    #: Name of each check that failed, with examples.
    failed: dict[str, list[str]] = field(default_factory=dict)
    #: Names of all checks made.
    made: list[str] = field(default_factory=list)
    #: How much each failed check has found.
    wrong: dict[str, int] = field(default_factory=dict)
    #: What was counted and measured.
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self, name: str, wrong: Iterable[str]) -> None:
        """Note what is *wrong* for the check *name*; nothing is well."""
        found = list(wrong)
        self.made.append(name)
        if found:
            self.wrong[name] = len(found)
            self.failed[name] = [*found[:8], *([f"... {len(found)} in all"] if len(found) > 8 else [])]


class Evidence:
    """Every row, the mails, the faults and what was seen meanwhile; the checks and figures go into its verdict."""

    def __init__(
        self,
        sql: Sql,
        app: App,
        world: World,
        nodes: Sequence[Node],
        log: FaultLog,
        watch: Watcher,
        *,
        patience: float = 2.0,
    ) -> None:
        #: Seconds, beyond a lease's end or a stop, within which a peer must go on.
        self.patience = patience
        self.app, self.world, self.nodes, self.log, self.watch = app, world, nodes, log, watch
        self.runs = _read(sql, "scheduler_run", (*RUN, *RUN_MORE))
        self.attempts = _read(sql, "scheduler_attempt", ATTEMPT)
        self.deliveries = _read(sql, "scheduler_delivery", DELIVERY)
        self.post = world.post.ask()
        self.by_id = {run["id"]: run for run in self.runs}
        self.verdict = Verdict()
        self.hard = [(row["begun"], row["until"]) for row in log.of(*HARD)]


def _read(sql: Sql, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{name}"' for name in columns)
    rows = sql.ask(f"SELECT {names} FROM {{s}}{table}")
    return [dict(zip(columns, row, strict=True)) for row in rows]
