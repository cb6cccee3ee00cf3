"""A shop's access over real HTTP, in threads and processes, on every database: renewed once, in time, never lost."""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.access import ShopAccess
from scheduler_daemon.config import load_config
from scheduler_daemon.errors import RunError, SessionError, Throttled
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Access, Period, Report, StoredSession
from scheduler_daemon.shopify import session as renewing
from scheduler_daemon.shopify.check import check_shop
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.shopify.session import due_for_refresh, refresh
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.truth import orders_total
from scheduler_daemon.sources import open_source
from scheduler_daemon.sources.base import Ask
from tests.conftest import open_test_store
from tests.making import SHOP, now

NAME = "query ShopName { shop { name } }"
THREADS, PROCESSES = 8, 3
ONCE_GOOD, WRONG_SECRET = "shpat_once_was_good", "shpss_wrong_secret"


def open_access(folder: Path, url: str, base_url: str, client_id: str, client_secret: str) -> ShopAccess:
    values = {
        "shopify.base_url": base_url,
        "shopify.client_id": client_id,
        "shopify.client_secret": client_secret,
    }
    config = load_config(Path("/dev/null"), values, {})
    return ShopAccess(config, open_test_store(url))


def close(access: ShopAccess) -> None:
    access._http().close()
    access.store.close()


@dataclass
class Place:
    """A shop with its simulator, and the access to it on an empty database."""

    shop: SimShop
    simulator: Simulator
    url: str
    folder: Path
    access: ShopAccess

    def stored(self, minutes: float) -> StoredSession:
        """Store the shop's present pair, its token ending in *minutes*."""
        end = now() + timedelta(minutes=minutes)
        made = StoredSession(SHOP, Secret(self.shop.token), end, Secret(self.shop.refresh_token))
        made = replace(made, access=Access.EXPIRING, scopes=("read_orders",))
        self.access.store.sessions.save(made)
        return made

    def row(self) -> StoredSession:
        return self.access.store.sessions.need(SHOP)

    def renewals(self) -> list[Any]:
        """What was asked of the token endpoint: the status of each answer, or the fault."""
        asked = [entry for entry in self.shop.log if entry["operation"] != "graphql"]
        return [entry.get("status") or entry["fault"] for entry in asked]

    def other(self) -> ShopAccess:
        """Another process's view: an access of its own on the same database."""
        shop = self.shop
        return open_access(self.folder, self.url, self.simulator.base_url, shop.client_id, shop.client_secret)

    def client(self) -> Client:
        """A client as the daemon makes it."""
        made = Client(
            SHOP,
            self.access.session(SHOP, now()).token,
            http=self.access._http(),
            base_url=self.simulator.base_url,
            renew=lambda: self.access._after_refusal(SHOP, made.token),
        )
        return made


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Iterator[Place]:
    yield from open_place(SimShop(SHOP, orders=900, access="expiring", restore_rate=1e6), tmp_path, database_url)


@pytest.fixture
def client_place(tmp_path: Path, database_url: str) -> Iterator[Place]:
    yield from open_place(SimShop(SHOP, orders=5, access="client"), tmp_path, database_url)


def open_place(shop: SimShop, folder: Path, url: str) -> Iterator[Place]:
    with Simulator([shop]) as simulator:
        access = open_access(folder, url, simulator.base_url, shop.client_id, shop.client_secret)
        yield Place(shop, simulator, url, folder, access)
        close(access)


opened_place = contextmanager(open_place)


def refused(do: Callable[[], Any], *secrets: str) -> RunError:
    """Return the error that *do* raises; no secret is in it, its cause or its traceback."""
    with pytest.raises(RunError) as caught:
        do()
    error = caught.value
    text = "".join(traceback.format_exception(error)) + f"{error!r} {error.hint} {error.__context__!r}"
    for secret in secrets:
        assert secret not in text
    return error


# In time, and once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "due"), [(-60, True), (0, True), (9.9, True), (10.1, False), (55, False)])
@pytest.mark.parametrize("access", list(Access))
def test_a_token_is_renewed_ten_minutes_early(minutes: float, due: bool, access: Access) -> None:
    moment = now()
    session = StoredSession(SHOP, Secret("t"), moment + timedelta(minutes=minutes), access=access)
    assert due_for_refresh(session, moment) is (due and access is not Access.TOKEN)
    assert not due_for_refresh(replace(session, expires_at=None), moment)


