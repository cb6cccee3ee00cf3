"""A database that may be read and not be written: status says what is wrong, and "back" means that a write worked."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.conftest import open_test_store
from tests.end_to_end.test_bad_disks import SQLITE, Disk, disk
from tests.end_to_end.test_old_service import Place, place, wait_for
from tests.making import SHOP, make_schedule, make_session

__all__ = ["disk", "place"]


def problems(place: Place) -> dict[str, str]:
    return {item["code"]: item["message"] for item in place.state().get("problems") or ()}


def well(place: Place) -> Callable[[], Any]:
    return lambda: (place.state().get("tick") or {}).get("last_good_at") and not problems(place)


def on(place: Place, disk: Disk) -> None:
    """Let the database, and nothing else, lie on *disk*."""
    place.url = f"sqlite://{disk.root / 'scheduler.db'}"
    place.environ["SCHEDULER_DATABASE__URL"] = place.url
    with open_test_store(place.url) as store:
        make_session(store, SHOP, place.simulator.shop(SHOP).token)


@SQLITE
def test_a_full_disk_of_the_database_is_named_until_a_write_works(place: Place, disk: Disk) -> None:
    on(place, disk)
    place.environ["SCHEDULER_DAEMON__CHECK_EVERY"] = "1s"
    process = place.start()
    wait_for(well(place))
    disk.fill()
    wait_for(lambda: "disk_full" in problems(place))
    checks = place.log().count('"check_started"')
    wait_for(lambda: place.log().count('"check_started"') > checks + 3)
    assert problems(place)["disk_full"] == f"There is no space left for the database {place.state()['database']}."
    shown = place.run("status")
    assert (shown.returncode, "There is no space left for the database" in shown.stdout) == (1, True)
    assert "Make room on its disk" in shown.stdout
    assert (place.log().count('"check_failed"'), '"database_back"' in place.log()) == (1, False)
    disk.empty()
    wait_for(well(place))
    assert place.log().count('"database_back"') == 1
    assert process.poll() is None


@SQLITE
def test_a_full_disk_is_named_while_only_the_heartbeat_meets_it(place: Place, disk: Disk) -> None:
    """Nothing comes due and no check is near: the shop at work alone writes."""
    on(place, disk)
    place.environ |= {"SCHEDULER_DAEMON__BEAT": "500ms", "SCHEDULER_DAEMON__LEASE": "60s"}
    place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 20}])
    with open_test_store(place.url) as store:
        make_schedule(store)
    place.start()
    wait_for(lambda: place.state().get("jobCount"))
    disk.fill()
    wait_for(lambda: "disk_full" in problems(place))
    assert place.state()["last_error"] is None, place.log()
    assert place.run("status").returncode == 1
    disk.empty()
    wait_for(lambda: "disk_full" not in problems(place))
    assert place.log().count('"check_failed"') == 1


@SQLITE
def test_a_lock_that_lets_everybody_read_is_over_when_a_write_works(place: Place) -> None:
    place.environ["SCHEDULER_DAEMON__CHECK_EVERY"] = "1s"
    place.start()
    wait_for(well(place))
    with closing(sqlite3.connect(place.root / "scheduler.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_for(lambda: "database_locked" in problems(place))
        checks = place.log().count('"check_started"')
        wait_for(lambda: place.log().count('"check_started"') > checks)
        assert (place.log().count('"check_failed"'), '"database_back"' in place.log()) == (1, False)
        other.execute("ROLLBACK")
    wait_for(well(place))
    assert place.log().count('"database_back"') == 1
