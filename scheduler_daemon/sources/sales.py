"""
An order's sales as Shopify keeps them for its own sales reports: each sale, return and change with its own moment.

An order has sales agreements (placed, edited, refunded, returned), each with sales (Shopify docs: SalesAgreement,
Sale). A return has negative quantity and amounts. A page of orders brings the first few of each, and an order that has
more is read on by its id.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..errors import SourceError
from ..shopify.client import Client

#: What a page of orders brings of each: nearly every order has no more, and 250 orders a page stay below 1,000 points.
AGREEMENTS, SALES = 4, 30
SET = "{ shopMoney { amount } }"
SALE = f"""actionType lineType quantity
  totalAmount {SET} totalTaxAmount {SET} totalDiscountAmountBeforeTaxes {SET}
  ... on ProductSale {{ lineItem {{
    title variantTitle sku vendor product {{ id title productType vendor }} variant {{ id title sku }}
  }} }}"""
PART = "pageInfo { hasNextPage endCursor }"
AGREEMENT = f"happenedAt reason sales(first: {SALES}) {{ {PART} nodes {{ {SALE} }} }}"

#: What a page of orders has to ask for.
FIELDS = f"id processedAt agreements(first: {AGREEMENTS}) {{ {PART} nodes {{ {AGREEMENT} }} }}"

READ_ON = f"""query SalesOfOrder($id: ID!, $agreement: String, $sale: String) {{
  order(id: $id) {{ agreements(first: 1, after: $agreement) {{ {PART}
    nodes {{ happenedAt reason sales(first: 100, after: $sale) {{ {PART} nodes {{ {SALE} }} }} }}
  }} }}
}}"""


@dataclass(frozen=True, slots=True)
class Sale:
    """One entry of Shopify's sales ledger; amounts in shop currency, without tax."""

    #: "ORDER", "RETURN", "UPDATE" (a changed price or discount) or "UNKNOWN".
    action: str
    #: "PRODUCT", "GIFT_CARD", "SHIPPING", "TIP", "ADJUSTMENT" ...
    kind: str
    #: Units, negative for a return.
    quantity: int
    #: After discounts, negative for a return.
    net: Decimal
    #: The discount in it, negative for a return.
    discount: Decimal
    #: The line item of a product; None for others.
    line: dict[str, Any] | None


def sales_in(
    api: Client, order: dict[str, Any], start: datetime, end: datetime, check: Callable[[], None]
) -> Iterator[Sale]:
    """
    Yield the sales of *order* (with `FIELDS`) in [start, end); raise SourceError.

    What was ordered counts when the order was processed: that is the day of Shopify's reports, also for an order that
    was imported later (Shopify docs: Order, `processed_at`).
    """
    for agreement in _agreements(api, order, check):
        moment = order["processedAt"] if agreement["reason"] == "ORDER" else agreement["happenedAt"]
        if start <= datetime.fromisoformat(moment) < end:
            yield from map(_sale, agreement["sales"]["nodes"])


def _agreements(api: Client, order: dict[str, Any], check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    page = order["agreements"]
    parts = [page, *(agreement["sales"] for agreement in page["nodes"])]
    if any(part["pageInfo"]["hasNextPage"] for part in parts):
        return _read_on(api, order["id"], check)
    return iter(page["nodes"])


def _read_on(api: Client, order_id: str, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Yield the agreements of an order that has many, one at a time with all its sales."""
    asked: set[tuple[str | None, str | None]] = set()
    agreement: str | None = None
    sale: str | None = None
    sales: list[dict[str, Any]] = []
    while True:
        check()
        order = api.execute(READ_ON, {"id": order_id, "agreement": agreement, "sale": sale})["order"]
        if order is None or (agreement, sale) in asked:
            message = f"The sales of {order_id} of {api.shop} cannot be read to their end."
            raise SourceError(message, code="response_invalid", retryable=True)
        asked.add((agreement, sale))
        page = order["agreements"]
        for found in page["nodes"]:
            sales += found["sales"]["nodes"]
            sale = found["sales"]["pageInfo"]["endCursor"] if found["sales"]["pageInfo"]["hasNextPage"] else None
            if sale is None:
                yield {**found, "sales": {"nodes": sales}}
                sales = []
        if sale is None:
            if not page["pageInfo"]["hasNextPage"]:
                return
            agreement = page["pageInfo"]["endCursor"]


def _sale(found: dict[str, Any]) -> Sale:
    return Sale(
        action=found["actionType"],
        kind=found["lineType"],
        quantity=found["quantity"] or 0,
        net=_amount(found["totalAmount"]) - _amount(found["totalTaxAmount"]),
        discount=_amount(found["totalDiscountAmountBeforeTaxes"]),
        line=found.get("lineItem"),
    )


def _amount(bag: dict[str, Any]) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])
