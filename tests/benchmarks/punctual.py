"""
From a report's due moment to its start, at 10 reports falling due a second: idle, and while big workbooks are made.

A real daemon on SQLite as shipped, the simulator in another process. The small reports are orders of yesterday of shops
with ten orders, to CSV and a folder; each has a shop and a schedule whose cursor this program writes, as the app does.
What counts is `started_at - due_at` of the ledger. First nothing else happens; then four shops get a report of
100,000 orders to XLSX each, and the small ones that came due between the first workbook's begin and the last one's end
count (attempt's start and its timings); those that came due while the rows were fetched are told. The peer is
APScheduler 3 in a process of its own: jobs that do nothing, 10 a second by date, memory store, eight threads; and the
same while four of its threads write such workbooks with XlsxWriter, which is the usual way.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler_daemon.lib.clock import from_ms
from scheduler_daemon.model import Recipient, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.store import Store
from tests.benchmarks.measured import Row, percentile
from tests.benchmarks.processes import (
    ROOT,
    add_shops,
    daemon,
    environment,
    invented_shops,
    open_own,
    own_folder,
    wait_for,
)
from tests.benchmarks.render import invented, plain_xlsx, ready

GAP = timedelta(milliseconds=100)
SMALL = [f"small{number}.myshopify.com" for number in range(40)]
BIG = [f"big{number}.myshopify.com" for number in range(4)]
DAYS = 25
TO = (Recipient("folder", "folder"),)
#: Seconds after which reports that have not ended are lost.
PATIENCE = 900


def measure(quick: bool) -> list[Row]:
    """Measure idle and loaded, ours and the peer."""
    seconds, orders = (8, 8_000) if quick else (60, 100_000)
    small = [{"domain": shop, "orders": 10} for shop in SMALL]
    plenty = {"restore_rate": 1e6, "bucket_size": 1e6}
    big = [{"domain": shop, "orders": orders, "days": DAYS, "seed": n, **plenty} for n, shop in enumerate(BIG)]
    with own_folder() as root, invented_shops([*small, *big]) as (base_url, tokens):
        url = f"sqlite://{root / 'scheduler.db'}"
        with open_own(url) as store:
            add_shops(store, tokens)
            with daemon(root, environment(root, url, SCHEDULER_SHOPIFY__BASE_URL=base_url)):
                log = root / "daemon.log"
                wait_for(lambda: "check_idle" in log.read_text(encoding="utf-8"), "the first check", 30)
                idle = _idle(store, seconds)
                fetching, rendering = _loaded(store)
    peers = [_peer(seconds, 0), _peer(seconds, orders)]
    return [
        _row("due to start, idle, p99", idle, 25, peers[0]),
        _row(f"due to start, four XLSX of {orders:,} rows, p99", rendering, 250, peers[1]),
        _row("due to start, while their rows are fetched, p99", fetching, None, None),
    ]


def _row(what: str, late: Sequence[float], limit: float | None, peer: "list[float] | str | None") -> Row:
    if not late:
        return Row(what, beside="no report came due in that time")
    beside = f"p50 {percentile(late, 50):.0f} ms, slowest {max(late):.0f} ms, {len(late)} reports"
    if isinstance(peer, str):
        beside += f"; {peer}"
    elif peer is not None:
        beside += f"; APScheduler 3 p50 {percentile(peer, 50):.1f} ms, p99 {percentile(peer, 99):.0f} ms"
    return Row(what, percentile(late, 99), "ms", limit, beside=beside)


# Ours ---------------------------------------------------------------------------------------------------------------


def _idle(store: Store, seconds: int) -> list[float]:
    count = seconds * 10
    _add_small(store, "idle", range(count), datetime.now(UTC) + timedelta(seconds=3))
    wait_for(lambda: len(_late(store, "idle")) == count, "the small reports", seconds + 60)
    return [late for _, late in _late(store, "idle")]


def _loaded(store: Store) -> tuple[list[float], list[float]]:
    """Return how late the small reports start while the big ones are fetched, and while they are rendered."""
    first, last = datetime.now(UTC) - timedelta(days=DAYS + 2), datetime.now(UTC) + timedelta(days=1)
    span = ("custom", f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    begin, made, until = datetime.now(UTC) + timedelta(seconds=3), 0, time.monotonic() + PATIENCE
    for number, shop in enumerate(BIG):
        _add(store, f"big{number}", shop, begin, Report("orders", "All orders", "xlsx", *span))
    while [run.status.final for run in _bigs(store)] != [True] * len(BIG):
        # The small ones are written a few seconds ahead: how many are needed nobody knows before.
        ahead = int((datetime.now(UTC) + timedelta(seconds=5) - begin) / GAP)
        _add_small(store, "load", range(made, ahead), begin)
        made = max(made, ahead)
        time.sleep(1)
        if time.monotonic() > until:
            raise RuntimeError(f"the big reports did not end within {PATIENCE} s")
    wait_for(lambda: len(_late(store, "load")) == made, "the small reports", 120)
    spans = [_rendering(store, run) for run in _bigs(store)]
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    late = _late(store, "load")
    return [ms for due, ms in late if due < start], [ms for due, ms in late if start <= due < end]


def _bigs(store: Store) -> list[Any]:
    return [run for shop in BIG for run in store.history.latest(shop=shop)]


def _rendering(store: Store, run: Any) -> tuple[datetime, datetime]:
    """Return when the workbook of *run* was begun and when it was there."""
    if run.status is not RunStatus.SUCCEEDED:
        raise RuntimeError(f"a big report ended as {run.status}: {run.error}")
    attempt = store.history.attempts(run.id)[-1]
    begun = attempt.started_at + timedelta(seconds=attempt.timings["fetch"])
    return begun, begun + timedelta(seconds=attempt.timings["render"])


def _add_small(store: Store, phase: str, numbers: range, begin: datetime) -> None:
    with store.engine.transaction():
        for number in numbers:
            report = Report("orders", "Orders yesterday")
            _add(store, f"{phase}{number}", SMALL[number % len(SMALL)], begin + number * GAP, report)


def _add(store: Store, schedule_id: str, shop: str, due_at: datetime, report: Report) -> None:
    rule = Recurrence(RuleKind.DAILY, time="08:00")
    made = Schedule(schedule_id, shop, report.title, report, rule, "UTC", TO, next_due_at=due_at)
    store.schedules.add(made, datetime.now(UTC))


def _late(store: Store, phase: str) -> list[tuple[datetime, float]]:
    """Return the due moment of each finished run of *phase*, and the milliseconds from it to the start."""
    sql = """SELECT due_at, started_at FROM {ours}scheduler_run
    WHERE schedule_id LIKE ? AND finished_at IS NOT NULL AND started_at IS NOT NULL"""
    return [(from_ms(due), float(started - due)) for due, started in store.engine.read(sql, (f"{phase}%",))]


# The peer -----------------------------------------------------------------------------------------------------------


def _peer(seconds: int, rows: int) -> "list[float] | str":
    """Return the delays of APScheduler's jobs in milliseconds; a sentence where it is not installed."""
    words = [sys.executable, "-m", "tests.benchmarks.punctual", str(seconds), str(rows)]
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: list[float] | str = json.loads(done.stdout)
    return found


