"""Report rows through real HTTP, compared with the true totals of the invented data."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from scheduler_daemon.errors import RunError, UsageError
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Period, Report
from scheduler_daemon.shopify.check import QUERY as CHECK
from scheduler_daemon.shopify.check import check_shop
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.truth import orders_total, sales_by_sku
from scheduler_daemon.sources import TYPES, open_source
from scheduler_daemon.sources.base import Ask
from scheduler_daemon.sources.orders import Orders, query_for
from scheduler_daemon.sources.paging import Pages
from scheduler_daemon.sources.sales_by_product import MORE_LINES, QUERY
from tests.making import SHOP, now

MONEY = ("gross", "discounts", "refunds", "shipping", "taxes", "total", "net")


@pytest.fixture(params=[False, True], ids=["tax-added", "tax-included"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[SimShop, Client]]:
    made = SimShop(SHOP, orders=1500, taxes_included=request.param, restore_rate=1e6, bucket_size=20_000)
    with Simulator([made]) as simulator, open_http() as http:
        yield made, Client(SHOP, Secret(made.token), http=http, base_url=simulator.base_url)


def ask(client: Client, report: Report, start: datetime, end: datetime) -> Ask:
    moment = now()
    known = check_shop(client, moment)
    return Ask(report, Period("custom", start, end, "UTC"), known, client, moment, moment, lambda _: None)


def rows(client: Client, report: Report, start: datetime, end: datetime) -> list[dict[str, Any]]:
    table = open_source(report.type).fetch(ask(client, report, start, end))
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def span(days_ago: int, days: int) -> tuple[datetime, datetime]:
    end = now().replace(microsecond=0) - timedelta(days=days_ago)
    return end - timedelta(days=days), end


def test_orders_add_up_to_the_truth(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(3, 20)
    found = rows(client, Report("orders", "Orders"), start, end)
    truth = orders_total(made.data, start, end)
    assert len(found) == truth["count"] > 100
    for key in MONEY:
        assert sum(Decimal(row[key]) for row in found) == Decimal(truth[key]), key
    assert sum(row["items"] for row in found) == truth["items"]


def test_sales_by_product_equal_the_sales_ledger(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(2, 14)
    found = {row["sku"]: row for row in rows(client, Report("sales-by-product", "Sales"), start, end)}
    truth = sales_by_sku(made.data, start, end)
    assert set(found) == set(truth)
    for sku, row in truth.items():
        assert {key: found[sku][key] for key in row} == row
    assert any(Decimal(row["returns"]) for row in found.values())


def test_a_search_longer_than_one_cursor_is_read_whole(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    made.cursor_limit = 300
    seen = [
        order["id"]
        for order in Pages(client, query_for(Orders.columns[:1]), lambda _: None, limit=250).read(
            lambda since: f"created_at:>='{(since or datetime(2020, 1, 1, tzinfo=UTC)):%Y-%m-%dT%H:%M:%SZ}'",
            "createdAt",
        )
    ]
    assert len(seen) == len(set(seen)) == made.data.count


def test_columns_are_chosen_and_renamed(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    start, end = span(3, 5)
    report = Report("orders", "Orders", columns=(("name", "Number"), ("total", None)))
    table = open_source("orders").fetch(ask(client, report, start, end))
    assert [(column.title, column.currency) for column in table.columns] == [("Number", None), ("Total", "EUR")]
    assert "customer" not in str(table.about.query)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report("orders", "x", columns=(("nmae", None),)), "unknown_column"),
        (Report("orders", "x", filters={"tga": "vip"}), "bad_filter"),
        (Report("orders", "x", filters={"financial_status": "payed"}), "bad_filter"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(shop: tuple[SimShop, Client], report: Report, code: str) -> None:
    _, client = shop
    with pytest.raises(UsageError) as caught:
        rows(client, report, *span(3, 5))
    assert caught.value.code == code


def test_a_filter_chooses_orders(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    found = rows(client, Report("orders", "x", filters={"tag": "vip"}), *span(3, 20))
    assert found
    assert all("vip" in row["tags"] for row in found)


def test_a_period_that_the_token_cannot_see_is_refused(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    made.scopes = ("read_orders", "read_products")
    with pytest.raises(RunError) as caught:
        rows(client, Report("orders", "x"), *span(30, 60))
    assert caught.value.code == "scope_missing"


def test_every_query_is_valid_in_shopifys_schema() -> None:
    schema = build_schema(files("scheduler_daemon.simulator").joinpath("schema.graphql").read_text(encoding="utf-8"))
    for query in (CHECK, QUERY, MORE_LINES, query_for(Orders.columns), query_for(Orders.columns[:3])):
        assert validate(schema, parse(query)) == []


def test_every_type_has_its_default_columns() -> None:
    for key in TYPES:
        source = open_source(key)
        assert set(source.default_columns) <= {column.key for column in source.columns}
