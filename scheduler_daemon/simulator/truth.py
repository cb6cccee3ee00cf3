"""The true totals of a period, straight from the data and not through GraphQL: tests compare files with them."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from .data import ShopData


def money(cents: int) -> str:
    """Return whole cents as decimal text."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"


def order_sums(data: ShopData, order: dict[str, Any]) -> dict[str, int]:
    """Return an order's sums in cents: gross, discounts, shipping, tax, total, refunds, items."""
    gross = sum(line["total"] for line in order["lines"])
    discounts = sum(line["discount"] for line in order["lines"])
    tax = sum(line["tax"] for line in order["lines"])
    total = gross - discounts + order["shipping"] + (0 if data.taxes_included else tax)
    refunds = 0
    for refund in order["refunds"]:
        refunds += sum(item["amount"] + (0 if data.taxes_included else item["tax"]) for item in refund["lines"])
    items = sum(line["quantity"] for line in order["lines"])
    sums = {"gross": gross, "discounts": discounts, "shipping": order["shipping"], "taxes": tax, "total": total}
    return sums | {"refunds": refunds, "net": total - refunds, "items": items}


def orders_total(data: ShopData, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the number of orders created in [start, end), test orders left out, and the sums of their figures."""
    sums: dict[str, int] = defaultdict(int)
    count = 0
    for number in range(data.first_created(start), data.first_created(end)):
        order = data.order(number)
        if order["test"]:
            continue
        count += 1
        for key, value in order_sums(data, order).items():
            sums[key] += value
    return {"count": count, **{key: value if key == "items" else money(value) for key, value in sums.items()}}


def sales_by_sku(data: ShopData, start: datetime, end: datetime) -> dict[str, dict[str, Any]]:
    """
    Return by SKU what Shopify's own sales ledger says of [start, end).

    A sale counts when its order was processed, a return when the refund was made; test orders and gift cards do not
    count; gross is without tax in shops whose prices include it.
    """
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number in range(data.first_created(end)):
        order = data.order(number) if _touches(data, number, start) else None
        if order is None or order["test"]:
            continue
        if order["created"] >= start:
            for line in order["lines"]:
                _add_sale(data, found, line)
        for refund in order["refunds"]:
            if start <= refund["at"] < end:
                for item in refund["lines"]:
                    _add_return(data, found, item)
    return {sku: _row(row) for sku, row in found.items()}


def _touches(data: ShopData, number: int, start: datetime) -> bool:
    return data.created[number] >= start or data.updated(number) >= start


def _add_sale(data: ShopData, found: Any, line: dict[str, Any]) -> None:
    if line["variant"].gift_card:
        return
    row = found[line["variant"].sku]
    included = line["tax"] if data.taxes_included else 0
    row["units_sold"] += line["quantity"]
    row["gross"] += line["total"] - included
    row["discounts"] += line["discount"]


def _add_return(data: ShopData, found: Any, item: dict[str, Any]) -> None:
    if item["line"]["variant"].gift_card:
        return
    row = found[item["line"]["variant"].sku]
    included = item["tax"] if data.taxes_included else 0
    row["units_returned"] += item["quantity"]
    row["returns"] += item["amount"] - included


def _row(row: dict[str, int]) -> dict[str, Any]:
    net = row["gross"] - row["discounts"] - row["returns"]
    made = {key: money(row[key]) for key in ("gross", "discounts", "returns")}
    return {**made, "net_sales": money(net), "units_sold": row["units_sold"], "units_returned": row["units_returned"]}
