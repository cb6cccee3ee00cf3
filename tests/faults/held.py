"""What a dead or frozen process had in its hands: its shops, their runs, and the deliveries that were not done."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from .databases import Sql

SHOPS = "SELECT shop, fence FROM {s}scheduler_shop WHERE holder LIKE ?"
RUN = "SELECT id, report FROM {s}scheduler_run WHERE shop = ? AND fence = ? AND status = 'running'"
STATES = "SELECT state FROM {s}scheduler_delivery WHERE run_id = ?"
FENCE = "SELECT fence FROM {s}scheduler_shop WHERE shop = ?"


@dataclass(frozen=True, slots=True)
class Held:
    """One shop of a lost process."""

    shop: str
    fence: int
    #: The run that was being made; empty between two runs.
    run: str = ""
    #: Its deliveries that were not done: those not yet written down are its recipients.
    in_flight: int = 0


def held_by(sql: Sql, pid: int) -> list[Held]:
    """Return what the process *pid* holds in the database; nothing where that does not answer."""
    found = []
    with suppress(Exception):
        for shop, fence in sql.once(SHOPS, (f"%:{pid}:%",))[0]:
            runs, _ = sql.once(RUN, (shop, fence))
            run, asked = runs[0] if runs else ("", None)
            found.append(Held(shop, int(fence), run, _in_flight(sql, run, asked) if run else 0))
    return found


def _in_flight(sql: Sql, run: str, asked: Any) -> int:
    states = [row[0] for row in sql.once(STATES, (run,))[0]]
    if states:
        return sum(state in ("pending", "sending") for state in states)
    data = json.loads(asked) if isinstance(asked, str | bytes) else asked or {}
    return len(data.get("recipients", ())) or 1


def wait_for_peer(sql: Sql, held: list[Held], seconds: float) -> bool:
    """Wait until somebody else has claimed every shop of *held*; False where that takes longer than *seconds*."""
    until, open_ = time.monotonic() + seconds, list(held)
    while open_:
        with suppress(Exception):  # locked or away: asked again
            open_ = [item for item in open_ if sql.once(FENCE, (item.shop,))[0][0][0] == item.fence]
        if open_ and time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def as_rows(held: list[Held]) -> list[dict[str, Any]]:
    """Return *held* as the fault log keeps it."""
    return [asdict(item) for item in held]
