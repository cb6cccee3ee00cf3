"""Fixtures that every test may use: a clean environment, databases of each kind, invented shops."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from scheduler_daemon.sources import TYPES
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.store.drivers import peewee
from tests.servers import (
    find_initdb,
    find_mariadb,
    new_database,
    new_mariadb_database,
    private_mariadb,
    private_postgres,
)

peewee("postgres", "mysql")

REQUIRED = os.environ.get("SCHEDULER_TESTS_REQUIRE", "")
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("SCHEDULER_") or name in ("DATABASE_URL", "NOTIFY_SOCKET", "STATE_DIRECTORY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def a_server(name: str, start: Callable[[], AbstractContextManager[str]] | None, missing: str) -> Iterator[str]:
    """Yield the URL of a server: the one that SCHEDULER_TEST_<name> names, else a private one, else skip saying why."""
    given = os.environ.get(f"SCHEDULER_TEST_{name.upper()}")
    if given:
        yield given
        return
    if start is None:
        if name.lower() in REQUIRED:
            pytest.fail(f"no {name} server is installed, and SCHEDULER_TESTS_REQUIRE names it")
        pytest.skip(f"no {name} server: set SCHEDULER_TEST_{name.upper()} or install one ({missing})")
    with start() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server."""
    initdb = find_initdb()
    yield from a_server("Postgres", partial(private_postgres, initdb) if initdb else None, "initdb")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of its own on the server."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A MariaDB server."""
    programs = find_mariadb()
    yield from a_server("MariaDB", partial(private_mariadb, programs) if programs else None, "mariadb-server")


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
