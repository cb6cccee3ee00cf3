"""Servers for tests and benchmarks: private ones, started and thrown away, and databases on them."""

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from scheduler_daemon.store.urls import read_url


def find_initdb() -> str | None:
    """Return the path of initdb, of the newest installed server; None where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return str(found[-1]) if found else shutil.which("initdb")


@contextmanager
def private_postgres(initdb: str, *, durable: bool = False, parent: Path | None = None) -> Iterator[str]:
    """
    Run a server of our own in a folder of its own, reached by a socket only; yield the URL of its first database.

    Without *durable* a commit does not wait for the disk: right for tests, wrong for figures. Its folder lies in
    *parent*, else where temporary ones do.
    """
    root = Path(tempfile.mkdtemp(prefix="scheduler-pg-", dir=parent))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(root, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data, control = str(root / "data"), [*as_user, str(Path(initdb).parent / "pg_ctl")]
    options = f"-k {root} -c listen_addresses='' -c max_connections=300 -c fsync={'on' if durable else 'off'}"
    try:
        _quietly([*as_user, initdb, "-D", data, "-A", "trust", "-U", "postgres"])
        _quietly([*control, "-D", data, "-o", options, "-l", str(root / "log"), "-w", "start"])
        yield f"postgresql://postgres@/postgres?host={root}"
    finally:
        if (root / "data" / "postmaster.pid").exists():
            _quietly([*control, "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(root, ignore_errors=True)


def _quietly(command: list[str]) -> None:
    # What it says goes into a file: a server that it leaves behind would hold a pipe open.
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=said, cwd="/").returncode
        if status:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {status}: {said.read()[-2000:].strip()}")


def find_mariadb() -> tuple[str, str] | None:
    """Return the paths of the program that makes a data folder and of the server; None where one is missing."""
    install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
    return (install, server) if install and server else None


@contextmanager
def private_mariadb(programs: tuple[str, str], *, durable: bool = False, parent: Path | None = None) -> Iterator[str]:
    """Run a MariaDB server of our own, reached by a socket only; yield the URL of a database that need not exist."""
    install, server = programs
    root = Path(tempfile.mkdtemp(prefix="scheduler-my-", dir=parent))
    user = "mysql" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        shutil.chown(root, "mysql")
    data, socket = root / "data", root / "s"
    flush = "1" if durable else "0"
    _quietly([install, f"--user={user}", f"--datadir={data}", "--auth-root-authentication-method=normal"])
    options = ["--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", f"--user={user}"]
    more = [
        "--max-connections=300",
        f"--innodb-flush-log-at-trx-commit={flush}",
        f"--pid-file={root / 'pid'}",
        f"--log-error={root / 'log'}",
    ]
    process = subprocess.Popen([server, *options, *more], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(socket, process)
        yield f"mysql://root@localhost/mysql?socket={socket}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(root, ignore_errors=True)


def starts() -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """Return how a private server of each kind that is installed is started."""
    initdb, programs = find_initdb(), find_mariadb()
    found: dict[str, Callable[[], AbstractContextManager[str]]] = {}
    if initdb:
        found["Postgres"] = partial(private_postgres, initdb)
    if programs:
        found["MariaDB"] = partial(private_mariadb, programs)
    return found


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while not path.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server did not start; {path} is not there")
        time.sleep(0.05)


@contextmanager
def new_mariadb_database(server_url: str) -> Iterator[str]:
    """Make an empty database on the MariaDB server of *server_url*; yield its URL; drop it behind."""
    import pymysql

    target = read_url(server_url)
    name = f"t_{secrets.token_hex(6)}"
    with pymysql.connect(**target.server, autocommit=True) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield server_url.replace("/mysql?", f"/{name}?")
    with pymysql.connect(**target.server, autocommit=True) as connection:
        connection.cursor().execute(f"DROP DATABASE {name}")


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Make an empty database on the server of *server_url*; yield its URL; drop it behind."""
    import psycopg

    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield server_url.replace("/postgres?", f"/{name}?")
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
