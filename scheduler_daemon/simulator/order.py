"""
One invented order, made from its number: lines, and what happened to it later.

An order is a dict. Its lines carry `total` (price times quantity), `discount` (allocated from line and order
discounts), `tax`, and `off`, the discount without the tax that it saved. What happened later is one of: `refunds`
(each with items, shipping given back, and `extra`, money given back beyond the items, below zero where some was kept),
`edit` (a line added, a unit removed, a discount given) and `cancelled`.
"""

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .catalog import CHANNELS, CITIES, PEOPLE, TAGS, Variant

if TYPE_CHECKING:
    from .data import ShopData

TAX_PERCENT = 20
#: Refunds of an order that has very many, and the units of its only line.
MANY = 60
UNITS = 80
#: What happens to a changed order, by weight.
CHANGES = ("refund", "refund", "refund", "refund", "refund", "cancel", "edit", "goodwill")


def is_long(number: int) -> bool:
    """Whether the order has more lines than fit into one page; then all are refunded at once."""
    return number % 1000 == 250


def is_refunded_often(number: int) -> bool:
    """Whether the order has more refunds than fit into one page."""
    return number % 1000 == 777


def make_order(data: "ShopData", number: int) -> dict[str, Any]:
    """Return order *number*; the same every time."""
    chance = random.Random(f"{data.seed}/{number}")
    long, many = is_long(number), is_refunded_often(number)
    count = chance.choice((1, 1, 1, 2, 2, 3, 5))
    count = chance.randint(40, 60) if long else 1 if many else count
    lines = [_line(chance, number, index, chance.choice(data.variants)) for index in range(count)]
    if many:
        _reprice(lines[0], data.variants[0], UNITS)
    _spread_discount(chance, lines)
    for line in lines:
        _add_tax(line, data.taxes_included)
    order = _frame(data, chance, number, lines)
    changed = data.changed_at(number)
    if changed is not None:
        kind = "all" if long else "many" if many else chance.choice(CHANGES)
        _change(data, chance, order, kind, changed)
    return order


