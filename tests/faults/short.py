"""
A round of chance by hand, three minutes: each database under kills, freezes and bad days, and the clock.

What CI runs is in `test_walk.py` and `test_mutants.py`; the long run is a command.

See `python -m tests.faults --help`.
"""

import os
from pathlib import Path

import pytest

from tests.servers import find_initdb, find_mariadb

from .clocks import killed_ahead, library, night
from .sitting import Order, sit

REQUIRED = os.environ.get("SCHEDULER_TESTS_REQUIRE", "")
SERVERS = {"sqlite": lambda: True, "postgres": find_initdb, "mariadb": find_mariadb}


@pytest.mark.parametrize("kind", list(SERVERS))
def test_nothing_is_lost_or_doubled_under_faults(kind: str, tmp_path: Path) -> None:
    if not SERVERS[kind]():
        assert kind not in REQUIRED, f"no server for {kind}, and SCHEDULER_TESTS_REQUIRE names it"
        pytest.skip(f"no server for {kind} is installed")
    faults = ("kill", "kill_at", "freeze_at", "term", "cut", "lock")
    order = Order(kind, 7, 5, tmp_path / "sitting", daemons=3, shops=8, faults=faults, mounts=False, patience=60)
    verdict = sit(order)
    assert verdict.failed == {}
    # A run in which no fault hit, or nothing was performed, would prove nothing.
    assert verdict.figures["performed"] > 30
    assert verdict.figures["lost_attempts"] > 0
    assert sum(verdict.figures["points"].values()) > 0


@pytest.mark.skipif(library() is None, reason="libfaketime is not installed")
def test_a_clock_that_steps_over_a_change_doubles_and_loses_nothing(tmp_path: Path) -> None:
    assert night(tmp_path / "autumn", "autumn", steps=(0, 2, 0, 4, 2)) == []


@pytest.mark.skipif(library() is None, reason="libfaketime is not installed")
def test_a_daemon_killed_while_its_clock_was_ahead_leaves_no_shop_locked(tmp_path: Path) -> None:
    assert killed_ahead(tmp_path / "autumn", "autumn", seconds=10) == []
