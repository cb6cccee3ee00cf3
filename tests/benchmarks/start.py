"""
How fast commands start, what an idle daemon costs, how long the demo takes.

`scheduler --version` and `scheduler status` (with a state file to show) stand beside ``python -c "import click"``, the
least that a program with click costs: wall time of the whole process, medians of starts made in turn. `check-once` has
an own SQLite database with schedules of which none is due. The idle daemon has the same database: resident memory and
processor time are read from /proc over a minute that begins after its first check; its own waking once a second and
its state file every ten are in it. The demo runs in an empty folder with an empty cache of compiled modules.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scheduler_daemon.model import Recipient, Recurrence, Report, RuleKind, Schedule
from tests.benchmarks.measured import Row, median_seconds
from tests.benchmarks.processes import command, daemon, environment, open_own, own_folder, wait_for

SCHEDULES = 100


def measure(quick: bool) -> list[Row]:
    """Measure starts, the idle daemon and the demo."""
    with own_folder() as root:
        url = f"sqlite://{root / 'scheduler.db'}"
        environ = environment(root, url)
        _fill(url)
        idle, starts = _idle(root, environ, 10 if quick else 60), _starts(root, environ, 5 if quick else 21)
    return [*starts, *idle, _demo()]


def _fill(url: str) -> None:
    now = datetime.now(UTC)
    rule = Recurrence(RuleKind.DAILY, time="08:00")
    to = (Recipient("folder", "folder"),)
    with open_own(url) as store:
        for number in range(SCHEDULES):
            report = Report("orders", f"Report {number}")
            shop = f"shop{number % 20}.myshopify.com"
            due = now + timedelta(days=1)
            made = Schedule(f"s{number}", shop, report.title, report, rule, "UTC", to, next_due_at=due)
            store.schedules.add(made, now)


def _starts(root: Path, environ: Mapping[str, str], repeats: int) -> list[Row]:
    """Measure starts; the state file of the daemon that has stopped is what `status` shows."""

    def start(words: list[str], *statuses: int) -> Callable[[], None]:
        def run() -> None:
            done = subprocess.run(words, env=dict(environ), cwd=root, capture_output=True, check=False)
            if done.returncode not in statuses:
                raise RuntimeError(f"{words} ended with {done.returncode}: {done.stderr.decode()[-500:]}")

        return run

    script = Path(sys.executable).with_name("scheduler")
    own = [str(script)] if script.exists() else command()
    click, version, status, once = median_seconds(
        repeats,
        start([sys.executable, "-c", "import click"], 0),
        start([*own, "--version"], 0),
        start([*own, "status"], 0, 2),
        start([*own, "check-once"], 0),
    )
    beside = f'python -c "import click" {click * 1000:.0f} ms'
    return [
        Row("scheduler --version", version / click, "x", 2.5, beside=f"{version * 1000:.0f} ms, {beside}"),
        Row("scheduler status", status / click, "x", 2.5, beside=f"{status * 1000:.0f} ms, {beside}"),
        Row("check-once with nothing due", once, "s", 0.6, beside=f"{SCHEDULES} schedules, SQLite"),
    ]


def _idle(root: Path, environ: Mapping[str, str], seconds: float) -> list[Row]:
    with daemon(root, {**environ, "SCHEDULER_DAEMON__START_DELAY": "100ms"}) as process:
        log = root / "daemon.log"
        wait_for(lambda: "check_idle" in log.read_text(encoding="utf-8"), "the first check", 30)
        time.sleep(2)
        spent, started = _processor(process.pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - started
        share = 100 * (_processor(process.pid) - spent) / took
        resident = _memory(process.pid)
    return [
        Row("idle daemon, resident memory", resident, "MiB", 60, beside="SQLite"),
        Row("idle daemon, processor", share, "%", 0.2, beside=f"of one core, over {took:.0f} s"),
    ]


def _processor(pid: int) -> float:
    """Return the seconds of processor time, user and system, that the process has used (proc(5): stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Return the resident memory in MiB (proc(5): status)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def _demo() -> Row:
    with own_folder() as root:
        environ = environment(root, "") | {"PYTHONPYCACHEPREFIX": str(root / "compiled")}
        started = time.monotonic()
        done = subprocess.run(command("demo"), env=environ, cwd=root, capture_output=True, text=True, check=False)
        took = time.monotonic() - started
    if done.returncode != 0:
        raise RuntimeError(f"the demo ended with {done.returncode}: {done.stderr[-500:]}")
    last = next(line for line in done.stdout.splitlines() if line.startswith("Done"))
    return Row("demo", took, "s", 60, beside=f"modules compiled on the way; it says: {last}")
