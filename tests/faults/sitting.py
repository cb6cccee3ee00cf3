"""One sitting: a database, daemons, the app, faults; then healing, one clean daemon, and the oracle's verdict."""

import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from .app import OPEN, App, wait_for_cursors
from .databases import Base, Sql, open_base, wait_until
from .disks import covered, may_mount
from .evidence import Evidence, Tell, Verdict
from .fleet import Node
from .mutants import Mutant
from .nemesis import Nemesis
from .oracle import judge
from .post import wall
from .walk import Step, Walk
from .watcher import FaultLog, Pulse, Watcher
from .weather import Weather
from .workbench import build
from .world import World

#: How big the database's file system is, as mount takes it: what it needs itself, and a gigabyte of PostgreSQL's log.
SMALL = {"sqlite": "size=160m", "postgres": "size=1600m", "mariadb": "size=800m"}
#: Seconds after the last fault within which every row must be final.
SETTLE = 60.0
ROWS = "SELECT COUNT(*) FROM {s}scheduler_run"
#: Keys of deliveries that nobody will try again: their runs took three processes down.
GIVEN_UP = """
SELECT d."key" FROM {s}scheduler_delivery d JOIN {s}scheduler_run r ON r.id = d.run_id
WHERE r.lost_leases >= 3"""
UNKNOWN = "SELECT run_id FROM {s}scheduler_delivery WHERE state = 'unknown'"


@dataclass(slots=True)
class Order:
    """What a sitting is to be."""

    kind: str
    seed: int
    kills: int
    #: Where it keeps its files; empty or not there.
    folder: Path
    #: 0 lets the seed choose 2 to 4.
    daemons: int = 0
    shops: int = 16
    #: Writes of the app each second.
    rate: float = 14.0
    #: Seconds that the API lets each request wait, at least and at most.
    latency: tuple[float, float] = (0.0, 0.0)
    #: Open runs beyond which the app waits; 0 is no limit.
    backlog: int = 0
    mutant: Mutant | None = None
    #: Whether API and mail have bad days.
    weather: bool = True
    #: Whether file systems may be laid over folders (root only).
    mounts: bool = True
    #: Faults to draw from; all where empty.
    faults: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    #: Threads of each daemon.
    workers: int = 16
    #: Steps of the walk at which a daemon is struck, in place of faults drawn by chance.
    steps: tuple[Step, ...] = ()
    #: Writes of the app that a sitting without kills waits for.
    writes: int = 0
    #: Occurrences that a sitting goes on for without further strikes, ten minutes at most.
    occurrences: int = 0
    #: How often the app writes a moment that it has written before.
    repeats: float = 0.1
    #: Whether the daemons share only the work of foreign moments (for mutants), or rules too.
    rules: bool = True
    #: Seconds beyond a lease's end, or a stop, within which a peer must go on; tests on busy machines give more.
    patience: float = 2.0
    #: Seconds after the last fault within which every row must be final.
    settle: float = SETTLE
    #: Whether a clean daemon does ordinary work at the end.
    calm: bool = True
    tell: Tell = field(default=print)


def order_of_steps(kind: str, seed: int, folder: Path, steps: tuple[Step, ...], *, patience: float = 2.0) -> Order:
    """Return a sitting that goes over *steps*: a peer, five victims, no other fault."""
    return Order(
        kind=kind,
        seed=seed,
        kills=0,
        folder=folder,
        daemons=6,
        shops=12,
        rate=25.0,
        # Few enough that shops are given back all the time and every daemon gets its share.
        backlog=8,
        # One thread each, so that shops wait and a thread passes from one to the next.
        workers=1,
        steps=steps,
        weather=False,
        mounts=False,
        rules=False,
        patience=patience,
        calm=False,
    )


@contextmanager
def _small_disk(kind: str, data: Path) -> Iterator[Path]:
    """
    Yield a file system of its own that can be filled: over *data* for SQLite's file.

    For a server it lies where temporary files do: its account must get there, and the path of a socket is short.
    """
    if kind == "sqlite":
        with covered(data, SMALL[kind]):
            yield data
        return
    with tempfile.TemporaryDirectory(prefix="scheduler-disk-") as name, covered(Path(name), f"{SMALL[kind]},mode=755"):
        Path(name).chmod(0o755)
        yield Path(name)


def sit(order: Order) -> Verdict:
    """Run one sitting; return the verdict."""
    order.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        return _Sitting(order, stack).run()


