"""Report rows through real HTTP, compared with the true totals of the invented data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from graphql import build_schema, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_daemon.errors import RunError, UsageError
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Period, Report, Table
from scheduler_daemon.shopify.check import QUERY as CHECK
from scheduler_daemon.shopify.check import SCOPES, check_shop
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.catalog import GIFT_CARD, RENAMED
from scheduler_daemon.simulator.search import financial_status, statuses
from scheduler_daemon.simulator.truth import adjustments, orders_total, sales_by_variant
from scheduler_daemon.sources import TYPES, open_source
from scheduler_daemon.sources.base import Ask, begun, padded, require_reach
from scheduler_daemon.sources.orders import Orders, query_for
from scheduler_daemon.sources.paging import Pages
from scheduler_daemon.sources.sales import READ_ON
from scheduler_daemon.sources.sales_by_product import QUERY
from scheduler_daemon.when.period import find_period
from tests.making import SHOP, now

MONEY = ("gross", "discounts", "refunds", "shipping", "tips", "taxes", "total", "net")
ALL = tuple((column.key, None) for column in Orders.columns)
ORDERS = Report("orders", "Orders", columns=ALL)
SALES = Report("sales-by-product", "Sales")
FAST = {"restore_rate": 1e6, "bucket_size": 20_000}


@contextmanager
def serving(**facts: Any) -> Iterator[tuple[SimShop, Client]]:
    made = SimShop(SHOP, **(FAST | facts))
    with Simulator([made]) as simulator, open_http() as http:
        yield made, Client(SHOP, Secret(made.token), http=http, base_url=simulator.base_url)


@pytest.fixture(params=[False, True], ids=["tax-added", "tax-included"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[SimShop, Client]]:
    with serving(orders=1500, taxes_included=request.param) as made:
        yield made


def ask(client: Client, report: Report, start: datetime, end: datetime) -> Ask:
    moment = now()
    known = check_shop(client, moment)
    return Ask(report, Period("custom", start, end, "UTC"), known, client, moment, moment, lambda _: None)


def fetch(client: Client, report: Report, start: datetime, end: datetime) -> Table:
    return open_source(report.type).fetch(ask(client, report, start, end))


def rows_of(table: Table) -> list[dict[str, Any]]:
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def rows(client: Client, report: Report, start: datetime, end: datetime) -> list[dict[str, Any]]:
    return rows_of(fetch(client, report, start, end))


def span(days_ago: int, days: int) -> tuple[datetime, datetime]:
    end = now().replace(microsecond=0) - timedelta(days=days_ago)
    return end - timedelta(days=days), end


# Orders -------------------------------------------------------------------------------------------------------------


def test_orders_add_up_to_the_truth(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(3, 20)
    found = rows(client, ORDERS, start, end)
    truth = orders_total(made.data, start, end)
    assert len(found) == truth["count"] > 100
    for key in MONEY:
        assert sum(Decimal(row[key]) for row in found) == Decimal(truth[key]) != 0, key
    assert sum(row["items"] for row in found) == truth["items"]
    for row in found:
        tax = 0 if made.data.taxes_included else Decimal(row["taxes"])
        paid = sum(Decimal(row[key]) for key in ("gross", "shipping", "tips")) - Decimal(row["discounts"]) + tax
        free = made.data.order(int(row["id"]) - 1)["shipping_off"]
        assert paid + Decimal(free) / 100 == Decimal(row["total"])


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("EUR", 2), ("KWD", 3)])
def test_amounts_have_the_decimals_of_their_currency(currency: str, digits: int) -> None:
    with serving(orders=300, currency=currency) as (made, client):
        start, end = span(0, 60)
        table = fetch(client, ORDERS, start, end)
        found = rows_of(table)
        truth = orders_total(made.data, start, end)
        sales = rows(client, SALES, start, end)
        assert {column.currency for column in table.columns if column.key in MONEY} == {currency}
        assert {row["currency"] for row in found} == {currency}
        for cell in [row[key] for row in found for key in MONEY] + [row["returns"] for row in sales]:
            assert len(cell.partition(".")[2]) == digits, cell
        assert sum(Decimal(row["total"]) for row in found) == Decimal(truth["total"])


@pytest.mark.parametrize(
    ("amount", "digits", "text"),
    [
        ("12.3", 2, "12.30"),
        ("12", 2, "12.00"),
        ("1200.0", 0, "1200"),
        ("-0.5", 2, "-0.50"),
        ("1.2345", 2, "1.2345"),
        ("1.2300", 2, "1.23"),
        ("7.5", 0, "7.5"),
        ("0.0", 3, "0.000"),
    ],
)
def test_no_decimal_is_lost_or_made_up(amount: str, digits: int, text: str) -> None:
    assert padded(amount, digits) == text


def test_the_period_is_half_open_to_the_second() -> None:
    with serving(orders=400, days=4) as (made, client):
        first, last = made.data.created[100], made.data.created[200]
        for start, end in ((first, last), (first + timedelta(seconds=1), last + timedelta(seconds=1))):
            truth = orders_total(made.data, start, end)
            assert len(rows(client, ORDERS, start, end)) == truth["count"]
        # A due moment has milliseconds, Shopify's moments do not: the order of that second was before it.
        half = last + timedelta(milliseconds=500)
        assert len(rows(client, ORDERS, first, half)) == orders_total(made.data, first, half)["count"]
        assert len(rows(client, ORDERS, half, half + timedelta(milliseconds=1))) == 0


@pytest.mark.parametrize(
    ("due", "hours"), [("2026-03-29T22:30:00+00:00", 23), ("2026-10-25T23:30:00+00:00", 25)], ids=["spring", "autumn"]
)
@pytest.mark.parametrize("kind", ["orders", "sales-by-product"])
def test_the_day_of_a_clock_change_is_whole(due: str, hours: int, kind: str) -> None:
    moment = datetime.fromisoformat(due)
    with serving(orders=600, days=3, now=moment, zone="Europe/Paris") as (made, client):
        report = Report(kind, "Day", period="yesterday")
        period = find_period(report, moment, "Europe/Paris")
        assert period.end - period.start == timedelta(hours=hours)
        assert period.start.astimezone(ZoneInfo("Europe/Paris")).hour == 0
        known = check_shop(client, moment)
        table = open_source(kind).fetch(Ask(report, period, known, client, moment, moment, lambda _: None))
        found = rows_of(table)
        if kind == "orders":
            assert len(found) == orders_total(made.data, period.start, period.end)["count"] > 100
        else:
            truth = sales_by_variant(made.data, period.start, period.end)
            assert sum(row["units_sold"] for row in found) == sum(row["units_sold"] for row in truth.values()) > 100


def test_columns_are_chosen_and_renamed(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    start, end = span(3, 5)
    report = Report("orders", "Orders", columns=(("name", "Number"), ("total", None)))
    table = fetch(client, report, start, end)
    assert [(column.title, column.currency) for column in table.columns] == [("Number", None), ("Total", "EUR")]
    assert "customer" not in str(table.about.query)


@pytest.mark.parametrize("column", [column.key for column in Orders.columns])
def test_each_column_is_asked_for_and_answered(shop: tuple[SimShop, Client], column: str) -> None:
    made, client = shop
    made.scopes = ("read_orders",) if column not in ("customer", "email") else made.scopes
    found = rows(client, Report("orders", "x", columns=((column, None),)), *span(1, 50))
    assert any(row[column] not in (None, "") for row in found)


@pytest.mark.parametrize("column", ["customer", "email"])
def test_a_column_that_needs_a_scope_names_it(shop: tuple[SimShop, Client], column: str) -> None:
    made, client = shop
    report = Report("orders", "x", columns=((column, None),))
    made.scopes = ("read_orders",)
    with pytest.raises(RunError) as caught:
        fetch(client, report, *span(1, 9))
    assert (caught.value.code, caught.value.retryable) == ("scope_missing", False)
    assert "read_customers" in caught.value.message
    made.scopes, made.approved = ("read_orders", "read_customers"), False
    with pytest.raises(RunError) as caught:
        fetch(client, report, *span(1, 9))
    assert caught.value.code == "scope_missing"
    assert "not approved" in caught.value.message


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report("orders", "x", columns=(("nmae", None),)), "unknown_column"),
        (Report("orders", "x", filters={"tga": "vip"}), "bad_filter"),
        (Report("orders", "x", filters={"financial_status": "payed"}), "bad_filter"),
        (Report("sales-by-product", "x", filters={"vendro": "x"}), "bad_filter"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(shop: tuple[SimShop, Client], report: Report, code: str) -> None:
    _, client = shop
    with pytest.raises(UsageError) as caught:
        rows(client, report, *span(3, 5))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"tag": "vip"}, lambda order: "vip" in order["tags"]),
        ({"tag": 'gift, "wrapped'}, lambda order: "gift, wrapped" in order["tags"]),
        ({"channel": "pos"}, lambda order: order["channel"] == "pos"),
        ({"financial_status": "paid"}, lambda order: financial_status(order) == "PAID"),
        ({"financial_status": "partially_refunded"}, lambda order: financial_status(order) == "PARTIALLY_REFUNDED"),
        ({"financial_status": "pending"}, lambda order: financial_status(order) == "PENDING"),
        ({"fulfillment_status": "unshipped"}, lambda order: not order["fulfilled"]),
        ({"include_cancelled": False}, lambda order: "cancelled" not in statuses(order)),
        ({"include_test": True}, None),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_a_filter_chooses_orders(shop: tuple[SimShop, Client], filters: dict[str, Any], fits: Any) -> None:
    made, client = shop
    start, end = span(3, 40)
    found = {row["id"] for row in rows(client, replace(ORDERS, filters=filters), start, end)}
    inside = [made.data.order(number) for number in range(made.data.first("created", start), made.data.count)]
    inside = [order for order in inside if order["created"] < end]
    wanted = inside if fits is None else [order for order in inside if fits(order) and not order["test"]]
    assert found == {str(order["number"] + 1) for order in wanted}
    assert 0 < len(found) < len(inside) or fits is None


# Sales by product ---------------------------------------------------------------------------------------------------


def named(made: SimShop, truth: dict[int, dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The truth by what a row shows of its variant; where a product is gone, by what it was called when sold."""
    found = {}
    for number, row in truth.items():
        variant = made.data.variants[number]
        found[variant.product, variant.title, variant.sku] = row
    return found


