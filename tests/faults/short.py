"""
The short run: each database under kills, freezes and bad days, and every mutant found; the long run is a command.

See `python -m tests.faults --help`.
"""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers import find_initdb, find_mariadb

from .__main__ import hunt
from .app import walk
from .clocks import NIGHTS, killed_ahead, library, night
from .mutants import MUTANTS
from .sitting import Order, sit
from .workbench import Change, build

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


@pytest.mark.parametrize("name", list(MUTANTS))
def test_each_mutant_is_found(name: str, tmp_path: Path) -> None:
    assert hunt(name, tmp_path, seeds=4, kills=2) is not None


@pytest.mark.skipif(library() is None, reason="libfaketime is not installed")
def test_a_clock_that_steps_over_a_change_doubles_and_loses_nothing(tmp_path: Path) -> None:
    assert night(tmp_path / "autumn", "autumn", steps=(0, 2, 0, 4, 2)) == []


@pytest.mark.skipif(library() is None, reason="libfaketime is not installed")
def test_a_daemon_killed_while_its_clock_was_ahead_leaves_no_shop_locked(tmp_path: Path) -> None:
    assert killed_ahead(tmp_path / "autumn", "autumn", seconds=10) == []


def test_a_change_whose_text_is_not_there_fails_loudly(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"deliver\.py: found 0 times"):
        build(tmp_path, changes=[Change("deliver.py", "a line that nobody wrote", "")])


def test_the_walk_knows_both_change_nights() -> None:
    for name, due in {"autumn": ("05:30",), "spring": ("07:00",)}.items():
        start, clock = NIGHTS[name]
        found = walk("daily", "America/New_York", clock, start - timedelta(hours=1), start + timedelta(hours=12))
        assert len(found) == 1
        assert found[0][0].endswith(clock)
        moment = start.replace(hour=0, minute=0, second=0) + timedelta(hours=int(due[0][:2]), minutes=int(due[0][3:]))
        assert found[0][1] == int(moment.timestamp() * 1000)
