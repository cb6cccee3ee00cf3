"""The orders of a search, page by page: nothing is kept between two pages, a cursor says where to go on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from graphql import GraphQLError

from .data import ShopData
from .resolve import make_cursor, read_cursor
from .search import COMPARE, Bound, Test, read_query

#: Without `read_all_orders` an app sees this much of the past (Shopify docs: Order).
VISIBLE = timedelta(days=60)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Listing:
    """One search over the orders of a shop, sorted."""

    data: ShopData
    bounds: Sequence[Bound]
    tests: Sequence[Test]
    #: Whether sorted by the last change; else by creation, which is the order of numbers, of ids and of processing too.
    by_updated: bool
    reverse: bool

    def page(self, first: int, after: str | None, limit: int) -> tuple[list[tuple[str, int]], bool]:
        """
        Return up to *first* (cursor, number), and whether more follow; one cursor's walk ends at *limit* orders.

        A cursor is the place in the whole sorted list and the number of orders seen before and with it.
        """
        sort = ("U" if self.by_updated else "C") + ("r" if self.reverse else "")
        place, seen = self._after(after, sort)
        found: list[tuple[str, int]] = []
        more = False
        size = min(first, max(0, limit - seen))
        for at, number in self.walk(place):
            if len(found) == size:
                more = seen + size < limit
                break
            found.append((make_cursor(sort, at, seen + len(found) + 1), number))
        return found, more

    def _after(self, after: str | None, sort: str) -> tuple[int | None, int]:
        if not after:
            return None, 0
        kind, place, seen = read_cursor(after)
        if kind != sort:
            raise GraphQLError(f"invalid cursor for current pagination: {after}", extensions={"code": "BAD_REQUEST"})
        return place, seen

    def walk(self, place: int | None = None) -> Iterable[tuple[int, int]]:
        """Yield (place, number) of the orders that fit, behind *place*."""
        low, high = self._span()
        if place is not None:
            low, high = (low, min(high, place)) if self.reverse else (max(low, place + 1), high)
        places: Iterable[int] = range(high - 1, low - 1, -1) if self.reverse else range(low, high)
        numbers = self.data.by_updated() if self.by_updated else None
        for at in places:
            number = at if numbers is None else numbers[at]
            if self._fits(number):
                yield at, number

    def _span(self) -> tuple[int, int]:
        """Return the places outside which no order can fit."""
        field = "updated" if self.by_updated else "created"
        find: Callable[[datetime], int] = self.data.first_updated if self.by_updated else self.data.first_created
        low, high = 0, self.data.count
        for name, comparison, moment, opposite in self.bounds:
            if name != field or opposite:
                continue
            if comparison in (">=", ">"):
                low = max(low, find(moment))
            elif comparison in ("<", "<="):
                high = min(high, find(moment + SECOND))
        return low, high

    def _fits(self, number: int) -> bool:
        for field, comparison, moment, opposite in self.bounds:
            found = self.data.created[number] if field == "created" else self.data.updated(number)
            if COMPARE[comparison](found, moment) is opposite:
                return False
        return not self.tests or all(test(self.data.order(number)) for test in self.tests)


def listing(data: ShopData, query: str | None, *, sort: str, reverse: bool, since: datetime | None) -> Listing:
    """Return the search *query*; *since* bounds what is visible. Raise GraphQLError for what cannot be read."""
    try:
        bounds, tests = read_query(query or "")
    except ValueError as error:
        raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from None
    if since is not None:
        bounds.append(("created", ">=", since, False))
    return Listing(data, bounds, tests, sort == "UPDATED_AT", reverse)


def visible_since(scopes: Sequence[str], now: datetime) -> datetime | None:
    """Return the earliest moment whose orders the token may see; None for all."""
    return None if "read_all_orders" in scopes else now.astimezone(UTC) - VISIBLE
