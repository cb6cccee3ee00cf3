"""How each kind of database is opened: what its driver is told, and why. Nothing connects yet."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from .drivers import peewee
from .files import check_file, own_or_new
from .urls import Target

#: Pages of SQLite's write-ahead log before they are copied into the file (16 MB): a busy ledger writes the same pages
#: again and again, and each copying waits for the disk. SQLite's own 1,000 cost 8 % of the runs per second.
CHECKPOINT_PAGES = 4000
#: Seconds that a statement may wait for another's lock, and last, on a server.
LOCK_WAIT, LONGEST = 5, 30
#: Seconds after which a server ends a transaction in which nothing happens: a frozen process holds rows, and its shop's
#: among them, that nobody else can claim. Between two statements of ours lies no more than a little Python.
IDLE_IN_TRANSACTION = 15
#: MySQL's own level takes locks on gaps between rows, and two daemons that queue would wait for each other.
READ_COMMITTED = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

#: SQLite keeps texts that are not UTF-8: one of them must not fail the query that reads it among others.
LENIENT = partial(str, encoding="utf-8", errors="replace")


def open_sqlite(target: Target, *, synchronous: str, lock_timeout: float) -> Any:
    """Return the file's Database; raise StoreError for a file that must not be opened."""
    path = cast(Path, target.path)
    check_file(path)
    pragmas: list[tuple[str, Any]] = [("synchronous", synchronous), ("busy_timeout", int(lock_timeout * 1000))]
    if own_or_new(path):
        # An SQLite file that we did not make keeps its journal mode (DESIGN 5).
        pragmas.insert(0, ("journal_mode", "wal"))
    pragmas += [("foreign_keys", 0), ("wal_autocheckpoint", CHECKPOINT_PAGES)]
    return peewee().SqliteDatabase(
        str(path), pragmas=pragmas, timeout=lock_timeout, check_same_thread=False, cached_statements=256
    )


def open_postgres(target: Target, **_: Any) -> Any:
    """Return the server's Database; a dead connection is noticed within ten seconds."""
    keep_alive = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    extra: dict[str, Any] = {"tcp_user_timeout": 10000, "application_name": "scheduler-daemon", **keep_alive}
    if target.pgbouncer:
        extra["prepare_threshold"] = None
    else:
        waits = f"-c statement_timeout={LONGEST}s -c lock_timeout={LOCK_WAIT}s"
        waits += f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION}s"
        extra["options"] = f"-c timezone=UTC {waits}"
    return peewee("postgres").PostgresqlDatabase(target.conninfo, prefer_psycopg3=True, **extra)


def open_mysql(target: Target, **_: Any) -> Any:
    """Return the server's Database, MySQL or MariaDB."""
    module = peewee("mysql")
    from pymysql.constants import CLIENT

    modes = "ANSI_QUOTES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
    start = f"SET SESSION sql_mode = '{modes}', time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT}"
    limits = {"connect_timeout": 5, "read_timeout": LONGEST, "write_timeout": LONGEST}
    # FOUND_ROWS: a matched row counts even where nothing changed.
    flags = {"client_flag": CLIENT.FOUND_ROWS, "init_command": start, "charset": "utf8mb4"}
    return module.MySQLDatabase(target.name, **target.server, **limits, **flags)


def _any_moment() -> Any:
    """
    Return what reads PostgreSQL's timestamps, those outside Python's calendar ("infinity", BC) as text.

    Else one such cursor would fail each query that meets it, and all reports of all shops would stand still.
    """
    from psycopg import DataError
    from psycopg.types.datetime import TimestampLoader

    class Loader(TimestampLoader):
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode()

    return Loader


class ClosesWithThread:
    """Kept among a thread's own values: these go when the thread ends, and the connection that it opened is closed."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __del__(self) -> None:
        with suppress(Exception):  # closed before, or broken: gone either way
            self._connection.close()


OPENERS = {"sqlite": open_sqlite, "postgres": open_postgres, "mysql": open_mysql}


def prepare_connection(target: Target, connection: Any) -> None:
    """Tell a new *connection* what its URL cannot."""
    if target.kind == "sqlite":
        connection.text_factory = LENIENT
    if target.pgbouncer:
        connection.prepare_threshold = None
    if target.kind == "postgres":
        connection.adapters.register_loader("timestamp", _any_moment())
    if target.kind == "mysql":
        connection.cursor().execute(READ_COMMITTED)
        if "MariaDB" in connection.get_server_info():  # MySQL knows no such limit
            connection.cursor().execute(f"SET SESSION idle_transaction_timeout = {IDLE_IN_TRANSACTION}")
