"""The data in GraphQL's shape: plain dicts whose connections are functions of `first` and `after`."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from .data import ShopData, Variant
from .search import financial_status, order_name
from .truth import money, order_sums

#: Raises GraphQLError unless the token has a scope: (scope, field).
Need = Callable[[str, str], None]


def guarded(need: Need, scope: str, field: str, value: Any) -> Callable[..., Any]:
    """Return a field that needs a scope."""

    def shown(_info: Any) -> Any:
        need(scope, field)
        return value

    return shown


def iso(moment: datetime) -> str:
    """Return *moment* as Shopify writes it, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def connection(items: Sequence[Any]) -> Callable[..., dict[str, Any]]:
    """Return a field of a short list; cursors are positions."""

    def page(_info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> dict[str, Any]:
        only_forward(rest)
        start = read_cursor(after)[1] + 1 if after else 0
        size = page_size(first)
        part = list(items[start : start + size])
        return connected(
            part, [make_cursor("L", start + i, start + i + 1) for i in range(len(part))], start + size < len(items)
        )

    return page


def connected(nodes: list[Any], cursors: list[str], more: bool) -> dict[str, Any]:
    """Return a connection's page."""
    info = {"hasNextPage": more, "endCursor": cursors[-1] if cursors else None, "hasPreviousPage": False}
    info["startCursor"] = cursors[0] if cursors else None
    edges = [{"node": node, "cursor": cursor} for node, cursor in zip(nodes, cursors, strict=True)]
    return {"nodes": nodes, "edges": edges, "pageInfo": info}


def only_forward(arguments: dict[str, Any]) -> None:
    """Raise GraphQLError for ways to page that the simulator does not know."""
    for name in ("last", "before"):
        if arguments.get(name) is not None:
            raise GraphQLError(f"the simulator pages forward only, not by {name}")


def page_size(first: int | None) -> int:
    """Return the number of nodes asked for; Shopify takes 250 at most."""
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})
    if first < 1:
        raise GraphQLError("first must be at least 1", extensions={"code": "BAD_REQUEST"})
    if first > 250:
        raise GraphQLError("first cannot exceed 250", extensions={"code": "BAD_REQUEST"})
    return first


def make_cursor(kind: str, place: int, seen: int) -> str:
    """Return an opaque cursor of a place in a list: its *kind*, the place, and how many were seen with it."""
    return base64.b64encode(f"{kind}.{place}.{seen}".encode()).decode()


def read_cursor(text: str) -> tuple[str, int, int]:
    """Return what `make_cursor` hid; raise GraphQLError for anything else."""
    try:
        kind, place, seen = base64.b64decode(text, validate=True).decode().split(".")
        return kind, int(place), int(seen)
    except ValueError:
        extra = {"code": "BAD_REQUEST"}
        raise GraphQLError(f"invalid cursor for current pagination: {text}", extensions=extra) from None


def bag(cents: int, currency: str) -> dict[str, Any]:
    """Return an amount in shop and presentment currency."""
    amount = {"amount": money(cents), "currencyCode": currency}
    return {"shopMoney": amount, "presentmentMoney": amount}


def order_fields(data: ShopData, order: dict[str, Any], need: Need) -> dict[str, Any]:
    """Return an order as GraphQL shows it."""
    currency = data.currency
    sums = order_sums(data, order)
    created = iso(order["created"])
    number = order["number"] + 1
    return {
        "__typename": "Order",
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": order_name(order),
        "createdAt": created,
        "processedAt": created,
        "updatedAt": iso(order["updated"]),
        "cancelledAt": created if order["cancelled"] else None,
        "cancelReason": "CUSTOMER" if order["cancelled"] else None,
        "closedAt": None,
        "test": order["test"],
        "confirmed": True,
        "currencyCode": currency,
        "presentmentCurrencyCode": currency,
        "displayFinancialStatus": financial_status(order),
        "displayFulfillmentStatus": "FULFILLED" if order["fulfilled"] else "UNFULFILLED",
        "returnStatus": "NO_RETURN",
        "paymentGatewayNames": ["shopify_payments"],
        "sourceName": order["channel"],
        "poNumber": None,
        "note": order["note"],
        "tags": order["tags"],
        "discountCodes": [order["code"]] if order["code"] else [],
        "taxesIncluded": data.taxes_included,
        "taxExempt": False,
        "subtotalLineItemsQuantity": sums["items"],
        "subtotalPriceSet": bag(sums["gross"] - sums["discounts"], currency),
        "totalDiscountsSet": bag(sums["discounts"], currency),
        "totalShippingPriceSet": bag(sums["shipping"], currency),
        "totalTaxSet": bag(sums["taxes"], currency),
        "totalPriceSet": bag(sums["total"], currency),
        "totalRefundedSet": bag(sums["refunds"], currency),
        "netPaymentSet": bag(sums["net"], currency),
        "totalOutstandingSet": bag(0, currency),
        "customer": guarded(need, "read_customers", "customer", _customer(order)),
        "shippingAddress": _address(order),
        "retailLocation": None,
        "lineItems": connection(_Later(order["lines"], lambda line: line_fields(data, line, need))),
        "refunds": lambda _info, first=None: [
            refund_fields(data, order, item, need) for item in order["refunds"][:first]
        ],
    }


