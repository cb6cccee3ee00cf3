"""
The ten cases of the node service that this daemon takes over from, under their names: real databases, real HTTP, and
real processes for start and stop.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.model import RunStatus
from scheduler_daemon.simulator import SimShop, Simulator
from tests.conftest import open_test_store
from tests.making import SHOP, make_schedule, make_session, now

OTHER = "other.myshopify.com"


class Place:
    """A daemon's surroundings: database, configuration, simulator, and the processes in it."""

    def __init__(self, root: Path, url: str, simulator: Simulator) -> None:
        self.root, self.url, self.simulator = root, url, simulator
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "SCHEDULER_DATABASE__URL": url,
            "SCHEDULER_STATE__FILE": str(root / "state.json"),
            "SCHEDULER_SPOOL__DIR": str(root / "spool"),
            "SCHEDULER_SHOPIFY__BASE_URL": simulator.base_url,
            "SCHEDULER_FOLDER__PATH": str(root / "reports"),
            "SCHEDULER_DAEMON__START_DELAY": "100ms",
            "SCHEDULER_DAEMON__PEEK": "200ms",
            "SCHEDULER_RETRY__BASE": "1s",
            "SCHEDULER_LOG__FORMAT": "json",
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "scheduler_daemon", *words]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environ = self.environ | more
        return subprocess.run(
            self.command(*words), env=environ, capture_output=True, text=True, check=False, timeout=60
        )

    def start(self, log: str = "daemon.log") -> subprocess.Popen[bytes]:
        with (self.root / log).open("ab") as file:
            process = subprocess.Popen(self.command("run"), env=self.environ, stdout=file, stderr=file)
        self.processes.append(process)
        return process

    def state(self) -> dict[str, Any]:
        path = self.root / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def log(self, name: str = "daemon.log") -> str:
        return (self.root / name).read_text()


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come true in time")


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Iterator[Place]:
    shops = [SimShop(SHOP, orders=200, zone="Europe/Paris"), SimShop(OTHER, orders=100, seed=2)]
    with Simulator(shops) as simulator:
        with open_test_store(database_url) as store:
            for shop in shops:
                make_session(store, shop.domain, shop.token)
        made = Place(tmp_path, database_url, simulator)
        yield made
        for process in made.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def test_start_scheduler_successfully(place: Place) -> None:
    place.start()
    state = wait_for(lambda: place.state() if (place.state().get("tick") or {}).get("last_good_at") else None)
    assert (state["isRunning"], state["runningJobs"], state["jobCount"]) == (True, [], 0)
    done = place.run("status")
    assert (done.returncode, done.stdout.split(" - ")[0]) == (0, "SCHEDULER OK")


def test_stop_scheduler_successfully(place: Place) -> None:
    process = place.start()
    wait_for(lambda: place.state().get("isRunning"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert place.state()["isRunning"] is False
    assert "daemon_stopped" in place.log()
    assert place.run("status").returncode == 2


def test_prevent_duplicate_starts(place: Place) -> None:
    first = place.start()
    wait_for(lambda: place.state().get("isRunning"))
    second = place.run("run")
    assert second.returncode == 4
    assert f"pid {first.pid}" in second.stderr
    assert first.poll() is None


def test_find_due_reports_correctly(place: Place) -> None:
    with open_test_store(place.url) as store:
        due = make_schedule(store, name="Due")
        make_schedule(store, name="Later", next_due_at=now() + timedelta(hours=1))
        off = make_schedule(store, name="Off")
        store.schedules.switch(off.id, False)
        done = place.run("check-once", "--json")
        (run,) = json.loads(done.stdout)["data"]
        assert (run["schedule"], run["status"], done.returncode) == (due.id, "succeeded", 0)
        sql = 'SELECT "status" FROM {app}"ReportHistory" WHERE "reportScheduleId" = ?'
        assert store.engine.read(sql, (due.id,)) == [("SUCCESS",)]
    assert len(list((place.root / "reports").rglob("*.csv"))) == 1


def test_group_reports_by_shop(place: Place) -> None:
    with open_test_store(place.url) as store:
        for shop in (SHOP, SHOP, OTHER):
            make_schedule(store, shop=shop, name=f"Report of {shop}")
        done = place.run("check-once", "--json")
        runs = json.loads(done.stdout)["data"]
        assert sorted(run["shop"] for run in runs) == sorted([SHOP, SHOP, OTHER])
        runs = [run for run in store.history.latest() if run.shop == SHOP]
        first, second = sorted(runs, key=lambda run: run.started_at)
        # The reports of one shop are made one after the other.
        assert first.finished_at <= second.started_at
    grouped = [json.loads(line) for line in done.stderr.splitlines() if "check_grouped" in line]
    assert [line["shops"] for line in grouped] == [2]


def test_prevent_duplicate_executions(place: Place) -> None:
    with open_test_store(place.url) as store:
        for number in range(6):
            make_schedule(store, name=f"Report {number}")
    place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 0.3}] * 3)
    one = subprocess.Popen(place.command("check-once", "--json"), env=place.environ, stdout=subprocess.PIPE)
    two = subprocess.Popen(place.command("check-once", "--json"), env=place.environ, stdout=subprocess.PIPE)
    for process in (one, two):
        process.communicate(timeout=60)
    with open_test_store(place.url) as store:
        runs = store.history.latest()
        assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 6
        assert {run.attempt for run in runs} == {1}
        assert len({run.schedule_id for run in runs}) == 6


def test_handle_missing_sessions(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store, shop="nobody.myshopify.com", name="Nobody")
        make_schedule(store, name="Somebody")
    done = place.run("check-once", "--json")
    runs = {run["report"]: run for run in json.loads(done.stdout)["data"]}
    assert done.returncode == 1
    assert (runs["Nobody"]["status"], runs["Nobody"]["reason"]) == ("skipped", "no_session")
    assert runs["Somebody"]["status"] == "succeeded"
    with open_test_store(place.url) as store:
        sql = 'SELECT "status", "error" FROM {app}"ReportHistory" WHERE "shop" = ?'
        ((status, sentence),) = store.engine.read(sql, ("nobody.myshopify.com",))
    assert status == "FAILED"
    assert "no offline session" in sentence


def test_handle_execution_errors(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store, name="Fails", shop=OTHER)
        make_schedule(store, name="Works")
    place.simulator.shop(OTHER).state = "404"
    done = place.run("check-once", "--json")
    runs = {run["report"]: run for run in json.loads(done.stdout)["data"]}
    assert (done.returncode, runs["Fails"]["status"], runs["Fails"]["error_code"]) == (1, "failed", "shop_not_found")
    assert runs["Works"]["status"] == "succeeded"


def test_update_next_run_times(place: Place) -> None:
    with open_test_store(place.url) as store:
        made = make_schedule(store)
        place.run("check-once")
        seen = store.schedules.find(made.id)
        assert seen.due_at is not None
        assert now() < seen.due_at <= now() + timedelta(days=1, hours=1)
        assert seen.schedule is not None
        assert seen.schedule.last_run_at is not None


def test_clean_up_running_jobs(place: Place) -> None:
    with open_test_store(place.url) as store:
        place.start()
        wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 2}])
        make_schedule(store, name="Slow")
        # Another program wrote nextRunAt: the daemon starts the report by itself, without a check.
        state = wait_for(lambda: place.state() if place.state().get("jobCount") else None)
        assert state["runningJobs"] == [SHOP]
        wait_for(lambda: place.state().get("jobCount") == 0 and place.state().get("counts", {}).get("succeeded_24h"))
        assert place.state()["runningJobs"] == []
        assert store.leases.held_elsewhere() == {}
