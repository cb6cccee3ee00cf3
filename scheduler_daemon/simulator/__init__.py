"""An invented Shopify for the demo and the tests: real schema, believable data, true totals, bad days on demand."""

from .server import Simulator
from .shop import SimShop

__all__ = ["SimShop", "Simulator"]
