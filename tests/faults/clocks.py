"""
A clock that steps: libfaketime before the daemon's own clock, over both change nights, and between two daemons.

libfaketime moves what `time()` and `clock_gettime(CLOCK_REALTIME)` say, and so the daemon's clock and, in its process,
SQLite's. The monotonic clock stays; `time.sleep` alone fails under it, and the daemon never calls it.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .app import OPEN, App, Planned, _moment, walk
from .databases import Base, Sql, open_base, wait_until
from .evidence import Evidence
from .fleet import Node
from .oracle import judge
from .post import wall
from .watcher import FaultLog, Watcher
from .workbench import build
from .world import World

#: A little before the change: New York's second 01:30 of 2026, and its missing 02:30 of 2027.
NIGHTS = {
    "autumn": (datetime(2026, 11, 1, 5, 29, 50, tzinfo=UTC), "01:30"),
    "spring": (datetime(2027, 3, 14, 6, 59, 50, tzinfo=UTC), "02:30"),
}
#: Hours by which the clock is off, step by step; the first step waits for the moment itself.
STEPS = (0, 2, 0, 1, 26, 24, 50)


def library() -> Path | None:
    """Return where libfaketime is; None where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


class FakeClock:
    """The file from which a daemon's clock is read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.offset = timedelta(0)
        self.set(timedelta(0))

    def set(self, offset: timedelta) -> None:
        """Let the clock be off by *offset* from now on."""
        self.offset = offset
        temp = self.file.with_suffix(".next")
        temp.write_text(f"{offset.total_seconds():+.3f}\n")
        temp.replace(self.file)

    def now(self) -> datetime:
        """Return what it says."""
        return datetime.now(UTC) + self.offset

    def environ(self) -> dict[str, str]:
        """Return the environment of a process that believes it."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def nights(folder: Path) -> list[str]:
    """Run everything; return what was wrong."""
    wrong = []
    for name in NIGHTS:
        wrong += [f"{name}: {text}" for text in night(folder / name, name)]
        wrong += [f"{name}, killed ahead: {text}" for text in killed_ahead(folder / f"{name}-killed", name)]
    return wrong + [f"two daemons: {text}" for text in apart(folder / "apart")]


class _Place:
    """One SQLite database and one daemon whose clock is ours."""

    def __init__(self, folder: Path, start: datetime, stack: ExitStack) -> None:
        folder.mkdir(parents=True)
        self.clock = FakeClock(folder / "clock")
        self.base: Base = stack.enter_context(open_base("sqlite", folder))
        self.world = stack.enter_context(World(["one.myshopify.com", "two.myshopify.com"], 1))
        path = build(folder / "package")
        self.node = Node(0, folder / "place", self.base.url, self.world, path, self.clock.environ())
        stack.enter_context(_ended(self.node))
        self.app = App(self.base, self.world, 1, 1.0, rules=False)
        self.sql = Sql(self.base)
        stack.callback(self.sql.close)
        stack.callback(self.app.sql.close)
        self.zero = start - datetime.now(UTC)
        self.clock.set(self.zero)
        self.foreign: set[tuple[str, str]] = set()

    def begin(self, clock: str) -> datetime:
        """Start the daemon on schedules of each kind; return the moment after which their rules count."""
        self.node.start()
        self.node.wait_ready()
        self.app.fill()
        for number, catch_up in enumerate(("latest", "all", "none")):
            daily = Planned(f"d{number}", "one.myshopify.com", "daily", "America/New_York", clock, catch_up)
            hourly = Planned(f"h{number}", "two.myshopify.com", "hourly", "UTC", "00:30", catch_up)
            for item in (daily, hourly):
                self.app._add(item, number)
        begun = self.clock.now()
        self.settle()
        return begun

    def settle(self, seconds: float = 30.0) -> bool:
        """Wait until nothing is due or open; False where that does not come true."""

        def quiet() -> bool:
            if self.sql.ask('SELECT COUNT(*) FROM "ReportSchedule" WHERE "nextRunAt" IS NULL')[0][0]:
                return False
            now = int(self.clock.now().timestamp() * 1000)
            rows = self.sql.ask('SELECT "nextRunAt" FROM "ReportSchedule"')
            return not self.sql.ask(OPEN)[0][0] and all(_at(row[0]) > now for row in rows)

        with suppress(TimeoutError):
            return bool(wait_until(quiet, seconds))
        return False

    def ask_now(self, schedule: str) -> None:
        """Let the app ask for a report at this moment of the daemon's clock."""
        at = int(self.clock.now().timestamp() * 1000)
        self.sql.ask('UPDATE "ReportSchedule" SET "nextRunAt" = ? WHERE "id" = ?', (at, schedule))
        self.foreign.add((schedule, f"at:{at}"))

    def wrong(self, begun: datetime, latest: datetime) -> list[str]:
        """Return every occurrence that is lost, doubled, unknown to us or not final."""
        rows = self.sql.ask("SELECT schedule_id, occurrence_key, status FROM {s}scheduler_run")
        found = Counter((row[0], row[1]) for row in rows)
        sure: set[tuple[str, str]] = set(self.foreign)
        for item in self.app.planned.values():
            if item.kind != "foreign":
                walked = walk(item.kind, item.zone, item.clock, begun, latest - timedelta(seconds=2))
                sure |= {(item.id, key) for key, _ in walked}
        said = [f"lost: {key}" for key in sure if not found[key]]
        said += [f"doubled: {key} {number}" for key, number in found.items() if number > 1]
        said += [f"unexpected: {key}" for key in found if key not in sure]
        said += [f"not final: {row}" for row in rows if row[2] in ("queued", "running")]
        taken = self.world.post.ask().keys.items()
        return said + [f"mail taken {number} times: {key}" for key, number in taken if number > 1]


