"""Every transaction locks the shops before all else, and all of them in one order: so nobody waits in a circle."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler_daemon.errors import StoreError
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.model import Lease
from scheduler_daemon.store import Store, opening
from scheduler_daemon.when import timetable
from tests.conftest import open_test_store
from tests.making import make_schedule, now

FIRST, SECOND = "a-first.myshopify.com", "b-second.myshopify.com"
#: Waits for a lock, and stands still in a transaction, longer than in daily life: a busy machine must not end either.
PATIENT = {"postgres": "SET lock_timeout = '60s'", "mysql": "SET SESSION innodb_lock_wait_timeout = 60"}
STILL = {
    "postgres": "SET idle_in_transaction_session_timeout = '60s'",
    "mysql": "SET SESSION idle_transaction_timeout = 60",
}
NOWAIT = {
    "shop": "SELECT 1 FROM {ours}scheduler_shop WHERE shop = ? FOR UPDATE NOWAIT",
    "run": "SELECT 1 FROM {ours}scheduler_run WHERE id = ? FOR UPDATE NOWAIT",
    "schedule": 'SELECT 1 FROM {app}"ReportSchedule" WHERE "id" = ? FOR UPDATE NOWAIT',
}


@pytest.fixture(params=["postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of each kind that locks rows."""
    return str(request.getfixturevalue(f"{request.param}_database"))


@contextmanager
def blocked(url: str, store: Store, shop: str, do: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread while another program holds a shop's row; yield once it waits. It must then end well."""
    failed: list[Exception] = []

    def work() -> None:
        try:
            store.engine.write(PATIENT[store.engine.kind])
            do()
        except Exception as error:
            failed.append(error)
        finally:
            store.engine.close_thread()

    thread = threading.Thread(target=work)
    with ExitStack() as stack:
        look, other = (stack.enter_context(open_test_store(url)) for _ in range(2))
        assert not somebody_waits(look)
        other.engine.write(STILL[other.engine.kind])
        stack.enter_context(other.engine.transaction())
        other.engine.write("SELECT 1 FROM {ours}scheduler_shop WHERE shop = ? FOR UPDATE", (shop,))
        thread.start()
        until = time.monotonic() + 30
        while not somebody_waits(look):
            assert thread.is_alive(), failed
            assert time.monotonic() < until, "it waits for nothing"
            time.sleep(0.02)
        yield
    thread.join(30)
    assert failed == []


def somebody_waits(look: Store) -> bool:
    """Whether a transaction of this database waits for a lock."""
    if look.engine.kind == "postgres":
        here = "datname = current_database() AND wait_event_type = 'Lock'"
        return bool(look.engine.read(f"SELECT 1 FROM pg_stat_activity WHERE {here}"))
    # Not information_schema.innodb_trx: it is made anew only after a tenth of a second in which nobody on the server
    # asked, and so tells two who ask the old state for ever.
    ((_, _, told),) = look.engine.read("SHOW ENGINE INNODB STATUS")
    mine = look.engine.read("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
    waiting = [part for part in told.split("---TRANSACTION ") if "LOCK WAIT" in part]
    return any(f"thread id {number}," in part for part in waiting for (number,) in mine)


def is_free(url: str, what: str, name: str) -> bool:
    """Whether a row can be locked at once."""
    with open_test_store(url) as look:
        try:
            with look.engine.transaction():
                look.engine.write(NOWAIT[what], (name,))
        except StoreError as error:
            if error.code != "database_locked":
                raise
            return False
    return True


def queue_due(store: Store) -> int:
    """Queue what is due."""
    moment = now()
    plans = [(seen, timetable.plan(seen.schedule, moment)) for seen in store.cursors.due(moment) if seen.schedule]
    return store.queueing.queue(plans, moment)


def test_a_beat_that_waits_for_a_shop_holds_none_behind_it(store: Store, database_url: str) -> None:
    for shop in (FIRST, SECOND):
        make_schedule(store, shop=shop)
    queue_due(store)
    leases = sorted(store.leases.claim(8), key=lambda lease: lease.shop, reverse=True)
    lost: list[Lease] = []
    with blocked(database_url, store, FIRST, lambda: lost.extend(store.leases.beat(leases)[1])):
        assert is_free(database_url, "shop", SECOND)
        assert not is_free(database_url, "shop", FIRST)
    assert (len(leases), lost) == (2, [])


def test_what_comes_due_locks_its_shop_before_its_cursor(store: Store, database_url: str) -> None:
    made = make_schedule(store, shop=FIRST)
    queue_due(store)  # the shop has its row
    seen = store.schedules.find(made.id).schedule
    assert seen is not None
    store.schedules.edit(replace(seen, next_due_at=now() - timedelta(seconds=1)), now())
    queued: list[int] = []
    with blocked(database_url, store, FIRST, lambda: queued.append(queue_due(store))):
        assert is_free(database_url, "schedule", made.id)
    assert queued == [1]


EACH = ("edit", "remove", "resume", "remove the shop")


@pytest.mark.parametrize("what", EACH)
def test_what_a_person_changes_locks_the_shop_before_its_schedules(store: Store, database_url: str, what: str) -> None:
    made = make_schedule(store, shop=FIRST)
    queue_due(store)
    store.shops.pause(FIRST, "A test.", now())
    seen = store.schedules.find(made.id).schedule
    assert seen is not None
    (run,) = store.history.latest()
    do: dict[str, Callable[[], object]] = {
        "edit": lambda: store.schedules.edit(seen, now()),
        "remove": lambda: store.schedules.remove(made.id, now()),
        "resume": lambda: store.shops.resume(FIRST),
        "remove the shop": lambda: store.shops.remove(FIRST),
    }
    with blocked(database_url, store, FIRST, do[what]):
        assert is_free(database_url, "schedule", made.id)
        assert is_free(database_url, "run", run.id)


def test_a_mending_of_waits_locks_the_shop_before_its_run(store: Store, database_url: str) -> None:
    make_schedule(store, shop=FIRST)
    queue_due(store)
    far = to_ms(now() + timedelta(days=2))
    store.engine.write("UPDATE {ours}scheduler_run SET not_before = ?, attempt = 1", (far,))
    (run,) = store.history.latest()
    mended: list[int] = []
    with blocked(database_url, store, FIRST, lambda: mended.append(store.mending.shorten_waits(timedelta(hours=1)))):
        assert is_free(database_url, "run", run.id)
    assert mended == [1]


def test_who_stands_still_in_a_transaction_gives_its_rows_back(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen process holds its shop's row, and nobody else could claim the shop as long as it stays frozen."""
    make_schedule(store, shop=FIRST)
    queue_due(store)
    monkeypatch.setattr(opening, "IDLE_IN_TRANSACTION", 1)

    def stand_still() -> None:
        with frozen.engine.transaction():
            frozen.engine.write("SELECT 1 FROM {ours}scheduler_shop WHERE shop = ? FOR UPDATE", (FIRST,))
            assert store.leases.claim(8) == []
            time.sleep(2)
            frozen.engine.write("SELECT 1 FROM {ours}scheduler_shop")

    with open_test_store(database_url) as frozen:
        with pytest.raises(StoreError) as caught:
            stand_still()
        assert (caught.value.code, caught.value.retryable) == ("database_unavailable", True)
        assert [lease.shop for lease in store.leases.claim(8)] == [FIRST]
        assert frozen.engine.read("SELECT COUNT(*) FROM {ours}scheduler_shop")[0][0] == 1
