"""A daemon killed at every step, on every database: a peer takes over, and the oracle finds nothing wrong."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers import find_initdb, find_mariadb

from .app import walk
from .clocks import NIGHTS
from .evidence import Verdict
from .sitting import order_of_steps, sit
from .walk import kills
from .workbench import NAMES, Change, build

REQUIRED = os.environ.get("SCHEDULER_TESTS_REQUIRE", "")
SERVERS = {"sqlite": lambda: True, "postgres": find_initdb, "mariadb": find_mariadb}


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Verdict]"]]:
    """The walks over all databases, two at a time: most of a walk waits for leases to end."""
    out = tmp_path_factory.mktemp("walks")
    kinds = [kind for kind, server in SERVERS.items() if server()]
    with ThreadPoolExecutor(2) as pool:
        # A busy machine must not fail it: how fast a peer is, the command `walk` judges.
        orders = {kind: order_of_steps(kind, 7, out / kind, kills(), patience=60.0) for kind in kinds}
        yield {kind: pool.submit(sit, order) for kind, order in orders.items()}


@pytest.mark.parametrize("kind", list(SERVERS))
def test_a_kill_at_any_step_loses_and_doubles_nothing(kind: str, walks: dict[str, "Future[Verdict]"]) -> None:
    if kind not in walks:
        assert kind not in REQUIRED, f"no server for {kind}, and SCHEDULER_TESTS_REQUIRE names it"
        pytest.skip(f"no server for {kind} is installed")
    verdict = walks[kind].result()
    assert verdict.failed == {}
    # A walk on which a step was left out, or after which no run was taken back, would prove nothing.
    assert verdict.figures["points"] == dict.fromkeys(NAMES, 1)
    assert verdict.figures["lost_attempts"] > 0
    assert verdict.figures["recovered_s"]["count"] > len(NAMES) // 2
    assert verdict.figures["unknown_by_a_lost_process"] > 0


def test_a_step_whose_line_is_not_there_fails_loudly(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"deliver\.py: found 0 times"):
        build(tmp_path, changes=[Change("deliver.py", "a line that nobody wrote", "")])


def test_the_oracle_knows_both_change_nights() -> None:
    for name, due in {"autumn": ("05:30",), "spring": ("07:00",)}.items():
        start, clock = NIGHTS[name]
        found = walk("daily", "America/New_York", clock, start - timedelta(hours=1), start + timedelta(hours=12))
        assert len(found) == 1
        assert found[0][0].endswith(clock)
        moment = start.replace(hour=0, minute=0, second=0) + timedelta(hours=int(due[0][:2]), minutes=int(due[0][3:]))
        assert found[0][1] == int(moment.timestamp() * 1000)
