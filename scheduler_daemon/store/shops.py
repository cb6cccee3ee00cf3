"""Shops: what is known of each, and whether it is paused."""

import json
from datetime import datetime
from typing import Any

from ..lib.clock import from_ms, to_ms
from ..model import Shop
from .engine import Engine
from .rows import moment

COLUMNS = "shop, name, zone, currency, plan, scopes, checked_at, paused_at, paused_reason"


class Shops:
    """The rows of `scheduler_shop` that are not leases."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def find(self, domain: str) -> Shop:
        """Return what is known of the shop; a bare Shop where nothing is."""
        rows = self.engine.read(f"SELECT {COLUMNS} FROM {{ours}}scheduler_shop WHERE shop = ?", (domain,))
        return _from_row(rows[0]) if rows else Shop(domain)

    def all(self) -> list[Shop]:
        """Return all shops that have an offline session, a schedule or a row of ours, by domain."""
        sql = f"""
        SELECT k.shop, {COLUMNS.removeprefix("shop, ")} FROM (
          SELECT "shop" AS shop FROM {{app}}"Session" UNION SELECT "shop" FROM {{app}}"ReportSchedule"
          UNION SELECT shop FROM {{ours}}scheduler_shop
        ) k LEFT JOIN {{ours}}scheduler_shop p ON p.shop = k.shop ORDER BY k.shop"""
        return [_from_row(row) for row in self.engine.read(sql)]

    def learn(self, shop: Shop) -> None:
        """Write down what the API said of *shop*; its pause and its lease stay as they are."""
        scopes = None if shop.scopes is None else json.dumps(list(shop.scopes))
        checked = None if shop.checked_at is None else to_ms(shop.checked_at)
        sql = """
        INSERT INTO {ours}scheduler_shop (shop, name, zone, currency, plan, scopes, checked_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (shop) DO UPDATE SET name = excluded.name, zone = excluded.zone, currency = excluded.currency,
          plan = excluded.plan, scopes = excluded.scopes, checked_at = excluded.checked_at"""
        self.engine.write(sql, (shop.domain, shop.name, shop.zone, shop.currency, shop.plan, scopes, checked))

    def pause(self, domain: str, reason: str, now: datetime) -> bool:
        """Pause the shop; False where it was paused already."""
        sql = """
        INSERT INTO {ours}scheduler_shop (shop, paused_at, paused_reason) VALUES (?, ?, ?)
        ON CONFLICT (shop) DO UPDATE SET paused_at = excluded.paused_at, paused_reason = excluded.paused_reason
        WHERE scheduler_shop.paused_at IS NULL"""
        with self.engine.transaction():
            return self.engine.count(sql, (domain, to_ms(now), reason)) == 1

    def resume(self, domain: str) -> bool:
        """Let the shop go on; False where it was not paused."""
        sql = """
        UPDATE {ours}scheduler_shop SET paused_at = NULL, paused_reason = NULL, next_work_at = LEAST_OF
        WHERE shop = ? AND paused_at IS NOT NULL"""
        work = (
            "SELECT MIN(not_before) FROM {ours}scheduler_run r WHERE r.shop = scheduler_shop.shop AND status = 'queued'"
        )
        sql = sql.replace("LEAST_OF", f"COALESCE(({work}), next_work_at)")
        with self.engine.transaction():
            return self.engine.count(sql, (domain,)) == 1

    def remove(self, domain: str) -> dict[str, int]:
        """Remove the shop's sessions and our row of it; return how many of each. Its ledger stays."""
        with self.engine.transaction():
            sessions = self.engine.count('DELETE FROM {app}"Session" WHERE "shop" = ?', (domain,))
            rows = self.engine.count("DELETE FROM {ours}scheduler_shop WHERE shop = ?", (domain,))
        return {"sessions": sessions, "shops": rows}


def _from_row(row: Any) -> Shop:
    scopes = None if row[5] is None else tuple(json.loads(row[5]))
    return Shop(
        domain=row[0],
        name=row[1],
        zone=row[2],
        currency=row[3],
        plan=row[4],
        scopes=scopes,
        checked_at=moment(row[6]),
        paused_at=None if row[7] is None else from_ms(row[7]),
        paused_reason=row[8] or "",
    )
