"""
The report type `sales-by-product`: what Shopify's own sales reports say, by product variant or by product.

It adds up Shopify's sales ledger (see `sales.py`), so cancellations, edits, returns and discounts count as they do
there: gross sales are what was sold before discounts, returns what came back after them (Shopify calls it sales
reversals since 2026), net sales = gross sales - discounts - returns, all without tax. Orders are read by their last
change, because a refund changes its order.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field

from ..model import Column, ColumnKind, Row, Table
from . import base
from .orders import escaped
from .paging import Pages, quoted
from .sales import FIELDS, Sale, sales_in

MONEY = ColumnKind.MONEY
#: Where none of these columns is shown, there is a row a product and not a row a variant.
VARIANT = ("variant", "sku")
#: What Shopify calls the one variant of a product without variants (Shopify docs: ProductVariant).
NO_VARIANT = "Default Title"
NOTE = (
    "Sales count on the day their order was processed; returns, cancellations and edits on their own day. Amounts are "
    "without tax; test orders, gift cards, tips and shipping are left out, as in Shopify's sales by product. Returns "
    "are what Shopify now calls sales reversals."
)
#: What a preview says of figures that are not all there.
CUT = "These figures are of the first orders alone; the report itself adds up all of them."

QUERY = f"""query SalesByProduct($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{ test updatedAt {FIELDS} }}
  }}
}}"""


class ProductFilters(base.Filters):
    """Which sales."""

    vendor: str = Field("", description="Only products of this vendor.")
    product_type: str = Field("", description="Only products of this type.")
    tag: str = Field("", description="Only orders with this tag.")


class Sums:
    """What was sold and returned of one variant or product; *line* is its newest line item."""

    __slots__ = ("discounts", "gross", "line", "orders", "returned", "returns", "sold")

    def __init__(self) -> None:
        self.line: dict[str, Any] = {}
        self.sold = self.returned = self.orders = 0
        self.gross = self.discounts = self.returns = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Return net sales."""
        return self.gross - self.discounts - self.returns

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.sold or self.returned or self.gross or self.discounts or self.returns)

    def add(self, sale: Sale, line: dict[str, Any]) -> None:
        """Count one sale, or one return."""
        self.line = line
        if sale.action == "RETURN":
            self.returned -= sale.quantity
            self.returns -= sale.net
            return
        # An update changes price or discount of what was sold before; it sells no units.
        self.sold += sale.quantity if sale.action == "ORDER" else 0
        self.gross += sale.net + sale.discount
        self.discounts += sale.discount


class SalesByProduct:
    """Sales and returns by product variant, the best first."""

    key: ClassVar[str] = "sales-by-product"
    title: ClassVar[str] = "Sales by product"
    scopes: ClassVar[tuple[str, ...]] = ("read_orders", "read_products")
    column_scopes: ClassVar[Mapping[str, str]] = {}
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
        """
        Return a row for each variant that was sold or returned in the period, by net sales.

        All orders are read before the first row is there; held are a row a variant and the number of each order.
        """
        filters = base.read_filters(self, ask.report.filters)
        columns = base.choose_columns(self, ask.report, ask.shop.currency)
        scopes = base.require_reach_now(ask)
        by_variant = any(column.key in VARIANT for column in columns)
        found, loose, cut = _add_up(ask, filters, by_variant)
        chosen = [sums for sums in found.values() if not sums.is_empty and _fits(sums.line, filters)]
        chosen.sort(key=lambda sums: (-sums.net, _title(sums.line)))
        notes = [CUT] if cut else []
        notes += _notes(ask, scopes)
        if loose and not (filters.vendor or filters.product_type):
            notes.append(_loose_note(loose, ask.shop.currency))
        shown = f"{QUERY} with {_search(ask, filters, None)}"
        return Table(columns, _rows(chosen, columns, ask), base.about(ask, query=shown, notes=notes))


