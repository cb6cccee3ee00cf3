"""Asking a shop who it is and what its token may do."""

from datetime import datetime
from typing import Any

from ..model import Shop
from .client import Client

QUERY = """
query ShopCheck {
  shop { name ianaTimezone currencyCode plan { publicDisplayName } }
  currentAppInstallation { accessScopes { handle } }
}"""

SCOPES = "query GrantedScopes { currentAppInstallation { accessScopes { handle } } }"


def granted_scopes(client: Client) -> tuple[str, ...]:
    """Return the scopes that the token has at this moment; raise what `Client.execute` raises."""
    return _scopes(client.execute(SCOPES))


def _scopes(data: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(item["handle"] for item in data["currentAppInstallation"]["accessScopes"]))


def check_shop(client: Client, now: datetime) -> Shop:
    """Return the shop's name, zone, currency, plan and granted scopes; raise what `Client.execute` raises."""
    data = client.execute(QUERY)
    shop = data["shop"]
    return Shop(
        domain=client.shop,
        name=shop["name"],
        zone=shop["ianaTimezone"],
        currency=shop["currencyCode"],
        plan=shop["plan"]["publicDisplayName"],
        scopes=_scopes(data),
        checked_at=now,
    )
