"""Asking a shop who it is and what its token may do."""

from datetime import datetime

from ..model import Shop
from .client import Client

QUERY = """
query ShopCheck {
  shop { name ianaTimezone currencyCode plan { publicDisplayName } }
  currentAppInstallation { accessScopes { handle } }
}"""


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
        scopes=tuple(sorted(item["handle"] for item in data["currentAppInstallation"]["accessScopes"])),
        checked_at=now,
    )
