"""What the daemon shows of itself: soon after something happened, and not only when it would write anyway."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.app import App, build
from scheduler_daemon.config import load_config
from scheduler_daemon.health import lifesigns
from scheduler_daemon.health.counts import Asked, Counts
from scheduler_daemon.health.lifesigns import LifeSigns
from scheduler_daemon.health.snapshot import Observer, Tick
from scheduler_daemon.health.statefile import StateFile
from scheduler_daemon.lib.clock import utc_now
from scheduler_daemon.slots import fill_slots
from scheduler_daemon.store import Store
from tests.making import make_schedule, now


def turn_until(condition: Callable[[], Any], turn: Callable[[], None], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        turn()
        time.sleep(0.02)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_failure_is_shown_soon_although_the_numbers_were_taken_a_moment_before(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifesigns, "WRITE_EVERY", 3600.0)
    config = load_config(None, {"folder.path": str(tmp_path), "retry.attempts": "1"}, {})
    woken: list[bool] = []
    app: App = build(config, store, lambda: woken.append(True))
    path = tmp_path / "state.json"
    counts = Counts(config, store)
    signs = LifeSigns(store, StateFile(path), Observer("daemon", utc_now(), counts), 8)
    tick = Tick(asked=Asked("live"))

    def shown() -> dict[str, int]:
        return json.loads(path.read_text())["counts"]  # type: ignore[no-any-return]

    make_schedule(store, next_due_at=now() - timedelta(milliseconds=5))
    signs.show(tick, [], force=True)
    assert (shown()["due"], shown()["failed_24h"]) == (1, 0)
    assert app.planner.queue_due(now()).queued == 1
    signs.changed()
    turn_until(lambda: shown()["due"] == 0, lambda: signs.show(tick, []))
    fill_slots(store, app.threads)  # there is no session, so that it ends badly
    turn_until(lambda: not app.threads.busy(), lambda: None)
    assert len(woken) > 1, "the loop is told of trouble, and that the shop is done"
    signs.changed()
    turn_until(lambda: shown()["queued"] == 0, lambda: signs.show(tick, []))
    app.close()