def _frame(data: "ShopData", chance: random.Random, number: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    scale = 10 if data.digits > 2 else 1
    shipping = chance.choice((0, 490, 490, 990)) * scale
    code = chance.choice((None, None, None, None, "SPRING10", "SHIPFREE"))
    person = chance.randrange(len(PEOPLE))
    return {
        "number": number,
        "created": data.created[number],
        "processed": data.processed(number),
        "updated": data.updated(number),
        "cancelled": None,
        "test": chance.randrange(100) == 0,
        "pending": chance.randrange(40) == 0,
        "lines": lines,
        "shipping": 0 if code == "SHIPFREE" else shipping,
        "shipping_off": shipping if code == "SHIPFREE" else 0,
        "tip": 250 * scale if chance.randrange(30) == 0 else 0,
        "refunds": [],
        "edit": None,
        "channel": chance.choice(CHANNELS),
        "tags": sorted(chance.sample(TAGS, chance.choice((0, 0, 1, 2)))),
        "person": PEOPLE[person] if chance.randrange(10) else None,
        "city": chance.choice(CITIES),
        "note": chance.choice((None, None, "Ring twice,\nplease", "-fragile-")),
        "code": code,
        "fulfilled": chance.randrange(8) > 0,
        "closed": chance.randrange(3) == 0,
    }


# Lines --------------------------------------------------------------------------------------------------------------


def _line(chance: random.Random, number: int, index: int, variant: Variant) -> dict[str, Any]:
    line: dict[str, Any] = {"id": number * 100 + index, "returned": 0, "added": False}
    line["title"] = variant.first_title if number % 2 else variant.product
    _reprice(line, variant, chance.choice((1, 1, 1, 2, 3)))
    cut = line["total"] // 10 if chance.randrange(12) == 0 else 0
    return line | {"discount": cut, "allocations": [cut] if cut else []}


def _reprice(line: dict[str, Any], variant: Variant, quantity: int) -> None:
    line |= {"variant": variant, "quantity": quantity, "price": variant.price, "total": variant.price * quantity}
    line |= {"discount": 0, "allocations": []}


def _spread_discount(chance: random.Random, lines: list[dict[str, Any]]) -> None:
    """Take a share off the whole order sometimes, allocated to lines to the cent as Shopify does."""
    if chance.randrange(5):
        return
    percent = chance.choice((5, 10, 25))
    for line in lines:
        share = (line["total"] - line["discount"]) * percent // 100
        line["discount"] += share
        line["allocations"].append(share)


def _add_tax(line: dict[str, Any], included: bool) -> None:
    taxed = not line["variant"].gift_card
    line["tax"] = tax_on(line["total"] - line["discount"], included) if taxed else 0
    line["off"] = line["discount"] - tax_on(line["discount"], True) if taxed and included else line["discount"]


def tax_on(amount: int, included: bool) -> int:
    """Return the tax in *amount* (included) or on it."""
    return round(amount * TAX_PERCENT / (100 + TAX_PERCENT)) if included else round(amount * TAX_PERCENT / 100)


# What happened later ------------------------------------------------------------------------------------------------


def _change(data: "ShopData", chance: random.Random, order: dict[str, Any], kind: str, at: datetime) -> None:
    if kind == "edit":
        order["edit"] = _edit(data, chance, order, at)
    elif kind == "goodwill":
        order["refunds"].append(_refund(order, at, 0, [], extra=max(1, order["lines"][0]["price"] // 10)))
    elif kind == "many":
        _refund_often(order, at)
    elif kind == "cancel":
        order["cancelled"] = at
        items = [_return(order, line, line["quantity"]) for line in order["lines"]]
        order["refunds"].append(_refund(order, at, 0, items, shipping=order["shipping"]))
    else:
        whole = kind == "all"
        chosen = [line for index, line in enumerate(order["lines"]) if whole or not index or chance.randrange(2)]
        items = [_return(order, line, line["quantity"] if whole else _some(chance, line)) for line in chosen]
        fee = -(items[0]["amount"] // 10) if chance.randrange(4) == 0 else 0
        order["refunds"].append(_refund(order, at, 0, items, extra=fee))


def _some(chance: random.Random, line: dict[str, Any]) -> int:
    return chance.randint(1, line["quantity"])


def _refund_often(order: dict[str, Any], last: datetime) -> None:
    """Return one unit at a time, the last at *last*."""
    step = (last - order["created"]) / MANY
    for index in range(MANY):
        at = last - step * (MANY - 1 - index)
        items = [_return(order, order["lines"][0], 1)]
        order["refunds"].append(_refund(order, at.replace(microsecond=0), index, items))


def _refund(
    order: dict[str, Any], at: datetime, index: int, items: list[dict[str, Any]], *, shipping: int = 0, extra: int = 0
) -> dict[str, Any]:
    return {"id": order["number"] * 100 + index, "at": at, "lines": items, "shipping": shipping, "extra": extra}


def _return(order: dict[str, Any], line: dict[str, Any], quantity: int) -> dict[str, Any]:
    """Return *quantity* units of *line*; the shares of all returns of a line add up to the line."""
    before = line["returned"]
    line["returned"] = before + quantity

    def share(value: int) -> int:
        return int(value * (before + quantity) // line["quantity"] - value * before // line["quantity"])

    made = {"id": line["id"] * 1000 + before, "line": line, "quantity": quantity}
    return made | {
        "amount": share(line["total"] - line["discount"]),
        "tax": share(line["tax"]),
        "off": share(line["off"]),
    }


def _edit(data: "ShopData", chance: random.Random, order: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Add a line, take one unit of the first line away, and give a discount on its rest."""
    added = _line(chance, order["number"], 90, chance.choice(data.variants)) | {"added": True}
    _add_tax(added, data.taxes_included)
    first = order["lines"][0]
    order["lines"].append(added)
    removed = _return(order, first, 1) if first["quantity"] > 1 else None
    cut = first["price"] // 20 if not first["variant"].gift_card else 0
    return {"at": at, "added": added, "removed": removed, "line": first, "cut": cut}
