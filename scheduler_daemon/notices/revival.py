"""Shops that we paused ourselves go on by themselves: with another token, or when Shopify has opened them again."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..access import ShopAccess
from ..errors import SchedulerError
from ..logs import say
from ..shopify.check import check_shop
from ..store import Store
from .trouble import TOKEN_CODES

#: A closed shop is asked for again after this, then after twice as long, up to the second: it may be a blip.
FIRST_PROBE, PROBE = timedelta(minutes=5), timedelta(hours=1)
#: Shops asked in one round at most.
MOST = 20


@dataclass(slots=True)
class Revival:
    """Looks at the shops that we paused; a person's own pauses stay as they are."""

    store: Store
    access: ShopAccess
    #: When each shop was asked last, and how long it is left alone since.
    _asked: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)

    def look(self, now: datetime) -> int:
        """Resume what works again; return the number of shops."""
        revived, asked = 0, 0
        for shop, by in self.store.shops.paused_by_us():
            code, _, mark = by.partition(":")
            if self.store.sessions.mark(shop) in (mark, ""):
                if code in TOKEN_CODES or asked >= MOST or not self._is_time(shop, now):
                    continue
                asked += 1
                if not self._is_open(shop, now):
                    continue
            self._asked.pop(shop, None)
            if self.store.shops.resume(shop):
                say("shop_revived", shop=shop)
                revived += 1
        return revived

    def _is_time(self, shop: str, now: datetime) -> bool:
        last, rest = self._asked.get(shop, (None, FIRST_PROBE / 2))
        if last is not None and abs(now - last) < rest:
            return False
        self._asked[shop] = now, min(2 * rest, PROBE)
        return True

    def _is_open(self, shop: str, now: datetime) -> bool:
        try:
            api, _ = self.access.open_shop(shop, now, time.sleep)
            check_shop(api, now)
        except SchedulerError:
            return False
        return True