def ask_in_process(
    folder: str, url: str, base_url: str, client: tuple[str, str], ready: Any, go: Any, answers: Any
) -> None:
    """Be one daemon: eight threads ask for the token at the same moment."""
    access = open_access(Path(folder), url, base_url, *client)
    barrier = threading.Barrier(THREADS)

    def ask(_: int) -> str:
        access.store.sessions.need(SHOP)  # the connection is open before all start
        barrier.wait()
        try:
            return access.session(SHOP, now()).token.reveal()
        finally:
            access.store.close()

    ready.release()
    go.wait()
    with ThreadPoolExecutor(THREADS) as pool:
        answers.put(list(pool.map(ask, range(THREADS))))
    access.store.close()


def test_many_threads_of_many_processes_renew_a_token_once(place: Place) -> None:
    old = place.stored(5)
    context = multiprocessing.get_context("spawn")
    ready, go, answers = context.Semaphore(0), context.Event(), context.Queue()
    known = (place.shop.client_id, place.shop.client_secret)
    arguments = (str(place.folder), place.url, place.simulator.base_url, known, ready, go, answers)
    processes = [context.Process(target=ask_in_process, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=60)
    place.shop.script([{"fault": "slow", "seconds": 0.3, "on": "token"}])
    go.set()
    told = [token for _ in processes for token in answers.get(timeout=60)]
    for process in processes:
        process.join(60)
    assert told == [place.shop.token] * (THREADS * PROCESSES)
    assert place.shop.token != old.token.reveal()
    assert place.renewals() == [200]
    assert place.row().refresh_token == Secret(place.shop.refresh_token)


def test_the_new_pair_is_committed_before_it_is_used(place: Place) -> None:
    place.stored(5)
    other = place.other()
    seen: list[StoredSession] = []
    accepted = place.shop.answer

    def answer(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        seen.append(other.store.sessions.need(SHOP))
        other.store.close()
        return accepted(query, variables)

    place.shop.answer = answer  # type: ignore[method-assign]
    place.client().execute(NAME)
    assert [(item.token, item.refresh_token) for item in seen] == [
        (Secret(place.shop.token), Secret(place.shop.refresh_token))
    ]
    close(other)


def test_what_is_renewed_keeps_scopes_and_lives_an_hour(place: Place) -> None:
    place.stored(-5)
    made = place.access.session(SHOP, now())
    assert made.expires_at is not None
    assert timedelta(minutes=59) < made.expires_at - now() <= timedelta(minutes=60)
    assert made.refresh_expires_at is not None
    assert made.refresh_expires_at - now() > timedelta(days=89)
    assert "read_all_orders" in made.scopes
    assert place.row().access is Access.EXPIRING


def test_an_answer_without_its_length_does_not_turn_renewal_off(place: Place) -> None:
    place.shop.tells_expiry = False
    place.stored(-5)
    made = place.access.session(SHOP, now())
    assert place.row().expires_at is not None
    assert due_for_refresh(place.row(), now() + timedelta(minutes=51))
    assert made.token == Secret(place.shop.token)


def test_a_row_whose_end_the_app_lost_is_still_renewed(place: Place) -> None:
    # Shopify's own library stores no end where an answer had none, and then never renews.
    place.access.store.sessions.save(replace(place.stored(5), expires_at=None))
    assert place.row().access is Access.EXPIRING
    place.shop.expire()
    assert place.client().execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [200]
    assert place.row().expires_at is not None


# After a refusal ----------------------------------------------------------------------------------------------------


def test_a_refused_token_is_read_again_before_it_is_renewed(place: Place) -> None:
    old = place.stored(55)
    client = place.client()
    # The app beside us renews while we work with the token that we read.
    other = place.other()
    other.store.sessions.save(replace(old, expires_at=now()))
    other.session(SHOP, now())
    close(other)
    place.shop.granted[old.token.reveal()] = 0.0
    assert client.execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [200]
    assert client.token == Secret(place.shop.token)


def test_a_token_that_ended_too_early_is_renewed(place: Place) -> None:
    place.stored(55)
    client = place.client()
    place.shop.expire()
    assert client.execute(NAME)["shop"]["name"] == "Test"
    assert [entry["operation"] for entry in place.shop.log] == ["graphql", "refresh_token", "graphql"]


def test_a_stored_token_that_is_refused_needs_a_person(tmp_path: Path, database_url: str) -> None:
    with opened_place(SimShop(SHOP, orders=5), tmp_path, database_url) as place:
        place.access.store.sessions.save(StoredSession(SHOP, Secret(ONCE_GOOD)))
        error = refused(lambda: place.client().execute(NAME), ONCE_GOOD)
        assert (error.code, error.retryable) == ("token_refused", False)
        assert "scheduler shops add" in error.hint
        assert len(place.shop.log) == 1
        # A person stores the right one; the next attempt has it.
        place.access.store.sessions.save(StoredSession(SHOP, Secret(place.shop.token)))
        assert place.client().execute(NAME)["shop"]["name"] == "Test"


def test_a_long_report_goes_on_with_new_tokens(place: Place) -> None:
    place.stored(55)
    client = place.client()
    moment = now()
    start, end = moment - timedelta(days=59), moment - timedelta(days=1)
    pages: list[int] = []

    def check(_: int) -> None:
        pages.append(1)
        if len(pages) in (2, 4):
            place.shop.expire()

    known = check_shop(client, moment)
    report = Report("orders", "All", columns=(("id", None), ("total", None)))
    asked = Ask(report, Period("custom", start, end, "UTC"), known, client, moment, moment, check)
    found = list(open_source("orders").fetch(asked).rows)
    assert len(pages) == 4
    assert place.renewals() == [200, 200]
    truth = orders_total(place.shop.data, start, end)
    assert len({row[0] for row in found}) == len(found) == truth["count"]


# When Shopify does not renew ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["520", "500", "reset", "html", "empty", "cut_off", "slow", "dripping", "429", "lost"]
)
def test_a_renewal_without_an_answer_keeps_the_old_pair(
    place: Place, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "TIMEOUT", 0.5)
    old = place.stored(-5)
    place.shop.script([{"fault": fault, "seconds": 2, "on": "token"}])
    error = refused(
        lambda: place.access.session(SHOP, now()),
        *(old.token.reveal(), place.shop.refresh_token, place.shop.client_secret),
    )
    assert error.retryable
    assert error.code not in ("token_expired", "token_refused")
    assert isinstance(error, Throttled) is (fault == "429")
    row = place.row()
    assert (row.token, row.refresh_token) == (old.token, old.refresh_token)
    # The next one renews it, with the same refresh token: an answer that was lost is not the end of the shop.
    assert place.access.session(SHOP, now()).token == Secret(place.shop.token)
    assert place.row().refresh_token == Secret(place.shop.refresh_token)
    assert place.client().execute(NAME)["shop"]["name"] == "Test"


@pytest.mark.parametrize("fault", ["520", "403"])
def test_a_token_that_still_lives_serves_while_it_cannot_be_renewed(place: Place, fault: str) -> None:
    old = place.stored(5)
    place.shop.script([{"fault": fault, "on": "token"}])
    client = place.client()
    assert client.token == old.token
    assert client.execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [fault]


def stop_between_answer_and_commit(folder: str, url: str, base_url: str, client: tuple[str, str]) -> None:
    """Be a daemon that is killed when it has the new pair and has not stored it."""
    access = open_access(Path(folder), url, base_url, *client)

    def renewal(session: StoredSession) -> StoredSession:
        access._refresh(session)
        os._exit(9)

    access.store.sessions.renew(SHOP, renewal, unless=lambda _: False)


def test_a_crash_between_answer_and_commit_is_survived(place: Place) -> None:
    old = place.stored(-5)
    known = (place.shop.client_id, place.shop.client_secret)
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=stop_between_answer_and_commit,
        args=(str(place.folder), place.url, place.simulator.base_url, known),
    )
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert place.renewals() == [200]
    assert place.row().refresh_token == old.refresh_token != Secret(place.shop.refresh_token)
    assert place.client().execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [200, 200]
    assert place.row().refresh_token == Secret(place.shop.refresh_token)


