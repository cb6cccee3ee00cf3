"""Renewing a shop's offline access: the requests alone; locking and storing are the store's."""

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..errors import RunError, SessionError, SourceError, Throttled
from ..lib.clock import monotonic
from ..lib.secret import Secret
from ..model import Access, StoredSession
from .answers import TOKEN_HINT, excerpt, refusal, retry_after
from .wire import post

if TYPE_CHECKING:
    import requests

#: Renew this long before the end: the app beside us renews five minutes early (Shopify's own libraries).
EARLY = timedelta(minutes=10)
#: A token with less left than this is not worth a request.
LEAST = timedelta(minutes=1)
#: Seconds for one renewal.
TIMEOUT = 30.0
#: What an expiring offline token lives where the answer does not say (Shopify docs: offline access tokens).
LIFETIME = 3600
#: Seconds for which a refused renewal is not asked again by this process, unless token or secret were changed.
REST = 900.0
#: A renewal's refusals that the configuration, not the shop's token, has to answer for.
OUR_FAULT = ("invalid_client", "shop_not_permitted", "unsupported_grant_type")


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

    Where Shopify does not renew it and its token is only about to end, *session* itself is returned: it serves for
    now, and the next one who needs it tries again. Otherwise raise SessionError `token_expired` where Shopify refuses
    (and again for `REST` seconds without asking), SourceError or Throttled, retryable, where it does not answer; the
    old pair stands.
    """
    try:
        form = _form(session, client_id, client_secret)
        return _renewed(session, _ask(session.shop, form, http, base_url, now), now)
    except RunError:
        if due_for_refresh(session, now) and session.expires_at and session.expires_at - now >= LEAST:
            return session
        raise


def _form(session: StoredSession, client_id: str, client_secret: Secret | None) -> dict[str, str]:
    if not client_id or client_secret is None:
        raise SessionError(
            f"The token of {session.shop} has to be renewed, and the app's client id and secret are not known.",
            code="token_expired",
            hint="Set shopify.client_id and shopify.client_secret_file.",
        )
    form = {"client_id": client_id, "client_secret": client_secret.reveal()}
    if session.access is Access.CLIENT:
        return form | {"grant_type": "client_credentials"}
    if session.refresh_token is None:
        hint = TOKEN_HINT.format(shop=session.shop)
        raise SessionError(f"The token of {session.shop} has no refresh token.", code="token_expired", hint=hint)
    return form | {"grant_type": "refresh_token", "refresh_token": session.refresh_token.reveal()}


def _renewed(session: StoredSession, answer: dict[str, Any], now: datetime) -> StoredSession:
    refresh_token = answer.get("refresh_token")
    refresh_end = _seconds(answer.get("refresh_token_expires_in"), 0)
    # An answer without `expires_in` must not turn renewal off for good (notes on Shopify, 7).
    seconds = _seconds(answer.get("expires_in"), LIFETIME)
    made = replace(session, token=Secret(answer["access_token"]), expires_at=now + timedelta(seconds=seconds))
    scopes = tuple(item.strip() for item in str(answer.get("scope") or "").split(",") if item.strip())
    if scopes:
        made = replace(made, scopes=scopes)
    if isinstance(refresh_token, str) and refresh_token:
        end = now + timedelta(seconds=refresh_end) if refresh_end else session.refresh_expires_at
        made = replace(made, refresh_token=Secret(refresh_token), refresh_expires_at=end)
    return made


def _seconds(value: Any, otherwise: int) -> int:
    """Return a length that an answer gives, *otherwise* for nothing, nonsense, or what is no length."""
    try:
        return int(value) if 0 < int(value) < 10**9 else otherwise
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _ask(shop: str, form: dict[str, str], http: "requests.Session", base_url: str, now: datetime) -> dict[str, Any]:
    _REFUSED.check(form)
    url = f"{base_url.format(shop=shop)}/admin/oauth/access_token"
    headers = {"Accept": "application/json"}
    status, told, body = post(http, url, shop=shop, timeout=TIMEOUT, data=form, headers=headers)
    text = body.decode("utf-8", errors="replace")
    if status == 429:
        wait = retry_after(told.get("Retry-After"), now)
        raise Throttled(f"Shopify asks {shop} to wait {wait:.0f} s before its token is renewed.", retry_after=wait)
    if status in (400, 401, 403):
        raise _REFUSED.add(form, _refused(shop, text))
    if status in (402, 404, 423):
        raise refusal(shop, status, text, str(told.get("X-Request-ID") or "")[:64])
    answer = _read(text) if status == 200 else {}
    if not isinstance(answer.get("access_token"), str) or not answer["access_token"]:
        message = f"Shopify did not renew the token of {shop}: HTTP {status}."
        raise SourceError(message, code="shop_unavailable", retryable=True)
    return answer


def _read(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _refused(shop: str, text: str) -> SessionError:
    answer = _read(text)
    reason = str(answer.get("error_description") or answer.get("error") or answer.get("errors") or text)
    if str(answer.get("error")) in OUR_FAULT or "shop_not_permitted" in reason:
        hint = "Check shopify.client_id and the client secret; the app has to be installed in the shop."
    else:
        hint = TOKEN_HINT.format(shop=shop)
    message = f"Shopify refused to renew the token of {shop}: {excerpt(reason)}"
    return SessionError(message, code="token_expired", hint=hint)


class _Refused:
    """
    The renewals that Shopify refused this process lately: a dead refresh token is not sent again and again.

    Known by a hash of all that was sent, so that a new token or a corrected secret is tried at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, SessionError]] = {}

    def check(self, form: dict[str, str]) -> None:
        """Raise what Shopify said to *form*, if that is not long ago."""
        with self._lock:
            at, error = self._known.get(self._key(form), (0.0, None))
        if error is not None and monotonic() - at < REST:
            raise SessionError(error.message, code=error.code, hint=error.hint)

    def add(self, form: dict[str, str], error: SessionError) -> SessionError:
        """Remember *error* and return it."""
        now = monotonic()
        with self._lock:
            self._known = {key: item for key, item in self._known.items() if now - item[0] < REST}
            self._known[self._key(form)] = (now, error)
        return error

    @staticmethod
    def _key(form: dict[str, str]) -> bytes:
        return sha256(json.dumps(form, sort_keys=True).encode()).digest()


_REFUSED = _Refused()
