"""An oracle that cannot fail proves nothing: each known mistake, put into a copy of the package, must fail it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .hunting import Found, hunt
from .mutants import MUTANTS


@pytest.fixture(scope="module")
def hunts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Found]"]]:
    """All mutants side by side: most of a hunt waits for leases to end."""
    out = tmp_path_factory.mktemp("mutants")
    with ThreadPoolExecutor(len(MUTANTS)) as pool:
        yield {name: pool.submit(hunt, name, out, seeds=10) for name in MUTANTS}


@pytest.mark.parametrize("name", list(MUTANTS))
def test_each_mutant_is_found(name: str, hunts: dict[str, "Future[Found]"]) -> None:
    found = hunts[name].result()
    assert found.checks, f"{MUTANTS[name].says}: no check failed with {found.seed} seeds"