def test_a_dead_refresh_token_is_told_and_not_asked_again(place: Place) -> None:
    old = place.stored(-5)
    place.shop.revoke()
    secrets = (old.token.reveal(), str(old.refresh_token and old.refresh_token.reveal()), place.shop.client_secret)
    for _ in range(4):
        error = refused(lambda: place.access.session(SHOP, now()), *secrets)
        assert (error.code, error.retryable) == ("token_expired", False)
        assert isinstance(error, SessionError)
        assert "Open the app in the shop once" in error.hint
    assert place.renewals() == [401]
    # The owner opens the app: it stores a new pair, which is tried at once.
    place.shop.token, place.shop.refresh_token = "shpat_new_token", "shprt_new_token"
    place.stored(-5)
    assert place.client().execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [401, 200]


def test_without_client_id_and_secret_the_way_out_is_said(place: Place) -> None:
    old = place.stored(-5)
    lame = open_access(place.folder, place.url, place.simulator.base_url, "", "")
    error = refused(lambda: lame.session(SHOP, now()), old.token.reveal())
    assert (error.code, place.renewals()) == ("token_expired", [])
    assert "shopify.client_id" in error.hint
    close(lame)


@pytest.mark.parametrize(("fault", "code"), [("404", "shop_not_found"), ("402", "shop_frozen"), ("redirect", None)])
def test_other_refusals_of_a_renewal_have_their_own_code(place: Place, fault: str, code: str | None) -> None:
    place.stored(-5)
    place.shop.script([{"fault": fault, "on": "token"}])
    error = refused(lambda: place.access.session(SHOP, now()), place.shop.client_secret)
    assert error.code == (code or "shop_unavailable")