def peer(seconds: int, rows: int) -> "list[float] | str":
    """Run APScheduler in this process for *seconds*, or until four workbooks of *rows* rows are written."""
    try:
        from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
        from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]
    except ImportError:
        return "peer not installed: pip install 'apscheduler<4'"
    cells = ready(invented(rows)) if rows else []
    late: list[float] = []
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(8)}, timezone=UTC)
    scheduler.start()
    begin = datetime.now(UTC) + timedelta(seconds=3)

    def job(due: datetime) -> None:
        late.append((datetime.now(UTC) - due).total_seconds() * 1000)

    for number in range(seconds * 10):
        due = begin + number * GAP
        scheduler.add_job(job, "date", run_date=due, args=[due], misfire_grace_time=None)
    with own_folder() as root:
        books = [threading.Event() for _ in range(4 if rows else 0)]
        for number, written in enumerate(books):
            scheduler.add_job(_book, "date", run_date=begin, args=[cells, root / f"{number}.xlsx", written])
        until = begin + timedelta(seconds=seconds)
        while datetime.now(UTC) < until and not (books and all(written.is_set() for written in books)):
            time.sleep(0.5)
        scheduler.shutdown(wait=False)
        for written in books:
            written.wait()
    return late


def _book(cells: list[list[Any]], path: Path, written: threading.Event) -> None:
    plain_xlsx(cells, path, typed=False)
    written.set()


if __name__ == "__main__":
    print(json.dumps(peer(int(sys.argv[1]), int(sys.argv[2]))))
