"""Creating and upgrading the tables: `playhouse.migrations` under a lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .engine import Engine
from .faults import translate

MIGRATIONS = Path(__file__).parent / "migrations"
HISTORY = "scheduler_migration"
#: The advisory lock that all our daemons on one database share, taken and given back; any constant does.
ADVISORY = {
    "postgres": ("SELECT pg_advisory_lock(7319004417)", "SELECT pg_advisory_unlock(7319004417)"),
    "mysql": (
        "SELECT GET_LOCK(CONCAT(DATABASE(), '.scheduler'), 25)",
        "SELECT RELEASE_LOCK(CONCAT(DATABASE(), '.scheduler'))",
    ),
}
APP_TABLES = ("Session", "ReportSchedule", "ReportHistory")


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """How far the database's tables are."""

    #: Names of migrations that were applied.
    applied: tuple[str, ...]
    #: Names of migrations that were not.
    pending: tuple[str, ...]
    #: Names of applied migrations that this version does not know: a newer version wrote it.
    unknown: tuple[str, ...]


def status(engine: Engine) -> SchemaStatus:
    """Say which migrations were applied, are pending, or come from a newer version."""
    rows = engine.call(lambda: _runner(engine).status())
    return SchemaStatus(
        applied=tuple(row.name for row in rows if row.applied),
        pending=tuple(row.name for row in rows if not row.applied),
        unknown=tuple(row.name for row in rows if row.applied and row.path is None),
    )


def refuse_newer(engine: Engine, found: SchemaStatus) -> None:
    """Raise StoreError where a newer version of this program wrote the database."""
    if found.unknown:
        raise StoreError(
            f"The database {engine.target.shown} was written by a newer version ({found.unknown[-1]}).",
            code="database_newer",
            hint="Install that version, or a newer one.",
        )


def upgrade(engine: Engine) -> list[str]:
    """
    Apply what is pending, one process at a time; return the names applied.

    A database without any of the app's tables is our own: it gets them. One that has some is the app's: it gets ours
    only, and deliveries are held until `scheduler go-live` (DESIGN 5, "First contact").
    """
    with _locked(engine):
        found = status(engine)
        refuse_newer(engine, found)
        if not found.pending:
            return []
        first = not found.applied
        engine.database.make_app = first and not app_tables(engine)
        engine.database.kind = engine.kind
        engine.database.app_schema = engine.target.app_schema
        if engine.dialect.ours:
            engine.write(f"CREATE SCHEMA IF NOT EXISTS {engine.dialect.ours}")
        names = engine.call(lambda: _runner(engine).up())
        if first:
            own = "1" if engine.database.make_app else "0"
            mode = "live" if engine.database.make_app else "hold"
            put = "INSERT INTO {ours}scheduler_setting (name, value) VALUES (?, ?)"
            engine.write(put, ("own", own))
            engine.write(put, ("mode", mode))
        return list(names)


def app_tables(engine: Engine) -> list[str]:
    """Return which of the app's three tables (or views) exist."""
    return [name for name in APP_TABLES if columns(engine, name)]


def columns(engine: Engine, table: str) -> list[str]:
    """Return the names of the columns of the app's table *table*, empty where there is no such table."""
    if engine.is_sqlite:
        return [row[0] for row in engine.read("SELECT name FROM pragma_table_info(?)", (table,))]
    sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
    return [row[0] for row in engine.read(sql, (_schema(engine), table))]


def is_view(engine: Engine, name: str) -> bool:
    """Whether *name*, one of the app's tables, is a view of ours."""
    if engine.is_sqlite:
        return bool(engine.read("SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ?", (name,)))
    sql = "SELECT 1 FROM information_schema.views WHERE table_schema = ? AND table_name = ?"
    return bool(engine.read(sql, (_schema(engine), name)))


def _schema(engine: Engine) -> str:
    """Return where the app's tables are, as `information_schema` names it; MySQL calls its databases so."""
    return engine.dialect.apps or engine.target.name


def _runner(engine: Engine) -> Any:
    from playhouse.migrations import Runner

    schema = {"schema": engine.dialect.ours} if engine.dialect.ours else {}
    return Runner(engine.database, str(MIGRATIONS), HISTORY, **schema)


@contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    if engine.is_sqlite:
        with _file_lock(Path(f"{engine.target.path}.migrate")):
            yield
        return
    lock, unlock = ADVISORY[engine.kind]
    engine.read(lock)
    try:
        yield
    finally:
        with suppress(StoreError):  # a connection that is gone has given the lock back
            engine.read(unlock)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with translate(str(path)):
        try:
            fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StoreError(
                f"The lock file {path} cannot be made: {error.strerror}.",
                code="database_readonly",
                hint="Check the owner and the mode of its folder.",
            ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
