"""The pool over shops: one thread a shop, and what becomes of a thread that hangs."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.app import build
from scheduler_daemon.config import load_config
from scheduler_daemon.errors import LeaseLost
from scheduler_daemon.model import Entry, Lease, Outcome, Run, RunStatus
from scheduler_daemon.perform import Performer
from scheduler_daemon.slots import start_shops
from scheduler_daemon.store import Store
from scheduler_daemon.store.moments import encode
from scheduler_daemon.threads import Hold, ShopThreads
from tests.integration.test_store import queue_due
from tests.making import make_schedule, now

DONE = Outcome(RunStatus.SUCCEEDED)


def lease(shop: str) -> Lease:
    return Lease(shop, 1, valid_until=float("inf"))


def test_a_shop_at_work_is_not_started_twice_and_a_slot_is_free_when_it_is_done() -> None:
    go, done = threading.Event(), threading.Event()
    threads = ShopThreads(2, lambda _: go.wait() and None, done.set)
    assert threads.start(lease("a"))
    assert not threads.start(lease("a"))
    assert threads.start(lease("b"))
    assert (threads.free(), threads.busy()) == (0, {"a", "b"})
    go.set()
    threads.close()
    assert done.wait(10)


def test_a_thread_that_hangs_gives_its_slot_and_its_shop_back_and_is_counted() -> None:
    go, ended = threading.Event(), threading.Event()
    holds: list[Hold] = []

    def hang(hold: Hold) -> None:
        holds.append(hold)
        go.wait()
        with pytest.raises(LeaseLost):
            hold.check()

    threads = ShopThreads(1, hang, ended.set)
    threads.start(lease("a"))
    while not holds:
        pass
    threads.abandon(holds[0])
    assert (threads.free(), threads.leaked) == (1, 1)
    assert threads.start(lease("a"))
    go.set()
    while threads.leaked or threads.busy():
        ended.wait(0.01)
    assert threads.free() == 1
    threads.close()


def test_what_a_hanging_thread_held_waits_for_a_retry_and_its_late_result_is_refused(
    store: Store, tmp_path: Path
) -> None:
    make_schedule(store)
    queue_due(store)
    config = load_config(None, {"spool.dir": str(tmp_path / "spool")}, {})
    app = build(config, store, lambda: None)
    (claimed,) = store.leases.claim(1)
    _, run = store.corridor.enter(claimed, ())
    assert run is not None
    app.performer.give_up(Hold(claimed, claimed.valid_until, run=run))
    (waiting,) = store.history.latest()
    assert (waiting.status, waiting.error_code, waiting.lost_leases) == (RunStatus.QUEUED, "deadline_passed", 0)
    assert [attempt.status for attempt in store.history.attempts(run.id)] == ["retry"]
    with pytest.raises(LeaseLost):
        store.corridor.finish(claimed, run, DONE, go_on=False)
    assert not store.corridor.leave(claimed)
    upcoming = store.leases.next_work_at()
    assert upcoming is not None
    assert upcoming - now() < timedelta(minutes=1)


@pytest.mark.parametrize(("past_next", "status"), [("false", RunStatus.FAILED), ("true", RunStatus.QUEUED)])
def test_no_retry_is_made_when_the_next_occurrence_comes_first(
    store: Store, tmp_path: Path, past_next: str, status: RunStatus
) -> None:
    made = make_schedule(store)
    queue_due(store)
    row = store.engine.tables.report_schedule
    soon = encode(now() + timedelta(milliseconds=500), store.queueing.style)
    store.engine.change(row.update(next_run_at=soon).where(row.id == made.id))
    (claimed,) = store.leases.claim(1)
    _, run = store.corridor.enter(claimed, ())
    assert run is not None
    config = load_config(None, {"spool.dir": str(tmp_path / "spool"), "retry.past_next": past_next}, {})
    build(config, store, lambda: None).performer.give_up(Hold(claimed, claimed.valid_until, run=run))
    assert store.history.find(run.id).status is status


def test_a_shop_given_back_by_a_thread_that_still_ends_is_claimed_a_moment_later_and_no_lease_is_lost(
    store: Store,
) -> None:
    """Else its lease would lie unused for a minute, and its reports would wait."""
    make_schedule(store)
    queue_due(store)
    given_back, end = threading.Event(), threading.Event()

    def work(hold: Hold) -> None:
        store.leases.release(hold.lease)
        given_back.set()
        end.wait(30)
        store.close()

    threads = ShopThreads(2, work, lambda: None)
    assert start_shops(store, threads) == 1
    assert given_back.wait(30)
    assert start_shops(store, threads) == 0
    assert store.leases.next_work_at() is not None, "nobody holds the shop"
    end.set()
    while threads.busy():
        pass
    assert start_shops(store, threads) == 1
    threads.close()


def test_a_thread_goes_on_with_the_shop_that_it_claimed_with_its_release() -> None:
    worked: list[str] = []
    ended = threading.Event()

    def work(hold: Hold) -> Entry | None:
        worked.append(hold.lease.shop)
        assert threads.busy() == {hold.lease.shop}
        assert (hold.entry is None) == (hold.lease.shop == "a.myshopify.com")
        return Entry(lease("b.myshopify.com"), (), None) if hold.entry is None else None

    threads = ShopThreads(1, work, ended.set)
    assert threads.start(lease("a.myshopify.com"))
    assert ended.wait(30)
    assert worked == ["a.myshopify.com", "b.myshopify.com"]
    assert (threads.free(), threads.busy()) == (1, set())
    threads.close()


def test_a_shop_with_many_reports_keeps_no_other_waiting_for_more_than_one_claim(store: Store, tmp_path: Path) -> None:
    """
    The bound of a shop's longest wait: with one slot, each shop that waits gets its turn before any comes again.

    So a shop waits for at most as many claims as shops wait before it, each of `daemon.max_per_claim` reports.
    """
    for number in range(50):
        make_schedule(store, name=f"Big {number}", shop="big.myshopify.com", next_due_at=now() - timedelta(minutes=9))
    others = [f"small{number}.myshopify.com" for number in range(5)]
    for shop in others:
        make_schedule(store, shop=shop)
    while queue_due(store):
        pass
    config = load_config(None, {"daemon.workers": "1", "daemon.max_per_claim": "5", "folder.path": str(tmp_path)}, {})
    order: list[str] = []

    class Noting(Performer):
        def _make_and_send(self, run: Run, hold: Hold, timings: dict[str, float]) -> Outcome:
            order.append(run.shop)
            return DONE

    made = build(config, store, lambda: None).performer
    performer = Noting(config, store, made.preparer, made.deliverer, made.retries, others_wait=True)

    def work(hold: Hold) -> Entry | None:
        entry = performer.work(hold)
        if entry is None:
            store.close()
        return entry

    threads = ShopThreads(1, work, lambda: None)
    performer.busy = threads.busy
    while len(order) < 55:
        if not threads.busy():
            start_shops(store, threads)
    first = next(number for number, shop in enumerate(order) if shop in others)
    assert 1 <= first <= 5
    assert set(order[first : first + 5]) == set(others)
    threads.close()
