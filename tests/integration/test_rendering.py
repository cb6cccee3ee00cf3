"""Files made on disks that refuse, and by processes that are killed: told as it is, and nothing is left over."""

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.errors import RunError
from scheduler_daemon.model import Lease, Report, Run, RunStatus, Trigger
from scheduler_daemon.prepare import Preparer
from scheduler_daemon.renderers import KINDS, open_renderer
from scheduler_daemon.renderers import child as in_child
from scheduler_daemon.spool import MAKING, Spool
from scheduler_daemon.tablefile import ROWS as ROWS_FILE
from scheduler_daemon.threads import Hold
from tests.integration.test_files import ROWS, table

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
HOLD = Hold(Lease("acme.myshopify.com", 1, float("inf")), float("inf"))


def a_run(kind: str) -> Run:
    report = Report("orders", "Weekly Sales", kind, "last_week")
    return Run("RUN1", "s", "acme.myshopify.com", Trigger.SCHEDULE, "k", NOW, NOW, RunStatus.RUNNING, NOW, report)


def render(spool: Spool, kind: str, rows: int = 300) -> Callable[[], Any]:
    """Spool rows and return what makes the file of them, as a run does."""
    made = spool.write_rows("RUN1", table(ROWS * rows))
    preparer: Any = Preparer(None, None, spool)  # type: ignore[arg-type]
    return lambda: preparer._render(a_run(kind), made, open_renderer(kind, {}), HOLD)


@contextmanager
def limited(what: int, most: int) -> Iterator[None]:
    """Let the process have no more of *what* than *most* for a while."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


def next_descriptor() -> int:
    number = os.dup(0)
    os.close(number)
    return number


def refused(do: Callable[[], Any]) -> RunError:
    with pytest.raises(RunError) as caught:
        do()
    assert caught.value.retryable
    assert caught.value.hint
    return caught.value


# XlsxWriter leaves its files to the collector where a disk refuses.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_is_full_only_where_it_is_full(kind: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    make = render(spool, kind)
    with limited(resource.RLIMIT_FSIZE, 1000):
        error = refused(make)
    assert (error.code, "File too large" in error.message) == ("disk_full", True)
    assert [path.name for path in spool.folder("RUN1").iterdir() if path.name.startswith(MAKING)] == []
    with limited(resource.RLIMIT_NOFILE, next_descriptor()):
        error = refused(make)
    assert (error.code, "Too many open files" in error.message) == ("too_many_files", True)
    assert "space" not in error.message
    assert "LimitNOFILE" in error.hint
    (spool.folder("RUN1") / ROWS_FILE).unlink()
    error = refused(make)
    assert (error.code, "No such file" in error.message) == ("folder_unavailable", True)
    assert str(spool.folder("RUN1")) in error.message
    assert "spool.dir" in error.hint
    gc.collect()


def test_a_child_tells_what_its_disk_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_child, "CHILD_ROWS", 10)
    spool = Spool(tmp_path / "spool")
    make = render(spool, "xlsx")
    with limited(resource.RLIMIT_FSIZE, 1000):
        error = refused(make)
    assert (error.code, "File too large" in error.message) == ("disk_full", True)
    (spool.folder("RUN1") / ROWS_FILE).unlink()
    error = refused(make)
    assert (error.code, "No such file" in error.message) == ("folder_unavailable", True)
    assert "spool.dir" in error.hint


# Processes that are killed -----------------------------------------------------------------------------------------

#: Renders in a child, as the daemon does; the rows never come.
PARENT = """
import sys
from pathlib import Path
from scheduler_daemon.renderers.child import render_in_child
from scheduler_daemon.spool import Spool
spool = Spool(Path(sys.argv[1]))
with spool.making("RUN1", "xlsx") as target:
    render_in_child("xlsx", {}, spool.folder("RUN1"), target, lambda: None)
"""


def children(pid: int) -> list[int]:
    """Return the pids of the processes that *pid* started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, _, rest = stat.read_text().rpartition(")")
            if int(rest.split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def is_there(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_a_child_ends_with_a_parent_that_is_killed_and_nothing_is_left_for_good(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.write_rows("RUN1", table(ROWS * 2000))
    (spool.folder("RUN1") / ROWS_FILE).unlink()
    os.mkfifo(spool.folder("RUN1") / ROWS_FILE)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(spool.root)])
    (child,) = wait_for(lambda: children(parent.pid))
    (left,) = spool.folder("RUN1").glob(f"{MAKING}*")
    try:
        wait_for(lambda: "renderers.child" in Path(f"/proc/{child}/cmdline").read_text())
        parent.kill()
        parent.wait()
        wait_for(lambda: not is_there(child))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    now = datetime.now(UTC)
    spool.sweep(timedelta(days=7), now, lambda: {"RUN1"})
    assert left.exists(), "it may still be at work"
    spool.sweep(timedelta(days=7), now + timedelta(hours=2), lambda: {"RUN1"})
    assert not left.exists()
    assert (spool.folder("RUN1") / ROWS_FILE).exists()


def test_a_child_whose_parent_died_before_it_began_does_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.write_rows("RUN1", table())
    target = tmp_path / "file.xlsx"
    job = {"kind": "xlsx", "options": {}, "folder": str(spool.folder("RUN1")), "target": str(target)}
    start = [sys.executable, "-m", "scheduler_daemon.renderers.child"]
    for parent, there in ((os.getppid(), False), (os.getpid(), True)):
        subprocess.run([*start, str(parent)], input=json.dumps(job), text=True, check=False, timeout=60)
        assert target.exists() is (there or sys.platform != "linux")


def test_the_next_attempt_removes_what_the_last_one_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.write_rows("RUN1", table())
    (spool.folder("RUN1") / f"{MAKING}abc").mkdir()
    (spool.folder("RUN1") / f"{MAKING}abc" / "tmp1").write_bytes(b"rows")
    (spool.folder("RUN1") / f"{MAKING}4711.csv").write_bytes(b"of an older version")
    file = render(spool, "csv")()
    assert sorted(path.name for path in spool.folder("RUN1").iterdir()) == sorted([file.name, "table.json"])
