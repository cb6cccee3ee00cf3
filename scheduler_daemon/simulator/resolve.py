"""The data in GraphQL's shape: plain dicts whose connections are functions of `first` and `after`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from .catalog import Variant
from .data import ShopData
from .ledger import agreements
from .pages import Later, connection
from .search import financial_status, order_name
from .truth import money, order_sums, refund_total

#: Raises GraphQLError unless the token has a scope: (scope, field).
Need = Callable[[str, str], None]
Bag = Callable[[int], dict[str, Any]]

#: Every so many orders one was paid in another currency than the shop's.
ABROAD_EVERY = 7
ABROAD_RATE = Decimal("1.37")


def guarded(need: Need, scope: str, field: str, value: Any) -> Callable[..., Any]:
    """Return a field that needs a scope."""

    def shown(_info: Any) -> Any:
        need(scope, field)
        return value

    return shown


def iso(moment: datetime) -> str:
    """Return *moment* as Shopify writes it, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(text: str) -> str:
    """Return decimal text as Shopify shows it: without zeros at its end, but with one decimal: ``12.3``, ``12.0``."""
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


@lru_cache(maxsize=64)
def bags(currency: str, digits: int, abroad: bool) -> Bag:
    """Return a maker of amounts in shop and presentment currency."""
    paid = ("CAD" if currency != "CAD" else "USD") if abroad else currency

    def bag(units: int) -> dict[str, Any]:
        amount = shown(money(units, digits))
        here = {"amount": amount, "currencyCode": currency}
        if not abroad:
            return {"shopMoney": here, "presentmentMoney": here}
        there = shown(str((Decimal(amount) * ABROAD_RATE).quantize(Decimal("0.01"))))
        return {"shopMoney": here, "presentmentMoney": {"amount": there, "currencyCode": paid}}

    return bag


def bag_of(data: ShopData, order: dict[str, Any]) -> Bag:
    """Return the maker of amounts of *order*."""
    return bags(data.currency, data.digits, order["number"] % ABROAD_EVERY == 0)


def order_fields(data: ShopData, order: dict[str, Any], need: Need) -> dict[str, Any]:
    """Return an order as GraphQL shows it."""
    bag = bag_of(data, order)
    number = order["number"] + 1

    def show_line(line: dict[str, Any]) -> dict[str, Any]:
        return line_fields(data, line, need, bag)

    def show_refund(refund: dict[str, Any]) -> dict[str, Any]:
        return refund_fields(data, refund, show_line, bag)

    return (
        _plain_fields(data, order)
        | _amounts(data, order, bag)
        | {
            "__typename": "Order",
            "id": f"gid://shopify/Order/{number}",
            "legacyResourceId": str(number),
            "presentmentCurrencyCode": bag(0)["presentmentMoney"]["currencyCode"],
            "customer": guarded(need, "read_customers", "customer", _customer(order, need)),
            "shippingAddress": _address(order),
            "retailLocation": None,
            "lineItems": connection(Later(order["lines"], show_line)),
            "refunds": lambda _info, first=None: [show_refund(item) for item in order["refunds"][:first]],
            "agreements": agreements(data, order, show_line, bag, iso),
        }
    )


def _plain_fields(data: ShopData, order: dict[str, Any]) -> dict[str, Any]:
    closed = order["closed"] and order["fulfilled"]
    return {
        "name": order_name(order),
        "createdAt": iso(order["created"]),
        "processedAt": iso(order["processed"]),
        "updatedAt": iso(order["updated"]),
        "cancelledAt": iso(order["cancelled"]) if order["cancelled"] else None,
        "cancelReason": "CUSTOMER" if order["cancelled"] else None,
        "closedAt": iso(order["created"] + timedelta(hours=1)) if closed else None,
        "test": order["test"],
        "edited": bool(order["edit"]),
        "confirmed": True,
        "currencyCode": data.currency,
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
    }


def _amounts(data: ShopData, order: dict[str, Any], bag: Bag) -> dict[str, Any]:
    sums = order_sums(data, order)
    return {
        "subtotalLineItemsQuantity": sums["items"],
        "subtotalPriceSet": bag(sums["subtotal"]),
        "totalDiscountsSet": bag(sums["discounts"]),
        "totalShippingPriceSet": bag(sums["shipping"]),
        "totalTaxSet": bag(sums["taxes"]),
        "totalTipReceivedSet": bag(sums["tips"]),
        "totalPriceSet": bag(sums["total"]),
        "totalRefundedSet": bag(sums["refunds"]),
        "netPaymentSet": bag(sums["net"]),
        "totalOutstandingSet": bag(0),
        "shippingLine": {
            "id": f"gid://shopify/ShippingLine/{order['number'] + 1}",
            "title": "Standard",
            "originalPriceSet": bag(order["shipping"] + order["shipping_off"]),
            "discountedPriceSet": bag(order["shipping"]),
            "taxLines": [],
        },
    }


