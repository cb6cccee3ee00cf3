"""
Runs per second: 10,000 due no-op runs over 1,000 shops, drained by one process, ledger rows included.

Beside it, in the same run, two bare programs that make the same commits without any safety (no lease, no fence, no
nouns): a plain Peewee loop, the peer that counts, and the driver alone with constant SQL, the floor under both.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from peewee import SQL

from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.model import Lease, Outcome, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.when import timetable
from tests.benchmarks.measured import Row
from tests.benchmarks.processes import postgres
from tests.servers import new_database

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
    while due := store.cursors.due(now):
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


def measure(quick: bool) -> list[Row]:
    """Measure SQLite as shipped and with NORMAL, and PostgreSQL with durable commits."""
    del quick
    rows = []
    for mode in ("FULL", "NORMAL"):
        with tempfile.TemporaryDirectory() as folder:
            rows += one_database(f"sqlite://{Path(folder) / 'b.db'}", mode)
    with postgres() as server:
        if server is None:
            return [*rows, Row("postgres", beside="no PostgreSQL server is installed")]
        with new_database(server) as url:
            return rows + one_database(url, "FULL")


def one_database(url: str, synchronous: str, workers: int = 8) -> list[Row]:
    """Measure one database: ours, then the two bare programs on the same rows."""
    with Store(read_url(url), types={"orders": "orders"}, create=True, synchronous=synchronous) as store:
        fill(store)
        queued = queue(store)
        count, took = drain(store, workers)
        again(store)
        peer = bare_peewee(store)
        again(store)
        driver = bare_sql(store)
        name = f"sqlite {synchronous}" if store.engine.is_sqlite else store.engine.kind
    rate = count / took
    peers = f"bare Peewee {peer:,.0f}/s, driver alone {driver:,.0f}/s ({rate / driver:.2f} x); queued in {queued:.1f} s"
    return [
        Row(f"{name}: {count:,} runs drained", rate, "runs/s", LIMITS.get(name), True, peers),
        Row(f"{name}: share of the bare Peewee program", rate / peer, "x", 0.6, True),
    ]
