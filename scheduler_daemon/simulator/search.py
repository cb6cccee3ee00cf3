"""The search syntax of `orders(query:)`, as far as reports use it (Shopify docs: API search syntax)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

TERM = re.compile(r"""(-?)(\w+):(>=|<=|>|<)?('[^']*'|"[^"]*"|\S+)""")
MOMENTS = {"created_at": "created", "processed_at": "processed", "updated_at": "updated"}
#: What `fulfillment_status:` may be for an order that is not sent, and for one that is.
FULFILLMENT = (("unfulfilled", "unshipped"), ("fulfilled", "shipped"))
#: Every value of these filters (Shopify docs: orders); Shopify would find nothing for another one.
VALUES = {
    "status": ("open", "closed", "cancelled", "not_closed"),
    "financial_status": (
        *("paid", "pending", "authorized", "partially_paid", "partially_refunded", "refunded", "voided", "expired"),
    ),
    "fulfillment_status": (
        *("unshipped", "shipped", "fulfilled", "partial", "scheduled", "on_hold", "unfulfilled", "request_declined"),
    ),
    "test": ("true", "false"),
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    "": lambda a, b: a == b,
}

Test = Callable[[dict[str, Any]], bool]
#: Field ("created", "processed", "updated"), comparison, moment, and whether the opposite is meant.
Bound = tuple[str, str, datetime, bool]


def read_query(text: str) -> tuple[list[Bound], list[Test]]:
    """
    Return the bounds on moments and the other tests on an order; all must hold.

    Moments without an offset are UTC. Raise ValueError for what is not a term known here: Shopify would ignore it and
    give too many orders, which a test must not miss.
    """
    bounds: list[Bound] = []
    tests: list[Test] = []
    left = TERM.sub("", text).split()
    if [word for word in left if word != "AND"]:
        raise ValueError(f"the simulator cannot read these search words: {' '.join(left)}")
    for minus, field, comparison, quoted in TERM.findall(text):
        value = quoted.strip("'\"")
        if field in MOMENTS:
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            bounds.append((MOMENTS[field], comparison, moment, bool(minus)))
        elif comparison:
            raise ValueError(f"the simulator compares no {field}: {comparison}{quoted}")
        else:
            test = _test(field, value)
            tests.append(_opposite(test) if minus else test)
    return bounds, tests


def _opposite(test: Test) -> Test:
    return lambda order: not test(order)


def _test(field: str, value: str) -> Test:
    low = value.lower()
    if field in VALUES and low not in VALUES[field]:
        raise ValueError(f"Invalid value for {field}: {value}")
    tests: dict[str, Test] = {
        "test": lambda order: order["test"] is (low == "true"),
        "tag": lambda order: low in [tag.lower() for tag in order["tags"]],
        "tag_not": lambda order: low not in [tag.lower() for tag in order["tags"]],
        "discount_code": lambda order: low == (order["code"] or "").lower(),
        "source_name": lambda order: str(order["channel"]) == low,
        "status": lambda order: low in statuses(order),
        "financial_status": lambda order: financial_status(order).lower() == low,
        "fulfillment_status": lambda order: low in FULFILLMENT[order["fulfilled"]],
        "name": lambda order: order_name(order).lower() == low,
        "id": lambda order: str(order["number"] + 1) == low,
    }
    if field not in tests:
        raise ValueError(f"Invalid search field: {field}")
    return tests[field]


def statuses(order: dict[str, Any]) -> tuple[str, ...]:
    """Return the values of `status:` that find this order."""
    if order["cancelled"]:
        return ("cancelled", "not_closed")
    return ("closed",) if order["closed"] and order["fulfilled"] else ("open", "not_closed")


def financial_status(order: dict[str, Any]) -> str:
    """Return the status that Shopify would show."""
    if not order["refunds"]:
        return "PENDING" if order["pending"] else "PAID"
    back = sum(item["quantity"] for refund in order["refunds"] for item in refund["lines"])
    return "REFUNDED" if back == sum(line["quantity"] for line in order["lines"]) else "PARTIALLY_REFUNDED"


def order_name(order: dict[str, Any]) -> str:
    """Return the order's name, "#1001" for the first."""
    return f"#{order['number'] + 1001}"
