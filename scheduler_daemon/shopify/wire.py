"""One POST to Shopify under one total time: status, headers and whole body, or a clear error."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..lib.clock import monotonic
from ..lib.descriptors import RAISE_LIMIT, out_of_files, say_limit

if TYPE_CHECKING:
    import requests

#: An answer decoded to more than this is cut off: nothing that a report asks for is so big.
MOST_BYTES = 64 * 1024 * 1024
#: Seconds to wait for a connection.
CONNECT = 5.0

Answer = tuple[int, Mapping[str, str], bytes]


def post(http: "requests.Session", url: str, *, shop: str, timeout: float, **payload: Any) -> Answer:
    """
    Return status, headers and body of the answer to a POST of *payload* (as `requests` takes it), within *timeout* s.

    Redirects are not followed: they would carry token or secret to another host. Raise SourceError: `timeout`,
    `response_invalid` (too big), `too_many_files` or `shop_unavailable`; the causes are cut off, because they may hold
    what was sent.
    """
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    from ..lib.http_limit import answered_by

    until = monotonic() + timeout
    limits = (min(CONNECT, timeout), timeout)
    try:
        with (
            answered_by(until),
            http.post(url, timeout=limits, allow_redirects=False, stream=True, **payload) as answer,
        ):
            return answer.status_code, answer.headers, _body(answer, shop, until, timeout)
    except (requests.Timeout, ReadTimeoutError, TimeoutError):
        raise _late(f"Shopify did not answer for {shop} within {timeout:.0f} s.") from None
    except (requests.RequestException, HTTPError, OSError) as error:
        if out_of_files(error):
            message, hint = f"Shopify cannot be asked for {shop}: {say_limit()}.", f"{RAISE_LIMIT}."
            raise SourceError(message, code="too_many_files", hint=hint, retryable=True) from None
        message = f"Shopify cannot be reached for {shop}: {type(error).__name__}."
        raise SourceError(message, retryable=True) from None


def _body(response: "requests.Response", shop: str, until: float, timeout: float) -> bytes:
    """Read the body under one total time: a limit per read would let a dripping answer last for ever."""
    parts, size = [], 0
    # read1 returns what has come; reading a full block would wait for a dripping answer byte by byte.
    while part := response.raw.read1(65536, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise SourceError(f"Shopify's answer for {shop} is too big.", code="response_invalid")
        if monotonic() > until:
            raise _late(f"Shopify's answer for {shop} took longer than {timeout:.0f} s.")
    return b"".join(parts)


def _late(message: str) -> SourceError:
    return SourceError(message, code="timeout", retryable=True)
