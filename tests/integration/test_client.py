"""The API client against every bad day that the simulator knows; access has its own tests in `test_access.py`."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from scheduler_daemon.cli.shops import shops
from scheduler_daemon.errors import CODES, RunError, Throttled
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.shopify.answers import graphql_error, refusal, retry_after
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.shopify.throttle import Throttle
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.faults import FAULTS
from tests.making import SHOP, now

NAME = "query ShopName { shop { name } }"
#: What a lasting fault becomes: its code, and whether a later attempt may do better.
MEANS = {
    "401": ("token_refused", False),
    "402": ("shop_frozen", True),
    "403": ("scope_missing", False),
    "403_expiring": ("token_refused", False),
    "404": ("shop_not_found", False),
    "423": ("shop_frozen", False),
    "429": ("throttled", True),
    "430": ("shop_unavailable", True),
    "500": ("shop_unavailable", True),
    "502": ("shop_unavailable", True),
    "503": ("shop_unavailable", True),
    "504": ("shop_unavailable", True),
    "520": ("shop_unavailable", True),
    "throttled": ("throttled", True),
    "errors_list": ("shop_unavailable", True),
    "errors_string": ("shop_unavailable", True),
    "errors_object": ("shop_unavailable", True),
    "bad_request": ("query_refused", False),
    "partial": ("shop_unavailable", True),
    "no_data": ("response_invalid", True),
    "slow": ("timeout", True),
    "dripping": ("timeout", True),
    "dripping_headers": ("timeout", True),
    "cut_off": ("shop_unavailable", True),
    "lost": ("shop_unavailable", True),
    "html": ("response_invalid", True),
    "empty": ("response_invalid", True),
    "redirect": ("response_invalid", False),
    "reset": ("shop_unavailable", True),
}


@pytest.fixture
def shop() -> Iterator[tuple[SimShop, Client]]:
    made = SimShop(SHOP, orders=10)
    with Simulator([made]) as simulator, open_http() as http:
        client = Client(
            SHOP, Secret(made.token), http=http, base_url=simulator.base_url, timeout=1.0, pause=lambda _: None
        )
        yield made, client


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_becomes_its_code(
    shop: tuple[SimShop, Client], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, client = shop
    # Waits are not slept here, so the patience for them is used up at once.
    monkeypatch.setattr("scheduler_daemon.shopify.client.PATIENCE", 0.5)
    made.script([{"fault": fault, "seconds": 3}] * 50)
    with pytest.raises(RunError) as caught:
        client.execute(NAME)
    assert (caught.value.code, caught.value.retryable) == MEANS[fault]
    assert caught.value.code in CODES
    assert made.token not in f"{caught.value.message} {caught.value.hint} {caught.value!r} {caught.value.__context__!r}"
    if not caught.value.retryable:
        assert len(made.log) == 1, "what cannot succeed is not asked again"


@pytest.mark.parametrize("fault", [name for name, (_, retryable) in MEANS.items() if retryable])
def test_a_passing_fault_is_outlived(shop: tuple[SimShop, Client], fault: str) -> None:
    made, client = shop
    made.script([{"fault": fault, "seconds": 2}])
    assert client.execute(NAME) == {"shop": {"name": "Test"}}


def test_a_fault_in_the_middle_of_a_walk_neither_loses_nor_doubles_orders(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    query = """query Walk($after: String) {
      orders(first: 3, after: $after, sortKey: CREATED_AT) { nodes { id } pageInfo { hasNextPage endCursor } }
    }"""
    made.script([{"fault": fault, "skip": 1} for fault in ("cut_off", "partial", "throttled")])
    seen: list[str] = []
    page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        found = client.execute(query, {"after": page["endCursor"]})["orders"]
        seen += [node["id"] for node in found["nodes"]]
        page = found["pageInfo"]
    assert len(seen) == len(set(seen)) == 10
    assert [entry["fault"] for entry in made.log if "fault" in entry] == ["cut_off", "partial", "throttled"]


def test_the_wait_that_shopify_asks_for_is_kept(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    waits: list[float] = []
    client._pause = waits.append
    made.script([{"fault": "429", "seconds": 7}])
    client.execute(NAME)
    assert waits == [7.0]
    made.script([{"fault": "429", "seconds": 3600}])
    with pytest.raises(Throttled) as caught:
        client.execute(NAME)
    assert caught.value.retry_after == 3600


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


@pytest.mark.parametrize(
    "cost",
    [
        {"throttleStatus": [1], "requestedQueryCost": "x"},
        {"throttleStatus": {"restoreRate": 1e-300, "currentlyAvailable": -1e300, "maximumAvailable": "x"}},
        {"throttleStatus": {"restoreRate": 1e-300, "currentlyAvailable": 0, "maximumAvailable": 2000}},
        {"throttleStatus": {"restoreRate": None, "maximumAvailable": 10**400}, "requestedQueryCost": 10**400},
        {"throttleStatus": {"restoreRate": 50}, "requestedQueryCost": 1e9},
    ],
)
def test_a_cost_that_makes_no_sense_holds_nobody(cost: dict[str, Any]) -> None:
    throttle = Throttle()
    throttle.learn("q", {"requestedQueryCost": 100}, 0.0)
    throttle.learn("q", cost, 0.0)
    assert 0 <= throttle.wait_for("q", 0.0) <= 600
    assert 1 <= throttle.wait_after_refusal(cost) <= 600


def test_a_bucket_is_spent_without_being_refused() -> None:
    made = SimShop(SHOP, orders=3000, restore_rate=2000, bucket_size=200)
    with Simulator([made]) as simulator, open_http() as http:
        client = Client(SHOP, Secret(made.token), http=http, base_url=simulator.base_url)
        query = "query ($first: Int!) { orders(first: $first) { nodes { id lineItems(first: 5) { nodes { id } } } } }"
        for _ in range(15):
            client.execute(query, {"first": 250})
    assert not any(entry.get("throttled") for entry in made.log)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("2.0", 2.0),
        ("0", 0.0),
        ("-1", 0.0),
        ("abc", 2.0),
        ("nan", 2.0),
        ("inf", 2.0),
        (None, 2.0),
        ("9" * 20, 86400.0),
    ],
)
def test_a_retry_after_is_read_or_replaced(header: str | None, seconds: float) -> None:
    assert retry_after(header, now()) == seconds


@pytest.mark.parametrize(
    ("errors", "code", "retryable"),
    [
        ([{"message": "x", "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_x`"}}], "scope_missing", 0),
        ([{"message": "This app is not approved to access the Customer object"}], "scope_missing", 0),
        ([{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED"}}], "query_too_costly", 0),
        ([{"message": "x", "extensions": {"code": "SHOP_INACTIVE"}}], "shop_frozen", 0),
        ([{"message": "x", "extensions": {"code": "undefinedField"}}], "query_refused", 0),
        ([{"message": "x", "extensions": None}], "shop_unavailable", 1),
        ([{"message": "x", "extensions": "odd"}], "shop_unavailable", 1),
        ([None], "shop_unavailable", 1),
        ("text", "shop_unavailable", 1),
        ({"query": "wrong"}, "shop_unavailable", 1),
    ],
    ids=str,
)
def test_errors_of_every_shape_are_read(errors: Any, code: str, retryable: int) -> None:
    error = graphql_error(SHOP, errors, "r-1")
    assert (error.code, error.retryable) == (code, bool(retryable))


@pytest.mark.parametrize("text", ["", "Unavailable Shop", "Non-expiring access tokens are not accepted"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 423, 430, 500, 503])
def test_every_refusal_has_a_way_out_by_a_command_that_exists(status: int, text: str) -> None:
    hint = refusal(SHOP, status, text, "r-1").hint
    named = re.findall(r"scheduler shops (\w+)", hint)
    assert named
    assert set(named) <= set(shops.commands)
    assert f" {SHOP}" in hint


def test_a_body_that_repeats_the_token_is_not_repeated() -> None:
    token = "shpat_0123456789abcdef0123456789abcdef"
    for error in (refusal(SHOP, 403, f"no access for {token}", ""), graphql_error(SHOP, f"bad {token}", "")):
        assert token not in error.message
    assert (refusal(SHOP, 403, "Unavailable Shop", "").code, refusal(SHOP, 403, "", "").code) == (
        "shop_frozen",
        "scope_missing",
    )
