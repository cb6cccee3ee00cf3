"""A shop that does not answer, with many reports due: one asks, the others wait with it and lose nothing."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from scheduler_daemon.model import Run, RunStatus
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule

__all__ = ["bare", "desk", "place", "shop"]

MANY = 20
#: Requests that the client makes of one attempt before it gives up.
TRIES = 4


def of_shop(store: Store, domain: str = SHOP) -> list[Run]:
    """Return all runs of a shop."""
    return store.history.latest(limit=1000, shop=domain)


def check_until(desk: Desk, store: Store, done: Callable[[], Any]) -> None:
    """Check by hand whenever work is ready, until *done*."""
    for _ in range(30):
        upcoming = store.leases.next_work_at()
        if upcoming is not None:
            time.sleep(max(0.0, upcoming.timestamp() - time.time()) + 0.01)
        desk.type("check-once")
        if done():
            return
    raise AssertionError("it did not come true")


@pytest.mark.parametrize("state", ["down", "500"])
def test_one_run_asks_a_shop_that_is_down_and_the_others_wait(desk: Desk, shop: SimShop, state: str) -> None:
    desk.set(retry__base="30m", retry__past_next="true", shopify__timeout="2s")  # else the rest may be over at once
    with desk.store() as store:
        made = [make_schedule(store, name=f"Report {number}") for number in range(MANY)]
        shop.state = state
        done = desk.type("check-once")
        assert done.code == 1
        assert f"{SHOP} does not answer; {MANY - 1} reports of it not tried yet" in done.out
        runs = of_shop(store)
        assert sorted(run.attempt for run in runs) == [0] * (MANY - 1) + [1]
        assert {run.status for run in runs} == {RunStatus.QUEUED}
        (asked,) = (run for run in runs if run.attempt)
        other = next(run for run in runs if not run.attempt)
        # The others come first: if that report alone were at fault, the shop would be found well.
        assert (asked.not_before - other.not_before).total_seconds() == pytest.approx(1, abs=0.002)
        assert [(domain, number) for domain, number, _ in store.resting.shops()] == [(SHOP, MANY - 1)]
        assert "does not answer (shop_unavailable)" in desk.type("reports", "why", other.schedule_id).out
        assert f"{MANY} reports for a retry" in desk.type("status").out
        # Whoever asks by hand is not kept waiting.
        asked_for = desk.type("reports", "run", made[0].id)
        assert (asked_for.code, "shop_unavailable" in asked_for.out + asked_for.err) == (1, True)
        store.engine.write("UPDATE scheduler_run SET not_before = 0")
        store.engine.write("UPDATE scheduler_shop SET next_work_at = 0")
        shop.state = ""
        check_until(desk, store, lambda: {run.status for run in of_shop(store)} == {RunStatus.SUCCEEDED})
        attempts = sorted(run.attempt for run in of_shop(store))
        assert attempts[: MANY - 1] == [1] * (MANY - 1)


def test_a_shop_that_throttles_for_hours_is_told_and_named_and_no_attempt_is_lost(desk: Desk, shop: SimShop) -> None:
    desk.set(retry__attempts="1", retry__base="1s")
    with desk.store() as store:
        made = make_schedule(store, owner="owner@acme.example")
        shop.state = "429"
        assert desk.type("check-once").code == 1
        (run,) = of_shop(store)
        assert (run.status, run.error_code) == (RunStatus.QUEUED, "throttled")
        assert "reports_late" not in str(desk.type("status", "--json").json["problems"])
        store.engine.write("UPDATE scheduler_run SET queued_at = queued_at - 4000000, not_before = 0")
        store.engine.write("UPDATE scheduler_shop SET next_work_at = 0")
        assert desk.type("check-once").code == 1
        assert [(item.kind.value, item.recipient) for item in store.notices.latest()] == [
            ("late", "owner@acme.example")
        ]
        (problem,) = desk.type("status", "--json").json["problems"]
        assert (problem["code"], desk.type("status").code) == ("reports_late", 1)
        shop.state = ""
        store.engine.write("UPDATE scheduler_run SET not_before = 0")
        store.engine.write("UPDATE scheduler_shop SET next_work_at = 0")
        assert desk.type("check-once").code == 0
        assert [run.status for run in of_shop(store)] == [RunStatus.SUCCEEDED]
        assert "reports_late" not in str(desk.type("status", "--json").json["problems"])
        assert store.troubles.of_shop(made.shop) == {}


def test_each_try_is_another_runs_and_the_longer_a_shop_is_silent_the_longer_it_rests(
    desk: Desk, shop: SimShop
) -> None:
    desk.set(retry__base="2s", retry__attempts="2", shopify__timeout="2s")
    with desk.store() as store:
        for number in range(6):
            make_schedule(store, name=f"Report {number}")
        shop.state = "down"
        check_until(desk, store, lambda: store.resting.tried(SHOP, "") >= 3)
        # None has used up its two attempts.
        runs = of_shop(store)
        assert {run.status for run in runs} == {RunStatus.QUEUED}
        assert max(run.attempt for run in runs) == 1
        shop.state = ""
        check_until(desk, store, lambda: {run.status for run in of_shop(store)} == {RunStatus.SUCCEEDED})


def test_one_report_at_fault_holds_the_others_up_for_one_wait_only(desk: Desk, shop: SimShop) -> None:
    desk.set(retry__base="2s", retry__attempts="9")
    with desk.store() as store:
        for number in range(5):
            make_schedule(store, name=f"Report {number}")
        shop.script(["500"] * TRIES)
        desk.type("check-once")
        assert sum(run.attempt for run in of_shop(store)) >= 1
        check_until(desk, store, lambda: {run.status for run in of_shop(store)} == {RunStatus.SUCCEEDED})
        assert sorted(run.attempt for run in of_shop(store)) == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("database_url", ["sqlite", "postgres", "mariadb"], indirect=True)
def test_the_daemon_lets_a_silent_shop_rest_and_the_others_go_on(place: Place) -> None:
    place.environ |= {"SCHEDULER_RETRY__BASE": "1s", "SCHEDULER_SHOPIFY__TIMEOUT": "2s"}
    silent = place.simulator.shop(SHOP)
    silent.state = "down"
    with open_test_store(place.url) as store:
        for number in range(8):
            make_schedule(store, name=f"Report {number}")
            make_schedule(store, name=f"Report {number}", shop=OTHER)
        place.start()
        wait_for(lambda: [run.status for run in of_shop(store, OTHER)] == [RunStatus.SUCCEEDED] * 8)
        wait_for(lambda: any(run.attempt for run in of_shop(store)))
        tried = sum(run.attempt for run in of_shop(store))
        assert tried < 8
        silent.state = ""
        wait_for(lambda: [run.status for run in of_shop(store)] == [RunStatus.SUCCEEDED] * 8)
