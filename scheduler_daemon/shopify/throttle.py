"""
The shop's leaky bucket, as its own answers describe it, on this process's monotonic clock.

Every answer says what is left and how fast it fills (Shopify docs: rate limits); between two answers the level is
computed, so that a query waits exactly until its points are there.
"""

from collections.abc import Mapping
from typing import Any

#: Points kept back: Shopify rounds `currentlyAvailable` down, and its clock is not ours.
MARGIN = 1.0


#: Seconds that one wait may take at most: a bad number must not hold a shop until the deadline.
LONGEST = 600.0
#: A bucket holds at most 20,000 points at any plan (shopify.dev, "API limits").
MOST_POINTS = 1_000_000_000.0


class Throttle:
    """Knows how long to wait before a query of a known cost."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self.rate = 0.0
        self.size = 0.0
        self.level = 0.0
        self.at = 0.0
        self.known = False
        self.costs: dict[str, float] = {}

    def wait_for(self, query: str, now: float) -> float:
        """Return the seconds to wait before *query* may be sent; 0 before the first answer. *now* is monotonic."""
        cost = self.costs.get(query)
        if not self.known or cost is None or self.rate <= 0:
            return 0.0
        needed = min(cost + MARGIN, self.size) - self._level(now)
        return min(max(0.0, needed / self.rate), LONGEST)

    def _level(self, now: float) -> float:
        return min(self.size, self.level + (now - self.at) * self.rate)

    def learn(self, query: str, cost: Mapping[str, Any], now: float) -> None:
        """Take in the cost extension of an answer that came at *now* (monotonic)."""
        status = _status(cost)
        requested = _points(cost.get("requestedQueryCost"))
        if requested is not None:
            self.costs[query] = requested
        if status:
            self.known = True
            self.rate = (_points(status.get("restoreRate")) or 0.0) * self.share
            self.size = _points(status.get("maximumAvailable")) or 0.0
            self.level, self.at = _points(status.get("currentlyAvailable")) or 0.0, now

    def wait_after_refusal(self, cost: Mapping[str, Any]) -> float:
        """Return the seconds to wait after THROTTLED: until the missing points are there, at least one second."""
        status = _status(cost)
        rate = _points(status.get("restoreRate")) or 50.0
        missing = (_points(cost.get("requestedQueryCost")) or 0.0) - (_points(status.get("currentlyAvailable")) or 0.0)
        return min(max(1.0, missing / rate + 0.25), LONGEST)


def _status(cost: Mapping[str, Any]) -> Mapping[str, Any]:
    found = cost.get("throttleStatus")
    return found if isinstance(found, Mapping) else {}


def _points(value: Any) -> float | None:
    """Return a number of points; None for anything that is none, which tells nothing of the bucket."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST_POINTS
    return float(value) if usable else None