def same(found: list[dict[str, Any]], truth: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    by_name = {(row["product"], row["variant"], row["sku"]): row for row in found}
    assert len(by_name) == len(found)
    assert set(by_name) == set(truth)
    for key, row in truth.items():
        assert {name: by_name[key][name] for name in row} == row, key


def test_sales_by_product_equal_the_sales_ledger(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(2, 14)
    found = rows(client, SALES, start, end)
    same(found, named(made, sales_by_variant(made.data, start, end)))
    assert all(any(Decimal(row[key]) for row in found) for key in ("gross", "discounts", "returns"))
    assert [Decimal(row["net_sales"]) for row in found] == sorted(
        (Decimal(r["net_sales"]) for r in found), reverse=True
    )


def test_long_orders_and_many_refunds_are_read_to_their_end(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(0, 90)
    long, many = made.data.order(250), made.data.order(777)
    assert len(long["lines"]) > 30
    assert len(long["refunds"][0]["lines"]) > 30
    assert len(many["refunds"]) > 50
    same(rows(client, SALES, start, end), named(made, sales_by_variant(made.data, start, end)))
    assert sum(entry.get("query") == "SalesOfOrder" for entry in made.log) > 60


def test_what_no_product_owns_is_said_in_a_note(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(2, 50)
    notes = fetch(client, SALES, start, end).about.notes
    loose = adjustments(made.data, start, end)
    assert Decimal(loose) != 0
    assert any(note.startswith(f"{loose.lstrip('-')} EUR") for note in notes), notes
    assert not any(
        "EUR" in note for note in fetch(client, replace(SALES, filters={"vendor": "x"}), start, end).about.notes
    )


def test_each_day_has_its_own_sales_and_the_days_add_up(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    start, end = span(5, 6)
    days = [start + timedelta(days=index) for index in range(7)]
    assert days[-1] == end
    daily = [rows(client, SALES, first, last) for first, last in pairwise(days)]
    whole = rows(client, SALES, start, end)
    for key in ("units_sold", "units_returned"):
        assert sum(row[key] for day in daily for row in day) == sum(row[key] for row in whole)
    for key in ("gross", "discounts", "returns", "net_sales"):
        assert sum(Decimal(row[key]) for day in daily for row in day) == sum(Decimal(row[key]) for row in whole)


def test_an_imported_order_counts_when_it_was_processed(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    imported = made.data.order(1203)
    start = imported["processed"]
    assert imported["created"] - start >= timedelta(days=1)
    found = rows(client, SALES, start, start + timedelta(seconds=1))
    same(found, named(made, sales_by_variant(made.data, start, start + timedelta(seconds=1))))
    assert sum(row["units_sold"] for row in found) >= sum(
        line["quantity"] for line in imported["lines"] if not line["variant"].gift_card
    )


def test_a_renamed_product_is_one_row_and_a_gift_card_is_none(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    renamed = made.data.variants[RENAMED * 3]
    found = rows(client, SALES, *span(0, 60))
    assert sum(row["sku"] == renamed.sku for row in found) == 1
    assert {row["product"] for row in found if row["sku"] == renamed.sku} == {renamed.product}
    gift = made.data.variants[GIFT_CARD]
    assert gift.sku not in {row["sku"] for row in found}


def test_without_variant_columns_there_is_a_row_a_product(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    start, end = span(2, 30)
    report = replace(SALES, columns=(("product", None), ("orders", None), ("units_sold", None), ("net_sales", None)))
    found = rows(client, report, start, end)
    assert len(found) == len({row["product"] for row in found}) <= 12
    truth = sales_by_variant(made.data, start, end)
    assert sum(Decimal(row["net_sales"]) for row in found) == sum(Decimal(row["net_sales"]) for row in truth.values())
    for row in found:
        sold = [
            order
            for order in map(made.data.order, range(made.data.count))
            if not order["test"]
            and (
                (
                    start <= order["processed"] < end
                    and any(_is(line, row) for line in order["lines"] if not line["added"])
                )
                or (order["edit"] and start <= order["edit"]["at"] < end and _is(order["edit"]["added"], row))
            )
        ]
        assert row["orders"] == len(sold)


def _is(line: dict[str, Any], row: dict[str, Any]) -> bool:
    return line["variant"].product == row["product"] and not line["variant"].gift_card


def test_product_filters_choose_rows_and_the_tag_chooses_orders(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    period = span(2, 30)
    whole = rows(client, SALES, *period)
    vendor = rows(client, replace(SALES, filters={"vendor": "Acme, Inc."}), *period)
    assert vendor == [row for row in whole if row["vendor"] == "Acme, Inc."] != []
    kind = rows(client, replace(SALES, filters={"product_type": "Teaware"}), *period)
    assert kind == [row for row in whole if row["type"] == "Teaware"] != []
    tagged = rows(client, replace(SALES, filters={"tag": "vip"}), *period)
    assert 0 < sum(row["units_sold"] for row in tagged) < sum(row["units_sold"] for row in whole)


def test_an_order_that_changes_while_it_is_read_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(orders=700, days=20) as (made, client):
        start, end = span(1, 15)
        truth = named(made, sales_by_variant(made.data, start, end))
        whole = made.data.by("updated")
        first = next(n for n in whole if made.data.updated(n) >= start and made.data.processed(n) < end)
        updated, calls = made.data.updated, []

        def touch(_: int) -> None:
            calls.append(1)
            if len(calls) == 2:  # after the first page a note is added to the order that came first in it
                made.data._sorted.clear()
                monkeypatch.setattr(
                    made.data, "updated", lambda n: made.data.until if n == first else updated(n), raising=True
                )

        asked = replace(ask(client, SALES, start, end), check=touch)
        found = rows_of(open_source("sales-by-product").fetch(asked))
        assert len(calls) > 2
        same(found, truth)


# Reach and paging ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [ORDERS, SALES], ids=["orders", "sales"])
def test_a_period_that_the_token_cannot_see_is_refused(shop: tuple[SimShop, Client], report: Report) -> None:
    made, client = shop
    made.scopes = ("read_orders", "read_products", "read_customers")
    with pytest.raises(RunError) as caught:
        rows(client, report, *span(30, 60))
    assert caught.value.code == "scope_missing"
    assert "read_all_orders" in caught.value.hint
    assert rows(client, report, *span(1, 50))


@pytest.mark.parametrize(
    ("ago", "scopes", "seen"),
    [
        (timedelta(days=60), ("read_orders",), True),
        (timedelta(days=60, seconds=1), ("read_orders",), False),
        (timedelta(days=400), ("read_orders", "read_all_orders"), True),
        (timedelta(days=400), None, True),
        (timedelta(days=61), (), False),
    ],
)
def test_sixty_days_are_in_reach_and_no_second_more(ago: timedelta, scopes: tuple[str, ...] | None, seen: bool) -> None:
    moment = now()
    period = Period("custom", moment - ago, moment, "UTC")
    if seen:
        require_reach(period, scopes, moment)
        return
    with pytest.raises(RunError) as caught:
        require_reach(period, scopes, moment)
    assert (caught.value.code, caught.value.retryable) == ("scope_missing", False)


def test_a_period_out_of_reach_is_named_by_its_first_day_where_it_counts() -> None:
    first = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC)
    period = Period("year_to_date", first, first + timedelta(days=300), "Europe/Paris")
    with pytest.raises(RunError, match="begins on 01 Jan 2026"):
        require_reach(period, ("read_orders",), period.end)


def test_a_late_run_looks_again_how_far_the_token_reaches(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    made.scopes = ("read_orders", "read_products", "read_customers")
    start, end = span(31, 25)
    asked = ask(client, ORDERS, start, end)
    assert start > asked.due_at - timedelta(days=60)
    assert len(rows_of(open_source("orders").fetch(asked))) == orders_total(made.data, start, end)["count"]
    late = replace(asked, made_at=asked.due_at + timedelta(days=5))
    with pytest.raises(RunError) as caught:
        open_source("orders").fetch(late)
    assert caught.value.code == "scope_missing"


def test_a_scope_that_was_taken_away_since_the_last_check_is_noticed(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    asked = ask(client, ORDERS, *span(30, 60))
    assert "read_all_orders" in (asked.shop.scopes or ())
    made.scopes = ("read_orders", "read_products", "read_customers")
    with pytest.raises(RunError) as caught:
        open_source("orders").fetch(asked)
    assert caught.value.code == "scope_missing"


def test_missing_returns_of_old_orders_are_said(shop: tuple[SimShop, Client]) -> None:
    made, client = shop
    assert not any("60 days" in note for note in fetch(client, SALES, *span(1, 10)).about.notes)
    made.scopes = ("read_orders", "read_products")
    assert any("60 days" in note for note in fetch(client, SALES, *span(1, 10)).about.notes)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_orders_that_share_a_second_are_neither_lost_nor_doubled_at_the_split(data: st.DataObject) -> None:
    seconds = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=60), "seconds")
    limit = data.draw(st.integers(8, 20), "limit")
    size = data.draw(st.integers(1, 7), "page")
    by = data.draw(st.sampled_from(["createdAt", "updatedAt"]), "by")
    most = max(seconds.count(second) for second in seconds)
    with serving(orders=len(seconds)) as (made, client):
        base = made.data.until - timedelta(days=2)
        made.data.created = sorted(base + timedelta(seconds=second) for second in seconds)
        made.data._changes = type(made.data._changes)("q", [0] * len(seconds))
        made.cursor_limit = limit + 1  # the walk stops before Shopify's own limit, where there seems to be no more
        field = "created_at" if by == "createdAt" else "updated_at"
        query = query_for(Orders.columns[:1]).replace("CREATED_AT", field.upper()).replace("createdAt", by)
        pages = Pages(client, query, lambda _: None, limit=limit)
        pages.size = size

        def search(since: datetime | None) -> str:
            return f"{field}:>='{(since or datetime(2020, 1, 1, tzinfo=UTC)):%Y-%m-%dT%H:%M:%SZ}'"

        seen, code = [], ""
        try:
            seen.extend(order["id"] for order in pages.read(search, by))
        except RunError as error:
            code = error.code
        assert len(seen) == len(set(seen))
        if code:
            # More orders in one second than a cursor gives cannot be read, and that is said.
            assert (code, most > limit - 2 * size) == ("too_many_rows", True)
        else:
            assert len(seen) == len(seconds)


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


def test_rows_are_streamed_and_an_early_error_comes_early() -> None:
    taken: list[int] = []

    def endless() -> Iterator[list[Any]]:
        for number in range(10**9):
            taken.append(number)
            yield [number]

    rows = begun(endless())
    assert taken == [0]
    assert [next(rows), next(rows)] == [[0], [1]]
    assert list(begun(iter(()))) == []


def test_the_report_says_which_version_answered(shop: tuple[SimShop, Client]) -> None:
    _, client = shop
    client._url = client._url.replace("2026-10", "2024-01")
    assert fetch(client, ORDERS, *span(1, 2)).about.api_version == "2026-01"


def test_every_query_is_valid_in_shopifys_schema() -> None:
    schema = build_schema(files("scheduler_daemon.simulator").joinpath("schema.graphql").read_text(encoding="utf-8"))
    queries = (CHECK, SCOPES, QUERY, READ_ON, *(query_for((column,)) for column in Orders.columns))
    for query in (*queries, query_for(Orders.columns)):
        assert validate(schema, parse(query)) == []


def test_every_type_has_its_default_columns() -> None:
    for key in TYPES:
        source = open_source(key)
        assert set(source.default_columns) <= {column.key for column in source.columns}
