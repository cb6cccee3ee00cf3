"""
One check over 1,000,000 stored schedules with 100 due: how long it takes, and how big the process is.

A process of its own opens the database as the daemon does (configuration, store, composition) and makes the calls of
the daemon's check up to the point where runs would start: cursors, edited rules, queueing, mending. Each repeat makes
another 100 schedules due, spread over the table, and times one check; the median counts, the slowest is told. Memory
is the highest that the process ever had (VmHWM). Nine of ten schedules are active, the others lie with cursors in the
past; each has its row of ours beside it. The counts for the state file, which a thread of its own takes,
are told.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler_daemon.app import App, build, open_store
from scheduler_daemon.config import load_config
from scheduler_daemon.health.counts import Asked, Counts
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.logs import configure
from scheduler_daemon.model import Recurrence, RuleKind
from scheduler_daemon.store import Store
from scheduler_daemon.when.recurrence import rule_hash, to_json
from scheduler_daemon.when.timetable import first_after
from tests.benchmarks.measured import Row
from tests.benchmarks.processes import ROOT, each_database, open_own, own_folder

SCHEDULES, SHOPS, DUE = 1_000_000, 10_000, 100
MONTH = 30 * 86_400_000
RULE = Recurrence(RuleKind.DAILY, time="08:00")
ZONE = "Europe/Paris"


def measure(quick: bool) -> list[Row]:
    """Measure both databases."""
    count, repeats = (100_000, 3) if quick else (SCHEDULES, 15)
    rows: list[Row] = []
    for name, url in each_database():
        if url is None:
            rows.append(Row(f"{name}, a check", beside="no PostgreSQL server is installed (initdb)"))
            continue
        with open_own(url) as store:
            fill(store, count)
        words = [sys.executable, "-m", "tests.benchmarks.check", url, str(count), str(repeats)]
        done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        rows += _rows(name, count, json.loads(done.stdout))
    return rows


def _rows(name: str, count: int, found: dict[str, Any]) -> list[Row]:
    took = found["ms"]
    what = f"{name}, a check over {count:,} schedules, {DUE} due"
    beside = f"median of {len(took)}, slowest {max(took):.1f} ms, nothing due {found['idle_ms']:.1f} ms"
    return [
        Row(what, statistics.median(took), "ms", 50, beside=beside),
        Row(f"{name}, memory of the process", found["mib"], "MiB", 80, beside="highest ever"),
        Row(f"{name}, counts for the state file", found["count_ms"], "ms", beside="every 10 s, by a thread of its own"),
    ]


def fill(store: Store, count: int) -> None:
    """Store *count* schedules in two statements, with what `reports add` and a first check write of each."""
    lite, now = store.engine.is_sqlite, datetime.now(UTC)
    start = to_ms(now + timedelta(hours=1))
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
    # Cursors lie evenly in the coming month, in an order that the ids do not have; of inactive ones, in the past.
    spread = f"{start} + (i * CAST(7919 AS BIGINT) % {count}) * {MONTH // count}"
    cursor = f"CASE WHEN i % 10 = 0 THEN {start - MONTH} ELSE {spread} END"
    moment = cursor if lite else f"to_timestamp(({cursor}) / 1000.0) AT TIME ZONE 'UTC'"
    made = str(to_ms(now)) if lite else "now() AT TIME ZONE 'UTC'"
    theirs = f"""{numbers} INSERT INTO {{app}}"ReportSchedule" ("id", "shop", "name", "reportType", "frequency", "time",
      "timezone", "recipients", "isActive", "nextRunAt", "createdAt", "updatedAt")
    SELECT 'rs_' || (10000000 + i), 'shop' || (i % {SHOPS}) || '.myshopify.com', 'Report ' || i, 'orders', 'DAILY',
      '{RULE.time}', '{ZONE}', '["owner@shop.example"]', (i % 10 <> 0), {moment}, {made}, {made} FROM n"""
    ours = f"""{numbers} INSERT INTO {{ours}}scheduler_schedule (schedule_id, rule, options, rule_hash)
    SELECT 'rs_' || (10000000 + i), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) || ({cursor}) FROM n"""
    options = json.dumps({"format": "csv", "period": "yesterday"})
    store.engine.write("PRAGMA cache_size = -400000" if lite else "SET statement_timeout = 0")
    store.engine.write(theirs)
    store.engine.write(ours, (json.dumps(to_json(RULE)), options, f"{rule_hash(RULE, ZONE)}:"))
    if not lite:
        store.engine.write("ANALYZE")  # as the server's own daemon does after a while


def make_due(store: Store, count: int, repeat: int, due_at: datetime) -> None:
    """Make another hundred active schedules due since *due_at*, a moment of their rule."""
    step = count // DUE
    ids = [f"rs_{10_000_000 + number * step + repeat * 10 + 1}" for number in range(DUE)]
    at = to_ms(due_at) if store.engine.is_sqlite else due_at.replace(tzinfo=None)
    marks = ", ".join("?" * DUE)
    store.engine.write(f'UPDATE {{app}}"ReportSchedule" SET "nextRunAt" = ? WHERE "id" IN ({marks})', (at, *ids))


def check(app: App) -> tuple[float, int]:
    """Make one check as the daemon's check does, without starting runs; return its milliseconds and the runs queued."""
    started, now = time.perf_counter(), datetime.now(UTC)
    app.take_mode()
    found = app.check(now)
    return (time.perf_counter() - started) * 1000, found.queued


def main(url: str, count: int, repeats: int) -> None:
    """Measure in this process, and print what was found as JSON."""
    with own_folder() as root:
        places = {"state.file": str(root / "state.json"), "spool.dir": str(root / "spool")}
        config = load_config(Path(os.devnull), {"database.url": url, **places}, {})
        configure("error", "json")
        with open_store(config) as store:
            app = build(config, store, lambda: None, remember=False)
            counts = Counts(config, store)
            due_at = first_after(RULE, find_zone(ZONE), datetime.now(UTC) - timedelta(days=1))
            assert due_at is not None
            check(app)
            idle = statistics.median(check(app)[0] for _ in range(repeats))
            took = []
            for repeat in range(repeats):
                make_due(store, count, repeat, due_at.due_at)
                ms, queued = check(app)
                if queued != DUE:
                    raise RuntimeError(f"{queued} of {DUE} due schedules were queued")
                took.append(ms)
            started = time.perf_counter()
            counts.take(datetime.now(UTC), Asked(app.mode))
            counting = (time.perf_counter() - started) * 1000
            app.close()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    highest = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"ms": took, "idle_ms": idle, "mib": highest, "count_ms": counting}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
