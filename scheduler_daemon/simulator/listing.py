"""The orders of a search, page by page: nothing is kept between two pages, a cursor says where to go on."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from graphql import GraphQLError

from .data import ShopData
from .pages import make_cursor, read_cursor
from .search import COMPARE, Bound, Test, read_query

#: Without `read_all_orders` an app sees this much of the past (Shopify docs: Order).
VISIBLE = timedelta(days=60)
SECOND = timedelta(seconds=1)
#: The moment that each sort key sorts by; ids are numbers, which ascend with creation.
SORTS = {"CREATED_AT": "created", "ID": "created", "PROCESSED_AT": "processed", "UPDATED_AT": "updated"}


@dataclass(frozen=True)
class Listing:
    """One search over the orders of a shop, sorted."""

    data: ShopData
    bounds: Sequence[Bound]
    tests: Sequence[Test]
    #: The moment that sorts: "created", "processed" or "updated".
    by: str
    reverse: bool

    def page(self, first: int, after: str | None, limit: int) -> tuple[list[tuple[str, int]], bool]:
        """
        Return up to *first* (cursor, number), and whether more follow; one cursor's walk ends at *limit* orders.

        A cursor is the sorting moment and the number of the last order, as at Shopify, so that it holds where orders
        change their place; and how many orders were seen with it.
        """
        sort = self.by[0].upper() + ("r" if self.reverse else "")
        moment, last, seen = read_cursor(after, sort, 3) if after else (0, 0, 0)
        found: list[tuple[str, int]] = []
        more = False
        size = min(first, max(0, limit - seen))
        for number in self.walk((moment, last) if after else None):
            if len(found) == size:
                more = seen + size < limit
                break
            at = int(self.data.moment(self.by, number).timestamp())
            found.append((make_cursor(sort, at, number, seen + len(found) + 1), number))
        return found, more

    def walk(self, behind: tuple[int, int] | None = None) -> Iterable[int]:
        """Yield the numbers of the orders that fit, *behind* a sorting moment (seconds since 1970) and a number."""
        low, high = self._span()
        numbers = self.data.by(self.by)
        if behind is not None:
            find = bisect_left if self.reverse else bisect_right
            place = find(numbers, behind, key=self._sorting)
            low, high = (low, min(high, place)) if self.reverse else (max(low, place), high)
        places = range(high - 1, low - 1, -1) if self.reverse else range(low, high)
        return (numbers[place] for place in places if self._fits(numbers[place]))

    def _sorting(self, number: int) -> tuple[int, int]:
        return int(self.data.moment(self.by, number).timestamp()), number

    def _span(self) -> tuple[int, int]:
        """Return the places outside which no order can fit."""
        low, high = 0, self.data.count
        for name, comparison, moment, opposite in self.bounds:
            if name != self.by or opposite:
                continue
            if comparison in (">=", ">"):
                low = max(low, self.data.first(name, moment))
            elif comparison in ("<", "<="):
                high = min(high, self.data.first(name, moment + SECOND))
        return low, high

    def _fits(self, number: int) -> bool:
        for field, comparison, moment, opposite in self.bounds:
            if COMPARE[comparison](self.data.moment(field, number), moment) is opposite:
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
    return Listing(data, bounds, tests, SORTS[sort], reverse)


def visible_since(scopes: Sequence[str], now: datetime) -> datetime | None:
    """Return the earliest moment whose orders the token may see; None for all."""
    return None if "read_all_orders" in scopes else now.astimezone(UTC) - VISIBLE
