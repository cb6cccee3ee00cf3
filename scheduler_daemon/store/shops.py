"""Shops: what is known of each, and whether it is paused."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..lib.clock import to_ms
from ..logs import say
from ..model import RunStatus, Shop
from .engine import Engine
from .leases import NEVER, lock_shops
from .troubles import Troubles
from .values import Values

NAMES = ("shop", "name", "zone", "currency", "plan", "scopes", "checked_at", "paused_at", "paused_reason")


class Shops:
    """The rows of `scheduler_shop` that are not leases."""

    def __init__(self, engine: Engine, troubles: Troubles) -> None:
        self.engine = engine
        self.troubles = troubles
        self.shop = engine.tables.shop
        #: Domains of which it was said that their row is spoiled.
        self._told: set[str] = set()

    def _known(self) -> tuple[Any, ...]:
        row = self.shop
        facts = (row.name, row.zone, row.currency, row.plan, row.scopes, row.checked_at)
        return (*facts, row.paused_at, row.paused_reason)

    def find(self, domain: str) -> Shop:
        """Return what is known of the shop; a bare Shop where nothing is."""
        rows = self.engine.fetch(self.shop.select(self.shop.shop, *self._known()).where(self.shop.shop == domain))
        return self._from_row(rows[0]) if rows else Shop(domain)

    def all(self) -> list[Shop]:
        """Return all shops that have an offline session or a schedule, are paused or known to us, by domain."""
        session, schedule = self.engine.tables.session, self.engine.tables.report_schedule
        named = session.select(session.shop).union(schedule.select(schedule.shop))
        ours = self.shop.select(self.shop.shop)
        ours = ours.where(self.shop.checked_at.is_null(False) | self.shop.paused_at.is_null(False))
        named = named.union(ours).alias("named")
        query = (
            self.shop.select(named.c.shop, *self._known())
            .from_(named)
            .join(self.shop, self.engine.tables.join.LEFT_OUTER, on=(self.shop.shop == named.c.shop))
            .order_by(named.c.shop)
        )
        return [self._from_row(row) for row in self.engine.fetch(query)]

    def learn(self, shop: Shop) -> None:
        """Write down what the API said of *shop*; its pause and its lease stay as they are."""
        row = self.shop
        known = {
            row.name: shop.name,
            row.zone: shop.zone,
            row.currency: shop.currency,
            row.plan: shop.plan,
            row.scopes: None if shop.scopes is None else json.dumps(list(shop.scopes)),
            row.checked_at: None if shop.checked_at is None else to_ms(shop.checked_at),
        }
        with self.engine.transaction():
            self._make(shop.domain)
            self.engine.change(row.update(known).where(row.shop == shop.domain))

    def _make(self, domain: str) -> None:
        """
        Make the shop's row where there is none, without work and without a lease, and lock it.

        Locked first: MySQL's insert of a row that is there takes a shared lock, and two that hold one wait for each
        other as soon as they change the row.
        """
        lock_shops(self.engine, [domain])
        blank = {"fence": 0, "beat": 0, "lease_until": 0, "next_work_at": NEVER}
        self.engine.change(self.shop.insert(shop=domain, **blank).on_conflict_ignore())

    def pause(self, domain: str, reason: str, now: datetime) -> bool:
        """Pause the shop; False where it was paused already."""
        row = self.shop
        with self.engine.transaction():
            self._make(domain)
            query = row.update(paused_at=to_ms(now), paused_reason=reason)
            return self.engine.change(query.where(row.shop == domain, row.paused_at.is_null())) == 1

    def resume(self, domain: str) -> bool:
        """Let the shop go on, and tell so where its pause was told; False where it was not paused."""
        with self.engine.transaction():
            lock_shops(self.engine, [domain])
            if not self._end_pause(domain):
                return False
            self.troubles.recovered(self.engine.execute(), domain, "", domain, None)
        return True

    def _end_pause(self, domain: str) -> bool:
        """End a pause of the shop, whose row is locked: what is queued meanwhile is seen, or waits for us."""
        row, run = self.shop, self.engine.tables.run
        queued = (run.shop == domain) & (run.status == RunStatus.QUEUED.value)
        fn = self.engine.tables.fn
        earliest = run.select(fn.MIN(run.not_before)).where(queued)
        change = {"paused_at": None, "paused_reason": None, "paused_by": None}
        change |= {"next_work_at": fn.COALESCE(earliest, row.next_work_at)}
        query = row.update(change).where(row.shop == domain, row.paused_at.is_null(False))
        return self.engine.change(query) == 1

    def paused_by_us(self) -> list[tuple[str, str]]:
        """Return the shops that no person paused, each with why: error code and mark of the token, "code:mark"."""
        row = self.shop
        return self.engine.fetch(row.select(row.shop, row.paused_by).where(row.paused_by.is_null(False)))

    def remove(self, domain: str) -> dict[str, int]:
        """
        Remove the shop's sessions and what is known of it; return how many of each. Its ledger stays.

        So does its row, for the lease: without it nobody would take up what is queued, nor take back what a lost
        process left running, and a fence that begins again could let a stale holder write.
        """
        session, row = self.engine.tables.session, self.shop
        facts = (row.name, row.zone, row.currency, row.plan, row.scopes, row.checked_at)
        with self.engine.transaction():
            lock_shops(self.engine, [domain])
            self._end_pause(domain)
            sessions = self.engine.change(session.delete().where(session.shop == domain))
            query = row.update(dict.fromkeys(facts)).where(row.shop == domain, row.checked_at.is_null(False))
            rows = self.engine.change(query)
        return {"sessions": sessions, "shops": rows}

    def _from_row(self, row: Sequence[Any]) -> Shop:
        """Return the Shop of a row of `NAMES`; what of it cannot be read is not known, and that is logged once."""
        values = Values(NAMES, row)
        found = Shop(
            domain=values.text("shop"),
            name=values.text_or_none("name"),
            zone=values.text_or_none("zone"),
            currency=values.text_or_none("currency"),
            plan=values.text_or_none("plan"),
            scopes=_scopes(values),
            checked_at=values.moment_or_none("checked_at"),
            # Whatever stands there, `Leases` let the shop rest.
            paused_at=None if values.raw("paused_at") is None else values.moment("paused_at"),
            paused_reason=values.text_or_none("paused_reason") or "",
        )
        if values.sentence() and found.domain not in self._told:
            self._told.add(found.domain)
            say("shop_unreadable", "warning", shop=found.domain, error=values.sentence())
        return found


def _scopes(values: Values) -> tuple[str, ...] | None:
    """Return the scopes of the row, None where they are not known."""
    if values.raw("scopes") is None:
        return None
    try:
        found = json.loads(values.raw("scopes"))
    except (ValueError, TypeError, RecursionError):
        found = None
    if isinstance(found, list) and all(isinstance(scope, str) for scope in found):
        return tuple(found)
    values.spoiled("scopes", "no JSON list of texts")
    return None
