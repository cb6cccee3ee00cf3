"""What the daemon waits for, told by `status`; and a backlog, which it takes in at a pace."""

import time
from datetime import UTC, timedelta

import pytest

from scheduler_daemon.model import Recurrence, RuleKind, RunStatus
from scheduler_daemon.when.timetable import MOST_AT_ONCE
from tests.conftest import open_test_store
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, now

__all__ = ["place"]

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def told(place: Place, what: str) -> str:
    """Wait until `status` says that the daemon waits for *what*; return the line."""

    def line() -> str:
        lines = place.run("status").stdout.splitlines()
        return next((text for text in lines if text.startswith(f"waits    for {what}")), "")

    found: str = wait_for(line)
    return found


@SQLITE
def test_status_tells_what_the_daemon_waits_for_from_its_first_word_on(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__START_DELAY": "60s"}
    place.start()
    state = wait_for(place.state)
    assert (state["tick"]["waits_for"], state["tick"]["number"]) == ("the first check", 0)
    assert "; next check in " in told(place, "the first check")


@SQLITE
def test_status_tells_what_the_daemon_waits_for(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__WORKERS": "1"}
    with open_test_store(place.url) as store:
        place.start()
        assert "; next check in " in told(place, "a schedule")
        made = make_schedule(store, next_due_at=now() + timedelta(hours=2, minutes=1))
        assert "in 2 h" in told(place, "a report that comes due")
        assert place.run("pause", "--until", "3h").returncode == 0
        assert "in 2 h 59" in told(place, "the end of the pause of everything")
        assert place.run("resume").returncode == 0
        told(place, "a report that comes due")
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 20}])
        store.queueing.queue_by_hand(made, "manual:a", now())
        wait_for(lambda: store.history.latest()[0].status is RunStatus.RUNNING)
        make_schedule(store, name="Another", shop=OTHER, next_due_at=now())
        told(place, "a free slot")


@SQLITE
def test_a_backlog_is_taken_in_a_share_a_peek_and_what_is_due_starts_meanwhile(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__PEEK": "3s"}
    minutely = Recurrence(RuleKind.MINUTES, every=1)
    with open_test_store(place.url) as store:
        begin = now().astimezone(UTC).replace(second=0, microsecond=0) - timedelta(days=20)
        behind = make_schedule(store, name="Behind", recurrence=minutely, zone="UTC", next_due_at=begin)
        place.start()
        # The check that a start makes takes the first share.
        wait_for(lambda: store.history.last_of(behind.id, 100_000))
        started, before = time.monotonic(), len(store.history.last_of(behind.id, 100_000))
        told(place, "the next look at what is late")
        other = make_schedule(store, name="On time", shop=OTHER)
        wait_for(lambda: [run for run in store.history.last_of(other.id, 10) if run.started_at is not None])
        time.sleep(max(0.0, 7 - (time.monotonic() - started)))
        looks = int((time.monotonic() - started) / 3) + 1
        taken = len(store.history.last_of(behind.id, 100_000)) - before
        assert taken <= looks * (MOST_AT_ONCE + 15), (taken, looks)  # each look adds what is on time
        wait_for(lambda: len(store.history.last_of(behind.id, 100_000)) > before + MOST_AT_ONCE)
