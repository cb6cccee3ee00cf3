"""
Runs per second: 10,000 due no-op runs over 1,000 shops, drained by one process, ledger rows included.

Beside it, in the same run, two bare programs that make the same commits without any safety (no lease, no fence, no
nouns): a plain Peewee loop, the peer that counts, and the driver alone with constant SQL, the floor under both.
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

from peewee import SQL

from scheduler_daemon import timetable
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.model import Lease, Outcome, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.store.drivers import peewee

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
        (_, run), ended = store.corridor.enter(lease, ()), []
        while run is not None:
            ended.append(run.schedule_id)
            run = store.corridor.finish(lease, run, DONE, go_on=True)
        store.corridor.leave(lease, ended)
        return len(ended)

    started, count = time.perf_counter(), 0
    with ThreadPoolExecutor(workers) as pool:
        while leases := store.leases.claim(workers):
            count += sum(pool.map(work, leases))
        took = time.perf_counter() - started
        list(pool.map(lambda _: store.close(), range(workers)))
    return count, took


def bare_peewee(store: Store) -> float:
    """
    Drain the same rows in a plain Peewee loop: the same commits, no lease, no fence, no nouns; return runs per second.

    One thread, which is its best on SQLite.
    """
    run, attempt = store.engine.tables.run, store.engine.tables.attempt
    count, started = 0, time.perf_counter()
    for number in range(SHOPS):
        waiting = run.select().where(run.shop == f"shop{number}.myshopify.com", run.status == SQL("'queued'"))
        while found := waiting.order_by(run.priority, run.due_at, run.id).first():
            with store.engine.transaction():
                at = to_ms(datetime.now(UTC))
                run.update(status="running", started_at=at, attempt=1).where(run.id == found.id).execute()
                run.update(status="succeeded", finished_at=at).where(run.id == found.id).execute()
                tried = {"run_id": found.id, "number": 1, "holder": "x", "fence": 1, "started_at": at}
                attempt.insert(**tried, finished_at=at, status="succeeded", timings="{}").execute()
            count += 1
    return count / (time.perf_counter() - started)


NEXT = """
UPDATE {ours}scheduler_run SET status = 'running', started_at = ?, attempt = 1 WHERE id = (
  SELECT id FROM {ours}scheduler_run WHERE shop = ? AND status = 'queued' ORDER BY priority, due_at, id LIMIT 1)
RETURNING id"""
CLOSE = "UPDATE {ours}scheduler_run SET status = 'succeeded', finished_at = ? WHERE id = ?"
TRIED = """
INSERT INTO {ours}scheduler_attempt (run_id, number, holder, fence, started_at, finished_at, status, timings)
VALUES (?, 1, 'x', 1, ?, ?, 'succeeded', '{}')"""


def bare_sql(store: Store) -> float:
    """Drain the same rows with the driver alone, constant SQL and one commit a run; return runs per second."""
    following, close, tried = (store.engine.text(sql) for sql in (NEXT, CLOSE, TRIED))
    begin = store.engine.dialect.begin
    execute = store.engine.database.connection().cursor().execute
    count, started = 0, time.perf_counter()
    for number in range(SHOPS):
        shop = f"shop{number}.myshopify.com"
        row = execute(following, (to_ms(datetime.now(UTC)), shop)).fetchone()
        while row is not None:
            at = to_ms(datetime.now(UTC))
            execute(begin)
            execute(close, (at, row[0]))
            execute(tried, (row[0], at, at))
            row = execute(following, (at, shop)).fetchone()
            execute("COMMIT")
            count += 1
    return count / (time.perf_counter() - started)


def again(store: Store) -> None:
    """Make all runs wait again."""
    store.engine.write("DELETE FROM {ours}scheduler_attempt")
    store.engine.write("UPDATE {ours}scheduler_run SET status = 'queued', finished_at = NULL, attempt = 0")


def measure(url: str, synchronous: str, workers: int) -> dict[str, Any]:
    """Measure one database."""
    types = {"orders": "orders"}
    with Store(read_url(url), types=types, create=True, synchronous=synchronous) as store:
        fill(store)
        queued = queue(store)
        count, took = drain(store, workers)
        again(store)
        peer = bare_peewee(store)
        again(store)
        driver = bare_sql(store)
        name = "postgres" if not store.engine.is_sqlite else f"sqlite {synchronous}"
    rate = count / took
    return {
        "database": name,
        "runs": count,
        "queue_seconds": round(queued, 2),
        "runs_per_second": round(rate),
        "limit": LIMITS[name],
        "bare_peewee_per_second": round(peer),
        "share_of_bare_peewee": round(rate / peer, 2),
        "limit_of_share": 0.6,
        "bare_sql_per_second": round(driver),
        "share_of_bare_sql": round(rate / driver, 2),
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