class _Sitting:
    def __init__(self, order: Order, stack: ExitStack) -> None:
        self.order = order
        self.random = random.Random(order.seed)
        #: Deliveries that became unknown although nothing was wrong.
        self.unknown_in_calm = 0
        mutant = order.mutant
        path = build(order.folder / "package", changes=mutant.changes if mutant else ())
        count = order.daemons or self.random.choice((2, 3, 3, 4))
        self.mounts = order.mounts and may_mount(order.folder)
        data = order.folder / "data"
        data.mkdir(exist_ok=True)
        disk = stack.enter_context(_small_disk(order.kind, data)) if self.mounts else None
        self.base: Base = stack.enter_context(open_base(order.kind, data, disk))
        domains = [f"shop{number:02}.myshopify.com" for number in range(order.shops)]
        # One door more than daemons: the clean daemon at the end has a number of its own.
        self.world = stack.enter_context(World(domains, count + 1, order.latency))
        environ = mutant.environ if mutant else {}
        threads = {"SCHEDULER_DAEMON__WORKERS": str(order.workers)}
        self.nodes = [
            Node(number, order.folder / "place", self.base.url, self.world, path, threads | environ.get(number, {}))
            for number in range(count + 1)
        ]
        stack.enter_context(_ended(self.nodes))
        self.log = FaultLog(order.folder / "faults.jsonl")
        self.app = App(self.base, self.world, order.seed + 1, order.rate, rules=order.rules, backlog=order.backlog)
        self.app.repeats = order.repeats
        self.watch = Watcher(self.base, self.nodes)
        self.pulse = Pulse(self.log)
        self.walk = Walk(self.base, self.nodes[:-1], self.world, self.log, self.order.patience)
        self.sql = Sql(self.base)
        for sql in (self.sql, self.app.sql, self.watch.sql):
            stack.callback(sql.close)

    def run(self) -> Verdict:
        """Start, strike, heal, judge."""
        clean, working = self.nodes[-1], self.nodes[:-1]
        working[0].start()
        working[0].wait_ready()
        started = wall()
        self.app.fill()
        for node in working[1:]:
            node.start()
        wait_for_cursors(self.app, 30)
        for node in working:
            node.wait_ready()
        if self.order.mounts and not self.mounts:
            self.order.tell("no full or read-only disks: only root may lay file systems over folders")
        self.order.tell(f"{len(working)} daemons, {len(self.app.planned)} schedules, {self.order.kind}")
        self.watch.start()
        self.pulse.start()
        self.app.start()
        self._storm(working)
        settled = self._settle(working)
        calm = self._calm(clean) if self.order.calm else []
        ended = wall()
        self._stop(self.watch)
        self._stop(self.pulse)
        sides = (self.sql, self.app, self.world, self.nodes, self.log, self.watch)
        verdict = judge(Evidence(*sides, patience=self.order.patience), started, ended)
        verdict.check("settled", [] if settled < self.order.settle else [f"after {settled:.0f} s"])
        if self.order.calm:
            verdict.check("calm_after_the_storm", calm)
        verdict.check("nothing_left", self._left())
        verdict.check("every_step_reached", [*self.walk.missed, *self.walk.trouble])
        verdict.check("the_app_wrote", [self.app.trouble] if self.app.trouble else [])
        figures: dict[str, Any] = {"daemons": len(working), "seconds": round((ended - started) / 1000)}
        figures["restarts"] = sum(len(node.pids) - 1 for node in working)
        figures["unknown_in_calm"] = self.unknown_in_calm
        verdict.figures |= figures | {"settled_s": round(settled, 1), "node_rows": self._node_rows()}
        # They go with their run's folder (spool.keep): counted, not judged.
        spool = self.order.folder / "place" / "spool"
        verdict.figures["unfinished_files_in_the_spool"] = len(list(spool.rglob(".making*")))
        return verdict

    def _storm(self, working: list[Node]) -> None:
        order = self.order
        weather = Weather(self.world, self.log, order.seed + 2)
        if order.weather:
            weather.start()
        time.sleep(1.0)
        if order.steps:
            self.walk.go(order.steps)
        elif order.kills:
            nemesis = Nemesis(
                self.base,
                working,
                self.world,
                self.log,
                order.seed + 3,
                faults=order.faults,
                points=order.points,
                mounts=self.mounts,
                measure=order.calm,
            )
            nemesis.strike(order.kills, order.tell)
            nemesis.sql.close()
        wait_until(lambda: self.app.written >= order.writes or self.app.trouble, 120)
        self._go_on_until(order.occurrences)
        self._stop(self.app)
        weather.stopped.set()
        if order.weather:
            weather.join()

    def _go_on_until(self, occurrences: int) -> None:
        until = time.monotonic() + 600
        while occurrences and time.monotonic() < until and not self.app.trouble:
            if self.sql.ask(ROWS)[0][0] >= occurrences:
                return
            time.sleep(0.5)

    def _stop(self, thread: "threading.Thread") -> None:
        thread.stopped.set()  # type: ignore[attr-defined]
        thread.join()

    def _settle(self, working: list[Node]) -> float:
        """Heal; return the seconds until every row was final."""
        for node in working:
            node.disarm()
            node.send(signal.SIGCONT)
            if not node.alive() and not self.order.steps:
                node.start()
        begun = time.monotonic()
        time.sleep(1.2)  # the app's last moments lie up to 0.9 s ahead
        with suppress(TimeoutError):
            wait_until(self._quiet, self.order.settle)
        took = time.monotonic() - begun
        for node in working:
            node.send(signal.SIGTERM)
        for node in working:
            if node.process is not None:
                with suppress(Exception):
                    node.process.wait(20)
                if node.alive():
                    node.kill()
        return took

    def _quiet(self) -> bool:
        if self.sql.ask(OPEN)[0][0]:
            return False
        rows = self.sql.ask('SELECT "nextRunAt" FROM "ReportSchedule" WHERE "nextRunAt" IS NOT NULL')
        from .app import _ms

        return all(_ms(row[0]) > wall() for row in rows)

    def _calm(self, clean: Node) -> list[str]:
        """Start one clean daemon and let it do ordinary work; return what did not go well at once."""
        clean.start()
        clean.wait_ready()
        time.sleep(1.0)
        with suppress(TimeoutError):
            wait_until(self._quiet, SETTLE)
        old = {row[0] for row in self.sql.ask("SELECT id FROM {s}scheduler_run")}
        foreign = [item for item in self.app.planned.values() if item.kind == "foreign"][:20]
        for item in foreign:
            item.last = 0
            rows = self.sql.ask('SELECT "nextRunAt" FROM "ReportSchedule" WHERE "id" = ?', (item.id,))
            self.app.write(item, rows[0][0])
        time.sleep(1.0)
        with suppress(TimeoutError):
            wait_until(self._quiet, SETTLE)
        sql = "SELECT id, schedule_id, status, attempt, error FROM {s}scheduler_run"
        # By their names: a look that began before the app wrote stamps its rows with its own moment.
        rows = [row for row in self.sql.ask(sql) if row[0] not in old]
        good = ("succeeded", "partial")
        wrong = [str(row[1:]) for row in rows if row[2] not in good or row[3] != 1]
        self.unknown_in_calm = sum(row[0] not in old for row in self.sql.ask(UNKNOWN))
        wrong += [f"{self.unknown_in_calm} deliveries unknown"] if self.unknown_in_calm else []
        clean.send(signal.SIGTERM)
        if clean.process is not None:
            with suppress(Exception):
                clean.process.wait(20)
        return wrong + ([] if len(rows) >= len(foreign) else [f"{len(rows)} rows for {len(foreign)} moments"])

    def _left(self) -> list[str]:
        place = self.order.folder / "place"
        # A repeat of a delivery takes its unfinished copy away; one that is never repeated leaves it.
        given_up = {f".{sha256(row[0].encode()).hexdigest()[:32]}.part" for row in self.sql.ask(GIVEN_UP)}
        # A half-written mark is written anew by the repeat; what no repeat needs, the folder sweeps itself.
        files = [
            path for path in place.rglob("*.part") if path.name not in given_up and path.parent.name != ".delivered"
        ]
        # What a killed daemon was writing, or lies below a file system that came over it, the next start takes away.
        covered_over = bool(self.log.of("state_full", "state_readonly"))
        for node in self.nodes:
            files += [] if node.killed or covered_over else node.state_folder.glob(".state.json-*")
        found = [str(path.relative_to(place)) for path in files]
        found += [
            f"lease: {row}" for row in self.sql.ask("SELECT shop, holder FROM {s}scheduler_shop WHERE holder <> ''")
        ]
        return found

    def _node_rows(self) -> int:
        return int(self.sql.ask("SELECT COUNT(*) FROM {s}scheduler_node")[0][0])


@contextmanager
def _ended(nodes: list[Node]) -> Iterator[None]:
    """Whatever happens, no daemon outlives the sitting."""
    try:
        yield
    finally:
        for node in nodes:
            if node.alive():
                node.kill()
