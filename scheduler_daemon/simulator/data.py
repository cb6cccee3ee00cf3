"""
Seeded, believable shop data. An order is made from its number whenever it is asked for, so 100,000 cost no memory.

What a list must know of every order without making it is kept here: when it was created, processed and last changed.
Every figure is exact: amounts are whole numbers of the currency's smallest unit until they are written as text.
"""

import random
from array import array
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ..lib.figures import MINOR_UNITS
from .catalog import variants
from .order import is_long, is_refunded_often, make_order

#: Of a hundred orders this many change later: a refund, a cancellation, an edit.
CHANGED = 12
#: Every so many orders one was imported: processed long before it was created here.
IMPORTED_EVERY, IMPORTED_AT = 200, 3
#: Every so many orders one was processed hours after it was created.
LATER_EVERY, LATER_AT = 200, 5

MOMENTS = ("created", "processed", "updated")


class ShopData:
    """The orders of one shop, by number from 0; created times ascend."""

    def __init__(
        self, domain: str, *, seed: int, orders: int, until: datetime, days: float, currency: str, taxes_included: bool
    ) -> None:
        self.domain = domain
        self.seed = seed
        self.currency = currency
        self.digits = MINOR_UNITS.get(currency, 2)
        self.taxes_included = taxes_included
        self.until = until.replace(microsecond=0)
        chance = random.Random(f"{seed}/{domain}")
        seconds = max(1, int(days * 86400))
        offsets = sorted((chance.randrange(seconds) for _ in range(orders)), reverse=True)
        self.created = [self.until - timedelta(seconds=offset + 1) for offset in offsets]
        self.variants = variants(chance, self.digits)
        self._changes = self._change_times(chance)
        self._sorted: dict[str, array[int]] = {}
        #: Return order number n as a dict of its parts; see `order.make_order`.
        self.order: Callable[[int], dict[str, Any]] = lru_cache(maxsize=600)(lambda number: make_order(self, number))

    @property
    def count(self) -> int:
        """Return the number of orders."""
        return len(self.created)

    def changed_at(self, number: int) -> datetime | None:
        """Return when order *number* was refunded, cancelled or edited (last); None where it never was."""
        later = self._changes[number]
        return self.created[number] + timedelta(seconds=later) if later else None

    def _change_times(self, chance: random.Random) -> "array[int]":
        """Return for each order the seconds to its last change, 0 where there is none: 8 bytes an order."""
        made = array("q")
        for number, created in enumerate(self.created):
            sure = is_long(number) or is_refunded_often(number)
            later = int(3600 + chance.random() * 20 * 86400) if chance.random() * 100 < CHANGED or sure else 0
            left = int((self.until - created).total_seconds()) - 1
            if later >= left:
                later = max(0, left // 2) if sure else 0
            made.append(later)
        return made

    def processed(self, number: int) -> datetime:
        """Return when order *number* was processed: the day that sales reports count it on."""
        created = self.created[number]
        if number % IMPORTED_EVERY == IMPORTED_AT:
            return created - timedelta(days=1 + number * 7 % 40)
        if number % LATER_EVERY == LATER_AT:
            return min(self.until, created + timedelta(hours=1 + number % 47))
        return created

    def updated(self, number: int) -> datetime:
        """Return when order *number* last changed."""
        return max(self.changed_at(number) or self.created[number], self.processed(number))

    def moment(self, field: str, number: int) -> datetime:
        """Return the moment *field* (one of `MOMENTS`) of order *number*."""
        return self.created[number] if field == "created" else getattr(self, field)(number)

    def by(self, field: str) -> "array[int] | range":
        """Return the numbers of all orders sorted by the moment *field*, ascending."""
        if field == "created":
            return range(self.count)
        if field not in self._sorted:
            self._sorted[field] = array("q", sorted(range(self.count), key=getattr(self, field)))
        return self._sorted[field]

    def first(self, field: str, moment: datetime) -> int:
        """Return the place in `by(field)` of the first order at or after *moment*."""
        if field == "created":
            return bisect_left(self.created, moment)
        return bisect_left(self.by(field), moment, key=getattr(self, field))
