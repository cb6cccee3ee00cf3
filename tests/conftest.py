"""Fixtures that every test may use: a clean environment, databases of both kinds, invented shops."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler_daemon.sources import TYPES
from scheduler_daemon.store import Store, read_url
from scheduler_daemon.store.drivers import peewee

peewee("postgres")

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


def find_initdb() -> str | None:
    """Return the path of initdb, of the newest installed server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return str(found[-1]) if found else shutil.which("initdb")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: the one named by SCHEDULER_TEST_POSTGRES, else a private one, else a skip that says why."""
    given = os.environ.get("SCHEDULER_TEST_POSTGRES")
    if given:
        yield given
        return
    initdb = find_initdb()
    if initdb is None:
        if "postgres" in REQUIRED:
            pytest.fail("no PostgreSQL server is installed (initdb), and SCHEDULER_TESTS_REQUIRE names it")
        pytest.skip("no PostgreSQL server: set SCHEDULER_TEST_POSTGRES or install one (initdb)")
    root = Path(tempfile.mkdtemp(prefix="scheduler-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(root, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    bin_folder = Path(initdb).parent
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*as_user, initdb, "-D", str(root / "data"), "-A", "trust", "-U", "postgres"], **quiet)
    options = f"-k {root} -c listen_addresses='' -c fsync=off"
    start = [
        str(bin_folder / "pg_ctl"),
        "-D",
        str(root / "data"),
        "-o",
        options,
        "-l",
        str(root / "log"),
        "-w",
        "start",
    ]
    subprocess.run([*as_user, *start], **quiet)
    yield f"postgresql://postgres@/postgres?host={root}"
    stop = [str(bin_folder / "pg_ctl"), "-D", str(root / "data"), "-m", "immediate", "stop"]
    subprocess.run([*as_user, *stop], **quiet)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of its own on the server."""
    import psycopg

    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path / 'scheduler.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open store on a database of our own, of each kind in turn."""
    with open_test_store(database_url) as opened:
        yield opened


def open_test_store(url: str, lease: float = 60.0) -> Store:
    """Open a store with our own report types."""
    types = {name: name for name in TYPES}
    return Store(read_url(url), types=types, create=True, lease=timedelta(seconds=lease), synchronous="OFF")
