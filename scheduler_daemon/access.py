"""The way into a shop: its session, renewed in time and once, and its API; for reports and for who checks a shop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from .config import Config
from .errors import SessionError, SourceError, StoreError
from .lib.clock import utc_now
from .lib.http import open_http
from .lib.secret import Secret
from .model import Access, Shop, StoredSession
from .shopify.check import check_shop
from .shopify.client import Client
from .shopify.session import due_for_refresh, refresh
from .store import Store

#: What a shop's own facts are asked for again after.
FRESH = timedelta(days=1)


@dataclass(slots=True)
class ShopAccess:
    """Opens shops; one for all threads."""

    config: Config
    store: Store
    _local: threading.local = field(default_factory=threading.local)

    def open_shop(
        self, domain: str, now: datetime, pause: Callable[[float], None], *, learn: bool = True
    ) -> tuple[Client, Shop]:
        """
        Return the shop's API and what is known of it, asked anew once a day; raise SessionError, SourceError.

        Without *learn* what the API says of the shop is not written down.
        """
        session = self.session(domain, now)
        settings = self.config.shopify
        api = Client(
            domain,
            session.token,
            http=self._http(),
            base_url=settings.base_url,
            api_version=settings.api_version,
            timeout=settings.timeout.total_seconds(),
            share=settings.share,
            renew=lambda: self._after_refusal(domain, api.token),
            pause=pause,
        )
        shop = self.store.shops.find(domain)
        if shop.checked_at is None or now - shop.checked_at > FRESH:
            shop = replace(check_shop(api, now), paused_at=shop.paused_at, paused_reason=shop.paused_reason)
            if learn:
                self.store.shops.learn(shop)
        return api, shop

    def session(self, domain: str, now: datetime) -> StoredSession:
        """Return the shop's session, renewed where its token ends soon."""
        session = self.store.sessions.need(domain)
        if not due_for_refresh(session, now):
            return session
        return self._renew(domain, lambda found: not due_for_refresh(found, now))

    def _renew(self, domain: str, unless: Callable[[StoredSession], bool]) -> StoredSession:
        try:
            return self.store.sessions.renew(domain, self._refresh, unless=unless)
        except StoreError as error:
            if error.code != "database_locked":
                raise
            # Somebody else renews it right now and waits for Shopify: the attempt is made again, and finds his pair.
            message = f"The token of {domain} is being renewed by another process."
            raise SourceError(message, code=error.code, retryable=True) from error

    def _after_refusal(self, domain: str, refused: Secret) -> Secret:
        """After a 401: the row may hold a newer token already; else it is renewed."""
        found = self.store.sessions.need(domain)
        if found.token != refused:
            return found.token
        if found.access is Access.TOKEN:
            raise SessionError(
                f"Shopify refused the token of {domain}.",
                code="token_refused",
                hint=f"Open the app in the shop once, or store a new token: scheduler shops add {domain}",
            )
        return self._renew(domain, lambda row: row.token != refused).token

    def _refresh(self, session: StoredSession) -> StoredSession:
        settings = self.config.shopify
        return refresh(
            session,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            http=self._http(),
            base_url=settings.base_url,
            now=utc_now(),
        )

    def _http(self) -> Any:
        """Return this thread's HTTP session: requests' sessions are not for several threads."""
        if not hasattr(self._local, "http"):
            settings = self.config.shopify
            self._local.http = open_http(settings.proxy or None, settings.ca_file or None)
        return self._local.http
