"""`status --database`: several daemons on one database, judged from anywhere."""

import json
import signal
from datetime import timedelta

from scheduler_daemon.lib.clock import to_ms
from tests.conftest import open_test_store
from tests.end_to_end.test_old_service import Place, place, wait_for
from tests.making import make_schedule, now

__all__ = ["place"]


def test_every_daemon_on_the_database_is_judged_from_anywhere(place: Place) -> None:
    none = place.run("status", "--database")
    assert (none.returncode, none.stdout.split(" - ")[0]) == (2, "SCHEDULER CRITICAL")
    first = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    done = place.run("status", "--database", "--json", SCHEDULER_STATE__FILE="/nowhere/state.json")
    (only,) = json.loads(done.stdout)["data"]
    assert (done.returncode, only["pid"], only["status"]) == (0, first.pid, "OK")
    assert only["last_good_at"] is not None, "the first good check counts, not only the second"
    place.environ["SCHEDULER_STATE__FILE"] = str(place.root / "other.json")
    second = place.start("other.log")
    wait_for(lambda: len(json.loads(place.run("status", "--database", "--json").stdout)["data"]) == 2)
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert len(json.loads(place.run("status", "--database", "--json").stdout)["data"]) == 1


def test_a_daemon_without_life_is_told_and_its_successor_takes_its_row(place: Place) -> None:
    first = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    first.kill()
    first.wait()
    with open_test_store(place.url) as store:
        row = store.engine.tables.node
        store.engine.change(row.update(last_good_at=to_ms(now() - timedelta(hours=1))))
    done = place.run("status", "--database")
    assert done.returncode == 2
    assert "Its last good check was 1 h ago" in done.stdout
    successor = place.start()

    def only_the_successor() -> bool:
        found = json.loads(place.run("status", "--database", "--json").stdout)["data"]
        return [node["pid"] for node in found] == [successor.pid] and found[0]["status"] == "OK"

    wait_for(only_the_successor)


def test_why_knows_of_a_daemon_with_another_state_file(place: Place) -> None:
    with open_test_store(place.url) as store:
        made = make_schedule(store, next_due_at=now() + timedelta(hours=5))

    def said(file: str) -> set[str]:
        done = place.run("reports", "why", made.id, "--json", SCHEDULER_STATE__FILE=file)
        return {item["code"] for item in json.loads(done.stdout)["data"]}

    elsewhere = str(place.root / "elsewhere.json")
    first = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    running = said(elsewhere)
    first.kill()
    first.wait()
    assert said(elsewhere) - running == {"no_daemon"}, running
