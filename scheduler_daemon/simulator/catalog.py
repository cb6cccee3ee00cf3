"""What the invented shops sell, and to whom: names with every character that breaks a careless file."""

import random
from dataclasses import dataclass

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
SIZES = ("50 g", "100 g", "250 g")

#: Renamed since it was first sold: older orders show the first title.
RENAMED = 6
FIRST_TITLE = "Earl Grey Classic"
#: Deleted from the shop; its orders stay.
DELETED = 10
#: This variant alone was deleted; its product stays.
LOST = 4
#: Two variants without a SKU, as careless shops have.
WITHOUT_SKU = (7, 8)
GIFT_CARD = 35


@dataclass(frozen=True)
class Variant:
    """One thing that is sold; *price* in the currency's smallest unit."""

    number: int
    title: str
    product: str
    #: What its product was called when it was first sold.
    first_title: str
    sku: str | None
    price: int
    vendor: str
    kind: str
    gift_card: bool = False

    @property
    def product_number(self) -> int:
        """Return the number of its product."""
        return self.number // len(SIZES)

    @property
    def product_gone(self) -> bool:
        """Whether its product, and so it too, was deleted."""
        return self.product_number == DELETED

    @property
    def gone(self) -> bool:
        """Whether it was deleted."""
        return self.product_gone or self.number == LOST


def variants(chance: random.Random, digits: int) -> list[Variant]:
    """Return all that the shop sells; *digits* are the decimals of its currency."""
    scale = 10 if digits > 2 else 1
    return [_variant(chance, number, scale) for number in range(len(NAMES) * len(SIZES))]


def _variant(chance: random.Random, number: int, scale: int) -> Variant:
    product = NAMES[number // len(SIZES)]
    price = chance.randrange(350, 9900) * scale
    gift = number == GIFT_CARD
    return Variant(
        number=number,
        title="Gift card" if gift else SIZES[number % len(SIZES)],
        product=product,
        first_title=FIRST_TITLE if number // len(SIZES) == RENAMED else product,
        sku=None if number in WITHOUT_SKU else f"00{number:04}",
        price=price,
        vendor=("Acme, Inc.", "Ō-cha")[number // len(SIZES) % 2],
        kind="Teaware" if product.startswith("Teapot") else "Tea",
        gift_card=gift,
    )
