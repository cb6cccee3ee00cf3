"""Asking one shop's Admin GraphQL API: whole answers or a clear error, at the rate that the shop's bucket gives."""

import json
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import RunError, SourceError, Throttled
from ..lib.clock import monotonic, utc_now
from ..lib.secret import Secret
from .answers import excerpt, graphql_error, refusal, retry_after
from .throttle import Throttle
from .wire import Answer, post

if TYPE_CHECKING:
    import requests

#: Seconds that one query may spend waiting and repeating before the attempt gives up for now.
PATIENCE = 60.0
#: Repeats of a query after a passing fault, within the same attempt.
REPEATS = 3


class Client:
    """One shop for one attempt; not for several threads at once."""

    def __init__(
        self,
        shop: str,
        token: Secret,
        *,
        http: "requests.Session",
        base_url: str = "https://{shop}",
        api_version: str = "2026-10",
        timeout: float = 60.0,
        share: float = 1.0,
        renew: Callable[[], Secret] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.shop = shop
        self.api_version = api_version
        self.throttle = Throttle(share)
        self.served_version = api_version
        self._token = token
        self._http = http
        self._url = f"{base_url.format(shop=shop)}/admin/api/{api_version}/graphql.json"
        self._timeout = timeout
        self._renew = renew
        self._pause = pause

    @property
    def token(self) -> Secret:
        """Return the token in use, the renewed one after a renewal."""
        return self._token

    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """
        Return the `data` of the answer to *query*.

        Waits until the shop's bucket has the points, repeats after passing faults, renews the token once after a 401.
        Raise SessionError, SourceError or Throttled; an answer with errors is never taken for a short one.
        """
        renewed = False
        faults = 0
        started = monotonic()
        while True:
            self._pause_for(self.throttle.wait_for(query, monotonic()))
            try:
                return self._ask(query, variables or {})
            except Throttled as error:
                wait = error.retry_after or 1.0
                if monotonic() - started + wait > PATIENCE:
                    raise
            except RunError as error:
                if error.code == "token_refused" and self._renew is not None and not renewed:
                    renewed = True
                    self._token = self._renew()
                    continue
                faults += 1
                wait = random.random() * min(8.0, 0.5 * 2**faults)
                if not error.retryable or faults > REPEATS or monotonic() - started + wait > PATIENCE:
                    raise
            self._pause_for(wait)

    def _pause_for(self, seconds: float) -> None:
        if seconds > 0:
            self._pause(seconds)

    def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        status, headers, body = self._send({"query": query, "variables": variables})
        request_id = str(headers.get("X-Request-ID") or "")[:64]
        if status == 429:
            wait = retry_after(headers.get("Retry-After"), utc_now())
            raise Throttled(f"Shopify asks {self.shop} to wait {wait:.0f} s.", retry_after=wait)
        if 300 <= status < 400:
            raise SourceError(f"Shopify sent {self.shop} elsewhere (HTTP {status}).", code="response_invalid")
        if status != 200:
            raise refusal(self.shop, status, body.decode("utf-8", errors="replace"), request_id)
        self.served_version = str(headers.get("X-Shopify-API-Version") or self.api_version)
        return self._data(query, self._read(body), request_id)

    def _data(self, query: str, answer: dict[str, Any], request_id: str) -> dict[str, Any]:
        extensions = answer.get("extensions")
        found = extensions.get("cost") if isinstance(extensions, Mapping) else None
        cost: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        self.throttle.learn(query, cost, monotonic())
        errors = answer.get("errors")
        if errors:
            if isinstance(errors, list) and any(_code(item) == "THROTTLED" for item in errors):
                wait = self.throttle.wait_after_refusal(cost)
                raise Throttled(f"Shopify asks {self.shop} to wait {wait:.1f} s.", retry_after=wait)
            raise graphql_error(self.shop, errors, request_id)
        data = answer.get("data")
        if not isinstance(data, dict) or not data:
            raise SourceError(f"Shopify's answer for {self.shop} has no data.", code="response_invalid", retryable=True)
        return data

    def _read(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            shown = excerpt(body[:400].decode("utf-8", errors="replace"))
            message = f"Shopify's answer for {self.shop} is not JSON: {shown!r}."
            raise SourceError(message, code="response_invalid", retryable=True) from None
        if not isinstance(answer, dict):
            message = f"Shopify's answer for {self.shop} is not an object."
            raise SourceError(message, code="response_invalid", retryable=True)
        return answer

    def _send(self, payload: Mapping[str, Any]) -> Answer:
        headers = {"X-Shopify-Access-Token": self._token.reveal(), "Accept": "application/json"}
        return post(self._http, self._url, shop=self.shop, timeout=self._timeout, json=payload, headers=headers)


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    return str(extensions.get("code", "")) if isinstance(extensions, Mapping) else ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
