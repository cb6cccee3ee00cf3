"""Fixtures that every test may use: a clean environment, databases of each kind, invented shops."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.sources import TYPES
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.store.drivers import peewee
from tests.servers import new_database, new_mariadb_database, starts
from tests.sharing import Shared, ask

peewee("postgres", "mysql")

# A shell ignores it for what it starts with "&", and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRED = os.environ.get("SCHEDULER_TESTS_REQUIRE", "")
#: The servers that somebody names, by the kind in capitals; read before `clean_environment` takes the variables away.
GIVEN = {kind: os.environ.get(f"SCHEDULER_TEST_{kind}") for kind in ("POSTGRES", "MARIADB")}
NOW = datetime.now(UTC).replace(microsecond=0)
SHARED = pytest.StashKey[Shared]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask for a server."""
    stash = node.config.stash
    if SHARED not in stash:
        stash[SHARED] = Shared()
    node.workerinput["servers"] = stash[SHARED].address


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of the workers: after the last test, after an interrupt, after a crash of a worker."""
    if shared := config.stash.get(SHARED, None):
        shared.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: so that no worker is left with it at the end, and none takes a part of it away."""
    items.sort(key=lambda item: "faults" not in item.path.parts)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("SCHEDULER_") or name in ("DATABASE_URL", "NOTIFY_SOCKET", "STATE_DIRECTORY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def a_server(request: pytest.FixtureRequest, name: str, program: str) -> Iterator[str]:
    """Yield the URL of a server: the one that SCHEDULER_TEST_<name> names, else a private one, else skip saying why."""
    given, start = GIVEN[name.upper()], starts().get(name)
    worker: dict[str, str] = getattr(request.config, "workerinput", {})
    if given:
        yield given
    elif start is None:
        if name.lower() in REQUIRED:
            pytest.fail(f"no {name} server is installed, and SCHEDULER_TESTS_REQUIRE names it")
        pytest.skip(f"no {name} server: set SCHEDULER_TEST_{name.upper()} or install one ({program})")
    elif "servers" in worker:
        yield ask(worker["servers"], name)
    else:
        with start() as url:
            yield url


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL server."""
    yield from a_server(request, "Postgres", "initdb")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of its own on the server."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A MariaDB server."""
    yield from a_server(request, "MariaDB", "mariadb-server")


@pytest.fixture
def mariadb_database(mariadb_url: str) -> Iterator[str]:
    """A database of its own on the server."""
    with new_mariadb_database(mariadb_url) as url:
        yield url


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of *kind*."""
    if kind == "sqlite":
        return f"sqlite://{tmp_path / 'scheduler.db'}"
    return str(request.getfixturevalue(f"{kind}_database"))


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    return url_of(request.param, request, tmp_path)


@pytest.fixture
def desk_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: SQLite, but where a test asks for each kind in turn."""
    return url_of(getattr(request, "param", "sqlite"), request, tmp_path)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open store on a database of our own, of each kind in turn."""
    with open_test_store(database_url) as opened:
        yield opened


def open_test_store(url: str, lease: float = 60.0) -> Store:
    """Open a store with our own report types."""
    types = {name: name for name in TYPES}
    return Store(read_url(url), types=types, create=True, lease=timedelta(seconds=lease), synchronous="OFF")
