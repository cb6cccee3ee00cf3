"""
An order's sales agreements, as Shopify keeps them: what was sold, changed and given back, each on its own day.

Shopify's sales reports are made of these (Shopify docs: SalesAgreement, Sale). A return mirrors its sale with negative
quantity and amounts; what a refund gave beyond its items, or kept of them, is an adjustment without a product.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .data import ShopData
from .pages import Later, connection
from .truth import later_discount

#: Makes a money bag of whole smallest units; makes a line item's fields.
Bag = Callable[[int], dict[str, Any]]
ShowLine = Callable[[dict[str, Any]], dict[str, Any]]
#: (type, action, line type, line or None, quantity, amount without added tax, tax, discount without tax, discount)
Entry = tuple[str, str, str, dict[str, Any] | None, int | None, int, int, int, int]

#: The agreement's type for each reason.
TYPES = {
    "ORDER": "OrderAgreement",
    "ORDER_EDIT": "OrderEditAgreement",
    "REFUND": "RefundAgreement",
    "RETURN": "ReturnAgreement",
}


def agreements(data: ShopData, order: dict[str, Any], show_line: ShowLine, bag: Bag, iso: Any) -> Callable[..., Any]:
    """Return the field `agreements` of *order*, the oldest first."""
    found: list[tuple[str, datetime, list[Entry]]] = [("ORDER", order["created"], _placed(order))]
    if order["edit"]:
        found.append(("ORDER_EDIT", order["edit"]["at"], _edited(data, order)))
    for refund in order["refunds"]:
        reason = "RETURN" if order["number"] % 2 and not order["cancelled"] else "REFUND"
        found.append((reason, refund["at"], _given_back(refund)))
    numbered = list(enumerate(found))

    def show(item: tuple[int, tuple[str, datetime, list[Entry]]]) -> dict[str, Any]:
        index, (reason, at, entries) = item
        base = (order["number"] * 100 + index) * 1000
        sales = [(base + place, entry) for place, entry in enumerate(entries)]
        return {
            "__typename": TYPES[reason],
            "id": f"gid://shopify/SalesAgreement/{base}",
            "happenedAt": iso(at),
            "reason": reason,
            "app": None,
            "sales": connection(Later(sales, lambda pair: _sale(data, pair[0], pair[1], show_line, bag))),
        }

    return connection(Later(numbered, show))


def _product(action: str, line: dict[str, Any], quantity: int, amount: int, tax: int, off: int, cut: int) -> Entry:
    gift = line["variant"].gift_card
    names = ("GiftCardSale", "GIFT_CARD") if gift else ("ProductSale", "PRODUCT")
    return names[0], action, names[1], line, quantity, amount, tax, off, cut


def _sold(line: dict[str, Any]) -> Entry:
    paid = line["total"] - line["discount"]
    return _product("ORDER", line, line["quantity"], paid, line["tax"], line["off"], line["discount"])


def _returned(item: dict[str, Any]) -> Entry:
    off = -item["off"]
    return _product("RETURN", item["line"], -item["quantity"], -item["amount"], -item["tax"], off, off)


def _placed(order: dict[str, Any]) -> list[Entry]:
    made = [_sold(line) for line in order["lines"] if not line["added"]]
    if order["shipping"] or order["shipping_off"]:
        off = order["shipping_off"]
        made.append(("ShippingLineSale", "ORDER", "SHIPPING", None, None, order["shipping"], 0, off, off))
    if order["tip"]:
        made.append(("TipSale", "ORDER", "TIP", order["lines"][0], 1, order["tip"], 0, 0, 0))
    return made


def _edited(data: ShopData, order: dict[str, Any]) -> list[Entry]:
    edit = order["edit"]
    made = [_sold(edit["added"])]
    if edit["removed"]:
        made.append(_returned(edit["removed"]))
    cut, saved = later_discount(data, order)
    if cut:
        off = cut - saved if data.taxes_included else cut
        made.append(_product("UPDATE", edit["line"], 0, -cut, -saved, off, cut))
    return made


def _given_back(refund: dict[str, Any]) -> list[Entry]:
    made = [_returned(item) for item in refund["lines"]]
    if refund["shipping"]:
        made.append(("ShippingLineSale", "RETURN", "SHIPPING", None, None, -refund["shipping"], 0, 0, 0))
    if refund["extra"]:
        made.append(("AdjustmentSale", "RETURN", "ADJUSTMENT", None, None, -refund["extra"], 0, 0, 0))
    return made


def _sale(data: ShopData, number: int, entry: Entry, show_line: ShowLine, bag: Bag) -> dict[str, Any]:
    name, action, kind, line, quantity, amount, tax, off, cut = entry
    shown = {
        "__typename": name,
        "id": f"gid://shopify/{name}/{number}",
        "actionType": action,
        "lineType": kind,
        "quantity": quantity,
        "totalAmount": bag(amount + (0 if data.taxes_included else tax)),
        "totalTaxAmount": bag(tax),
        "totalDiscountAmountBeforeTaxes": bag(off),
        "totalDiscountAmountAfterTaxes": bag(cut),
    }
    return shown | {"lineItem": show_line(line)} if line else shown