def _add_up(ask: base.Ask, filters: ProductFilters, by_variant: bool) -> tuple[dict[str, Sums], Decimal, bool]:
    """Return the sums by variant or product, what was given back that belongs to no product, whether it is cut."""
    found: dict[str, Sums] = {}
    loose = Decimal(0)
    start, end = ask.period.start, ask.period.end
    pages = Pages(ask.api, QUERY, ask.check, first=ask.first_page)
    seen: set[int] = set()
    for order in pages.read(lambda since: _search(ask, filters, since), "updatedAt"):
        number = int(order["id"].rpartition("/")[2])
        # An order that changes while it is read comes again at the end, under its new moment.
        if order["test"] or number in seen:
            continue
        seen.add(number)
        sold: set[str] = set()
        for sale in sales_in(ask.api, order, start, end, lambda: ask.check(pages.count)):
            if sale.line is not None and sale.kind == "PRODUCT":
                key = _key(sale.line, by_variant)
                found.setdefault(key, Sums()).add(sale, sale.line)
                sold |= {key} if sale.action == "ORDER" else set()
            elif sale.kind in ("ADJUSTMENT", "UNKNOWN"):
                loose -= sale.net
        for key in sold:
            found[key].orders += 1
    return found, loose, pages.cut


def _search(ask: base.Ask, filters: ProductFilters, since: datetime | None) -> str:
    start = quoted(since or ask.period.start)
    tag = f" tag:{escaped(filters.tag)}" if filters.tag else ""
    return f"updated_at:>={start} processed_at:<{quoted(base.search_end(ask.period.end))} test:false{tag}"


def _key(line: dict[str, Any], by_variant: bool) -> str:
    """Return what tells one row from another: ids, because titles change; titles where a deleted product has no id."""
    product, variant = line["product"], line["variant"]
    if by_variant and variant:
        return str(variant["id"])
    parts = (line["variantTitle"], line["sku"]) if by_variant else ()
    return "\x1f".join(str(part) for part in (product["id"] if product else line["title"], *parts))


def _fits(line: dict[str, Any], filters: ProductFilters) -> bool:
    return filters.vendor in ("", _vendor(line)) and filters.product_type in ("", _kind(line) or "")


def _title(line: dict[str, Any]) -> str:
    return str((line["product"] or line)["title"])


def _vendor(line: dict[str, Any]) -> str | None:
    vendor: str | None = (line["product"] or line)["vendor"]
    return vendor


def _kind(line: dict[str, Any]) -> str | None:
    kind: str | None = (line["product"] or {}).get("productType")
    return kind


def _notes(ask: base.Ask, scopes: tuple[str, ...]) -> Iterator[str]:
    yield NOTE
    if ask.period.end > ask.made_at:
        yield "The period is not over yet."
    if base.ALL_ORDERS not in scopes:
        yield "Returns of orders older than 60 days are missing: the token lacks read_all_orders. Shopify counts them."


def _loose_note(loose: Decimal, currency: str | None) -> str:
    amount = base.padded(str(abs(loose)), base.digits_of(currency))
    what = "were given back beyond the price of the items" if loose > 0 else "were kept of refunded items"
    where = "they belong to no product and are in no row, but Shopify's totals have them."
    return f"{amount} {currency or ''} {what} (goodwill, fees): {where}".replace("  ", " ")


def _rows(chosen: list[Sums], columns: tuple[Column, ...], ask: base.Ask) -> Iterator[Row]:
    digits = base.digits_of(ask.shop.currency)
    for sums in chosen:
        cells = _cells(sums, digits)
        yield [cells[column.key] for column in columns]


def _cells(sums: Sums, digits: int) -> dict[str, Any]:
    line = sums.line
    variant = (line["variant"] or {}).get("title", line["variantTitle"])
    return {
        "product": _title(line),
        "variant": None if variant == NO_VARIANT else variant,
        "sku": (line["variant"] or line)["sku"],
        "vendor": _vendor(line),
        "type": _kind(line),
        "orders": sums.orders,
        "units_sold": sums.sold,
        "units_returned": sums.returned,
        "gross": base.padded(str(sums.gross), digits),
        "discounts": base.padded(str(sums.discounts), digits),
        "returns": base.padded(str(sums.returns), digits),
        "net_sales": base.padded(str(sums.net), digits),
    }
