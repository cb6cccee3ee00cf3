"""The API client against every bad day that the simulator knows, and the three kinds of access."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.config import load_config
from scheduler_daemon.errors import RunError
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Access, StoredSession
from scheduler_daemon.prepare import Kitchen
from scheduler_daemon.shopify.answers import retry_after
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.shopify.throttle import Throttle
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.faults import FAULTS
from scheduler_daemon.spool import Spool
from tests.conftest import open_test_store
from tests.making import SHOP, now

NAME = "query { shop { name } }"
CODES = {
    "401": "token_refused",
    "402": "shop_frozen",
    "403": "scope_missing",
    "403_expiring": "token_refused",
    "404": "shop_not_found",
    "423": "shop_frozen",
    "429": "throttled",
    "500": "shop_unavailable",
    "503": "shop_unavailable",
    "throttled": "throttled",
    "errors_list": "shop_unavailable",
    "errors_string": "shop_unavailable",
    "errors_object": "query_refused",
    "dripping": "timeout",
    "cut_off": "shop_unavailable",
    "html": "response_invalid",
    "empty": "response_invalid",
    "redirect": "response_invalid",
    "reset": "shop_unavailable",
}


@pytest.fixture
def shop() -> Iterator[tuple[SimShop, Client]]:
    made = SimShop(SHOP, orders=10)
    with Simulator([made]) as simulator, open_http() as http:
        client = Client(
            SHOP, Secret(made.token), http=http, base_url=simulator.base_url, timeout=1.0, pause=lambda _: None
        )
        yield made, client


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "slow"])
def test_a_lasting_fault_becomes_its_code(
    shop: tuple[SimShop, Client], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, client = shop
    # Waits are not slept here, so the patience for them is used up at once.
    monkeypatch.setattr("scheduler_daemon.shopify.client.PATIENCE", 0.5)
    made.script([{"fault": fault, "seconds": 3}] * 50)
    with pytest.raises(RunError) as caught:
        client.execute(NAME)
    assert caught.value.code == CODES[fault]
    assert made.token not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("fault", ["500", "503", "reset", "html", "empty", "cut_off", "errors_list", "throttled"])
def test_a_passing_fault_is_outlived(shop: tuple[SimShop, Client], fault: str) -> None:
    made, client = shop
    made.script([fault])
    assert client.execute(NAME) == {"shop": {"name": "Test"}}


def test_a_redirect_never_carries_the_token_to_another_host(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    other = SimShop("other.myshopify.com", orders=1)
    with Simulator([other]) as elsewhere:
        made.script(
            [{"fault": "redirect", "to": f"{elsewhere.url}/other.myshopify.com/admin/api/2026-10/graphql.json"}]
        )
        with pytest.raises(RunError):
            client.execute(NAME)
        assert other.log == []


def test_a_field_that_does_not_exist_is_the_querys_fault(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    with pytest.raises(RunError) as caught:
        client.execute("query { shop { nmae } }")
    assert (caught.value.code, caught.value.retryable) == ("query_refused", False)


def test_the_throttle_waits_for_exactly_the_missing_points() -> None:
    throttle = Throttle()
    assert throttle.wait_for("q", 0.0) == 0.0
    status = {"maximumAvailable": 2000, "currentlyAvailable": 10, "restoreRate": 100}
    throttle.learn("q", {"requestedQueryCost": 60, "throttleStatus": status}, 100.0)
    assert throttle.wait_for("q", 100.0) == pytest.approx(0.51)
    assert throttle.wait_for("q", 100.4) == pytest.approx(0.11)
    assert throttle.wait_for("q", 101.0) == 0.0


def test_a_bucket_is_spent_without_being_refused() -> None:
    made = SimShop(SHOP, orders=3000, restore_rate=2000, bucket_size=200)
    with Simulator([made]) as simulator, open_http() as http:
        client = Client(SHOP, Secret(made.token), http=http, base_url=simulator.base_url)
        query = "query ($first: Int!) { orders(first: $first) { nodes { id lineItems(first: 5) { nodes { id } } } } }"
        for _ in range(15):
            client.execute(query, {"first": 250})
    assert not any(entry.get("throttled") for entry in made.log)


@pytest.mark.parametrize(("header", "seconds"), [("2", 2.0), ("0", 0.0), ("-1", 0.0), ("abc", 2.0), (None, 2.0)])
def test_a_retry_after_is_read_or_replaced(header: str | None, seconds: float) -> None:
    assert retry_after(header, now()) == seconds


def kitchen(tmp_path: Path, url: str, simulator: Simulator, shop: SimShop) -> Kitchen:
    values = {
        "shopify.base_url": simulator.base_url,
        "shopify.client_id": shop.client_id,
        "shopify.client_secret": shop.client_secret,
    }
    config = load_config(Path("/dev/null"), values, {})
    return Kitchen(config, open_test_store(url), Spool(tmp_path / "spool"))


def test_an_expiring_token_is_renewed_once_over_many_threads(tmp_path: Path, database_url: str) -> None:
    shop = SimShop(SHOP, orders=5, access="expiring")
    with Simulator([shop]) as simulator:
        made = kitchen(tmp_path, database_url, simulator, shop)
        old = StoredSession(SHOP, Secret(shop.token), now() + timedelta(minutes=1), Secret(shop.refresh_token))
        made.store.sessions.save(old)
        tokens = []

        def renew() -> None:
            tokens.append(made.session(SHOP, now()).token.reveal())
            made.store.close()

        threads = [threading.Thread(target=renew) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(tokens) == {shop.token}
        assert [entry["operation"] for entry in shop.log] == ["refresh_token"]
        stored = made.store.sessions.need(SHOP)
        assert stored.refresh_token is not None
        assert stored.refresh_token.reveal() == shop.refresh_token
        made.store.close()


def test_a_refused_token_is_read_again_before_it_is_given_up(tmp_path: Path, database_url: str) -> None:
    shop = SimShop(SHOP, orders=5)
    with Simulator([shop]) as simulator:
        made = kitchen(tmp_path, database_url, simulator, shop)
        made.store.sessions.save(StoredSession(SHOP, Secret("shpat_old_token")))
        client, _ = None, None
        session = made.session(SHOP, now())
        # The app beside us stores a new token after we read the old one.
        made.store.sessions.save(StoredSession(SHOP, Secret(shop.token)))
        client = Client(
            SHOP,
            session.token,
            http=made._http(),
            base_url=simulator.base_url,
            renew=lambda: made._after_refusal(SHOP, session.token),
        )
        assert client.execute(NAME)["shop"]["name"] == "Test"
        made._http().close()
        made.store.close()


def test_client_credentials_are_asked_for_when_needed(tmp_path: Path, database_url: str) -> None:
    shop = SimShop(SHOP, orders=5, access="client")
    with Simulator([shop]) as simulator:
        made = kitchen(tmp_path, database_url, simulator, shop)
        made.store.sessions.save(StoredSession(SHOP, Secret("none"), now(), access=Access.CLIENT))
        _, known = made.open_shop(SHOP, now(), lambda _: None)
        assert known.currency == "EUR"
        assert made.store.sessions.need(SHOP).access is Access.CLIENT
        made._http().close()
        made.store.close()
