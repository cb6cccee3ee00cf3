"""
The report type `sales-by-product`: what Shopify's own sales ledger says, by product variant.

A sale counts on the day its order was processed, a return on the day of its refund (Shopify docs: ShopifyQL, sales), so
orders are read by their last change: a refund changes its order. Gross is without tax, test orders and gift cards do
not count, net sales = gross - discounts - returns.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field

from ..errors import SourceError
from ..model import Column, ColumnKind, Row, Table
from . import base
from .orders import escaped
from .paging import Pages, quoted

LINES = 20
MONEY = ColumnKind.MONEY
SET = "{ shopMoney { amount } }"
LINE = f"""id sku title variantTitle vendor isGiftCard quantity
  originalTotalSet {SET} discountAllocations {{ allocatedAmountSet {SET} }} taxLines {{ priceSet {SET} }}
  product {{ productType }} variant {{ id }}"""
RETURN = f"quantity subtotalSet {SET} totalTaxSet {SET} lineItem {{ {LINE} }}"

QUERY = f"""query SalesByProduct($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      id test processedAt updatedAt taxesIncluded
      lineItems(first: {LINES}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ {LINE} }} }}
      refunds(first: 50) {{
        id createdAt refundLineItems(first: {LINES}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ {RETURN} }} }}
      }}
    }}
  }}
}}"""

MORE_LINES = f"""query MoreLines($id: ID!, $after: String) {{
  order(id: $id) {{
    lineItems(first: 100, after: $after) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ {LINE} }} }}
  }}
}}"""


class ProductFilters(base.Filters):
    """Which sales."""

    vendor: str = Field("", description="Only products of this vendor.")
    product_type: str = Field("", description="Only products of this type.")
    tag: str = Field("", description="Only orders with this tag.")


class Sums:
    """What was sold and returned of one variant."""

    __slots__ = ("discounts", "gross", "line", "orders", "returned", "returns", "sold")

    def __init__(self, line: dict[str, Any]) -> None:
        self.line = line
        self.sold = self.returned = self.orders = 0
        self.gross = self.discounts = self.returns = Decimal("0.00")

    @property
    def net(self) -> Decimal:
        """Return net sales."""
        return self.gross - self.discounts - self.returns


class SalesByProduct:
    """Sales and returns by product variant, the best first."""

    key: ClassVar[str] = "sales-by-product"
    title: ClassVar[str] = "Sales by product"
    scopes: ClassVar[tuple[str, ...]] = ("read_orders", "read_products")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("product", "Product"),
        Column("variant", "Variant"),
        Column("sku", "SKU"),
        Column("vendor", "Vendor"),
        Column("type", "Product type"),
        Column("orders", "Orders", ColumnKind.INTEGER),
        Column("units_sold", "Units sold", ColumnKind.INTEGER, total=True),
        Column("units_returned", "Units returned", ColumnKind.INTEGER, total=True),
        Column("gross", "Gross sales", MONEY, total=True),
        Column("discounts", "Discounts", MONEY, total=True),
        Column("returns", "Returns", MONEY, total=True),
        Column("net_sales", "Net sales", MONEY, total=True),
    )
    default_columns: ClassVar[tuple[str, ...]] = tuple(column.key for column in columns)
    filters: ClassVar[type[base.Filters]] = ProductFilters

    def fetch(self, ask: base.Ask) -> Table:
        """Return a row for each variant that was sold or returned in the period, by net sales."""
        base.require_reach(ask.period.start, ask.shop.scopes, ask.made_at)
        filters = base.read_filters(self, ask.report.filters)
        columns = base.choose_columns(self, ask.report, ask.shop.currency)
        notes = [] if ask.period.end <= ask.made_at else ["The period is not over yet."]
        if base.ALL_ORDERS not in (ask.shop.scopes or ()):
            notes.append("Returns of orders older than 60 days are not in it: the token lacks read_all_orders.")
        shown = f"{QUERY} with {_search(ask, filters, None)}"
        return Table(columns, self._rows(ask, columns, filters), base.about(ask, query=shown, notes=notes))

    def _rows(self, ask: base.Ask, columns: tuple[Column, ...], filters: ProductFilters) -> Iterator[Row]:
        found: dict[str, Sums] = {}
        pages = Pages(ask.api, QUERY, ask.check)
        for order in pages.read(lambda since: _search(ask, filters, since), "updatedAt"):
            if not order["test"]:
                _count(ask, order, found)
        chosen = [sums for sums in found.values() if _fits(sums.line, filters)]
        for sums in sorted(chosen, key=lambda item: item.net, reverse=True):
            cells = _cells(sums)
            yield [cells[column.key] for column in columns]


def _search(ask: base.Ask, filters: ProductFilters, since: datetime | None) -> str:
    start = quoted(since or ask.period.start)
    tag = f" tag:{escaped(filters.tag)}" if filters.tag else ""
    return f"updated_at:>={start} processed_at:<{quoted(ask.period.end)}{tag}"


def _count(ask: base.Ask, order: dict[str, Any], found: dict[str, Sums]) -> None:
    start, end = ask.period.start, ask.period.end
    included = bool(order["taxesIncluded"])
    if start <= datetime.fromisoformat(order["processedAt"]) < end:
        seen = set()
        for line in _lines(ask, order):
            sums = _sums(found, line)
            if sums is None:
                continue
            sums.sold += line["quantity"]
            sums.gross += _amount(line["originalTotalSet"]) - (_tax(line) if included else 0)
            sums.discounts += sum(
                (_amount(item["allocatedAmountSet"]) for item in line["discountAllocations"]), Decimal(0)
            )
            if id(sums) not in seen:
                sums.orders += 1
                seen.add(id(sums))
    for refund in order["refunds"]:
        if start <= datetime.fromisoformat(refund["createdAt"] or order["updatedAt"]) < end:
            _count_refund(order, refund, found, included)


def _count_refund(order: dict[str, Any], refund: dict[str, Any], found: dict[str, Sums], included: bool) -> None:
    items = refund["refundLineItems"]
    if items["pageInfo"]["hasNextPage"]:
        message = f"A refund of order {order['id']} has more than {LINES} lines, which this version cannot read."
        raise SourceError(message, code="too_many_rows")
    for item in items["nodes"]:
        sums = _sums(found, item["lineItem"])
        if sums is not None:
            sums.returned += item["quantity"]
            sums.returns += _amount(item["subtotalSet"]) - (_amount(item["totalTaxSet"]) if included else 0)


def _lines(ask: base.Ask, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    page = order["lineItems"]
    while True:
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        data = ask.api.execute(MORE_LINES, {"id": order["id"], "after": page["pageInfo"]["endCursor"]})
        page = data["order"]["lineItems"]


def _sums(found: dict[str, Sums], line: dict[str, Any]) -> Sums | None:
    if line["isGiftCard"]:
        return None
    # A deleted product has no id left: then SKU and titles say what it was.
    key = f"{line['sku']}\x1f{line['title']}\x1f{line['variantTitle']}"
    return found.setdefault(key, Sums(line))


def _fits(line: dict[str, Any], filters: ProductFilters) -> bool:
    kind = (line["product"] or {}).get("productType") or ""
    return filters.vendor in ("", line["vendor"]) and filters.product_type in ("", kind)


def _amount(bag: dict[str, Any]) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])


def _tax(line: dict[str, Any]) -> Decimal:
    return sum((_amount(item["priceSet"]) for item in line["taxLines"]), Decimal(0))


def _cells(sums: Sums) -> dict[str, Any]:
    line = sums.line
    return {
        "product": line["title"],
        "variant": line["variantTitle"],
        "sku": line["sku"],
        "vendor": line["vendor"],
        "type": (line["product"] or {}).get("productType"),
        "orders": sums.orders,
        "units_sold": sums.sold,
        "units_returned": sums.returned,
        "gross": str(sums.gross),
        "discounts": str(sums.discounts),
        "returns": str(sums.returns),
        "net_sales": str(sums.net),
    }
