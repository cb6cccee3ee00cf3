"""
100,000 orders fetched page by page to CSV: peak memory, and how much of what the shop's bucket gave is spent.

The simulator runs in another process, its bucket nearly empty at the start, and fills it at 100 and at 200 points a
second. `scheduler check-once` makes the one due report: the period holds all orders, the file is CSV. Peak memory is
that of its whole process (wait4: ru_maxrss). What the bucket gave is what was in it at the start and the rate times
the seconds until the last page was there, those before the first query included; what was spent is the sum of the
actual costs of all answers, from the simulator's own log. THROTTLED answers behind the first page are counted there.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Recipient, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.shopify.check import check_shop
from scheduler_daemon.shopify.client import Client
from tests.benchmarks.measured import Row
from tests.benchmarks.processes import add_shops, command, environment, invented_shops, open_own, own_folder

SHOP, RATES = "big.myshopify.com", (100, 200)
#: Points in the bucket at the start: a page costs about as many.
AT_START = 30
DAYS = 25


def measure(quick: bool) -> list[Row]:
    """Measure each rate."""
    orders = 5_000 if quick else 100_000
    rows: list[Row] = []
    for rate in RATES:
        wanted = {"domain": SHOP, "orders": orders, "days": DAYS, "restore_rate": rate, "bucket_size": 2000}
        with own_folder() as root, invented_shops([wanted]) as (base_url, tokens):
            found = _fetch(root, base_url, tokens, orders)
        rows += _rows(rate, found)
    return rows


def _rows(rate: int, found: Mapping[str, Any]) -> list[Row]:
    gave = AT_START + rate * found["seconds"]
    what = f"{found['rows']:,} orders at {rate} points/s"
    beside = f"{found['spent']:,.0f} of {gave:,.0f} points, {found['pages']} answers in {found['seconds']:.0f} s"
    return [
        Row(f"{what}, spent", 100 * found["spent"] / gave, "%", 90, least=True, beside=beside),
        Row(f"{what}, THROTTLED behind the first page", found["throttled"], "", 0),
        Row(f"{what}, peak memory", found["mib"], "MiB", 120),
    ]


def _fetch(root: Path, base_url: str, tokens: Mapping[str, str], orders: int) -> dict[str, Any]:
    """Make the report in a process of its own; return what the ledger, the kernel and the simulator say of it."""
    server = base_url.rpartition("/")[0]
    url = f"sqlite://{root / 'scheduler.db'}"
    now = datetime.now(UTC)
    first, last = now - timedelta(days=DAYS + 2), now + timedelta(days=1)
    span = ("custom", f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    rule, to = Recurrence(RuleKind.DAILY, time="08:00"), (Recipient("folder", "folder"),)
    due = now - timedelta(seconds=1)
    with open_own(url) as store:
        add_shops(store, tokens)
        report = Report("orders", "All orders", "csv", *span)
        store.schedules.add(Schedule("s1", SHOP, report.title, report, rule, "UTC", to, next_due_at=due), now)
        emptied = _empty(server, base_url, tokens[SHOP])
        before = len(_log(server))
        mib = _check_once(root, environment(root, url, SCHEDULER_SHOPIFY__BASE_URL=base_url))
        (run,) = store.history.latest()
        if run.status is not RunStatus.SUCCEEDED or not run.record_count or run.record_count < 0.9 * orders:
            raise RuntimeError(f"the report ended as {run.status}: {run.error} ({run.record_count} rows)")
        (attempt,) = store.history.attempts(run.id)
    fetched = attempt.started_at + timedelta(seconds=attempt.timings["fetch"])
    log = _log(server)[before:]
    return {
        "rows": run.record_count,
        "mib": mib,
        "seconds": (fetched - emptied).total_seconds(),
        "pages": len(log),
        "spent": sum(entry.get("cost") or 0 for entry in log),
        "throttled": sum(bool(entry.get("throttled")) for entry in log[1:]),
    }


def _empty(server: str, base_url: str, token: str) -> datetime:
    """Leave `AT_START` points in the bucket; return when."""
    with open_http() as http:
        check_shop(Client(SHOP, Secret(token), http=http, base_url=base_url), datetime.now(UTC))
        http.post(f"{server}/_control", json={"shop": SHOP, "set": {"available": AT_START}}).raise_for_status()
    return datetime.now(UTC)


def _log(server: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{server}/_log") as answer:
        return list(json.load(answer))


def _check_once(root: Path, environ: Mapping[str, str]) -> float:
    """Run `check-once`; return its peak memory in MiB."""
    with (root / "log").open("ab") as log:
        process = subprocess.Popen(command("check-once"), env=dict(environ), cwd=root, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"check-once ended with {process.returncode}: {(root / 'log').read_text()[-500:]}")
    return used.ru_maxrss / 1024
