"""Disks that are full or may not be written: told, nothing false is said, and all goes on by itself afterwards."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.model import DeliveryState, RunStatus
from tests.conftest import open_test_store
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, make_session, now

__all__ = ["place"]

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
#: More than the free room without which no report is begun, so that it ends in the middle of one.
SIZE = "64m"


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self) -> None:
        """Take all the room there is."""
        with (self.root / "filler").open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue
        assert shutil.disk_usage(self.root).free == 0

    def empty(self) -> None:
        """Give the room back."""
        (self.root / "filler").unlink()

    def close(self) -> None:
        """Let nobody write there any more."""
        # A mount above it: the disk itself stays writable as long as somebody has a file of it open for writing.
        subprocess.run(["mount", "--bind", str(self.root), str(self.root)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.root)], check=True)

    def open(self) -> None:
        """Let everybody write there again."""
        subprocess.run(["umount", str(self.root)], check=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system for a test")
    root = Path(tempfile.mkdtemp(prefix="scheduler-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(root)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        root.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield Disk(root)
    subprocess.run(["umount", "--lazy", str(root)], check=False)
    root.rmdir()


@SQLITE
def test_a_disk_that_is_full_for_everything_stops_nobody_for_good(place: Place, disk: Disk) -> None:
    """Database, spool, state file, folder and log share it, as on most machines."""
    root = disk.root
    place.root, place.url = root, f"sqlite://{root / 'scheduler.db'}"
    place.environ |= {
        "SCHEDULER_DATABASE__URL": place.url,
        "SCHEDULER_STATE__FILE": str(root / "state.json"),
        "SCHEDULER_SPOOL__DIR": str(root / "spool"),
        "SCHEDULER_FOLDER__PATH": str(root / "reports"),
        "SCHEDULER_DAEMON__LEASE": "3s",
        "SCHEDULER_DAEMON__BEAT": "1s",
    }
    with open_test_store(place.url) as store:
        for domain in (SHOP, OTHER):
            make_session(store, domain, place.simulator.shop(domain).token)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 2}])
        make_schedule(store, name="At work")
        process = place.start()
        wait_for(lambda: place.state().get("jobCount"))
        due = now() + timedelta(seconds=2)
        make_schedule(store, name="Due meanwhile", shop=OTHER, next_due_at=due)
        disk.fill()
        wait_for(lambda: now() > due)
        done = place.run("check-once", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "disk_full")
        assert "Traceback" not in done.stderr
        assert RunStatus.SUCCEEDED not in [run.status for run in store.history.latest()]
        assert json.loads((root / "state.json").read_text())["jobCount"] == 1
        assert process.poll() is None
        assert '"database_back"' not in place.log()
        disk.empty()
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED] * 2)
        wait_for(lambda: place.state()["last_error"] is None and place.run("status").returncode == 0)
        assert process.poll() is None
        assert store.engine.read("PRAGMA integrity_check") == [("ok",)]
    assert len(list((root / "reports").rglob("*.csv"))) == 2
    assert not list(root.glob(".state.json-*"))


@SQLITE
@pytest.mark.parametrize("what", ["SPOOL__DIR", "FOLDER__PATH"])
def test_a_full_disk_under_the_spool_or_the_folder_is_waited_for(place: Place, disk: Disk, what: str) -> None:
    place.environ |= {f"SCHEDULER_{what}": str(disk.root / "files"), "SCHEDULER_RETRY__CAP": "1s"}
    place.environ["SCHEDULER_RETRY__ATTEMPTS"] = "50"
    with open_test_store(place.url) as store:
        make_schedule(store)
        # There is room when the report is begun, and none when its rows have come.
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 1.5}])
        process = place.start()
        wait_for(lambda: place.state().get("jobCount"))
        disk.fill()
        run = wait_for(lambda: next((run for run in store.history.latest() if run.error_code), None))
        assert (run.status, run.error_code) == (RunStatus.QUEUED, "disk_full")
        assert str(disk.root / "files") in (run.error or "")
        if what == "FOLDER__PATH":
            (delivery,) = store.history.deliveries(run.id)
            assert delivery.state is DeliveryState.PENDING
        assert not list(disk.root.rglob("*.csv"))
        disk.empty()
        run = wait_for(lambda: next((run for run in store.history.latest() if run.status.final), None))
        assert (run.status, process.poll()) == (RunStatus.SUCCEEDED, None)
    (file,) = Path(place.environ["SCHEDULER_FOLDER__PATH"]).rglob("*.csv")
    assert file.stat().st_size == run.file_size


@SQLITE
def test_a_state_file_that_cannot_be_written_is_told_once_and_the_old_one_stands(place: Place, disk: Disk) -> None:
    path = disk.root / "state.json"
    place.environ["SCHEDULER_STATE__FILE"] = str(path)
    with open_test_store(place.url) as store:
        process = place.start()
        wait_for(lambda: path.exists() and (json.loads(path.read_text())["tick"] or {}).get("last_good_at"))
        for trouble, repair, word in (
            (disk.fill, disk.empty, "No space left"),
            (disk.close, disk.open, "Read-only file system"),
        ):
            trouble()
            old = path.read_text()
            made = make_schedule(store)
            wait_for(lambda made=made: any(r.schedule_id == made.id and r.status.final for r in store.history.latest()))
            wait_for(lambda word=word: word in place.log())
            assert path.read_text() == old
            wait_for(lambda: place.run("status").returncode == 1, 60)
            shown = place.run("status").stdout
            assert shown.startswith("SCHEDULER WARNING - The daemon lives, but last wrote its state file ")
            assert "scheduler doctor" in shown
            repair()
            wait_for(lambda old=old: path.read_text() != old)
            assert place.run("status").returncode == 0
        assert [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED] * 2
        assert process.poll() is None
    told = [json.loads(line) for line in place.log().splitlines() if "state_unwritable" in line]
    assert [line["error"] for line in told] == ["No space left on device", "Read-only file system"]
    assert [path.name for path in disk.root.iterdir() if path.name.startswith(".state")] == []


@POSTGRES
def test_a_limit_on_the_size_of_files_is_like_a_full_disk(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store)
        done = subprocess.run(
            place.command("check-once", "--json"),
            env=place.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
        )
        assert "Traceback" not in done.stderr
        (shown,) = json.loads(done.stdout)["data"]
        assert (done.returncode, shown["status"], shown["error_code"]) == (1, "queued", "disk_full")
        wait_for(lambda: now() > store.history.latest()[0].not_before)
        assert place.run("check-once").returncode == 0
        (run,) = store.history.latest()
        assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)


@SQLITE
@pytest.mark.parametrize("what", ["spool", "reports"])
def test_a_place_that_is_no_folder_is_named_and_the_report_is_tried_again(place: Place, what: str) -> None:
    (place.root / what).write_text("a file where a folder should be")
    with open_test_store(place.url) as store:
        make_schedule(store)
        done = place.run("check-once", "--json")
        assert "Traceback" not in done.stderr
        (run,) = store.history.latest()
        assert (done.returncode, run.status, run.error_code) == (1, RunStatus.QUEUED, "folder_unavailable")
        assert str(place.root / what) in (run.error or "")
        assert "Something else has its name" in (run.error or "")
        (place.root / what).unlink()
        wait_for(lambda: now() > store.history.latest()[0].not_before)
        assert place.run("check-once").returncode == 0
