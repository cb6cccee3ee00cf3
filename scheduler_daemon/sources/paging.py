"""
All orders of a search, page by page, whatever their number.

One cursor ends at 25,000 objects (Shopify docs: limits). Orders come sorted by a moment, so before that the search is
asked anew from the last moment seen, and orders of that very second that were seen already are left out.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ..errors import SourceError
from ..shopify.client import Client

#: Objects read through one cursor before the search is asked anew; a page below Shopify's own 25,000.
CURSOR_LIMIT = 24_750
PAGE = 250
#: No page is made smaller than this to save points.
LEAST_PAGE = 5

Order = dict[str, Any]


def quoted(moment: datetime) -> str:
    """Return *moment* as a search value."""
    return f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


class Pages:
    """One walk over the orders of a search; *limit* is how many objects one cursor may give, *first* ends it early."""

    def __init__(
        self, api: Client, query: str, check: Callable[[int], None], limit: int = CURSOR_LIMIT, *, first: bool = False
    ) -> None:
        self.api = api
        self.query = query
        self.check = check
        self.limit = limit
        self.first = first
        #: Whether it ended after the first page although there is more.
        self.cut = False
        self.size = PAGE
        self.count = 0

    def read(self, search: Callable[[datetime | None], str], by: str) -> Iterator[Order]:
        """
        Yield the orders of *search*, sorted by the field *by* ("createdAt", "updatedAt").

        *search* gives the search text from a moment on (None: from the beginning). Raise SourceError.
        """
        since: datetime | None = None
        last, at_last = "", set[str]()
        while True:
            fresh, ended = 0, True
            for order, more in self._one_cursor(search(since)):
                ended = not more
                if order[by] != last:
                    last, at_last = order[by], set()
                if order["id"] in at_last:
                    continue
                at_last.add(order["id"])
                fresh += 1
                self.count += 1
                yield order
            if ended:
                return
            if not fresh:
                raise SourceError(f"Too many orders of {self.api.shop} share one second.", code="too_many_rows")
            since = datetime.fromisoformat(last)

    def _one_cursor(self, search: str) -> Iterator[tuple[Order, bool]]:
        """Yield orders through one cursor, each with whether the search goes on behind what this cursor may give."""
        after: str | None = None
        cursors: set[str] = set()
        given = 0
        while True:
            self.check(self.count)
            found = self._page(search, after)
            nodes, info = found["nodes"], found["pageInfo"]
            given += len(nodes)
            more = bool(info["hasNextPage"])
            if self.first:
                self.cut, more = more, False
            for node in nodes:
                yield node, more
            if not more or given + self.size > self.limit:
                return
            after = info["endCursor"]
            if not nodes or not after or after in cursors:
                message = f"Shopify's pages of orders of {self.api.shop} lead in a circle."
                raise SourceError(message, code="response_invalid", retryable=True)
            cursors.add(after)

    def _page(self, search: str, after: str | None) -> dict[str, Any]:
        """Ask for a page, smaller where one of this size costs too much."""
        while True:
            try:
                data = self.api.execute(self.query, {"first": self.size, "after": after, "query": search})
            except SourceError as error:
                if error.code != "query_too_costly" or self.size <= LEAST_PAGE:
                    raise
                self.size = max(LEAST_PAGE, self.size // 2)
            else:
                return dict(data["orders"])