def night(folder: Path, name: str, steps: Sequence[int] = STEPS) -> list[str]:
    """Let a daemon's clock step over the change of *name*; return what was wrong."""
    start, clock = NIGHTS[name]
    said = []
    with ExitStack() as stack:
        place = _Place(folder, start, stack)
        begun = place.begin(clock)
        latest = begun
        for hours in steps:
            place.clock.set(place.zero + timedelta(hours=hours))
            if hours == 0 and latest == begun:
                wait_until(lambda: place.clock.now() > start + timedelta(seconds=15), 30)
            place.ask_now("f000")
            time.sleep(2.5)
            if not place.settle():
                said.append(f"not settled at {hours:+} h")
            latest = max(latest, place.clock.now())
        said += place.wrong(begun, latest)
        print(f"{name}: {place.sql.ask('SELECT COUNT(*) FROM {s}scheduler_run')[0][0]} rows, wrong: {said}", flush=True)
    return said


def killed_ahead(folder: Path, name: str, seconds: float = 30.0) -> list[str]:
    """Kill a daemon at work while its clock is two hours ahead, set the clock right, and start it again."""
    start, clock = NIGHTS[name]
    with ExitStack() as stack:
        place = _Place(folder, start, stack)
        begun = place.begin(clock)
        place.clock.set(place.zero + timedelta(hours=2))
        place.settle()
        place.node.arm("fetched", signal.SIGKILL)
        place.ask_now("f000")
        hit = place.node.sprung("fetched", 10)
        latest = place.clock.now()
        place.node.kill()
        place.clock.set(place.zero)
        place.node.start()
        place.node.wait_ready()
        settled = place.settle(seconds)
        said = place.wrong(begun, latest)
        said += [] if hit else ["the daemon was not hit"]
        said += [] if settled else [f"not settled {seconds:.0f} s after the start: {_leases(place)}"]
        print(f"{name}, killed ahead: wrong: {said}", flush=True)
    return said


def _leases(place: _Place) -> Any:
    rows = place.sql.ask("SELECT shop, holder, lease_until FROM {s}scheduler_shop WHERE lease_until > 0")
    now = int(place.clock.now().timestamp() * 1000)
    return [f"{shop} leased for {(until - now) / 1000:.0f} s by {holder}" for shop, holder, until in rows]


def apart(folder: Path, kind: str = "postgres") -> list[str]:
    """Let one of two daemons on one server step two hours ahead and behind; return what was wrong."""
    with ExitStack() as stack:
        folder.mkdir(parents=True)
        fake = FakeClock(folder / "clock")
        base = stack.enter_context(open_base(kind, folder))
        world = stack.enter_context(World([f"shop{number}.myshopify.com" for number in range(6)], 2))
        path = build(folder / "package")
        nodes = [Node(0, folder / "place", base.url, world, path, {})]
        nodes.append(Node(1, folder / "place", base.url, world, path, fake.environ()))
        for node in nodes:
            stack.enter_context(_ended(node))
            node.start()
            node.wait_ready()
        app, watch = App(base, world, 5, 12.0, rules=False), Watcher(base, nodes)
        app.fill()
        started = wall()
        watch.start()
        app.start()
        for hours in (0, 2, 0, -2, 2, -2, 0):
            fake.set(timedelta(hours=hours))
            time.sleep(4)
        app.stopped.set()
        app.join()
        sql = Sql(base)
        for each in (sql, app.sql, watch.sql):
            stack.callback(each.close)
        with suppress(TimeoutError):
            wait_until(lambda: not sql.ask(OPEN)[0][0], 30)
        watch.stopped.set()
        watch.join()
        log = FaultLog(folder / "faults.jsonl")
        verdict = judge(Evidence(sql, app, world, nodes, log, watch), started, wall())
        print(f"two daemons: {verdict.figures['occurrences']} rows, wrong: {verdict.failed}", flush=True)
        return [f"{name}: {found}" for name, found in verdict.failed.items()]


@contextmanager
def _ended(node: Node) -> Iterator[None]:
    try:
        yield
    finally:
        if node.alive():
            node.kill()


def _at(value: Any) -> int:
    if isinstance(value, int):
        return value
    return int((datetime.fromisoformat(value) - _moment(0)) / timedelta(milliseconds=1))
