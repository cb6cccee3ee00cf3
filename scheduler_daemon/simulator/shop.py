"""One invented shop: its data, its access, its bucket, its bad days, and the answers to GraphQL."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate

from .cost import cost_of
from .data import ShopData
from .resolve import connected, make_cursor, order_fields, page_size, read_cursor
from .search import COMPARE, read_query

SCOPES = ("read_orders", "read_all_orders", "read_products", "read_customers")
MOST_COST = 1000


@cache
def schema() -> GraphQLSchema:
    """Return the cut of Shopify's real Admin schema, read once."""
    text = files("scheduler_daemon.simulator").joinpath("schema.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid=True)


@cache
def _checked(query: str) -> Any:
    document = parse(query)
    problems = validate(schema(), document)
    return document, problems


class SimShop:
    """One shop of the simulator; everything may be set while it runs."""

    def __init__(
        self,
        domain: str,
        *,
        orders: int = 100,
        seed: int = 1,
        name: str = "",
        zone: str = "UTC",
        currency: str = "EUR",
        access: str = "token",
        scopes: Sequence[str] = SCOPES,
        restore_rate: float = 100.0,
        bucket_size: float = 2000.0,
        now: datetime | None = None,
        days: float = 60.0,
        taxes_included: bool = False,
    ) -> None:
        self.domain, self.zone, self.currency, self.access = domain, zone, currency, access
        self.name = name or domain.removesuffix(".myshopify.com").replace("-", " ").title()
        self.scopes = tuple(scopes)
        self.restore_rate, self.bucket_size = restore_rate, bucket_size
        self.available, self.filled_at = bucket_size, time.monotonic()
        self._now = now
        until = self.now()
        self.data = ShopData(
            domain, seed=seed, orders=orders, until=until, days=days, currency=currency, taxes_included=taxes_included
        )
        self.token, self.refresh_token = _token("shpat"), _token("shprt")
        self.client_id, self.client_secret = secrets.token_hex(8), _token("shpss")
        self.old_refresh = ""
        self.expires = 3600
        self.granted = {self.token: time.monotonic() + self.expires} if access == "expiring" else {}
        self.cursor_limit = 25_000
        self.state = ""
        self.bad_days: deque[dict[str, Any]] = deque()
        self.log: list[dict[str, Any]] = []
        self.lock = threading.RLock()

    def now(self) -> datetime:
        """Return the shop's moment."""
        return self._now or datetime.now(UTC)

    def script(self, faults: Sequence[str | dict[str, Any]]) -> None:
        """Let the next answers be these faults, one each (see `faults.FAULTS`)."""
        self.bad_days.extend({"fault": item} if isinstance(item, str) else item for item in faults)

    # GraphQL --------------------------------------------------------------------------------------------------------

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON answer to a query, its cost included."""
        try:
            document, problems = _checked(query)
        except GraphQLError as error:
            return {"errors": [{"message": error.message, "extensions": {"code": "PARSE_ERROR"}}]}
        if problems:
            return {"errors": [_shown(problem) for problem in problems]}
        cost = cost_of(schema(), document, variables)
        if cost > MOST_COST:
            text = f"Query cost is {cost}, which exceeds the single query max cost limit ({MOST_COST})."
            extra = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST_COST}
            return {"errors": [{"message": text, "extensions": extra}]}
        if not self.take(cost):
            extra = {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}
            return {
                "errors": [{"message": "Throttled", "extensions": extra}],
                "extensions": {"cost": self.cost(cost, None)},
            }
        root = self._root()
        made = execute_sync(schema(), document, root, variable_values=variables, field_resolver=_resolve)
        answer: dict[str, Any] = {"data": made.data}
        if made.errors:
            answer["errors"] = [error.formatted for error in made.errors]
        answer["extensions"] = {"cost": self.cost(cost, cost)}
        return answer

    def take(self, cost: float) -> bool:
        """Take points from the leaky bucket; False where it has too few."""
        with self.lock:
            moment = time.monotonic()
            gained = (moment - self.filled_at) * self.restore_rate
            self.available = min(self.bucket_size, self.available + gained)
            self.filled_at = moment
            if self.available < cost:
                return False
            self.available -= cost
            return True

    def cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        """Return the cost extension."""
        status = {"maximumAvailable": self.bucket_size, "currentlyAvailable": int(self.available)}
        status["restoreRate"] = self.restore_rate
        return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}

    def _root(self) -> dict[str, Any]:
        return {
            "shop": {
                "id": "gid://shopify/Shop/1",
                "name": self.name,
                "email": f"owner@{self.domain}",
                "contactEmail": f"owner@{self.domain}",
                "myshopifyDomain": self.domain,
                "ianaTimezone": self.zone,
                "currencyCode": self.currency,
                "taxesIncluded": self.data.taxes_included,
                "plan": {"publicDisplayName": "Basic", "partnerDevelopment": False, "shopifyPlus": False},
            },
            "currentAppInstallation": {
                "id": "gid://shopify/AppInstallation/1",
                "accessScopes": [{"handle": scope} for scope in self.scopes],
            },
            "publicApiVersions": [{"handle": "2026-10", "supported": True, "displayName": "2026-10"}],
            "orders": self._orders,
            "ordersCount": self._orders_count,
            "order": self._one_order,
        }

    def _need(self, scope: str, field: str) -> None:
        if scope not in self.scopes:
            text = f"Access denied for {field} field. Required access: `{scope}` access scope."
            extra = {"code": "ACCESS_DENIED", "requiredAccess": f"`{scope}` access scope."}
            raise GraphQLError(text, extensions=extra)

    def _numbers(self, query: str, by_updated: bool) -> list[int]:
        """Return the numbers of the orders that fit, in the order asked for."""
        bounds, tests = read_query(query)
        if "read_all_orders" not in self.scopes:
            bounds = [*bounds, ("created", ">=", self.now() - timedelta(days=60))]
        data = self.data
        low, high = 0, data.count
        for field, comparison, moment in bounds:
            if field == "created" and comparison in (">=", ">"):
                low = max(low, data.first_created(moment))
            elif field == "created" and comparison in ("<", "<="):
                high = min(high, data.first_created(moment + timedelta(seconds=comparison == "<=")))
        numbers: Any = range(low, high)
        if by_updated:
            numbers = [number for _, number in data.by_updated() if low <= number < high]
        return [number for number in numbers if self._fits(number, bounds, tests)] if tests or bounds else list(numbers)

    def _fits(self, number: int, bounds: Any, tests: Any) -> bool:
        for field, comparison, moment in bounds:
            found = self.data.created[number] if field == "created" else self.data.updated(number)
            if not COMPARE[comparison](found, moment):
                return False
        return not tests or all(test(self.data.order(number)) for test in tests)

    def _orders(
        self, _info: Any, first: int | None = None, after: str | None = None, query: str = "", **rest: Any
    ) -> dict[str, Any]:
        self._need("read_orders", "orders")
        key = (query, str(rest.get("sortKey")), bool(rest.get("reverse")))
        with self.lock:
            if getattr(self, "_last", None) != key:
                self._found = self._numbers(query or "", key[1].endswith("UPDATED_AT"))
                if key[2]:
                    self._found.reverse()
                self._last = key
            found = self._found
        start = read_cursor(after) + 1 if after else 0
        size = min(page_size(first), max(0, self.cursor_limit - start))
        part = found[start : start + size]
        nodes = [order_fields(self.data, self.data.order(number)) for number in part]
        cursors = [make_cursor(start + i) for i in range(len(part))]
        return connected(nodes, cursors, start + size < min(len(found), self.cursor_limit))

    def _orders_count(self, _info: Any, query: str = "", limit: int | None = 10_000, **_: Any) -> dict[str, Any]:
        self._need("read_orders", "ordersCount")
        count = len(self._numbers(query or "", False))
        exact = limit is None or count <= limit
        return {"count": count if exact else limit, "precision": "EXACT" if exact else "AT_LEAST"}

    def _one_order(self, _info: Any, id: str) -> dict[str, Any] | None:
        self._need("read_orders", "order")
        number = int(id.rpartition("/")[2]) - 1
        return order_fields(self.data, self.data.order(number)) if 0 <= number < self.data.count else None


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    try:
        value = source[info.field_name]
    except KeyError:
        raise GraphQLError(f"the simulator does not know {info.parent_type.name}.{info.field_name}") from None
    return value(info, **arguments) if callable(value) else value


def _shown(problem: GraphQLError) -> dict[str, Any]:
    text = problem.message
    code = "undefinedField" if "Cannot query field" in text else "argumentNotAccepted"
    return {"message": text, "extensions": {"code": code}, "locations": problem.formatted.get("locations", [])}


def _token(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"