class _Later(Sequence[Any]):
    """Makes the shown ones of *items* only."""

    def __init__(self, items: Sequence[Any], make: Callable[[Any], Any]) -> None:
        self.items, self.make = items, make

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        found = self.items[index]
        return [self.make(item) for item in found] if isinstance(index, slice) else self.make(found)


def _customer(order: dict[str, Any]) -> dict[str, Any] | None:
    if order["person"] is None:
        return None
    mail = f"customer{order['number'] % 997}@example.com"
    return {"id": f"gid://shopify/Customer/{order['number'] % 997}", "displayName": order["person"]} | {
        "defaultEmailAddress": {"emailAddress": mail}
    }


def _address(order: dict[str, Any]) -> dict[str, Any]:
    city, country = order["city"]
    return {"id": "gid://shopify/MailingAddress/1", "name": order["person"], "city": city, "countryCodeV2": country} | {
        "provinceCode": None,
        "zip": f"0{order['number'] % 9973:04}",
    }


def line_fields(data: ShopData, line: dict[str, Any], need: Need) -> dict[str, Any]:
    """Return a line item as GraphQL shows it; some have lost their product."""
    variant: Variant = line["variant"]
    currency = data.currency
    product = {
        "id": f"gid://shopify/Product/{variant.number // 3}",
        "title": variant.product,
        "productType": variant.kind,
    }
    known = not line["gone"]
    cost = {"amount": money(variant.price * 2 // 5), "currencyCode": currency}
    sold = {
        "id": f"gid://shopify/ProductVariant/{variant.number}",
        "inventoryItem": {"id": f"gid://shopify/InventoryItem/{variant.number}", "unitCost": cost},
    }
    return {
        "id": f"gid://shopify/LineItem/{line['id']}",
        "sku": variant.sku,
        "title": variant.product,
        "variantTitle": variant.title,
        "vendor": variant.vendor,
        "isGiftCard": variant.gift_card,
        "taxable": not variant.gift_card,
        "quantity": line["quantity"],
        "currentQuantity": line["quantity"] - line["returned"],
        "originalUnitPriceSet": bag(line["price"], currency),
        "originalTotalSet": bag(line["total"], currency),
        "discountedTotalSet": lambda _info, **_: bag(line["total"] - line["discount"], currency),
        "totalDiscountSet": bag(line["discount"], currency),
        "discountAllocations": [{"allocatedAmountSet": bag(cents, currency)} for cents in line["allocations"]],
        "taxLines": lambda _info, first=None: [{"title": "VAT", "rate": 0.2, "priceSet": bag(line["tax"], currency)}],
        "product": guarded(need, "read_products", "product", product if known else None),
        "variant": guarded(need, "read_products", "variant", sold if known else None),
    }


def refund_fields(data: ShopData, order: dict[str, Any], refund: dict[str, Any], need: Need) -> dict[str, Any]:
    """Return a refund as GraphQL shows it."""
    currency = data.currency
    total = sum(item["amount"] + (0 if data.taxes_included else item["tax"]) for item in refund["lines"])

    paid_back = {
        "id": f"gid://shopify/OrderTransaction/{order['number'] + 1}",
        "kind": "REFUND",
        "status": "SUCCESS",
        "gateway": "shopify_payments",
        "processedAt": iso(refund["at"]),
        "amountSet": bag(total, currency),
    }

    def line(item: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"gid://shopify/RefundLineItem/{item['id']}",
            "quantity": item["quantity"],
            "restockType": "RETURN",
            "subtotalSet": bag(item["amount"], currency),
            "totalTaxSet": bag(item["tax"], currency),
            "lineItem": line_fields(data, item["line"], need),
            "location": None,
        }

    return {
        "id": f"gid://shopify/Refund/{order['number'] + 1}",
        "createdAt": iso(refund["at"]),
        "processedAt": iso(refund["at"]),
        "note": None,
        "totalRefundedSet": bag(total, currency),
        "refundLineItems": connection(_Later(refund["lines"], line)),
        "transactions": connection([paid_back]),
    }