# Client id and secret -----------------------------------------------------------------------------------------------


def store_client(place: Place, minutes: float) -> StoredSession:
    end = now() + timedelta(minutes=minutes)
    made = StoredSession(SHOP, Secret(place.shop.token), end, access=Access.CLIENT)
    place.access.store.sessions.save(made)
    return made


def test_client_credentials_give_a_token_of_a_day(client_place: Place) -> None:
    place = client_place
    store_client(place, 0)
    _, known = place.access.open_shop(SHOP, now(), lambda _: None)
    assert known.currency == "EUR"
    row = place.row()
    assert row.access is Access.CLIENT
    assert row.refresh_token is None
    assert row.expires_at is not None
    assert timedelta(hours=23) < row.expires_at - now() <= timedelta(hours=24)
    assert place.access.session(SHOP, now()).token == row.token
    assert place.renewals() == [200]
    assert place.access.session(SHOP, now() + timedelta(hours=23, minutes=55)).token != row.token
    assert place.renewals() == [200, 200]


def test_a_refused_client_token_is_asked_for_anew(client_place: Place) -> None:
    place = client_place
    store_client(place, 0)
    client = place.client()
    place.shop.expire()
    assert client.execute(NAME)["shop"]["name"] == "Test"
    assert place.renewals() == [200, 200]


def test_a_wrong_secret_is_told_and_a_right_one_tried_at_once(client_place: Place) -> None:
    place = client_place
    store_client(place, -5)
    wrong = open_access(place.folder, place.url, place.simulator.base_url, place.shop.client_id, WRONG_SECRET)
    for _ in range(3):
        error = refused(lambda: wrong.session(SHOP, now()), WRONG_SECRET, place.shop.client_secret)
        assert (error.code, error.retryable) == ("token_expired", False)
        assert "client secret" in error.hint
    assert place.renewals() == [400]
    assert place.client().execute(NAME)["shop"]["name"] == "Test"
    close(wrong)


def test_a_shop_of_another_organisation_is_told(tmp_path: Path, database_url: str) -> None:
    with opened_place(SimShop(SHOP, orders=5), tmp_path, database_url) as place:
        store_client(place, -5)
        error = refused(lambda: place.access.session(SHOP, now()), place.shop.client_secret)
        assert error.code == "token_expired"
        assert "shop_not_permitted" in error.message
        assert "installed in the shop" in error.hint


# Whose sessions, and nothing told -----------------------------------------------------------------------------------


def test_online_sessions_are_never_used(place: Place) -> None:
    rows = place.access.store.sessions
    row, write = rows.row, place.access.store.engine.change
    online = {row.shop: SHOP, row.state: "", row.is_online: True, row.access_token: place.shop.token}
    write(row.insert({row.id: f"{SHOP}_4711", **online}))
    assert rows.find(SHOP) is None
    # Not even where somebody stored an online token under the offline name.
    write(row.insert({row.id: f"offline_{SHOP}", **online}))
    error = refused(lambda: place.access.session(SHOP, now()), place.shop.token)
    assert error.code == "no_session"
    assert place.shop.log == []


def test_a_session_does_not_show_its_secrets(place: Place) -> None:
    session = place.stored(5)
    renewed = place.access.session(SHOP, now())
    client = place.client()
    for secret in (session.token, session.refresh_token, renewed.token, Secret(place.shop.client_secret)):
        assert secret is not None
        for shown in (session, renewed, client, vars(client), place.access.config.shopify, place.row()):
            assert secret.reveal() not in f"{shown!r} {shown}"


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [({"expires_in": "x"}, 3600), ({"expires_in": -1}, 3600), ({"expires_in": None}, 3600), ({"expires_in": 120}, 120)],
)
def test_an_odd_length_is_no_crash(answer: dict[str, Any], seconds: int) -> None:
    moment = now()
    session = StoredSession(SHOP, Secret("a"), moment, Secret("b"), scopes=("read_orders",), access=Access.EXPIRING)
    made = renewing._renewed(session, {"access_token": "c", **answer}, moment)
    assert made == replace(session, token=Secret("c"), expires_at=moment + timedelta(seconds=seconds))


def test_a_session_without_refresh_token_cannot_be_renewed() -> None:
    session = StoredSession(SHOP, Secret("shpat_last_token"), now(), access=Access.EXPIRING)
    with open_http() as http:
        error = refused(
            lambda: refresh(
                session, client_id="a", client_secret=Secret("b"), http=http, base_url="http://127.0.0.1:9", now=now()
            ),
            "shpat_last_token",
        )
    assert error.code == "token_expired"
