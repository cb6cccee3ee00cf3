"""The simulator as a Shopify developer would try it: real schema, cursors, costs, bucket, tokens, scopes, bad days."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import GraphQLObjectType, build_schema, get_named_type

from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.catalog import NAMES, PEOPLE
from scheduler_daemon.simulator.cost import factor
from scheduler_daemon.simulator.data import ShopData
from scheduler_daemon.simulator.faults import BODIES, FAULTS
from scheduler_daemon.simulator.ledger import agreements
from scheduler_daemon.simulator.order import is_long, is_refunded_often
from scheduler_daemon.simulator.resolve import bag_of, iso, shown
from scheduler_daemon.simulator.shop import VERSIONS, schema
from scheduler_daemon.simulator.truth import adjustments, money, order_sums, orders_total, sales_by_variant
from tests.making import SHOP, now

#: SDL and its licence travel with the package.
SCHEMA = files("scheduler_daemon.simulator").joinpath("schema.graphql").read_text(encoding="utf-8")
WALK = """query Walk($first: Int!, $after: String, $query: String, $sort: OrderSortKeys, $reverse: Boolean) {
  orders(first: $first, after: $after, query: $query, sortKey: $sort, reverse: $reverse) {
    edges { cursor node { id } } nodes { id createdAt processedAt updatedAt } pageInfo { hasNextPage endCursor }
  }
}"""


@pytest.fixture
def shop() -> SimShop:
    return SimShop(SHOP, orders=300, restore_rate=1e6, bucket_size=20_000)


def ask(shop: SimShop, query: str, /, **variables: Any) -> dict[str, Any]:
    answer = shop.answer(query, variables)
    assert "errors" not in answer, answer
    return dict(answer["data"])


def error(shop: SimShop, query: str, /, **variables: Any) -> dict[str, Any]:
    answer = shop.answer(query, variables)
    assert answer["errors"], answer
    return dict(answer["errors"][0])


def walk(shop: SimShop, first: int, **variables: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = ask(shop, WALK, first=first, after=after, **variables)["orders"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


# Cursors and searches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("sort", "field"),
    [("CREATED_AT", "createdAt"), ("UPDATED_AT", "updatedAt"), ("PROCESSED_AT", "processedAt"), ("ID", "createdAt")],
)
@pytest.mark.parametrize("first", [7, 250])
def test_a_walk_meets_each_order_once_and_in_order(
    shop: SimShop, sort: str, field: str, reverse: bool, first: int
) -> None:
    found = walk(shop, first, sort=sort, reverse=reverse)
    assert len({node["id"] for node in found}) == len(found) == 300
    moments = [node[field] for node in found]
    assert moments == sorted(moments, reverse=reverse)


def test_every_cursor_of_a_page_goes_on_behind_its_order(shop: SimShop) -> None:
    edges = ask(shop, WALK, first=20)["orders"]["edges"]
    for index in (0, 7, 18):
        behind = ask(shop, WALK, first=1, after=edges[index]["cursor"])["orders"]["nodes"]
        assert behind[0]["id"] == edges[index + 1]["node"]["id"]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"first": 251}, "cannot exceed 250"),
        ({"first": 0}, "at least 1"),
        ({"first": 5, "after": "bm9uc2Vuc2U="}, "invalid cursor"),
        ({"first": 5, "after": "%%"}, "invalid cursor"),
        ({"first": 5, "query": "colour:red"}, "Invalid search field"),
        ({"first": 5, "query": "status:any"}, "Invalid value for status"),
        ({"first": 5, "query": "created_at:>='2026-01-01' OR tag:x"}, "cannot read"),
    ],
)
def test_a_wrong_argument_is_told(shop: SimShop, variables: dict[str, Any], text: str) -> None:
    assert text in error(shop, WALK, **variables)["message"]


def test_a_cursor_of_another_sorting_is_refused(shop: SimShop) -> None:
    cursor = ask(shop, WALK, first=5, sort="CREATED_AT")["orders"]["pageInfo"]["endCursor"]
    assert "invalid cursor" in error(shop, WALK, first=5, sort="UPDATED_AT", after=cursor)["message"]


def test_one_cursor_ends_at_its_limit(shop: SimShop) -> None:
    shop.cursor_limit = 100
    assert len(walk(shop, 30)) == 100


@pytest.mark.parametrize("field", ["created", "processed", "updated"])
def test_a_search_by_moment_is_exact_to_the_second(shop: SimShop, field: str) -> None:
    moments = sorted(shop.data.moment(field, number) for number in range(shop.data.count))
    middle = moments[150]
    for comparison, wanted in (
        (">=", [item for item in moments if item >= middle]),
        (">", [item for item in moments if item > middle]),
        ("<=", [item for item in moments if item <= middle]),
        ("<", [item for item in moments if item < middle]),
    ):
        found = walk(shop, 250, query=f"{field}_at:{comparison}'{iso(middle)}'", sort=f"{field.upper()}_AT")
        assert len(found) == len(wanted), comparison
        assert len(walk(shop, 250, query=f"-{field}_at:{comparison}'{iso(middle)}'")) == 300 - len(wanted)


def test_an_order_is_found_by_its_id(shop: SimShop) -> None:
    query = "query ($id: ID!) { order(id: $id) { id name } node(id: $id) { id ... on Order { name } } }"
    assert ask(shop, query, id="gid://shopify/Order/5")["node"] == {"id": "gid://shopify/Order/5", "name": "#1005"}
    assert ask(shop, query, id="gid://shopify/Order/301") == {"order": None, "node": None}
    assert "Invalid global id" in error(shop, query, id="5")["message"]


# Cost and bucket ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "value"), [(1, 1), (2, 2), (3, 2), (10, 4), (100, 9), (250, 11)])
def test_costs_follow_the_measured_formula(number: int, value: int) -> None:
    assert factor(number) == value


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ shop { name } }", 1),
        ("{ orders(first: 250) { nodes { id } } }", 13),
        ("{ orders(first: 10) { nodes { id lineItems(first: 10) { nodes { id } } } } }", 30),
        ("{ ordersCount { count } }", 10),
        ("{ orders(first: 1) { nodes { agreements(first: 1) { nodes { sales(first: 1) { nodes { id } } } } } } }", 9),
        ("query ($n: Int = 100) { orders(first: $n) { nodes { ...F } } } fragment F on Order { customer { id } }", 20),
    ],
)
def test_a_query_costs_what_shopify_would_ask(shop: SimShop, query: str, cost: int) -> None:
    assert shop.answer(query, {})["extensions"]["cost"]["requestedQueryCost"] == cost


def test_a_query_that_costs_too_much_is_refused_before_it_runs(shop: SimShop) -> None:
    deep = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { product { id } variant { id } } } } } }"
    deep = deep.replace("product { id }", "product { id variants(first: 100) { nodes { id } } }")
    found = error(shop, deep)
    assert (found["extensions"]["code"], found["extensions"]["maxCost"]) == ("MAX_COST_EXCEEDED", 1000)


def test_the_bucket_empties_refuses_and_fills(shop: SimShop) -> None:
    shop.bucket_size, shop.restore_rate, shop.available = 100.0, 0.0, 100.0
    query = "{ orders(first: 250) { nodes { id } } }"
    spent = [shop.answer(query, {}) for _ in range(8)]
    assert [answer.get("data") is not None for answer in spent] == [True] * 7 + [False]
    refused = spent[-1]
    assert refused["errors"][0]["extensions"]["code"] == "THROTTLED"
    status = refused["extensions"]["cost"]
    assert (status["requestedQueryCost"], status["actualQueryCost"]) == (13, None)
    assert status["throttleStatus"] == {"maximumAvailable": 100.0, "currentlyAvailable": 9, "restoreRate": 0.0}
    shop.restore_rate, shop.filled_at = 10.0, shop.filled_at - 1.0
    assert shop.answer(query, {})["data"]


def test_what_an_answer_does_not_need_is_given_back(shop: SimShop) -> None:
    shop.restore_rate, shop.available = 0.0, 1000.0
    cost = shop.answer('{ orders(first: 250, query: "name:#1001") { nodes { id } } }', {})["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (13, 3)
    assert cost["throttleStatus"]["currentlyAvailable"] == 997


# Schema and scopes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ shop { colour } }", "undefinedField"),
        ("{ shop(x: 1) { name } }", "argumentNotAccepted"),
        ("{ shop }", "selectionMismatch"),
        ("{ orders(first: 1) { nodes { id } }", "PARSE_ERROR"),
        ("query ($a: Int) { shop { name } }", "variableNotUsed"),
        ("query ($first: Int!) { orders(first: $first) { nodes { id } } }", "INVALID_VARIABLE"),
    ],
)
def test_a_wrong_query_is_refused_in_shopifys_words(shop: SimShop, query: str, code: str) -> None:
    assert error(shop, query)["extensions"]["code"] == code


def test_what_the_simulator_does_not_know_is_an_error_and_never_empty(shop: SimShop) -> None:
    assert "does not know QueryRoot.customers" in error(shop, "{ customers(first: 1) { nodes { id } } }")["message"]


@pytest.mark.parametrize(
    ("scope", "query"),
    [
        ("read_orders", "{ orders(first: 1) { nodes { id } } }"),
        ("read_orders", '{ order(id: "gid://shopify/Order/1") { id } }'),
        ("read_orders", "{ ordersCount { count } }"),
        ("read_customers", '{ orders(first: 250, query: "-test:true") { nodes { customer { id } } } }'),
        ("read_products", "{ orders(first: 1) { nodes { lineItems(first: 1) { nodes { product { id } } } } } }"),
    ],
)
def test_a_missing_scope_is_named(shop: SimShop, scope: str, query: str) -> None:
    ask(shop, query)
    shop.scopes = tuple(item for item in shop.scopes if item != scope)
    found = error(shop, query)
    assert (found["extensions"]["code"], scope in found["message"]) == ("ACCESS_DENIED", True)


def test_without_read_all_orders_sixty_days_are_seen() -> None:
    shop = SimShop(SHOP, orders=300, days=120, scopes=("read_orders",), restore_rate=1e6)
    since = shop.now() - timedelta(days=60)
    wanted = [number for number in range(300) if shop.data.created[number] >= since]
    assert 0 < len(walk(shop, 250)) == len(wanted) < 300
    assert ask(shop, '{ order(id: "gid://shopify/Order/1") { id } }') == {"order": None}


def test_every_type_that_the_schema_names_is_in_it() -> None:
    built = build_schema(SCHEMA)
    assert len(built.type_map) > 160
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            assert all(get_named_type(field.type).name in built.type_map for field in kind.fields.values())
    assert schema() is schema()


# Data ---------------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_shop_again_and_another_seed_another() -> None:
    moment = now()
    first, again, other = (SimShop(SHOP, orders=50, seed=seed, now=moment).data for seed in (1, 1, 2))
    assert [first.order(number) for number in range(50)] == [again.order(number) for number in range(50)]
    assert [first.order(number) for number in range(50)] != [other.order(number) for number in range(50)]


def test_the_data_has_what_breaks_careless_files(shop: SimShop) -> None:
    names = "".join(NAMES + PEOPLE)
    assert all(mark in names for mark in (",", '"', "'", "🍵", ";", "\t", "ü", "李"))
    assert {"=", "+", "@"} <= {name[0] for name in NAMES + PEOPLE}
    orders = [shop.data.order(number) for number in range(300)]
    assert any("\n" in (order["note"] or "") for order in orders)
    assert any(order["person"] is None for order in orders)
    assert any(order["tip"] for order in orders)
    assert any(order["shipping_off"] for order in orders)
    assert any(order["test"] for order in orders)
    assert any(order["cancelled"] for order in orders)
    assert any(order["edit"] for order in orders)
    assert any(order["processed"] < order["created"] for order in orders)
    assert any(order["processed"] > order["created"] for order in orders)
    later = [refund["at"] - order["created"] for order in orders for refund in order["refunds"]]
    assert later
    assert min(later) > timedelta(0)


def test_some_orders_have_more_than_a_page_of_everything() -> None:
    data = SimShop(SHOP, orders=1000).data
    long = next(data.order(number) for number in range(1000) if is_long(number))
    many = next(data.order(number) for number in range(1000) if is_refunded_often(number))
    assert min(len(long["lines"]), len(long["refunds"][0]["lines"])) > 30
    assert len(many["refunds"]) > 50
    moments = [refund["at"] for refund in many["refunds"]]
    assert moments == sorted(moments)
    assert moments[-1] == many["updated"]


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_the_ledger_and_the_order_tell_the_same_story(currency: str, included: bool) -> None:
    data = SimShop(SHOP, orders=1000, currency=currency, taxes_included=included).data
    for number in [*range(300), 777]:
        order = data.order(number)
        field = agreements(data, order, lambda line: {}, lambda units: {"units": units}, iso)
        found = field(None, first=250)["nodes"]
        sales = [sale for item in found for sale in item["sales"](None, first=250)["nodes"]]
        total = sum(sale["totalAmount"]["units"] for sale in sales)
        sums = order_sums(data, order)
        removed = order["edit"]["removed"] if order["edit"] else None
        kept = removed["amount"] + (0 if included else removed["tax"]) if removed else 0
        assert total == sums["total"] - sums["refunds"] - kept
        if order["cancelled"]:
            assert total == order["tip"]
            assert sum(sale["quantity"] or 0 for sale in sales if sale["lineType"] != "TIP") == 0


@pytest.mark.parametrize(
    ("units", "digits", "text"), [(5, 2, "0.05"), (-1230, 2, "-12.30"), (7, 0, "7"), (1, 3, "0.001")]
)
def test_amounts_are_written_exactly(units: int, digits: int, text: str) -> None:
    assert money(units, digits) == text


@pytest.mark.parametrize(("text", "wanted"), [("12.30", "12.3"), ("12.00", "12.0"), ("7", "7.0"), ("-0.05", "-0.05")])
def test_amounts_are_shown_as_shopify_does(text: str, wanted: str) -> None:
    assert shown(text) == wanted


def test_some_orders_were_paid_in_another_currency(shop: SimShop) -> None:
    money = "{ amount currencyCode }"
    query = f"{{ orders(first: 250) {{ nodes {{ totalPriceSet {{ shopMoney {money} presentmentMoney {money} }} }} }} }}"
    sets = [node["totalPriceSet"] for node in ask(shop, query)["orders"]["nodes"]]
    assert {item["shopMoney"]["currencyCode"] for item in sets} == {"EUR"}
    assert {item["presentmentMoney"]["currencyCode"] for item in sets} == {"EUR", "CAD"}
    assert all(
        (item["shopMoney"] == item["presentmentMoney"]) is (item["presentmentMoney"]["currencyCode"] == "EUR")
        for item in sets
    )
    assert bag_of(shop.data, {"number": 1})(150)["shopMoney"] == {"amount": "1.5", "currencyCode": "EUR"}


def test_truths_of_parts_add_up_to_the_whole() -> None:
    data: ShopData = SimShop(SHOP, orders=1000).data
    start, end = data.until - timedelta(days=60), data.until
    cut = start + timedelta(days=23, hours=5)
    parts = [orders_total(data, start, cut), orders_total(data, cut, end)]
    assert sum(part["count"] for part in parts) == orders_total(data, start, end)["count"]
    sold = [sales_by_variant(data, *span) for span in ((start, cut), (cut, end), (start, end))]
    units = [sum(row["units_returned"] for row in found.values()) for found in sold]
    assert units[0] + units[1] == units[2] > 0
    loose = [float(adjustments(data, *span)) for span in ((start, cut), (cut, end), (start, end))]
    assert loose[0] + loose[1] == pytest.approx(loose[2])


def test_a_hundred_thousand_orders_stay_small() -> None:
    SimShop(SHOP, orders=10)
    tracemalloc.start()
    try:
        shop = SimShop(SHOP, orders=100_000, days=365, restore_rate=1e6)
        assert len(ask(shop, WALK, first=250, sort="UPDATED_AT")["orders"]["nodes"]) == 250
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert shop.data.count == 100_000


# The server ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[tuple[SimShop, Simulator]]:
    made = SimShop(SHOP, orders=10)
    with Simulator([made]) as simulator:
        yield made, simulator


def post(simulator: Simulator, path: str, token: str = "", **body: Any) -> requests.Response:
    return requests.post(
        f"{simulator.url}/{path}", headers={"X-Shopify-Access-Token": token}, timeout=10, allow_redirects=False, **body
    )


def graphql(simulator: Simulator, token: str, version: str = "2026-10") -> requests.Response:
    return post(simulator, f"{SHOP}/admin/api/{version}/graphql.json", token, json={"query": "{ shop { name } }"})


def test_answers_carry_request_id_and_version(served: tuple[SimShop, Simulator]) -> None:
    shop, simulator = served
    first, second = graphql(simulator, shop.token), graphql(simulator, shop.token, "2020-01")
    assert first.json()["data"] == {"shop": {"name": "Test"}}
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert (first.headers["X-Shopify-API-Version"], second.headers["X-Shopify-API-Version"]) == ("2026-10", VERSIONS[0])


@pytest.mark.parametrize("token", ["", "shpat_wrong"])
def test_a_wrong_token_is_refused(served: tuple[SimShop, Simulator], token: str) -> None:
    _, simulator = served
    found = graphql(simulator, token)
    assert found.status_code == 401
    assert "Invalid API key or access token" in found.json()["errors"]


@pytest.mark.parametrize("path", ["", "other.myshopify.com/admin/api/2026-10/graphql.json", f"{SHOP}/admin/x"])
def test_a_wrong_path_is_not_found(served: tuple[SimShop, Simulator], path: str) -> None:
    assert post(served[1], path, data="{}").status_code == 404


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense", '{"query": "{ shop { name } }", "variables": 3}'])
def test_a_body_that_is_no_query_is_a_bad_request(served: tuple[SimShop, Simulator], body: str) -> None:
    shop, simulator = served
    found = post(simulator, f"{SHOP}/admin/api/2026-10/graphql.json", shop.token, data=body)
    assert (found.status_code, "errors" in found.json()) == (400, True)


def test_tokens_are_renewed_and_rotate_as_at_shopify() -> None:
    shop = SimShop(SHOP, orders=1, access="expiring")
    with Simulator([shop]) as simulator:

        def renew(refresh_token: str, **changes: str) -> requests.Response:
            form = {"client_id": shop.client_id, "client_secret": shop.client_secret, "grant_type": "refresh_token"}
            body = {**form, "refresh_token": refresh_token, **changes}
            return post(simulator, f"{SHOP}/admin/oauth/access_token", data=body)

        first_token, first = shop.token, shop.refresh_token
        made = renew(first).json()
        assert set(made) == {"access_token", "expires_in", "refresh_token", "refresh_token_expires_in", "scope"}
        assert (made["expires_in"], made["refresh_token_expires_in"]) == (3600, 7_776_000)
        # The old access token lives to its end; the old refresh token until its successor is used.
        assert (
            graphql(simulator, first_token).status_code == graphql(simulator, made["access_token"]).status_code == 200
        )
        again = renew(first).json()
        assert again["refresh_token"] == made["refresh_token"]
        assert renew(again["refresh_token"]).status_code == 200
        dead = renew(first)
        assert (dead.status_code, dead.json()["error"]) == (401, "invalid_request")
        assert renew(shop.refresh_token, client_secret="x").json()["error"] == "invalid_client"
        assert renew(shop.refresh_token, grant_type="password").json()["error"] == "unsupported_grant_type"
        shop.expire()
        assert graphql(simulator, shop.token).status_code == 401
        shop.revoke()
        assert renew(shop.refresh_token).status_code == 401


def test_each_fault_has_words_and_a_status() -> None:
    played = {"throttled", "slow", "dripping", "dripping_headers", "cut_off", "lost", "redirect", "reset"}
    assert set(FAULTS) == set(BODIES) | played
    with pytest.raises(ValueError, match="no fault 'nonsense'"):
        SimShop(SHOP, orders=1).script(["nonsense"])


def test_a_state_lasts_and_a_script_passes(served: tuple[SimShop, Simulator]) -> None:
    shop, simulator = served
    shop.script(["500", {"fault": "429", "seconds": 3, "skip": 1}])
    found = [graphql(simulator, shop.token) for _ in range(4)]
    assert [item.status_code for item in found] == [500, 200, 429, 200]
    assert found[2].headers["Retry-After"] == "3"
    shop.state = "frozen"
    assert [graphql(simulator, shop.token).status_code for _ in range(3)] == [402] * 3


def test_a_running_simulator_is_steered_over_http(served: tuple[SimShop, Simulator]) -> None:
    shop, simulator = served
    order = {"shop": SHOP, "script": ["503"], "set": {"state": None, "scopes": ["read_orders"]}}
    assert post(simulator, "_control", json=order).status_code == 200
    assert graphql(simulator, shop.token).status_code == 503
    assert shop.scopes == ["read_orders"]
    for wrong in ({"shop": "x"}, {"shop": SHOP, "set": {"data": 1}}, {"shop": SHOP, "script": ["nonsense"]}):
        assert post(simulator, "_control", json=wrong).status_code == 400
    log = requests.get(f"{simulator.url}/_log", timeout=10).json()
    assert [entry.get("fault") for entry in log] == ["503"]
    assert shop.token not in json.dumps(log)


def test_it_runs_as_a_process(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "scheduler_daemon.simulator", "--ready-file", str(ready), "--shop", SHOP]
    process = subprocess.Popen([*command, "--orders", "20", "--currency", "JPY", "--access", "client"])
    try:
        while not ready.exists():
            assert process.poll() is None
        assert ready.stat().st_mode & 0o777 == 0o600
        facts = json.loads(ready.read_text(encoding="utf-8"))
        client = facts["shops"][SHOP]
        form = {"grant_type": "client_credentials", **{k: client[k] for k in ("client_id", "client_secret")}}
        url = facts["base_url"].format(shop=SHOP)
        made = requests.post(f"{url}/admin/oauth/access_token", data=form, timeout=10).json()
        assert made["expires_in"] == 86399
        found = requests.post(
            f"{url}/admin/api/2026-10/graphql.json",
            headers={"X-Shopify-Access-Token": made["access_token"]},
            json={"query": "{ shop { currencyCode } ordersCount { count } }"},
            timeout=10,
        )
        assert found.json()["data"] == {"shop": {"currencyCode": "JPY"}, "ordersCount": {"count": 20}}
    finally:
        process.terminate()
        process.wait(30)
