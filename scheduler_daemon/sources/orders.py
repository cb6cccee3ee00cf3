"""
The report type `orders`: one row for each order created in the period.

Amounts are in the shop's currency and are Shopify's own: gross is the lines before discounts, discounts are all of
them (also those on shipping), shipping is after its discount, total what the customer was to pay, refunds what was
given back so far, net what is left of the total. Gross contains the tax where the shop's prices do.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..model import Column, ColumnKind, Row, Table
from . import base
from .paging import Pages, quoted

MONEY = ColumnKind.MONEY
SET = "{ shopMoney { amount } }"
NOTE = "An order counts on the day it was created; refunds are all that was given back so far, whenever that was."


#: What Shopify's search knows (Shopify docs: orders, `financial_status` and `fulfillment_status`).
Payment = Literal[
    "", "paid", "pending", "authorized", "partially_paid", "partially_refunded", "refunded", "voided", "expired"
]
Fulfilment = Literal[
    "", "unshipped", "shipped", "fulfilled", "partial", "scheduled", "on_hold", "unfulfilled", "request_declined"
]


class OrderFilters(base.Filters):
    """Which orders."""

    financial_status: Payment = Field("", description="Only orders with this payment status.")
    fulfillment_status: Fulfilment = Field("", description="Only orders with this fulfilment status.")
    tag: str = Field("", description="Only orders with this tag.")
    channel: str = Field("", description="Only orders of this channel (source name).")
    include_test: bool = Field(False, description="Test orders too.")
    include_cancelled: bool = Field(True, description="Cancelled orders too.")


#: Each column's part of the query and how its cell is read from the order.
PARTS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "name": ("name", lambda o: o["name"]),
    "created": ("", lambda o: o["createdAt"]),
    "processed": ("processedAt", lambda o: o["processedAt"]),
    "customer": ("customer { displayName }", lambda o: (o["customer"] or {}).get("displayName")),
    "email": (
        "customer { defaultEmailAddress { emailAddress } }",
        lambda o: ((o["customer"] or {}).get("defaultEmailAddress") or {}).get("emailAddress"),
    ),
    "financial_status": ("displayFinancialStatus", lambda o: o["displayFinancialStatus"]),
    "fulfillment_status": ("displayFulfillmentStatus", lambda o: o["displayFulfillmentStatus"]),
    "currency": ("currencyCode", lambda o: o["currencyCode"]),
    "gross": (
        f"subtotalPriceSet {SET} totalDiscountsSet {SET}"
        f" shippingLine {{ originalPriceSet {SET} discountedPriceSet {SET} }}",
        lambda o: gross(o),
    ),
    "discounts": (f"totalDiscountsSet {SET}", lambda o: amount(o, "totalDiscountsSet")),
    "refunds": (f"totalRefundedSet {SET}", lambda o: amount(o, "totalRefundedSet")),
    "shipping": (f"totalShippingPriceSet {SET}", lambda o: amount(o, "totalShippingPriceSet")),
    "tips": (f"totalTipReceivedSet {SET}", lambda o: amount(o, "totalTipReceivedSet")),
    "taxes": (f"totalTaxSet {SET}", lambda o: amount(o, "totalTaxSet")),
    "total": (f"totalPriceSet {SET}", lambda o: amount(o, "totalPriceSet")),
    "net": (
        f"totalPriceSet {SET} totalRefundedSet {SET}",
        lambda o: str(Decimal(amount(o, "totalPriceSet")) - Decimal(amount(o, "totalRefundedSet"))),
    ),
    "items": ("subtotalLineItemsQuantity", lambda o: o["subtotalLineItemsQuantity"]),
    "channel": ("sourceName", lambda o: o["sourceName"]),
    "tags": ("tags", lambda o: ", ".join(o["tags"])),
    "discount_codes": ("discountCodes", lambda o: ", ".join(o["discountCodes"])),
    "note": ("note", lambda o: o["note"]),
    "city": ("shippingAddress { city }", lambda o: (o["shippingAddress"] or {}).get("city")),
    "country": ("shippingAddress { countryCodeV2 }", lambda o: (o["shippingAddress"] or {}).get("countryCodeV2")),
    "cancelled": ("cancelledAt", lambda o: o["cancelledAt"]),
    "id": ("legacyResourceId", lambda o: o["legacyResourceId"]),
}


class Orders:
    """Orders, a row each."""

    key: ClassVar[str] = "orders"
    title: ClassVar[str] = "Orders"
    scopes: ClassVar[tuple[str, ...]] = ("read_orders",)
    column_scopes: ClassVar[Mapping[str, str]] = {"customer": "read_customers", "email": "read_customers"}
    columns: ClassVar[tuple[Column, ...]] = (
        Column("name", "Order"),
        Column("created", "Created", ColumnKind.MOMENT),
        Column("processed", "Processed", ColumnKind.MOMENT),
        Column("customer", "Customer"),
        Column("email", "Email"),
        Column("financial_status", "Payment status"),
        Column("fulfillment_status", "Fulfilment status"),
        Column("currency", "Currency"),
        Column("gross", "Gross", MONEY, total=True),
        Column("discounts", "Discounts", MONEY, total=True),
        Column("refunds", "Refunds", MONEY, total=True),
        Column("shipping", "Shipping", MONEY, total=True),
        Column("tips", "Tips", MONEY, total=True),
        Column("taxes", "Taxes", MONEY, total=True),
        Column("total", "Total", MONEY, total=True),
        Column("net", "Net of refunds", MONEY, total=True),
        Column("items", "Items", ColumnKind.INTEGER, total=True),
        Column("channel", "Channel"),
        Column("tags", "Tags"),
        Column("discount_codes", "Discount codes"),
        Column("note", "Note"),
        Column("city", "City"),
        Column("country", "Country"),
        Column("cancelled", "Cancelled", ColumnKind.MOMENT),
        Column("id", "Order id"),
    )
    default_columns: ClassVar[tuple[str, ...]] = (
        *("name", "created", "financial_status", "fulfillment_status", "currency", "gross", "discounts", "refunds"),
        *("shipping", "taxes", "total", "net", "items", "channel", "tags", "discount_codes", "country", "cancelled"),
    )
    filters: ClassVar[type[base.Filters]] = OrderFilters

    def fetch(self, ask: base.Ask) -> Table:
        """Return the orders created in the period, the oldest first."""
        filters = base.read_filters(self, ask.report.filters)
        columns = base.choose_columns(self, ask.report, ask.shop.currency)
        base.require_reach_now(ask)
        query = query_for(columns)
        words = search_words(filters)
        shown = f"{query} with {search(ask, words, None)}"
        notes = (NOTE,) if ask.period.end <= ask.made_at else (NOTE, "The period is not over yet.")
        rows = base.begun(self._rows(ask, columns, query, words, filters))
        return Table(columns, rows, base.about(ask, query=shown, notes=notes))

    def _rows(
        self, ask: base.Ask, columns: tuple[Column, ...], query: str, words: str, filters: OrderFilters
    ) -> Iterator[Row]:
        digits = base.digits_of(ask.shop.currency)
        cells = [PARTS[column.key][1] for column in columns]
        amounts = [index for index, column in enumerate(columns) if column.kind is MONEY]
        start, end = ask.period.start, ask.period.end
        pages = Pages(ask.api, query, ask.check, first=ask.first_page)
        for order in pages.read(lambda since: search(ask, words, since), "createdAt"):
            # The search rounds to seconds; the exact bounds count.
            inside = start <= datetime.fromisoformat(order["createdAt"]) < end
            if inside and (filters.include_test or not order["test"]):
                row = [cell(order) for cell in cells]
                for index in amounts:
                    row[index] = base.padded(row[index], digits)
                yield row


def amount(order: dict[str, Any], name: str) -> str:
    """Return an amount in shop currency as decimal text; nothing counts as zero."""
    found = order.get(name)
    return str(found["shopMoney"]["amount"]) if found else "0.0"


def gross(order: dict[str, Any]) -> str:
    """
    Return the price of the lines before discounts.

    Shopify's discounts of an order contain those on its shipping, which its subtotal never had.
    """
    shipping = order["shippingLine"] or {}
    saved = Decimal(amount(shipping, "originalPriceSet")) - Decimal(amount(shipping, "discountedPriceSet"))
    return str(Decimal(amount(order, "subtotalPriceSet")) + Decimal(amount(order, "totalDiscountsSet")) - saved)


def query_for(columns: tuple[Column, ...]) -> str:
    """Return the query that asks for what *columns* need and nothing else: customer fields need more rights."""
    fields = " ".join(dict.fromkeys(PARTS[column.key][0] for column in columns))
    return f"""query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: CREATED_AT) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{ id createdAt test {fields} }}
  }}
}}"""


def search_words(filters: OrderFilters) -> str:
    """Return the filters as search terms."""
    words = {
        "financial_status": filters.financial_status,
        "fulfillment_status": filters.fulfillment_status,
        "tag": filters.tag,
        "source_name": filters.channel,
    }
    terms = [f"{name}:{escaped(value)}" for name, value in words.items() if value]
    if not filters.include_test:
        terms.append("test:false")
    if not filters.include_cancelled:
        terms.append("-status:cancelled")
    return " ".join(terms)


def escaped(value: str) -> str:
    """Return *value* as one quoted search value."""
    plain = value.replace("\\", "").replace('"', "")
    return f'"{plain}"'


def search(ask: base.Ask, words: str, since: datetime | None) -> str:
    """Return the search text for the period, from *since* on."""
    start = quoted(since or ask.period.start)
    end = quoted(base.search_end(ask.period.end))
    return f"created_at:>={start} created_at:<{end} {words}".strip()
