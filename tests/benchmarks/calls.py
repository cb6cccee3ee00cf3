"""
2,000 runs of one 50 ms HTTP call over 200 shops with 32 workers, beside the same threads without a scheduler.

A server in another process waits 50 ms before each answer. The runs are queued before the clock starts; then they go
the way of every run: shops are claimed and handed to `ShopThreads`, `Performer` adopts, starts, finishes and releases
them on the corridor, logs each (JSON, thrown away), and the making of the report is one call. The peer is a plain pool
of 32 threads that makes the 2,000 calls in any order, with the same HTTP client, one session a thread. Told as well:
the same pool when each shop's ten calls follow one another, which is what a scheduler has to promise, and ours with
claims of two runs. Medians of repeats made in turn.
"""

import asyncio
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from scheduler_daemon.app import App, build, open_store
from scheduler_daemon.config import load_config
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.logs import configure
from scheduler_daemon.model import Outcome, Recurrence, Report, RuleKind, Run, RunStatus, Schedule
from scheduler_daemon.perform import Performer
from scheduler_daemon.slots import fill_slots
from scheduler_daemon.store import Store
from scheduler_daemon.threads import Hold, ShopThreads
from scheduler_daemon.when import timetable
from tests.benchmarks.measured import Row
from tests.benchmarks.processes import each_database, own_folder

RUNS, SHOPS, WORKERS, SECONDS = 2_000, 200, 32, 0.05
#: Seconds after which runs that have not ended are lost; a shop that is stuck is free after its lease, a minute.
PATIENCE = 150


def measure(quick: bool) -> list[Row]:
    """Measure each database."""
    rows: list[Row] = []
    with slow_server() as url:
        for name, database in each_database():
            if database is None:
                rows.append(Row(f"{name}, calls", beside="no PostgreSQL server is installed (initdb)"))
            else:
                rows += _measure(name, database, url, 1 if quick else 3)
    return rows


def _measure(name: str, database: str, url: str, repeats: int) -> list[Row]:
    took: dict[str, list[float]] = {"ours": [], "claims of two": [], "plain": [], "in sequence": []}
    for _ in range(repeats):
        took["plain"].append(plain(url, RUNS))
        took["ours"].append(ours(database, url, {}))
        took["in sequence"].append(plain(url, SHOPS, RUNS // SHOPS))
        took["claims of two"].append(ours(database, url, {"daemon.max_per_claim": "2"}))
    found = {key: statistics.median(values) for key, values in took.items()}
    mine, pool, sequence = found["ours"], found["plain"], found["in sequence"]
    beside = f"ours {mine:.2f} s, plain threads {pool:.2f} s, ideal {RUNS * SECONDS / WORKERS:.2f} s"
    two = f"{found['claims of two']:.2f} s with daemon.max_per_claim = 2"
    return [
        Row(
            f"{name}, {RUNS:,} calls of 50 ms, {SHOPS} shops, {WORKERS} workers", mine / pool, "x", 1.10, beside=beside
        ),
        Row(f"{name}, beside threads that take a shop at a time", mine / sequence, "x", beside=f"{sequence:.2f} s"),
        Row(f"{name}, claims of two runs", found["claims of two"] / pool, "x", beside=two),
    ]


class OneCall(Performer):
    """Performs each run as one HTTP call."""

    def _make_and_send(self, run: Run, hold: Hold, timings: dict[str, float]) -> Outcome:
        calls.call(calls.url)
        return Outcome(RunStatus.SUCCEEDED, timings=timings)


class _Calls(threading.local):
    """This thread's HTTP session."""

    url = ""

    def __init__(self) -> None:
        self.http = open_http()

    def call(self, url: str) -> None:
        """Make one call; raise where it is not answered."""
        self.http.get(url, timeout=10, allow_redirects=False).raise_for_status()


calls = _Calls()


def plain(url: str, tasks: int, each: int = 1) -> float:
    """Make *tasks* times *each* calls in a pool; return the seconds."""

    def task(_: int) -> None:
        for _ in range(each):
            calls.call(url)

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(task, range(tasks)))
    return time.perf_counter() - started


def ours(database: str, url: str, options: dict[str, str]) -> float:
    """Queue the runs, then perform them; return the seconds from the first claim to the last shop's release."""
    with own_folder() as root, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        places = {"state.file": str(root / "state.json"), "spool.dir": str(root / "spool")}
        wanted = {"database.url": database, "daemon.workers": str(WORKERS), **places, **options}
        config = load_config(Path(os.devnull), wanted, {})
        configure("info", "json", nowhere)
        with open_store(config, create=True) as store:
            _queue(store)
            wake = threading.Event()
            app = build(config, store, wake.set)
            performer = OneCall(config, store, app.performer.preparer, app.performer.deliverer, app.performer.policy)
            _Calls.url = url
            app.performer, app.threads = performer, ShopThreads(WORKERS, performer.work, wake.set)
            performer.busy = app.threads.busy
            took = _perform(app, wake)
            app.close()
    return took


def _queue(store: Store) -> None:
    """Queue a run for each of 2,000 schedules, made when they are not there; the ledger begins empty."""
    now, rule = datetime.now(UTC), Recurrence(RuleKind.DAILY, time="08:00")
    store.engine.write("DELETE FROM {ours}scheduler_run")
    store.engine.write("DELETE FROM {ours}scheduler_attempt")
    store.engine.write('DELETE FROM {app}"ReportSchedule"')
    store.engine.write("DELETE FROM {ours}scheduler_schedule")
    with store.engine.transaction():
        for number in range(RUNS):
            report = Report("orders", f"Report {number}")
            shop = f"shop{number % SHOPS}.myshopify.com"
            due = now - timedelta(seconds=1)
            store.schedules.add(
                Schedule(f"s{number:05}", shop, report.title, report, rule, "UTC", (), next_due_at=due), now
            )
    while due_now := store.cursors.due(now):
        plans = [(seen, timetable.plan(seen.schedule, now)) for seen in due_now if seen.schedule]
        store.queueing.queue(plans, now)


def _perform(app: App, wake: threading.Event) -> float:
    """Start shops as the daemon does, woken by each thread that is done, until every run has ended."""
    app.heartbeat.thread.start()
    started = time.perf_counter()
    while len(app.performer.ended) < RUNS or app.threads.busy():
        wake.clear()
        _, app.performer.others_wait = fill_slots(app.store, app.threads)
        wake.wait(1.0)
        if time.perf_counter() - started > PATIENCE:
            raise RuntimeError(f"{len(app.performer.ended)} of {RUNS} runs ended within {PATIENCE} s")
    return time.perf_counter() - started


@contextmanager
def slow_server() -> Iterator[str]:
    """Run the server in another process; yield its URL."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        if not mine.poll(30):
            raise RuntimeError("the server did not start")
        yield f"http://127.0.0.1:{mine.recv()}/"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            await asyncio.sleep(SECONDS)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
