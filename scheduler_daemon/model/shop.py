"""Whose report it is: a shop and its access."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..lib.secret import Secret

#: A shop's domain, exactly (Shopify's own libraries take more; reports need no other).
DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,98}\.myshopify\.com")


class Access(StrEnum):
    """The kinds of offline access that exist."""

    #: A stored token that does not expire (custom apps).
    TOKEN = "token"
    #: An expiring token with a rotating refresh token (public apps).
    EXPIRING = "expiring"
    #: Client id and secret; a token of 24 hours is asked for when needed.
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Shop:
    """One Shopify store, as far as it is known."""

    #: Its domain, exactly `name.myshopify.com`; its identity.
    domain: str
    #: Its own name; None until checked.
    name: str | None = None
    #: IANA name of its zone; None until checked.
    zone: str | None = None
    #: ISO code of its currency; None until checked.
    currency: str | None = None
    #: Public name of its Shopify plan; None until checked.
    plan: str | None = None
    #: Scopes granted to the token; None until checked.
    scopes: tuple[str, ...] | None = None
    #: When the API was last asked about it, UTC.
    checked_at: datetime | None = None
    #: When it was paused, UTC; None while it is not.
    paused_at: datetime | None = None
    #: Why it was paused.
    paused_reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A row of the app's `Session` table: the shop's offline access."""

    #: Domain of the shop.
    shop: str
    #: The access token.
    token: Secret
    #: When the token expires, UTC; None for tokens that do not.
    expires_at: datetime | None = None
    #: The refresh token, where there is one.
    refresh_token: Secret | None = None
    #: When the refresh token expires, UTC.
    refresh_expires_at: datetime | None = None
    #: Granted scopes.
    scopes: tuple[str, ...] = ()
    #: Which kind of access this is.
    access: Access = Access.TOKEN
