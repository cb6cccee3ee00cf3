"""
The true totals of a period, straight from the data and not through GraphQL: tests compare files with them.

Written from the definitions of Shopify's sales reports, apart from `ledger.py`, which shows the same events as sales.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any

from .data import ShopData
from .order import tax_on


def money(units: int, digits: int = 2) -> str:
    """Return whole smallest units of a currency with *digits* decimals as decimal text: ``12.30``, ``1230``."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**digits)
    return f"{sign}{whole}.{part:0{digits}}" if digits else f"{sign}{whole}"


def order_sums(data: ShopData, order: dict[str, Any]) -> dict[str, int]:
    """
    Return an order's sums in smallest units, before returns as Shopify's: gross, discounts, shipping, taxes, total.

    And refunds, net (total without refunds), tips, items, and subtotal and line discounts for whoever shows the order.
    """
    included = data.taxes_included
    gross = sum(line["total"] for line in order["lines"])
    cut, saved = later_discount(data, order)
    line_discounts = sum(line["discount"] for line in order["lines"]) + cut
    taxes = sum(line["tax"] for line in order["lines"]) - saved
    total = gross - line_discounts + order["shipping"] + order["tip"] + (0 if included else taxes)
    refunds = sum(refund_total(data, refund) for refund in order["refunds"])
    items = sum(line["quantity"] for line in order["lines"] if not line["variant"].gift_card)
    return {
        "gross": gross,
        "discounts": line_discounts + order["shipping_off"],
        "subtotal": gross - line_discounts,
        "shipping": order["shipping"],
        "tips": order["tip"],
        "taxes": taxes,
        "total": total,
        "refunds": refunds,
        "net": total - refunds,
        "items": items,
    }


def later_discount(data: ShopData, order: dict[str, Any]) -> tuple[int, int]:
    """Return the discount that an edit gave, and the tax that it saved."""
    cut = order["edit"]["cut"] if order["edit"] else 0
    return cut, tax_on(cut, data.taxes_included)


def refund_total(data: ShopData, refund: dict[str, Any]) -> int:
    """Return what a refund gave back."""
    items = sum(int(item["amount"]) + (0 if data.taxes_included else item["tax"]) for item in refund["lines"])
    return int(items + refund["shipping"] + refund["extra"])


def orders_total(data: ShopData, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the number of orders created in [start, end), test orders left out, and the sums of their figures."""
    sums: dict[str, int] = defaultdict(int)
    count = 0
    for number in range(data.first("created", start), data.first("created", end)):
        order = data.order(number)
        if order["test"]:
            continue
        count += 1
        for key, value in order_sums(data, order).items():
            sums[key] += value
    texts = {key: value if key == "items" else money(value, data.digits) for key, value in sums.items()}
    return {"count": count, **texts}


def sales_by_variant(data: ShopData, start: datetime, end: datetime) -> dict[int, dict[str, Any]]:
    """
    Return by variant number what Shopify's own sales reports say of [start, end).

    A sale counts when its order was processed; a return, a cancellation and an edit when they happened. Test orders,
    gift cards, tips and shipping do not count; all amounts are without tax.
    """
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number in range(data.count):
        if data.updated(number) < start or data.processed(number) >= end:
            continue
        order = data.order(number)
        if not order["test"]:
            _add_order(data, found, order, start, end)
    return {number: _row(row, data.digits) for number, row in found.items()}


def _add_order(data: ShopData, found: Any, order: dict[str, Any], start: datetime, end: datetime) -> None:
    for line in order["lines"]:
        if not line["added"] and start <= order["processed"] < end:
            _add_sale(data, found, line)
    for refund in order["refunds"]:
        if start <= refund["at"] < end:
            for item in refund["lines"]:
                _add_return(data, found, item)
    edit = order["edit"]
    if edit and start <= edit["at"] < end:
        _add_sale(data, found, edit["added"])
        if edit["removed"]:
            _add_return(data, found, edit["removed"])
        if edit["cut"]:
            found[edit["line"]["variant"].number]["discounts"] += edit["cut"] - _within(data, edit["cut"])


def _within(data: ShopData, amount: int) -> int:
    return tax_on(amount, True) if data.taxes_included else 0


def _add_sale(data: ShopData, found: Any, line: dict[str, Any]) -> None:
    if line["variant"].gift_card:
        return
    row = found[line["variant"].number]
    row["units_sold"] += line["quantity"]
    discounts = line["discount"] - _within(data, line["discount"])
    paid = line["total"] - line["discount"]
    row["gross"] += paid - _within(data, paid) + discounts
    row["discounts"] += discounts


def _add_return(data: ShopData, found: Any, item: dict[str, Any]) -> None:
    if item["line"]["variant"].gift_card:
        return
    row = found[item["line"]["variant"].number]
    row["units_returned"] += item["quantity"]
    row["returns"] += item["amount"] - (item["tax"] if data.taxes_included else 0)


def adjustments(data: ShopData, start: datetime, end: datetime) -> str:
    """Return what was given back in [start, end) beyond the items (goodwill), less what was kept of them (fees)."""
    orders = (data.order(number) for number in range(data.count))
    refunds = (refund for order in orders if not order["test"] for refund in order["refunds"])
    return money(sum(refund["extra"] for refund in refunds if start <= refund["at"] < end), data.digits)


def _row(row: dict[str, int], digits: int) -> dict[str, Any]:
    net = row["gross"] - row["discounts"] - row["returns"]
    made = {key: money(row[key], digits) for key in ("gross", "discounts", "returns")}
    units = {key: row[key] for key in ("units_sold", "units_returned")}
    return {**made, "net_sales": money(net, digits), **units}