def _customer(order: dict[str, Any], need: Need) -> dict[str, Any] | None:
    if order["person"] is None:
        return None
    mail = f"customer{order['number'] % 997}@example.com"
    return {
        "id": f"gid://shopify/Customer/{order['number'] % 997}",
        "displayName": guarded(need, "protected", "Customer", order["person"]),
        "defaultEmailAddress": guarded(need, "protected", "Customer", {"emailAddress": mail}),
    }


def _address(order: dict[str, Any]) -> dict[str, Any]:
    city, country = order["city"]
    return {"id": "gid://shopify/MailingAddress/1", "name": order["person"], "city": city, "countryCodeV2": country} | {
        "provinceCode": None,
        "zip": f"0{order['number'] % 9973:04}",
    }


def line_fields(data: ShopData, line: dict[str, Any], need: Need, bag: Bag) -> dict[str, Any]:
    """Return a line item as GraphQL shows it; some have lost their product."""
    variant: Variant = line["variant"]
    product = None if variant.product_gone else _product(variant)
    return {
        "id": f"gid://shopify/LineItem/{line['id']}",
        "sku": variant.sku,
        "title": line["title"],
        "variantTitle": variant.title,
        "vendor": variant.vendor,
        "isGiftCard": variant.gift_card,
        "taxable": not variant.gift_card,
        "quantity": line["quantity"],
        "currentQuantity": line["quantity"] - line["returned"],
        "originalUnitPriceSet": bag(line["price"]),
        "originalTotalSet": bag(line["total"]),
        "discountedTotalSet": lambda _info, **_: bag(line["total"] - line["discount"]),
        "totalDiscountSet": bag(line["discount"]),
        "discountAllocations": [{"allocatedAmountSet": bag(units)} for units in line["allocations"]],
        "taxLines": lambda _info, first=None: [{"title": "VAT", "rate": 0.2, "priceSet": bag(line["tax"])}],
        "product": guarded(need, "read_products", "product", product),
        "variant": guarded(need, "read_products", "variant", None if variant.gone else _variant(data, variant)),
    }


def _product(variant: Variant) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Product/{variant.product_number}",
        "title": variant.product,
        "productType": variant.kind,
        "vendor": variant.vendor,
    }


def _variant(data: ShopData, variant: Variant) -> dict[str, Any]:
    cost = {"amount": shown(money(variant.price * 2 // 5, data.digits)), "currencyCode": data.currency}
    return {
        "id": f"gid://shopify/ProductVariant/{variant.number}",
        "title": variant.title,
        "sku": variant.sku,
        "inventoryItem": {"id": f"gid://shopify/InventoryItem/{variant.number}", "unitCost": cost},
    }


def refund_fields(
    data: ShopData, refund: dict[str, Any], show_line: Callable[[dict[str, Any]], dict[str, Any]], bag: Bag
) -> dict[str, Any]:
    """Return a refund as GraphQL shows it."""
    total = bag(refund_total(data, refund))
    paid_back = {
        "id": f"gid://shopify/OrderTransaction/{refund['id'] + 1}",
        "kind": "REFUND",
        "status": "SUCCESS",
        "gateway": "shopify_payments",
        "processedAt": iso(refund["at"]),
        "amountSet": total,
    }

    def line(item: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"gid://shopify/RefundLineItem/{item['id']}",
            "quantity": item["quantity"],
            "restockType": "RETURN",
            "subtotalSet": bag(item["amount"]),
            "totalTaxSet": bag(item["tax"]),
            "lineItem": show_line(item["line"]),
            "location": None,
        }

    return {
        "id": f"gid://shopify/Refund/{refund['id'] + 1}",
        "createdAt": iso(refund["at"]),
        "processedAt": iso(refund["at"]),
        "note": None,
        "totalRefundedSet": total,
        "refundLineItems": connection(Later(refund["lines"], line)),
        "transactions": connection([paid_back]),
    }
