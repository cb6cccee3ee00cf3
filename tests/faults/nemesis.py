"""What goes wrong in a sitting: drawn from a seed, struck, healed, and written down with its window."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .databases import Base, Sql
from .disks import covered
from .fleet import LEASE, Node
from .held import as_rows, held_by, wait_for_peer
from .post import wall
from .watcher import FaultLog
from .workbench import NAMES
from .world import World

#: How often each fault of the daemons and the database is drawn.
WEIGHTS = {
    "kill": 5,
    "kill_at": 9,
    "freeze": 4,
    "freeze_at": 6,
    "term": 2,
    "cut": 2,
    "restart_server": 1,
    "lock": 1,
    "lock_long": 0.3,
    "storm_429": 1,
    "state_readonly": 1,
    "state_full": 1,
    "spool_full": 1,
    "database_full": 1,
}
COUNTED = ("kill", "kill_at", "freeze", "freeze_at")


class Nemesis:
    """Strikes until *kills* kills and freezes were made."""

    def __init__(
        self,
        base: Base,
        nodes: Sequence[Node],
        world: World,
        log: FaultLog,
        seed: int,
        *,
        faults: Sequence[str] = (),
        points: Sequence[str] = (),
        mounts: bool = False,
        measure: bool = True,
    ) -> None:
        self.base, self.nodes, self.world, self.log = base, list(nodes), world, log
        self.random = random.Random(seed)
        self.sql = Sql(base)
        self.points = tuple(points) or NAMES
        wanted = {name: weight for name, weight in WEIGHTS.items() if not faults or name in faults}
        for name in ("state_readonly", "state_full", "spool_full", "database_full"):
            if not mounts or (name == "database_full" and base.disk is None):
                wanted.pop(name, None)
        for name in ("cut", "restart_server") if base.kind == "sqlite" else ():
            wanted.pop(name, None)
        self.faults = wanted
        self.struck = 0
        #: Whether some kills are followed by quiet, so that the peer's recovery can be measured.
        self.measure = measure
        #: Daemons that may be killed: the first is kept alive, so that its memory can be watched.
        self.mortal = self.nodes[1:] or self.nodes

    def strike(self, kills: int, tell: Callable[[str], None]) -> None:
        """Strike until *kills* kills and freezes were made, or as many faults where none of them counts."""
        rounds = 0
        while self.struck < kills and rounds < 20 * kills:
            rounds += 1
            self._supervise()
            kind = self.random.choices(list(self.faults), list(self.faults.values()))[0]
            getattr(self, f"_{kind}")()
            if kind in COUNTED or not set(COUNTED) & set(self.faults):
                self.struck += 1
                if self.struck % 20 == 0:
                    tell(f"{self.struck} kills and freezes")
            time.sleep(self.random.uniform(0.05, 0.8))

    def _supervise(self) -> None:
        """Start what ended by itself (a full state folder refuses a start), as a supervisor would."""
        for node in self.nodes:
            if node.process is not None and not node.alive():
                self.log.add("ended_by_itself", wall(), node=node.number, code=node.process.returncode)
                node.start()

    def _victim(self, nodes: Sequence[Node]) -> Node:
        alive = [node for node in nodes if node.alive()]
        return self.random.choice(alive or list(nodes))

    # The daemons ----------------------------------------------------------------------------------------------------

    def _after_kill(self, node: Node, at: int, kind: str, point: str) -> None:
        held = held_by(self.sql, node.pids[-1])
        measured = self.measure and bool(held) and self.random.random() < 0.4
        if measured:
            wait_for_peer(self.sql, held, LEASE + 5.0)
        else:
            time.sleep(self.random.uniform(0.0, 0.6))
        facts = {"node": node.number, "point": point, "held": as_rows(held)}
        self.log.add(kind, at, **facts, measured=measured, until=at)
        node.start()

    def _kill(self) -> None:
        node = self._victim(self.mortal)
        if not node.alive():
            node.start()
            return
        self._after_kill(node, node.kill(), "kill", "")

    def _kill_at(self) -> None:
        node, point = self._victim(self.mortal), self.random.choice(self.points)
        node.arm(point, signal.SIGKILL)
        hit = node.sprung(point, 3.0)
        if hit and node.process is not None:
            node.process.wait()
        self._after_kill(node, node.kill(), "kill", point if hit else "")

    def _freeze(self) -> None:
        chosen = self.random.sample(self.nodes, 2 if len(self.nodes) > 2 and self.random.random() < 0.3 else 1)
        begun = wall()
        for node in chosen:
            node.send(signal.SIGSTOP)
        self._thaw(chosen, begun, "")

    def _freeze_at(self) -> None:
        node, point = self._victim(self.nodes), self.random.choice(self.points)
        node.arm(point, signal.SIGSTOP)
        hit = node.sprung(point, 3.0)
        begun = wall()
        node.send(signal.SIGSTOP)
        self._thaw([node], begun, point if hit else "")

    def _thaw(self, nodes: Sequence[Node], begun: int, point: str) -> None:
        time.sleep(LEASE * self.random.uniform(1.1, 2.0))
        held = {node.number: as_rows(held_by(self.sql, node.pids[-1])) for node in nodes}
        for node in nodes:
            woken = node.thaw(1.0 if point else 0.0)
            self.log.add("freeze", begun, node=node.number, point=point, held=held[node.number], until=woken)

    def _term(self) -> None:
        node = self._victim(self.mortal)
        with suppress(Exception):  # one that is still starting has no handler yet, and dies as any program would
            node.wait_ready(10)
        if not node.alive():  # refused to start in a state folder that could not be written
            self._supervise()
            return
        begun = node.send(signal.SIGTERM)
        assert node.process is not None
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = node.process.wait(20)
        if code is None:
            node.kill()
        pid = node.pids[-1]
        ended = wall()
        time.sleep(self.random.choice((0.0, 2.5)))
        self.log.add("term", begun, node=node.number, pid=pid, code=code, until=ended)
        node.start()

    # The database ---------------------------------------------------------------------------------------------------

    def _cut(self) -> None:
        begun = wall()
        with suppress(Exception):
            self.log.add("cut", begun, count=self.base.cut(self.sql))

    def _restart_server(self) -> None:
        begun = wall()
        assert self.base.server is not None
        self.base.server.restart()
        self.log.add("restart_server", begun)

    def _lock(self) -> None:
        self._locked(self.random.choice((1.0, 2.0, 4.0, 8.0)))

    def _lock_long(self) -> None:
        self._locked(30.0)

    def _locked(self, seconds: float) -> None:
        """Hold a lock that no daemon gets past, longer than any of them waits for it."""
        begun = wall()
        with suppress(Exception), self.base.locked():
            time.sleep(seconds)
        self.log.add("lock", begun, seconds=seconds)

    # The API ------------------------------------------------------------------------------------------------------

    def _storm_429(self) -> None:
        """Let every shop's next answers be "too many requests"."""
        begun = wall()
        count = self.random.randrange(5, 20)
        for shop in self.world.shops.values():
            shop.script([{"fault": "429", "seconds": round(self.random.uniform(0.2, 2.0), 1)} for _ in range(count)])
        self.log.add("api", begun, shop="all", faults=["429"] * count, storm=True)

    # The disk -------------------------------------------------------------------------------------------------------

    def _state_readonly(self) -> None:
        self._covered(self._victim(self.nodes).state_folder, "ro,size=64k", "state_readonly")

    def _state_full(self) -> None:
        self._covered(self._victim(self.nodes).state_folder, "nr_inodes=1", "state_full")

    def _spool_full(self) -> None:
        self._covered(self.nodes[0].folder / "spool", "size=1m", "spool_full")

    def _covered(self, folder: Path, options: str, kind: str) -> None:
        """Lay an unusable file system over *folder* for a while."""
        begun = wall()
        with covered(folder, options):
            time.sleep(self.random.uniform(1.0, 3.0))
        self.log.add(kind, begun)

    def _database_full(self) -> None:
        begun = wall()
        assert self.base.disk is not None
        ballast = self.base.disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 2**20)
        time.sleep(self.random.uniform(0.5, 3.0))
        ballast.unlink(missing_ok=True)
        if self.base.server is not None:
            self.base.server.revive()
        self.log.add("database_full", begun)
