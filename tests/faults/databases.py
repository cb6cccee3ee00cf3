"""The database of a sitting: its URL for the daemons, plain connections for the harness, and what may happen to it."""

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.servers import (
    find_initdb,
    find_mariadb,
    new_database,
    new_mariadb_database,
    private_mariadb,
    private_postgres,
)

Rows = list[tuple[Any, ...]]
#: Milliseconds since 1970 on the database's clock; written here anew, so that a wrong one of the product is seen.
NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgres": "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    "mariadb": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
}


class Base:
    """One empty database of the kind *kind* ("sqlite", "postgres", "mariadb"), and its server."""

    def __init__(self, kind: str, url: str, server: "Server | None" = None, disk: Path | None = None) -> None:
        self.kind, self.url, self.server = kind, url, server
        #: A file system that holds the database and little else, so that it can be filled; None where there is none.
        self.disk = disk
        self.now = NOW[kind]
        #: Numbers of the harness' own connections: a cut leaves them alone.
        self.ours: set[int] = set()

    def text(self, sql: str) -> str:
        """Return *sql*, written with ``?``, ``{now}`` and ``{s}`` before our tables, in the engine's words."""
        made = sql.replace("{s}", "scheduler." if self.kind == "postgres" else "").replace("{now}", self.now)
        return made if self.kind == "sqlite" else made.replace("%", "%%").replace("?", "%s")

    def connect(self) -> Any:
        """Return a new connection; each statement commits by itself."""
        if self.kind == "sqlite":
            made = sqlite3.connect(self.path, timeout=20, isolation_level=None, check_same_thread=False)
            made.execute("PRAGMA busy_timeout = 20000")
            return made
        from scheduler_daemon.store.urls import read_url

        if self.kind == "postgres":
            import psycopg

            return psycopg.connect(read_url(self.url).conninfo, autocommit=True, options="-c timezone=UTC")
        import pymysql

        target = read_url(self.url)
        start = "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES', time_zone = '+00:00'"
        made = pymysql.connect(
            **target.server, database=target.name, autocommit=True, init_command=start, client_flag=2
        )
        self.ours.add(made.thread_id())
        return made

    @property
    def path(self) -> str:
        """The file, of SQLite."""
        return self.url.removeprefix("sqlite://")

    def cut(self, sql: "Sql") -> int:
        """Cut all connections of daemons, as an administrator would; return their number."""
        if self.kind == "postgres":
            mine = "application_name = 'scheduler-daemon' AND datname = current_database()"
            return len(sql.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"))
        rows = sql.ask("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
        cut = [row[0] for row in rows if row[0] not in self.ours]
        for number in cut:
            with suppress(Exception):  # it went by itself
                sql.ask(f"KILL {int(number)}")
        return len(cut)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold what no writer gets past: SQLite's one write lock, on a server the tables that every step writes."""
        if self.kind != "sqlite":
            with self._tables_locked():
                yield
            return
        with sqlite3.connect(self.path, timeout=20, isolation_level=None) as other:
            other.execute("PRAGMA busy_timeout = 20000")
            other.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                other.execute("ROLLBACK")
        other.close()

    @contextmanager
    def _tables_locked(self) -> Iterator[None]:
        ours = "scheduler." if self.kind == "postgres" else ""
        # The shops first, as the daemons do: else this would be a deadlock of the harness's making.
        tables = (f"{ours}scheduler_shop", "ReportSchedule", f"{ours}scheduler_run")
        connection = self.connect()
        try:
            cursor = connection.cursor()
            if self.kind == "postgres":
                cursor.execute("BEGIN")
                for name in tables:
                    cursor.execute(f"LOCK TABLE {name if '.' in name else _quoted(name)} IN EXCLUSIVE MODE")
            else:
                # READ: others may look, nobody may write; the harness' own writes wait as the daemons' do.
                cursor.execute("LOCK TABLES " + ", ".join(f"{_quoted(name)} READ" for name in tables))
            yield
        finally:
            connection.close()


def _quoted(name: str) -> str:
    return f'"{name}"'


class Sql:
    """A connection of the harness for one thread; opened anew where the server cut it."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self._connection: Any = None
        self._lock = threading.Lock()

    def once(self, sql: str, params: Sequence[Any] = ()) -> tuple[Rows, int]:
        """Run one statement once; return its rows and the number it matched. Raise what the driver raises."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self.base.connect()
                cursor = self._connection.cursor()
                cursor.execute(self.base.text(sql), tuple(params))
                rows = list(cursor.fetchall()) if cursor.description else []
                return rows, cursor.rowcount
            except Exception:
                self.close()
                raise

    def ask(self, sql: str, params: Sequence[Any] = (), seconds: float = 60.0) -> Rows:
        """Run one statement that may be repeated; wait for a server that is away, up to *seconds*."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.once(sql, params)[0]
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
        self._connection = None


class Server:
    """A private server that can be killed and started again on the same data."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self.root = Path(url.split("host=")[1] if kind == "postgres" else url.split("socket=")[1].removesuffix("/s"))
        self._ours: list[subprocess.Popen[bytes]] = []
        #: MariaDB's command line: when it has ended by itself nobody else knows it.
        self._words = [] if kind == "postgres" else _command_line(self.pid())

    def revive(self) -> None:
        """Start the server again where it has given up, as it may when its disk was full."""
        with suppress(TimeoutError):
            wait_until(lambda: _answers(self.kind, self.url), 5)
            return
        self.restart()

    def restart(self) -> None:
        """Kill the server without any goodbye, and start it again."""
        if self.kind == "postgres":
            control = str(Path(find_initdb() or "").parent / "pg_ctl")
            as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
            common = ["-D", str(self.root / "data"), "-l", str(self.root / "log"), "-w"]
            command = [*as_user, control, *common, "-m", "immediate", "restart"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
            return
        self.kill()
        made = subprocess.Popen(self._words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._ours.append(made)
        socket = self.root / "s"
        wait_until(lambda: socket.exists() and _answers(self.kind, self.url), 60)

    def pid(self) -> int:
        """Return MariaDB's process id."""
        return int((self.root / "pid").read_text())

    def kill(self) -> None:
        """End MariaDB with SIGKILL and wait until it is gone."""
        with suppress(OSError):  # it ended by itself
            pid = self.pid()
            os.kill(pid, 9)
            wait_until(lambda: _gone(pid), 30)
        for left in ("s", "pid"):
            (self.root / left).unlink(missing_ok=True)

    def stop(self) -> None:
        """End what this harness itself has started."""
        for process in self._ours:
            process.kill()
            process.wait()


def _command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _answers(kind: str, url: str) -> bool:
    """Whether the server takes a write, which lasts no longer than the connection."""
    try:
        with closing(Base(kind, url).connect()) as connection:
            connection.cursor().execute("CREATE TEMPORARY TABLE alive (x INTEGER)")
        return True
    except Exception:  # whatever a driver raises: it does not
        return False


def wait_until(condition: Callable[[], Any], seconds: float) -> Any:
    """Return what *condition* returns once it is true; raise TimeoutError."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > until:
            raise TimeoutError("it did not come true in time")
        time.sleep(0.02)
    return found


@contextmanager
def open_base(kind: str, folder: Path, disk: Path | None = None) -> Iterator[Base]:
    """
    Yield an empty database, in *folder* or on *disk*, which it fills a part of.

    Its private server, where it has one, is durable against its own kill.
    """
    if kind == "sqlite":
        yield Base(kind, f"sqlite://{folder / 'scheduler.db'}", disk=disk)
        return
    if kind == "postgres":
        initdb = find_initdb()
        if initdb is None:
            raise RuntimeError("no PostgreSQL server is installed (initdb)")
        # What was written survives the server's death without fsync; only a power cut would need it.
        with private_postgres(initdb, parent=disk) as url, new_database(url) as mine:
            yield Base(kind, mine, Server(kind, url), disk)
        return
    programs = find_mariadb()
    if programs is None:
        raise RuntimeError("no MariaDB server is installed")
    # Durable: otherwise up to a second of commits is only in the memory of the process that is killed.
    with private_mariadb(programs, durable=True, parent=disk) as url, new_mariadb_database(url) as mine:
        server = Server(kind, url)
        try:
            yield Base(kind, mine, server, disk)
        finally:
            if not _answers(kind, url):
                server.restart()
    server.stop()
