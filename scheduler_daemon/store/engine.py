"""
The connection to the database: one a thread, the same few verbs on each kind.

Two ways lead in. `fetch` and `change` take queries of Peewee's builder over `tables`; they serve all that people and
planning ask. `read`, `write`, `count` and `together` take constant SQL on the driver's own cursor: the corridor (claim,
adopt, start, beat, publish, release) would cost four times as much with the builder (DESIGN 5).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from ..errors import StoreError
from .dialect import dialect
from .faults import LOCKED_HINT, translate
from .files import OpenedFile, own_or_new
from .group import Execute, GroupCommit, Job, Steps
from .opening import OPENERS, ClosesWithThread, prepare_connection
from .urls import Target

Rows = list[tuple[Any, ...]]


class Engine:
    """An open database; thread-safe, one connection for each thread that asks."""

    def __init__(self, target: Target, *, synchronous: str = "FULL", lock_timeout: float = 5.0) -> None:
        self.target = target
        self.kind = target.kind
        self.is_sqlite = target.kind == "sqlite"
        self.dialect = dialect(target.kind, target.app_schema)
        self.lock_timeout = lock_timeout
        #: SQLite's own waiter is unfair: writers of this process queue here first.
        self._writer = threading.Lock()
        self._group = GroupCommit(self._run_jobs) if self.is_sqlite else None
        self._texts: dict[str, str] = {}
        self._local = threading.local()
        self.database: Any = OPENERS[target.kind](target, synchronous=synchronous, lock_timeout=lock_timeout)
        #: Whether an SQLite file was not there, or empty, before; nothing has connected yet.
        self.created = target.path is not None and own_or_new(target.path)
        #: The SQLite file once something has connected to it.
        self._file: OpenedFile | None = None
        from .tables import bind

        self.tables = bind(self.database, apps=self.dialect.apps, ours=self.dialect.ours)

    # Queries of the builder -----------------------------------------------------------------------------------------

    def fetch(self, query: Any) -> Rows:
        """Return all rows of a query as tuples; a dead connection is opened anew once."""
        return cast(Rows, self._again_if_dead(lambda: list(query.tuples())))

    def fetch_named(self, query: Any) -> list[dict[str, Any]]:
        """Return all rows of a query by column name; a dead connection is opened anew once."""
        return cast(list[dict[str, Any]], self._again_if_dead(lambda: list(query.dicts())))

    def fetch_text(self, sql: str, params: Sequence[Any]) -> Rows:
        """Return all rows of a query whose text the builder made before; a dead connection is opened anew once."""
        return cast(Rows, self._again_if_dead(lambda: list(self.database.execute_sql(sql, params).fetchall())))

    def tally(self, query: Any, limit: int) -> int:
        """Return the number of rows of a query, counted up to *limit*: a full count of a big table takes too long."""
        return int(self._again_if_dead(lambda: query.limit(limit).count(self.database)))

    def change(self, query: Any) -> int:
        """Run one writing query in the open transaction, or in one of its own; return the number of rows it matched."""
        with self.transaction(), translate(self.target.shown):
            self._connection()
            return int(query.as_rowcount().execute() if hasattr(query, "as_rowcount") else query.execute())

    # Constant SQL ---------------------------------------------------------------------------------------------------

    def read(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Return all rows of a statement outside any transaction; a dead connection is opened anew once."""
        return cast(Rows, self._again_if_dead(lambda: self._execute(sql, params)))

    def write(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Run one statement in the open transaction, or in one of its own; return its rows."""
        if self.in_transaction or not self.is_sqlite:
            return self._execute(sql, params)
        with self.transaction():
            return self._execute(sql, params)

    def count(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one writing statement inside the open transaction; return the number of rows it matched."""
        with translate(self.target.shown):
            return int(self._cursor(sql, params).rowcount)

    def text(self, sql: str) -> str:
        """Return *sql* in this engine's words; made once for each statement."""
        made = self._texts.get(sql)
        if made is None:
            made = self._texts[sql] = self.dialect.text(sql)
        return made

    # Transactions ---------------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside `transaction`."""
        return bool(getattr(self._local, "open", False))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write in one transaction; roll back on any exception; may be nested."""
        if self.in_transaction:
            yield
            return
        with self._writing():
            self._begin()
            self._local.open = True
            try:
                yield
                with translate(self.target.shown):
                    self._connection().cursor().execute("COMMIT")
            except BaseException:
                self._rollback()
                raise
            finally:
                self._local.open = False

    def together(self, steps: Steps) -> Any:
        """
        Run *steps* in one write transaction, handing them the driver's own `execute` (texts as `text` gives them).

        For the corridor, where a run costs one of these: a fifth of the overhead of `transaction`, and on SQLite the
        steps of several threads share a commit. Steps may be run again where another's failed: they only write.
        """
        if self._group is not None:
            return self._group.commit(steps)
        job = Job(steps)
        self._run_jobs([job])
        return job.result()

    def _run_jobs(self, jobs: list[Job]) -> None:
        """
        Run the steps of *jobs* in one transaction; never raises.

        Where one of several fails, all is rolled back and each gets a transaction of its own: so nobody's error, nor
        a transaction that SQLite itself gives up (full disk), touches another's steps.
        """
        try:
            self._commit_jobs(jobs)
        except BaseException as error:
            if len(jobs) == 1:
                jobs[0].error = error
                return
            for job in jobs:
                self._run_jobs([job])

    def _commit_jobs(self, jobs: list[Job]) -> None:
        with self._writing():
            self._begin()
            try:
                with translate(self.target.shown):
                    execute = self.execute()
                    for job in jobs:
                        job.made = job.steps(execute)
                    execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be this process's one writer (SQLite); raise StoreError where another thread waits for a lock too long."""
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=2 * self.lock_timeout + 1):
            raise StoreError(
                f"The database {self.target.shown} is locked by another program.",
                code="database_locked",
                hint=LOCKED_HINT,
                retryable=True,
            )
        try:
            yield
        finally:
            self._writer.release()

    # The connection -------------------------------------------------------------------------------------------------

    def _again_if_dead(self, ask: Callable[[], Any]) -> Any:
        try:
            with translate(self.target.shown):
                self._connection()
                return ask()
        except StoreError as error:
            if self.in_transaction or not (error.retryable and self._drop_if_dead()):
                raise
        with translate(self.target.shown):
            self._connection()
            return ask()

    def require_file(self) -> None:
        """Raise StoreError where the SQLite file was removed or replaced since it was opened."""
        if self._file is not None:
            self._file.require()

    def _begin(self) -> None:
        # What is written into a file that nobody can open any more is lost: no claim, no start, no mail.
        self.require_file()
        begin = self.dialect.begin
        try:
            with translate(self.target.shown):
                connection = self._connection()
                if self.is_sqlite and self._local.patience != self.lock_timeout:
                    self._local.patience = self.lock_timeout
                    connection.execute(f"PRAGMA busy_timeout = {int(self.lock_timeout * 1000)}")
                connection.cursor().execute(begin)
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
            self.require_file()  # else SQLite would open another one, or make an empty one
            with translate(self.target.shown):
                database.connect(reuse_if_open=True)
                self._local.closes = ClosesWithThread(database.connection())
                prepare_connection(self.target, database.connection())
                self._local.patience = None
            if self._file is None and self.target.path is not None and self.target.path.exists():
                self._file = OpenedFile(self.target.path)
        return database.connection()

    def _cursor(self, sql: str, params: Sequence[Any]) -> Any:
        cursor = self._connection().cursor()
        cursor.execute(self.text(sql), params)
        return cursor

    def _execute(self, sql: str, params: Sequence[Any]) -> Rows:
        with translate(self.target.shown):
            cursor = self._cursor(sql, params)
            return list(cursor.fetchall()) if cursor.description is not None else []

    def _drop_if_dead(self) -> bool:
        if self.is_sqlite:
            return False
        self.close_thread()
        return True

    def execute(self) -> Execute:
        """Return what runs a statement on this thread's connection and gives its cursor back."""
        cursor = self._connection().cursor()
        if self.kind != "mysql":
            return cast(Execute, cursor.execute)

        def run(sql: str, params: Sequence[Any] = ()) -> Any:
            cursor.execute(sql, params)  # PyMySQL returns a number here, the others the cursor
            return cursor

        return run

    def close_thread(self) -> None:
        """Close this thread's connection."""
        try:
            self.database.close()
        except Exception:  # a broken connection may refuse to be closed; it is forgotten either way
            self.database._state.reset()
        self._local.closes = None

    def wait_for_locks(self, seconds: float) -> None:
        """From now on every thread waits at most *seconds* for another process's lock (a drain keeps its bound)."""
        self.lock_timeout = seconds

    def call(self, function: Callable[[], Any]) -> Any:
        """Run *function*, which uses Peewee itself, with this engine's connection and its errors translated."""
        with translate(self.target.shown):
            self._connection()
            return function()
