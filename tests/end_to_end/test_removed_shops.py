"""A shop that is removed while there is work of it: every run ends, the lease goes on counting."""

from scheduler_daemon.model import RunStatus
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.integration.test_store import queue_due
from tests.making import SHOP, make_schedule, make_session

__all__ = ["bare", "desk", "shop"]


def leases(desk: Desk) -> list[tuple[int, int]]:
    """Return fence and end of the shop's lease."""
    with desk.store() as store:
        return store.engine.read("SELECT fence, lease_until FROM {ours}scheduler_shop WHERE shop = ?", (SHOP,))


def test_what_is_queued_of_a_removed_shop_ends_and_its_fence_does_not_begin_again(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store)
    assert desk.type("check-once").code == 0
    ((fence, _),) = leases(desk)
    with desk.store() as store:
        make_schedule(store)
        assert queue_due(store) == 1
    assert desk.type("shops", "remove", SHOP, "--yes").code == 0
    assert leases(desk)[0][0] == fence
    assert desk.type("check-once").code == 1
    with desk.store() as store:
        assert {run.status for run in store.history.latest()} == {RunStatus.SUCCEEDED, RunStatus.SKIPPED}
        make_session(store, SHOP, "t")
    assert leases(desk)[0][0] > fence


def test_a_run_of_a_removed_shop_whose_process_is_lost_is_taken_back(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store)
        assert queue_due(store) == 1
        (lost,) = store.leases.claim(1)
        (run,) = store.history.latest()
        store.engine.write("UPDATE {ours}scheduler_run SET status = 'running', fence = ?", (lost.fence,))
        assert desk.type("shops", "remove", SHOP, "--yes").code == 0
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 1")
        desk.type("check-once")
        assert store.history.find(run.id).status.final


def test_a_removed_shop_without_reports_is_listed_no_more(desk: Desk) -> None:
    assert SHOP in desk.type("shops", "list").out
    assert desk.type("shops", "pause", SHOP).code == 0
    assert desk.type("shops", "remove", SHOP, "--yes").code == 0
    assert SHOP not in desk.type("shops", "list").out
    assert desk.type("shops", "show", SHOP).code == 2
