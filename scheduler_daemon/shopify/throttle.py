"""
The shop's leaky bucket, as its own answers describe it, on this process's monotonic clock.

Every answer says what is left and how fast it fills (Shopify docs: rate limits); between two answers the level is
computed, so that a query waits exactly until its points are there.
"""

from collections.abc import Mapping
from typing import Any

#: Points kept back: Shopify rounds `currentlyAvailable` down, and its clock is not ours.
MARGIN = 1.0


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
        return max(0.0, needed / self.rate)

    def _level(self, now: float) -> float:
        return min(self.size, self.level + (now - self.at) * self.rate)

    def learn(self, query: str, cost: Mapping[str, Any], now: float) -> None:
        """Take in the cost extension of an answer that came at *now* (monotonic)."""
        status = cost.get("throttleStatus") or {}
        requested = cost.get("requestedQueryCost")
        if requested is not None:
            self.costs[query] = float(requested)
        if status:
            self.known = True
            self.rate = float(status.get("restoreRate", 0)) * self.share
            self.size = float(status.get("maximumAvailable", 0))
            self.level, self.at = float(status.get("currentlyAvailable", 0)), now

    def wait_after_refusal(self, cost: Mapping[str, Any]) -> float:
        """Return the seconds to wait after THROTTLED: until the missing points are there, at least one second."""
        status = cost.get("throttleStatus") or {}
        rate = float(status.get("restoreRate") or 50.0)
        missing = float(cost.get("requestedQueryCost") or 0) - float(status.get("currentlyAvailable") or 0)
        return max(1.0, missing / rate + 0.25)
