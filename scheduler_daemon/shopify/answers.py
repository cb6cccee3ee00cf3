"""What Shopify's refusals mean: each turned into an error with a code, a sentence and a way out."""

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import RunError, SessionError, SourceError
from ..lib.words import redact

TOKEN_HINT = "Open the app in the shop once, or store a new token: scheduler shops add {shop}"

#: What a person does about a shop that Shopify has closed; nothing else helps.
OWNER_HINT = "Its owner must settle it with Shopify; then it goes on by itself. To try: scheduler shops check {shop}"

#: HTTP status to (code, sentence, way out, retryable); Shopify docs: response codes; 402 can be a blip (notes on
#: Shopify, 2.4).
STATUSES: dict[int, tuple[str, str, str, bool]] = {
    400: (
        "query_refused",
        "Shopify did not understand the request for {shop}",
        "Check shopify.api_version and shopify.proxy; see: scheduler shops check {shop}",
        False,
    ),
    402: ("shop_frozen", "{shop} is frozen: its owner has to pay Shopify", OWNER_HINT, True),
    404: (
        "shop_not_found",
        "Shopify knows no shop {shop}",
        "Check its domain: scheduler shops list; if it is gone for good: scheduler shops remove {shop}",
        False,
    ),
    423: ("shop_frozen", "{shop} is locked by Shopify", OWNER_HINT, False),
    430: (
        "shop_unavailable",
        "Shopify rejected the request for {shop} as unsafe",
        "If it stays, ask Shopify's support about this machine's address; see: scheduler shops check {shop}",
        True,
    ),
}
#: Anything else is a fault of Shopify's own.
FAILED = (
    "shop_unavailable",
    "Shopify failed for {shop}",
    "Look at status.shopify.com, then: scheduler shops check {shop}",
    True,
)


def refusal(shop: str, status: int, text: str, request_id: str) -> RunError:
    """Return the error for an answer with HTTP *status*; *text* is its body, of which little is shown."""
    tail = f" (request {request_id})" if request_id else ""
    if status == 401:
        hint = TOKEN_HINT.format(shop=shop)
        return SessionError(f"Shopify refused the token of {shop}{tail}.", code="token_refused", hint=hint)
    if status == 403 and "on-expiring" in text:
        hint = f"Public apps need expiring tokens since 2027-01-01. {TOKEN_HINT.format(shop=shop)}"
        return SessionError(f"Shopify no longer takes the token of {shop}{tail}.", code="token_refused", hint=hint)
    if status == 403 and "navailable" in text:
        message, hint = f"{shop} is not available: HTTP {status}{tail}.", OWNER_HINT.format(shop=shop)
        return SourceError(message, code="shop_frozen", hint=hint, retryable=True)
    if status == 403:
        return SourceError(
            f"Shopify does not give access to {shop}{tail}: {excerpt(text)}",
            code="scope_missing",
            hint=f"See what the token may do: scheduler shops check {shop}",
        )
    code, sentence, way_out, retryable = STATUSES.get(status, FAILED)
    message = f"{sentence.format(shop=shop)}: HTTP {status}{tail}."
    return SourceError(message, code=code, hint=way_out.format(shop=shop), retryable=retryable)


def graphql_error(shop: str, errors: Any, request_id: str) -> RunError:
    """Return the error for the `errors` of an answer: a list (of which the first counts), a text or an object."""
    first = errors[0] if isinstance(errors, list) and errors else errors
    told = first.get("extensions") if isinstance(first, Mapping) else None
    extensions: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    text = str(first.get("message", first)) if isinstance(first, Mapping) else str(first)
    code = str(extensions.get("code", ""))
    tail = f" (request {request_id})" if request_id else ""
    if code == "ACCESS_DENIED" or "not approved to access" in text:
        needed = excerpt(str(extensions.get("requiredAccess") or text))
        return lacks_access(shop, f"{needed}{tail}")
    if code == "MAX_COST_EXCEEDED":
        return SourceError(f"One query for {shop} costs too much: {excerpt(text)}", code="query_too_costly")
    if code == "SHOP_INACTIVE":
        return SourceError(f"{shop} is inactive.", code="shop_frozen", hint=OWNER_HINT.format(shop=shop))
    if code in ("INTERNAL_SERVER_ERROR", "TIMEOUT", ""):
        # Every fault of a query has a code (notes on Shopify, 2.4); what has none is a fault of Shopify's own.
        return SourceError(f"Shopify failed for {shop}: {excerpt(text)}{tail}", retryable=True)
    return SourceError(f"Shopify refused the query for {shop}: {excerpt(text)}{tail}", code="query_refused")


def lacks_access(shop: str, needed: str) -> SourceError:
    """Return the error for a token without a right; *needed* says which."""
    hint = f"Grant the scope to the app, or leave out the column that needs it; see: scheduler shops check {shop}"
    return SourceError(f"The token of {shop} lacks access: {needed}", code="scope_missing", hint=hint)


def excerpt(text: str) -> str:
    """Return the beginning of a foreign text, one line, without secrets."""
    return redact(" ".join(text.split()))[:200]


#: Seconds that a `Retry-After` may ask for at most: a day. Shopify asks for seconds.
LONGEST_WAIT = 86_400.0


def retry_after(header: str | None, now: datetime) -> float:
    """Return the seconds of a `Retry-After` header (a number or a date), a day at most; 2 for anything unreadable."""
    if not header:
        return 2.0
    try:
        seconds = float(header)
        return min(max(0.0, seconds), LONGEST_WAIT) if math.isfinite(seconds) else 2.0
    except ValueError:
        pass
    try:
        return min(max(0.0, (parsedate_to_datetime(header) - now).total_seconds()), LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        return 2.0
