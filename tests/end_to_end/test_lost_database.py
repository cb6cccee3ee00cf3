"""A database file that is removed or replaced under a running daemon: told, and nothing is done that would be lost."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.errors import StoreError
from scheduler_daemon.model import Recipient, RunStatus
from tests.conftest import open_test_store
from tests.end_to_end.test_bad_databases import SQLITE
from tests.end_to_end.test_faults import with_mail
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, make_session, now
from tests.posting import Talk

__all__ = ["place"]


def reports(place: Place) -> list[Path]:
    return list((place.root / "reports").rglob("*.csv"))


def unwell(place: Place, words: str) -> dict[str, str]:
    def told() -> dict[str, str] | None:
        error: dict[str, str] | None = place.state().get("last_error")
        return error if error and words in error["message"] else None

    found: dict[str, str] = wait_for(told)
    return found


@SQLITE
def test_a_database_that_is_taken_away_is_noticed_and_all_goes_on_when_it_is_back(place: Place) -> None:
    path, away = place.root / "scheduler.db", place.root / "away"
    with Talk() as server:
        with_mail(place, server)  # type: ignore[arg-type]
        place.environ |= {"SCHEDULER_DAEMON__LEASE": "3s", "SCHEDULER_DAEMON__BEAT": "1s"}
        with open_test_store(place.url) as store:
            make_schedule(store, name="At work", recipients=(Recipient("email", "a@acme.example"),))
            due = now() + timedelta(seconds=10)
            make_schedule(store, name="Due meanwhile", shop=OTHER, next_due_at=due)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 5}])
        process = place.start()
        wait_for(lambda: place.state().get("jobCount"))
        path.rename(away)
        error = unwell(place, "was removed")
        assert error["code"] == "database_unavailable"
        assert "restart" in error["hint"]
        assert str(path) in error["message"]
        assert place.run("status").returncode == 1
        wait_for(lambda: now() > due + timedelta(seconds=2))
        # The rows have come and a report is due: neither is sent, nothing is started, and no new file is made.
        assert (server.mails, reports(place), path.exists()) == ([], [], False)
        assert process.poll() is None
        away.rename(path)
        with open_test_store(place.url) as store:
            wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED] * 2)
            assert store.engine.read("PRAGMA integrity_check") == [("ok",)]
        wait_for(lambda: place.state()["last_error"] is None)
        assert "was removed" not in place.run("status").stdout
        assert (len(server.mails), len(reports(place))) == (1, 1)
    assert place.log().count('"check_failed"') <= 8
    assert "Traceback" not in place.log()


@SQLITE
def test_another_database_in_its_place_is_left_alone_until_a_restart(place: Place) -> None:
    path, other = place.root / "scheduler.db", place.root / "restored" / "restored.db"
    other.parent.mkdir()
    with open_test_store(f"sqlite://{other}") as store:
        for domain in (SHOP, OTHER):
            make_session(store, domain, place.simulator.shop(domain).token)
        made = make_schedule(store, name="In the other")
    process = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    for old in place.root.glob("scheduler.db*"):
        old.unlink()
    shutil.copy(other, path)
    before = path.read_bytes()
    unwell(place, "was replaced")
    time.sleep(2)  # several looks
    assert process.poll() is None
    assert (path.read_bytes(), reports(place)) == (before, [])
    process.terminate()
    assert process.wait(30) == 0
    place.start()
    with open_test_store(place.url) as store:
        wait_for(lambda: [run.status for run in store.history.last_of(made.id)] == [RunStatus.SUCCEEDED])


@SQLITE
def test_no_thread_opens_or_makes_another_file(place: Place) -> None:
    path = place.root / "scheduler.db"
    with open_test_store(place.url) as store:
        make_schedule(store)
        for old in place.root.glob("scheduler.db*"):
            old.unlink()
        for do in (lambda: store.leases.claim(1), lambda: store.cursors.due(now())):
            store.close()
            with pytest.raises(StoreError, match="was removed") as caught:
                do()
            assert (caught.value.code, caught.value.retryable) == ("database_unavailable", True)
            assert not path.exists()
        path.write_bytes(b"")
        with pytest.raises(StoreError, match="was replaced"):
            store.cursors.due(now())
        assert path.read_bytes() == b""
