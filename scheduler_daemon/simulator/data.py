"""
Seeded, believable shop data. An order is made from its number whenever it is asked for, so 100,000 cost no memory.

Every figure is exact: cents are whole numbers until they are written as decimal text.
"""

import random
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

NAMES = (
    'Sencha "First Flush", 100 g',
    "=Matcha Deluxe",
    "+Plus Tea",
    "@Home Set",
    "Thé vert, bio",
    "Oolong 🍵 Gift",
    "Earl Grey",
    "Rooibos -Vanilla-",
    "Teapot, cast iron",
    "Müsli & More",
    "Chai; spiced",
    "Kräutertee\tNacht",
)
PEOPLE = ("Anna Müller", "José García", "O'Neil, Pat", "李小龍", "Zoë Dubois", "=cmd()", "Ivan Petrov", "Aïcha Benali")
CITIES = (("Paris", "FR"), ("Berlin", "DE"), ("Wien", "AT"), ("New York", "US"), ("東京", "JP"), ("Montréal", "CA"))
CHANNELS = ("web", "web", "web", "pos", "shopify_draft_order", "iphone")
TAGS = ("vip", "wholesale", "gift, wrapped", "first-order")
#: Of a hundred orders this many have a refund, later than the order.
REFUNDED = 8
TAX_PERCENT = 20


@dataclass(frozen=True)
class Variant:
    """One thing that is sold."""

    number: int
    title: str
    product: str
    sku: str
    price: int
    vendor: str
    kind: str
    gift_card: bool = False


class ShopData:
    """The orders of one shop, by number from 0; created times ascend."""

    def __init__(
        self, domain: str, *, seed: int, orders: int, until: datetime, days: float, currency: str, taxes_included: bool
    ) -> None:
        self.domain = domain
        self.seed = seed
        self.currency = currency
        self.taxes_included = taxes_included
        self.until = until.replace(microsecond=0)
        chance = random.Random(f"{seed}/{domain}")
        seconds = max(1, int(days * 86400))
        offsets = sorted((chance.randrange(seconds) for _ in range(orders)), reverse=True)
        self.created = [self.until - timedelta(seconds=offset + 1) for offset in offsets]
        self.variants = [_variant(chance, number) for number in range(36)]
        self.order = lru_cache(maxsize=600)(self._order)
        self._refunded = self._refund_times(chance)
        self._updated: array[int] | None = None

    @property
    def count(self) -> int:
        """Return the number of orders."""
        return len(self.created)

    def refunded_at(self, number: int) -> datetime | None:
        """Return when order *number* was refunded, known without making the order; None where it was not."""
        later = self._refunded[number]
        return self.created[number] + timedelta(seconds=later) if later else None

    def _refund_times(self, chance: random.Random) -> "array[int]":
        """Return for each order the seconds to its refund, 0 where there is none: 8 bytes an order."""
        made = array("q")
        for created in self.created:
            later = int(3600 + chance.random() * 20 * 86400) if chance.random() * 100 < REFUNDED else 0
            made.append(later if created + timedelta(seconds=later) < self.until else 0)
        return made

    def updated(self, number: int) -> datetime:
        """Return when order *number* last changed."""
        return self.refunded_at(number) or self.created[number]

    def by_updated(self) -> "array[int]":
        """Return the numbers of all orders by their last change, ascending."""
        if self._updated is None:
            self._updated = array("q", sorted(range(self.count), key=self.updated))
        return self._updated

    def first_updated(self, moment: datetime) -> int:
        """Return the place in `by_updated` of the first order that last changed at or after *moment*."""
        return bisect_left(self.by_updated(), moment, key=self.updated)

    def first_created(self, moment: datetime) -> int:
        """Return the number of the first order created at or after *moment*."""
        return bisect_left(self.created, moment)

    def _order(self, number: int) -> dict[str, Any]:
        chance = random.Random(f"{self.seed}/{number}")
        lines = [self._line(chance, number, index) for index in range(chance.choice((1, 1, 1, 2, 2, 3, 5)))]
        _spread_discount(chance, lines)
        for line in lines:
            paid = line["total"] - line["discount"]
            line["tax"] = 0 if line["variant"].gift_card else _tax(paid, self.taxes_included)
        refunded = self.refunded_at(number)
        returned = self._returns(chance, number, lines) if refunded else []
        shipping = chance.choice((0, 490, 490, 990))
        test = chance.randrange(100) == 0
        person = chance.randrange(len(PEOPLE))
        return {
            "number": number,
            "created": self.created[number],
            "updated": self.updated(number),
            "cancelled": chance.randrange(50) == 0,
            "test": test,
            "lines": lines,
            "shipping": shipping,
            "refunds": [{"at": refunded, "lines": returned}] if refunded else [],
            "channel": chance.choice(CHANNELS),
            "tags": sorted(chance.sample(TAGS, chance.choice((0, 0, 1, 2)))),
            "person": PEOPLE[person] if chance.randrange(10) else None,
            "city": chance.choice(CITIES),
            "note": chance.choice((None, None, "Ring twice,\nplease", "-fragile-")),
            "code": chance.choice((None, None, None, "SPRING10")),
            "fulfilled": chance.randrange(8) > 0,
        }

    def _line(self, chance: random.Random, number: int, index: int) -> dict[str, Any]:
        variant = chance.choice(self.variants)
        quantity = chance.choice((1, 1, 1, 2, 3))
        made = {"id": number * 100 + index, "variant": variant, "quantity": quantity, "price": variant.price}
        off = variant.price * quantity // 10 if chance.randrange(12) == 0 else 0
        made |= {"total": variant.price * quantity, "discount": off, "allocations": [off] if off else []}
        return made | {"gone": chance.randrange(60) == 0, "returned": 0}

    @staticmethod
    def _returns(chance: random.Random, number: int, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        returned = []
        for index, line in enumerate(lines):
            if index and chance.randrange(2):
                continue
            quantity = chance.randint(1, line["quantity"])
            line["returned"] = quantity
            share = (line["total"] - line["discount"]) * quantity // line["quantity"]
            tax = line["tax"] * quantity // line["quantity"]
            returned.append(
                {"id": number * 100 + index, "line": line, "quantity": quantity, "amount": share, "tax": tax}
            )
        return returned


def _variant(chance: random.Random, number: int) -> Variant:
    product = NAMES[number // 3]
    size = ("50 g", "100 g", "250 g")[number % 3]
    gift = number == 35
    price = chance.randrange(350, 9900)
    title = "Gift card" if gift else f"{size}"
    return Variant(number, title, product, f"00{number:04}", price, ("Acme, Inc.", "Ō-cha")[number % 2], "Tea", gift)


def _spread_discount(chance: random.Random, lines: list[dict[str, Any]]) -> None:
    """Take a share off the whole order sometimes, allocated to lines to the cent as Shopify does."""
    if chance.randrange(5):
        return
    percent = chance.choice((5, 10, 25))
    for line in lines:
        share = (line["total"] - line["discount"]) * percent // 100
        line["discount"] += share
        line["allocations"].append(share)


def _tax(paid: int, included: bool) -> int:
    return round(paid * TAX_PERCENT / (100 + TAX_PERCENT)) if included else round(paid * TAX_PERCENT / 100)
