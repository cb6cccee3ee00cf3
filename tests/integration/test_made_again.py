"""A commit whose answer was lost is made again: what it did stays done once, and it is no lost lease."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler_daemon.errors import LeaseLost
from scheduler_daemon.model import DeliveryState, Outcome, RunStatus
from scheduler_daemon.store import Store
from tests.integration.test_asked_by_hand import DONE, A, published, started
from tests.integration.test_store import queue_due
from tests.making import make_schedule, now


def test_a_finish_made_again_returns_the_run_that_it_started(store: Store) -> None:
    lease, run = started(store)
    make_schedule(store, name="next", recipients=(A,))
    assert queue_due(store) == 1
    following = store.corridor.finish(lease, run, DONE, go_on=True)
    assert following is not None
    again = store.corridor.finish(lease, run, DONE, go_on=True)
    assert again == following
    assert [item.number for item in store.history.attempts(run.id)] == [1]


def test_an_entry_made_again_returns_the_run_that_it_started(store: Store) -> None:
    for name in ("first", "second"):
        make_schedule(store, name=name, recipients=(A,))
    assert queue_due(store) == 2
    (lease,) = store.leases.claim(8)
    entered = store.corridor.enter(lease, ())
    assert store.corridor.enter(lease, ()) == entered
    assert sorted(run.status.value for run in store.history.latest()) == ["queued", "running"]


@pytest.mark.parametrize("go_on", [True, False])
def test_a_finish_made_again_without_a_next_run_returns_none(store: Store, go_on: bool) -> None:
    lease, run = started(store)
    later = Outcome(RunStatus.QUEUED, error_code="timeout", error="Late.", not_before=now() + timedelta(hours=1))
    for _ in range(2):
        assert store.corridor.finish(lease, run, later, go_on=go_on) is None
    assert store.history.failed_attempts(run.id) == 1


def test_a_finish_of_a_run_that_somebody_else_took_is_refused(store: Store) -> None:
    lease, run = started(store)
    with pytest.raises(LeaseLost):
        store.corridor.finish(lease, replace(run, attempt=2, id="another"), DONE, go_on=True)
    assert store.corridor.leave(lease)
    with pytest.raises(LeaseLost):
        store.corridor.finish(lease, run, DONE, go_on=True)


def test_the_end_of_a_delivery_made_again_counts_once(store: Store) -> None:
    lease, run = started(store)
    row, other = published(store, lease, run)
    for _ in range(2):
        store.deliveries.begin(lease, row)
    for _ in range(2):
        store.deliveries.end(lease, row, DeliveryState.DELIVERED)
    later = now() + timedelta(minutes=5)
    for _ in range(2):
        store.deliveries.end(lease, other, DeliveryState.PENDING, error=("smtp_busy", "Busy."), not_before=later)
    states = {item.id: (item.state, item.attempts) for item in store.history.deliveries(run.id)}
    assert states == {row.id: (DeliveryState.DELIVERED, 1), other.id: (DeliveryState.PENDING, 1)}
    with pytest.raises(LeaseLost):
        store.deliveries.end(lease, row, DeliveryState.FAILED)


def test_a_recall_made_again_is_no_lost_lease(store: Store) -> None:
    lease, run = started(store)
    row, _ = published(store, lease, run)
    store.deliveries.begin(lease, row)
    store.deliveries.end(lease, row, DeliveryState.UNKNOWN, error=("smtp_unknown", "Lost."))
    (unknown,) = (item for item in store.history.deliveries(run.id) if item.id == row.id)
    for _ in range(2):
        store.deliveries.recall(lease, unknown, DeliveryState.DELIVERED, None)
    with pytest.raises(LeaseLost):
        store.deliveries.recall(lease, unknown, DeliveryState.PENDING, None)
