"""Renewing a shop's offline access: the requests alone; locking and storing are the store's."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import SessionError, SourceError
from ..lib.secret import Secret
from ..model import Access, StoredSession
from .answers import excerpt

if TYPE_CHECKING:
    import requests

#: Renew this long before the end: the app beside us renews five minutes early (Shopify's own libraries).
EARLY = timedelta(minutes=10)
TIMEOUT = (5.0, 30.0)
#: What an expiring offline token lives where the answer does not say (Shopify docs: offline access tokens).
LIFETIME = 3600


def due_for_refresh(session: StoredSession, now: datetime) -> bool:
    """Whether *session* should be renewed now: it ends within `EARLY`, and there is a way to renew it."""
    if session.access is Access.TOKEN or session.expires_at is None:
        return False
    return session.expires_at - now <= EARLY


def refresh(
    session: StoredSession,
    *,
    client_id: str,
    client_secret: Secret | None,
    http: "requests.Session",
    base_url: str,
    now: datetime,
) -> StoredSession:
    """
    Return *session* with a new token: by its refresh token, or by client id and secret.

    Raise SessionError `token_expired` where Shopify refuses, SourceError where it does not answer.
    """
    if not client_id or client_secret is None:
        raise SessionError(
            f"The token of {session.shop} has to be renewed, and the app's client id and secret are not known.",
            code="token_expired",
            hint="Set shopify.client_id and shopify.client_secret_file.",
        )
    form = {"client_id": client_id, "client_secret": client_secret.reveal(), "grant_type": "client_credentials"}
    if session.refresh_token is not None:
        form |= {"grant_type": "refresh_token", "refresh_token": session.refresh_token.reveal()}
    return _session(session, _ask(session.shop, form, http, base_url), now)


def _session(session: StoredSession, answer: dict[str, Any], now: datetime) -> StoredSession:
    refresh_token = answer.get("refresh_token")
    refresh_end = answer.get("refresh_token_expires_in")
    # An answer without `expires_in` must not turn renewal off for good (notes on Shopify, 7).
    seconds = int(answer.get("expires_in") or LIFETIME)
    scopes = tuple(item for item in str(answer.get("scope") or "").split(",") if item)
    return StoredSession(
        shop=session.shop,
        token=Secret(str(answer["access_token"])),
        expires_at=now + timedelta(seconds=seconds),
        refresh_token=Secret(str(refresh_token)) if refresh_token else session.refresh_token,
        refresh_expires_at=now + timedelta(seconds=int(refresh_end)) if refresh_end else session.refresh_expires_at,
        scopes=scopes or session.scopes,
        access=session.access,
    )


def _ask(shop: str, form: dict[str, str], http: "requests.Session", base_url: str) -> dict[str, Any]:
    import requests

    url = f"{base_url.format(shop=shop)}/admin/oauth/access_token"
    headers = {"Accept": "application/json"}
    try:
        response = http.post(url, data=form, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except (requests.RequestException, OSError) as error:
        message = f"Shopify cannot be reached to renew the token of {shop}: {type(error).__name__}."
        raise SourceError(message, retryable=True) from None
    if response.status_code in (400, 401, 403):
        raise SessionError(
            f"Shopify refused to renew the token of {shop}: {excerpt(response.text)}",
            code="token_expired",
            hint=f"Open the app in the shop once, or run: scheduler shops add {shop}",
        )
    try:
        answer = response.json() if response.status_code == 200 else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or not answer.get("access_token"):
        message = f"Shopify did not renew the token of {shop}: HTTP {response.status_code}."
        raise SourceError(message, code="shop_unavailable", retryable=True)
    return answer
