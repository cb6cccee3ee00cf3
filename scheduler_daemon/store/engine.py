"""
The connection to the database: one a thread, the same few verbs on each engine.

The corridor (claim, adopt, start, beat, publish, release) is constant SQL on the driver's own cursor, because the
query builder costs four times as much there (DESIGN 5); the builder serves the rest through `Engine.database`.
SQL is written with ``?``, and with ``{ours}`` and ``{app}`` before table names.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from ..errors import StoreError
from .drivers import peewee
from .faults import translate
from .files import check_file, own_or_new
from .urls import Target

#: Milliseconds since 1970 on the database's clock. SQLite before 3.42 has no `unixepoch('subsec')`;
#: PostgreSQL's `now()` stands still inside a transaction (notes on schedulers, E.8).
NOW_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
NOW_POSTGRES = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

Rows = list[tuple[Any, ...]]


class Engine:
    """An open database; thread-safe, one connection for each thread that asks."""

    def __init__(self, target: Target, *, synchronous: str = "FULL", lock_timeout: float = 5.0) -> None:
        self.target = target
        self.kind = target.kind
        self.is_sqlite = target.kind == "sqlite"
        self.now = NOW_SQLITE if self.is_sqlite else NOW_POSTGRES
        self.created = False
        #: SQLite's own waiter is unfair: writers of this process queue here first.
        self._writer: Any = threading.Lock() if self.is_sqlite else nullcontext()
        self._texts: dict[str, str] = {}
        self._local = threading.local()
        self.lock_timeout = lock_timeout
        self.database: Any = self._open_sqlite(synchronous) if self.is_sqlite else self._open_postgres()

    def _open_sqlite(self, synchronous: str) -> Any:
        path = cast(Path, self.target.path)
        check_file(path)
        self.created = own_or_new(path)
        pragmas = [("synchronous", synchronous), ("foreign_keys", 0), ("busy_timeout", int(self.lock_timeout * 1000))]
        if self.created:
            pragmas.insert(0, ("journal_mode", "wal"))
        return peewee().SqliteDatabase(
            str(path), pragmas=pragmas, timeout=self.lock_timeout, check_same_thread=False, cached_statements=256
        )

    def _open_postgres(self) -> Any:
        keep_alive = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        extra: dict[str, Any] = {"tcp_user_timeout": 10000, "application_name": "scheduler-daemon", **keep_alive}
        if self.target.pgbouncer:
            extra["prepare_threshold"] = None
        else:
            extra["options"] = "-c timezone=UTC -c statement_timeout=30s -c lock_timeout=5s"
        module = peewee("postgres")
        return module.PostgresqlDatabase(self.target.conninfo, prefer_psycopg3=True, **extra)

    # The three verbs ------------------------------------------------------------------------------------------------

    def read(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Return all rows of a query outside any transaction; a dead connection is opened anew once."""
        try:
            return self._execute(sql, params)
        except StoreError as error:
            if self.in_transaction or not (error.retryable and self._drop_if_dead()):
                raise
        return self._execute(sql, params)

    def write(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Run one statement of the open transaction, or as a transaction of its own; return its rows."""
        if self.in_transaction:
            return self._execute(sql, params)
        if self.is_sqlite:
            with self.transaction():
                return self._execute(sql, params)
        return self._execute(sql, params)

    def count(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one writing statement inside the open transaction; return the number of rows it matched."""
        with translate(self.target.shown):
            return int(self._cursor(sql, params).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write in one transaction (SQLite: BEGIN IMMEDIATE); roll back on any exception; may be nested."""
        if self.in_transaction:
            yield
            return
        with self._writer:
            self._begin()
            self._local.open = True
            try:
                yield
            except BaseException:
                self._local.open = False
                self._rollback()
                raise
            self._local.open = False
            try:
                with translate(self.target.shown):
                    self._connection().cursor().execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    def at_once(self, steps: Callable[[Callable[..., Any]], Any]) -> Any:
        """
        Run *steps* in one write transaction, handing it the driver's own `execute` (texts as `text` gives them).

        The same as `transaction`, with a fifth of its overhead: for the corridor, where a run costs one of these.
        """
        with self._writer:
            self._begin()
            try:
                with translate(self.target.shown):
                    execute = self.database.connection().cursor().execute
                    made = steps(execute)
                    execute("COMMIT")
                return made
            except BaseException:
                self._rollback()
                raise

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside `transaction`."""
        return bool(getattr(self._local, "open", False))

    # Below ----------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        begin = "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN"
        try:
            with translate(self.target.shown):
                self._connection().cursor().execute(begin)
        except StoreError as error:
            if not (error.retryable and self._drop_if_dead()):
                raise
            with translate(self.target.shown):
                self._connection().cursor().execute(begin)

    def _rollback(self) -> None:
        try:
            self._connection().cursor().execute("ROLLBACK")
        except Exception:  # the connection is gone, and the transaction with it
            self.close_thread()

    def _connection(self) -> Any:
        database = self.database
        if database.is_closed():
            with translate(self.target.shown):
                database.connect(reuse_if_open=True)
                self._after_connect()
        return database.connection()

    def _after_connect(self) -> None:
        if self.target.pgbouncer:
            self.database.connection().prepare_threshold = None

    def _cursor(self, sql: str, params: Sequence[Any]) -> Any:
        cursor = self._connection().cursor()
        cursor.execute(self.text(sql), params)
        return cursor

    def _execute(self, sql: str, params: Sequence[Any]) -> Rows:
        with translate(self.target.shown):
            cursor = self._cursor(sql, params)
            return cast(Rows, cursor.fetchall()) if cursor.description is not None else []

    def text(self, sql: str) -> str:
        """Return *sql* in this engine's words; made once for each statement."""
        made = self._texts.get(sql)
        if made is None:
            ours = "" if self.is_sqlite else "scheduler."
            app = "" if self.is_sqlite else f'"{self.target.app_schema}".'
            made = sql.replace("{ours}", ours).replace("{app}", app).replace("{now}", self.now)
            if not self.is_sqlite:
                made = made.replace("%", "%%").replace("?", "%s")
            self._texts[sql] = made
        return made

    def _drop_if_dead(self) -> bool:
        if self.is_sqlite:
            return False
        self.close_thread()
        return True

    def close_thread(self) -> None:
        """Close this thread's connection; the next call opens a new one."""
        self._local.open = False
        try:
            self.database.close()
        except Exception:  # a broken connection may refuse to be closed; it is forgotten either way
            self.database._state.reset()

    def wait_for_locks(self, seconds: float) -> None:
        """From now on wait at most *seconds* for another process's lock (a drain keeps its bound)."""
        self.lock_timeout = seconds
        if self.is_sqlite and not self.database.is_closed():
            self.database.connection().execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def call(self, function: Callable[[], Any]) -> Any:
        """Run *function*, which uses the query builder, with this engine's connection and its errors translated."""
        with translate(self.target.shown):
            self._connection()
            return function()
