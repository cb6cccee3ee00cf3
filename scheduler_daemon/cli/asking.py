"""What several commands need: an open store, checked values."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..app import open_store
from ..errors import UsageError
from ..store import Store
from .main import Context

#: A shop's domain, exactly (Shopify's own libraries take more; reports need no other).
DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,98}\.myshopify\.com")


@contextmanager
def opened(context: Context, *, create: bool = False) -> Iterator[Store]:
    """Open the configured database for one command."""
    from ..logs import configure

    config = context.config()
    configure("warning", config.log.format)
    with open_store(config, create=create) as store:
        yield store


def read_domain(text: str) -> str:
    """Return *text* if it is exactly a shop's domain; raise UsageError `unknown_shop`."""
    if not DOMAIN.fullmatch(text):
        raise UsageError(
            f"{text!r} is no shop's domain.",
            code="unknown_shop",
            hint="Write it exactly like name.myshopify.com.",
        )
    return text


def can_ask() -> bool:
    """Whether somebody is there to answer questions."""
    return sys.stdin.isatty()
