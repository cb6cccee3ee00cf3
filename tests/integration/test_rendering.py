"""Files made on disks that refuse, and by processes that are killed: told as it is, and nothing is left over."""

import gc
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.errors import RunError
from scheduler_daemon.model import Lease, Report, Run, RunStatus, Trigger
from scheduler_daemon.prepare import Preparer
from scheduler_daemon.renderers import KINDS, open_renderer
from scheduler_daemon.renderers import child as in_child
from scheduler_daemon.spool import Spool
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
    with limited(resource.RLIMIT_NOFILE, next_descriptor()):
        error = refused(make)
    assert (error.code, "Too many open files" in error.message) == ("render_failed", True)
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
