"""Schedules and sessions for tests, each with sensible parts that a test may change."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Recipient, Recurrence, Report, RuleKind, Schedule, StoredSession
from scheduler_daemon.store import Store
from scheduler_daemon.store.moments import encode

SHOP = "test.myshopify.com"
DAILY = Recurrence(RuleKind.DAILY, time="08:00")


def now() -> datetime:
    """Return this moment, whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def make_schedule(store: Store, **changes: Any) -> Schedule:
    """Store a schedule that is due since a second; *changes* are its fields."""
    name = changes.pop("name", "Orders yesterday")
    fields: dict[str, Any] = {
        "id": f"rs_{secrets.token_hex(4)}",
        "shop": SHOP,
        "name": name,
        "report": Report("orders", name, "csv", "last_7_days"),
        "recurrence": DAILY,
        "zone": "Europe/Paris",
        "recipients": (Recipient("folder", "folder"),),
        "next_due_at": now() - timedelta(seconds=1),
    }
    made = Schedule(**(fields | changes))
    store.schedules.add(made, now())
    return made


def set_cursor(store: Store, moment: datetime | None, schedule_id: str = "") -> None:
    """Write `nextRunAt` as the app does, of one schedule or of all."""
    row = store.engine.tables.report_schedule
    query = row.update(next_run_at=encode(moment, store.schedules.style))
    store.engine.change(query.where(row.id == schedule_id) if schedule_id else query)


def make_session(store: Store, shop: str, token: str) -> StoredSession:
    """Store an offline session with a token that does not expire."""
    made = StoredSession(shop, Secret(token), scopes=("read_orders", "read_all_orders", "read_products"))
    store.sessions.save(made)
    return made
