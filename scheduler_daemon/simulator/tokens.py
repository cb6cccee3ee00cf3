"""Access: the three kinds of offline token, and the endpoint that renews them (notes on Shopify, 1)."""

import secrets
import time
from typing import Any

from .shop import SimShop

REFUSED = {"error": "invalid_request", "error_description": "This request requires an active refresh_token"}


def grant(shop: SimShop, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return status and body of a token request."""
    if form.get("client_id") != shop.client_id or form.get("client_secret") != shop.client_secret:
        return 400, {"error": "invalid_client", "error_description": "Client authentication failed"}
    kind = form.get("grant_type")
    scope = ",".join(shop.scopes)
    if kind == "client_credentials":
        if shop.access != "client":
            text = "Oauth error shop_not_permitted: Client credentials cannot be performed on this shop."
            return 400, {"error": "shop_not_permitted", "error_description": text}
        _new_token(shop, 86399)
        return 200, _told(shop, {"access_token": shop.token, "scope": scope, "expires_in": 86399})
    if kind != "refresh_token":
        return 400, {"error": "unsupported_grant_type"}
    given = form.get("refresh_token")
    # Since 2026-08-28 the old refresh token stays good until its replacement is used.
    if given not in (shop.refresh_token, shop.old_refresh) or not given:
        return 401, REFUSED
    if given == shop.refresh_token:
        shop.old_refresh = shop.refresh_token
        shop.refresh_token = f"shprt_{secrets.token_hex(16)}"
    _new_token(shop, shop.expires)
    body = {"access_token": shop.token, "expires_in": shop.expires, "refresh_token": shop.refresh_token}
    return 200, _told(shop, {**body, "refresh_token_expires_in": 7776000, "scope": scope})


def _told(shop: SimShop, body: dict[str, Any]) -> dict[str, Any]:
    return body if shop.tells_expiry else {key: value for key, value in body.items() if key != "expires_in"}


def _new_token(shop: SimShop, lifetime: float) -> None:
    # The previous access token stays valid until its own end.
    shop.token = f"shpat_{secrets.token_hex(16)}"
    shop.granted[shop.token] = time.monotonic() + lifetime


def accepted(shop: SimShop, token: str) -> bool:
    """Whether *token* opens the shop now."""
    if token in shop.granted:
        return time.monotonic() < shop.granted[token]
    return bool(token) and token == shop.token and shop.access == "token"
