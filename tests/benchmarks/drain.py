"""
Runs per second: 10,000 due no-op runs over 1,000 shops, drained by one process, ledger rows included.

Beside it, in the same run, a bare program that makes the same commits: no leases, no fences, no ledger nouns.
``python -m tests.benchmarks.drain [--url postgresql://…] [--synchronous NORMAL] [--json]``
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler_daemon import timetable
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.lib.ids import new_ulid
from scheduler_daemon.model import Lease, Outcome, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.store.drivers import peewee
from scheduler_daemon.store.engine import Engine

RUNS, SHOPS = 10_000, 1_000
DONE = Outcome(RunStatus.SUCCEEDED)
LIMITS = {"sqlite FULL": 2500, "sqlite NORMAL": 5000, "postgres": 1200}


def fill(store: Store) -> None:
    """Store the due schedules."""
    now = datetime.now(UTC)
    with store.engine.transaction():
        for number in range(RUNS):
            rule = Recurrence(RuleKind.DAILY, time="08:00")
            report = Report("orders", f"Report {number}")
            shop = f"shop{number % SHOPS}.myshopify.com"
            due = now - timedelta(seconds=1)
            made = Schedule(f"s{number:06}", shop, report.title, report, rule, "Europe/Paris", (), next_due_at=due)
            store.schedules.add(made, now)


def queue(store: Store) -> float:
    """Queue everything; return the seconds it took."""
    now, started = datetime.now(UTC), time.perf_counter()
    while due := store.queueing.due(now):
        plans = [(seen, timetable.plan(seen.schedule, now)) for seen in due if seen.schedule]
        store.queueing.queue(plans, now)
    return time.perf_counter() - started


def drain(store: Store, workers: int) -> tuple[int, float]:
    """Claim, start, finish and release everything; return the number of runs and the seconds."""

    def work(lease: Lease) -> int:
        store.corridor.adopt(lease, ())
        run, ended = store.corridor.start(lease), []
        while run is not None:
            ended.append(run.schedule_id)
            run = store.corridor.finish(lease, run, DONE, go_on=True)
        store.corridor.release(lease, ended)
        return len(ended)

    started, count = time.perf_counter(), 0
    with ThreadPoolExecutor(workers) as pool:
        while leases := store.leases.claim(workers):
            count += sum(pool.map(work, leases))
        took = time.perf_counter() - started
        list(pool.map(lambda _: store.close(), range(workers)))
    return count, took


def bare(engine: Engine, workers: int) -> float:
    """Make the same commits without any safety; return runs per second."""
    key = "VARCHAR(64) PRIMARY KEY"
    engine.write(f"CREATE TABLE bare_run (id {key}, shop VARCHAR(64), status VARCHAR(16), at BIGINT, report TEXT)")
    engine.write(f"CREATE TABLE bare_attempt (id {key}, run VARCHAR(64), at BIGINT)")
    engine.write("CREATE INDEX bare_waiting ON bare_run (shop, status)")
    with engine.transaction():
        for number in range(RUNS):
            values = (f"r{number:06}", f"shop{number % SHOPS}", "queued", 0, "x" * 200)
            engine.write("INSERT INTO bare_run VALUES (?, ?, ?, ?, ?)", values)
    take = "SELECT id FROM bare_run WHERE shop = ? AND status = 'queued' LIMIT 1"

    def work(number: int) -> None:
        shop = f"shop{number}"
        while True:
            with engine.transaction():
                rows = engine.write(take, (shop,))
                if not rows:
                    return
                at = to_ms(datetime.now(UTC))
                engine.write("UPDATE bare_run SET status = 'succeeded', at = ? WHERE id = ?", (at, rows[0][0]))
                engine.write("INSERT INTO bare_attempt VALUES (?, ?, ?)", (new_ulid(at), rows[0][0], at))

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(SHOPS)))
        took = time.perf_counter() - started
        list(pool.map(lambda _: engine.close_thread(), range(workers)))
    return RUNS / took


def measure(url: str, synchronous: str, workers: int) -> dict[str, Any]:
    """Measure one database."""
    types = {"orders": "orders"}
    with Store(read_url(url), types=types, create=True, synchronous=synchronous) as store:
        fill(store)
        queued = queue(store)
        count, took = drain(store, workers)
        peer = bare(store.engine, workers)
        name = "postgres" if not store.engine.is_sqlite else f"sqlite {synchronous}"
    rate = count / took
    return {
        "database": name,
        "runs": count,
        "queue_seconds": round(queued, 2),
        "runs_per_second": round(rate),
        "limit": LIMITS[name],
        "bare_per_second": round(peer),
        "share_of_bare": round(rate / peer, 2),
        "limit_of_share": 0.6,
        "reached": rate >= LIMITS[name] and rate >= 0.6 * peer,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--synchronous", default="", choices=["", "FULL", "NORMAL"])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = []
    if args.url.startswith("postgres"):
        peewee("postgres")
        found.append(measure(args.url, "FULL", args.workers))
    else:
        for mode in [args.synchronous] if args.synchronous else ["FULL", "NORMAL"]:
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(f"sqlite://{Path(folder) / 'b.db'}", mode, args.workers))
    if args.json:
        print(json.dumps(found))
        return
    for row in found:
        print("  ".join(f"{key}={value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
