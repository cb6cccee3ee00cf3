"""One invented shop: its data, its access, its bucket, its bad days, and the answers to GraphQL."""

import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from graphql import DocumentNode, GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate

from .cost import cost_of
from .data import ShopData
from .faults import STATES, check
from .listing import SORTS, Listing, listing, visible_since
from .pages import connected, only_forward, page_size
from .problems import denied, failed, refused, unapproved
from .resolve import order_fields

SCOPES = ("read_orders", "read_all_orders", "read_products", "read_customers")
MOST_COST = 1000
RATE_DOCS = "https://shopify.dev/api/usage/rate-limits"
#: Served on 2026-11-23 (notes on Shopify, 2.1); an older one is answered by the first.
VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10", "unstable")


_reading = threading.Lock()


def schema() -> GraphQLSchema:
    """Return the cut of Shopify's real Admin schema, read once: requests that come together wait for one reader."""
    with _reading:
        return _read_schema()


@cache
def _read_schema() -> GraphQLSchema:
    text = files("scheduler_daemon.simulator").joinpath("schema.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid=True)


@lru_cache(maxsize=256)
def _checked(query: str) -> tuple[DocumentNode, list[GraphQLError]]:
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
        #: Seconds that a token lives, and what answers say of it: nothing at all where `tells_expiry` is off.
        self.expires, self.tells_expiry = 3600, True
        #: Whether Shopify approved the app for protected customer data.
        self.approved = True
        self.granted = {self.token: time.monotonic() + self.expires} if access == "expiring" else {}
        self.cursor_limit = 25_000
        self.state: str | None = None
        self.bad_days: deque[dict[str, Any]] = deque()
        self.log: list[dict[str, Any]] = []
        self.lock = threading.RLock()

    def now(self) -> datetime:
        """Return the shop's moment."""
        return self._now or datetime.now(UTC)

    def script(self, faults: Sequence[str | dict[str, Any]]) -> None:
        """Let the next answers be these faults, one each (see `faults.FAULTS`)."""
        made = [{"fault": item} if isinstance(item, str) else dict(item) for item in faults]
        for item in made:
            check(item["fault"])
        with self.lock:
            self.bad_days.extend(made)

    def fault(self, where: str) -> dict[str, Any] | None:
        """Return what goes wrong with this request, to "graphql" or "token"; the script first, then the state."""
        with self.lock:
            for item in self.bad_days:
                if item.get("on", "graphql") != where:
                    continue
                if item.get("skip", 0) > 0:
                    item["skip"] -= 1
                    return None
                self.bad_days.remove(item)
                return item
        state = STATES.get(self.state or "", self.state)
        return {"fault": state} if state else None

    def expire(self) -> None:
        """End the current access token now, as its `expires_in` would."""
        with self.lock:
            self.granted[self.token] = time.monotonic()

    def revoke(self) -> None:
        """End all tokens, the refresh tokens too: the app was removed, or its access was withdrawn."""
        with self.lock:
            self.granted = {**dict.fromkeys(self.granted, 0.0), self.token: 0.0}
            self.refresh_token = self.old_refresh = ""

    # GraphQL --------------------------------------------------------------------------------------------------------

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON answer to a query, its cost included."""
        try:
            document, problems = _checked(query)
        except GraphQLError as error:
            return {"errors": [{"message": error.message, "extensions": {"code": "PARSE_ERROR"}}]}
        if problems:
            return {"errors": [refused(problem, document) for problem in problems]}
        cost = cost_of(schema(), document, variables)
        if cost > MOST_COST:
            text = f"Query cost is {cost}, which exceeds the single query max cost limit ({MOST_COST})."
            limit = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST_COST, "documentation": RATE_DOCS}
            return {"errors": [{"message": text, "extensions": limit}]}
        if not self.take(cost):
            return self.throttled(cost)
        root = self._root()
        made = execute_sync(schema(), document, root, variable_values=variables, field_resolver=_resolve)
        answer: dict[str, Any] = {"data": made.data}
        if made.errors:
            answer["errors"] = [failed(error) for error in made.errors]
        actual = cost_of(schema(), document, variables, made.data) if made.data else 1
        self.give_back(cost - actual)
        answer["extensions"] = {"cost": self.cost(cost, actual)}
        return answer

    def throttled(self, cost: int) -> dict[str, Any]:
        """Return the answer that an empty bucket gives."""
        extra = {"code": "THROTTLED", "documentation": RATE_DOCS}
        return {
            "errors": [{"message": "Throttled", "extensions": extra}],
            "extensions": {"cost": self.cost(cost, None)},
        }

    def give_back(self, points: float) -> None:
        """Give back what the answer did not need."""
        with self.lock:
            self.available = min(self.bucket_size, self.available + max(0.0, points))

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
        status: dict[str, Any] = {"maximumAvailable": self.bucket_size, "currentlyAvailable": int(self.available)}
        status["restoreRate"] = self.restore_rate
        return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}

    def _shop(self) -> dict[str, Any]:
        offset = self.now().astimezone(ZoneInfo(self.zone)).utcoffset()
        minutes = int(offset.total_seconds()) // 60 if offset else 0
        return {
            "id": "gid://shopify/Shop/1",
            "name": self.name,
            "email": f"owner@{self.domain}",
            "contactEmail": f"owner@{self.domain}",
            "myshopifyDomain": self.domain,
            "primaryDomain": {"host": self.domain, "url": f"https://{self.domain}"},
            "ianaTimezone": self.zone,
            "timezoneOffset": f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}",
            "timezoneOffsetMinutes": minutes,
            "currencyCode": self.currency,
            "enabledPresentmentCurrencies": [self.currency],
            "taxesIncluded": self.data.taxes_included,
            "weightUnit": "KILOGRAMS",
            "plan": {"publicDisplayName": "Basic", "partnerDevelopment": False, "shopifyPlus": False},
        }

    def _root(self) -> dict[str, Any]:
        return {
            "shop": self._shop(),
            "currentAppInstallation": {
                "id": "gid://shopify/AppInstallation/1",
                "app": {"id": "gid://shopify/App/1", "handle": "reports", "title": "Reports"},
                "accessScopes": [{"handle": scope} for scope in self.scopes],
            },
            "publicApiVersions": [
                {"handle": handle, "supported": handle != "unstable", "displayName": handle} for handle in VERSIONS
            ],
            "orders": self._orders,
            "ordersCount": self._orders_count,
            "order": self._one_order,
            "node": self._one_order,
        }

    def _need(self, scope: str, field: str) -> None:
        if scope == "protected":
            if not self.approved:
                raise unapproved(field)
        elif scope not in self.scopes:
            raise denied(field, scope)

    def _listing(self, query: str | None, sort: str = "CREATED_AT", reverse: bool = False) -> Listing:
        since = visible_since(self.scopes, self.now())
        return listing(self.data, query, sort=sort, reverse=reverse, since=since)

    def _fields(self, number: int) -> dict[str, Any]:
        return order_fields(self.data, self.data.order(number), self._need)

    def _orders(
        self, _info: Any, first: int | None = None, after: str | None = None, query: str | None = None, **rest: Any
    ) -> dict[str, Any]:
        self._need("read_orders", "orders")
        only_forward(rest)
        sort = str(rest.get("sortKey") or "PROCESSED_AT")
        if sort not in SORTS:
            raise GraphQLError(f"the simulator does not sort by {sort}")
        search = self._listing(query, sort, bool(rest.get("reverse")))
        found, more = search.page(page_size(first), after, self.cursor_limit)
        return connected([self._fields(number) for _, number in found], [cursor for cursor, _ in found], more)

    def _orders_count(
        self, _info: Any, query: str | None = None, limit: int | None = 10_000, **_: Any
    ) -> dict[str, Any]:
        self._need("read_orders", "ordersCount")
        count = sum(1 for _ in self._listing(query).walk())
        exact = limit is None or count <= limit
        return {"count": count if exact else limit, "precision": "EXACT" if exact else "AT_LEAST"}

    def _one_order(self, _info: Any, id: str) -> dict[str, Any] | None:
        self._need("read_orders", "order")
        found = re.fullmatch(r"gid://shopify/Order/(\d+)", id)
        if found is None:
            raise GraphQLError(f"Invalid global id '{id}'", extensions={"code": "argumentLiteralsIncompatible"})
        number = int(found[1]) - 1
        since = visible_since(self.scopes, self.now())
        if not 0 <= number < self.data.count or (since and self.data.created[number] < since):
            return None
        return self._fields(number)


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    try:
        value = source[info.field_name]
    except KeyError:
        text = f"the simulator does not know {info.parent_type.name}.{info.field_name}"
        raise GraphQLError(text, extensions={"code": "BAD_REQUEST"}) from None
    return value(info, **arguments) if callable(value) else value


def _token(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"
