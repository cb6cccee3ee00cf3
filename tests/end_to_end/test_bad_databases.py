"""Databases as operators find them: down, locked, read-only, somebody else's, newer, none; told, and none made anew."""

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.model import DeliveryState, RunStatus
from tests.conftest import REQUIRED, open_test_store
from tests.end_to_end.test_faults import MAIL
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, make_session, now
from tests.posting import Talk, free_port
from tests.servers import find_initdb

__all__ = ["place"]

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOBODY = 65534


def listing(folder: Path) -> dict[str, bytes]:
    """Return every file below *folder* with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def error_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Return the error that a command printed as JSON; no traceback and no defect beside it."""
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stdout + done.stderr
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    return error


# Files that are no database of ours -------------------------------------------------------------------------------


def newer(path: Path) -> None:
    with open_test_store(f"sqlite://{path}") as store:
        store.engine.write("INSERT INTO scheduler_migration (name, applied) VALUES ('9999_future', '2027-01-01')")


def truncated(path: Path) -> None:
    open_test_store(f"sqlite://{path}").close()
    path.write_bytes(path.read_bytes()[:5000])


#: What lies in the database's place; the code; what the sentence says.
STRANGE: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "nothing": (lambda path: None, "database_unavailable", "There is no database"),
    "an empty file": (lambda path: path.touch(), "database_unavailable", "is empty"),
    "a folder": (lambda path: path.mkdir(), "database_foreign", "is a folder"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 5000), "database_foreign", "is not an"),
    "half a database": (truncated, "database_foreign", "is damaged"),
    "a newer one": (newer, "database_newer", "9999_future"),
    "a broken link": (lambda path: path.symlink_to("gone.db"), "database_unavailable", "There is no database"),
}


@SQLITE
@pytest.mark.parametrize("kind", STRANGE)
def test_check_once_names_a_file_that_is_no_database_of_ours_and_makes_none(place: Place, kind: str) -> None:
    make, code, sentence = STRANGE[kind]
    path = place.root / "there" / "prod.db"
    path.parent.mkdir()
    make(path)
    before = listing(path.parent)
    done = place.run("check-once", "--json", SCHEDULER_DATABASE__URL=f"sqlite://{path}")
    error = error_of(done)
    assert (done.returncode, error["code"]) == (3, code)
    assert sentence in error["message"]
    assert str(path) in error["message"]
    assert error["hint"]
    after = listing(path.parent)
    assert {name for name in after if name.endswith(".db")} == {name for name in before if name.endswith(".db")}
    assert after.get("prod.db") == before.get("prod.db")


@SQLITE
@pytest.mark.parametrize("kind", ["a folder", "half a database", "a newer one"])
def test_the_daemon_does_not_start_on_it(place: Place, kind: str) -> None:
    make, _, sentence = STRANGE[kind]
    path = place.root / "prod.db"
    make(path)
    done = place.run("run", SCHEDULER_DATABASE__URL=f"sqlite://{path}")
    assert done.returncode == 3
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


# Another user's ---------------------------------------------------------------------------------------------------


@pytest.fixture
def open_place(place: Place) -> Iterator[Place]:
    """A place that another user can reach too; the database in a folder of its own, made by that user."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as another user")
    root = Path(tempfile.mkdtemp(prefix="scheduler-owner-"))
    root.chmod(0o755)
    home = root / "nobody"
    home.mkdir(mode=0o700)
    place.root, place.url = home, f"sqlite://{home / 'db' / 'scheduler.db'}"
    place.environ |= {
        "HOME": str(root),
        "SCHEDULER_DATABASE__URL": place.url,
        "SCHEDULER_STATE__FILE": str(home / "state.json"),
        "SCHEDULER_SPOOL__DIR": str(home / "spool"),
        "SCHEDULER_FOLDER__PATH": str(home / "reports"),
    }
    (home / "db").mkdir()
    open_test_store(place.url).close()
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    tried = as_nobody(place, "db", "status")
    if "Permission denied" in tried.stdout + tried.stderr:
        pytest.skip(f"another user cannot read this checkout: {tried.stderr.strip()[-200:]}")
    assert (tried.returncode, tried.stderr) == (0, "")
    yield place
    shutil.rmtree(root, ignore_errors=True)


#: Loads the program with root's rights (an interpreter below /root is closed to others), then gives them up for good.
AS_NOBODY = f"""
import importlib, os, pkgutil, sys
import requests, schedule, scheduler_daemon, structlog
from scheduler_daemon.store.drivers import peewee
peewee()
import playhouse.migrations
for module in pkgutil.walk_packages(scheduler_daemon.__path__, "scheduler_daemon."):
    if not module.name.endswith("__main__") and ".migrations." not in module.name:
        importlib.import_module(module.name)
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
from scheduler_daemon.cli.main import main
main(sys.argv[1:])
"""


def as_nobody(place: Place, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as the user nobody, without root's groups and rights."""
    command = [sys.executable, "-c", AS_NOBODY, *words]
    return subprocess.run(command, env=place.environ, capture_output=True, text=True, check=False, timeout=60)


@SQLITE
def test_root_is_told_whose_database_it_is_and_leaves_no_file(open_place: Place) -> None:
    before = {path: path.stat().st_uid for path in open_place.root.rglob("*")}
    for words in (["check-once", "--json"], ["db", "status", "--json"]):
        done = open_place.run(*words)
        error = error_of(done)
        assert (words, done.returncode, error["code"]) == (words, 3, "database_owner")
        assert "sudo -u nobody" in error["hint"]
    assert open_place.run("run").returncode == 3
    assert {path: path.stat().st_uid for path in open_place.root.rglob("*")} == before


@SQLITE
def test_another_user_is_told_whose_database_it_is_and_gets_no_empty_one(open_place: Place) -> None:
    folder = open_place.root / "db"
    for hidden in (folder, open_place.root):
        # The daemon's files are root's this time, and nobody else may look into their folder.
        for path in (hidden, *hidden.rglob("*")):
            os.chown(path, 0, 0)
        hidden.chmod(0o700)
        before = sorted(open_place.root.rglob("*.db*"))
        for words in (["check-once", "--json"], ["db", "status", "--json"])[: 2 if hidden is folder else 1]:
            done = as_nobody(open_place, *words)
            error = error_of(done)
            assert (words, done.returncode, error["code"]) == (words, 3, "database_owner")
            assert "sudo -u root" in error["hint"]
            assert str(hidden) in error["message"]
        done = as_nobody(open_place, "run")
        assert "Traceback" not in done.stderr
        assert "defect" not in done.stderr
        # Where not even the state file may be locked, that is told first.
        assert done.returncode == (3 if hidden is folder else 2)
        assert sorted(open_place.root.rglob("*.db*")) == before


@SQLITE
@pytest.mark.parametrize("what", ["scheduler.db", "scheduler.db-wal", "scheduler.db-shm", ""])
def test_what_root_left_in_our_folder_is_named_with_its_owner_and_the_way(open_place: Place, what: str) -> None:
    left = open_place.root / "db" / what
    if not left.exists():
        left.touch()
    os.chown(left, 0, 0)
    left.chmod(0o755 if left.is_dir() else 0o644)
    before = sorted(open_place.root.rglob("*"))
    for words in (["check-once", "--json"], ["history", "list", "--json"]):
        done = as_nobody(open_place, *words)
        error = error_of(done)
        assert (words, done.returncode, error["code"]) == (words, 3, "database_owner")
        assert "belongs to the user root" in error["message"]
        assert str(left) in error["message"]
        assert f"sudo chown nobody {left}." in error["hint"]
    started = as_nobody(open_place, "run")
    assert (started.returncode, "belongs to the user root" in started.stderr) == (3, True)
    assert [path for path in sorted(open_place.root.rglob("*.db*")) if path not in before] == []
    os.chown(left, NOBODY, NOBODY)
    assert as_nobody(open_place, "db", "status").returncode == 0


@SQLITE
def test_root_reads_no_database_of_another_user_that_is_in_use(open_place: Place) -> None:
    path = open_place.root / "db" / "scheduler.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("UPDATE scheduler_setting SET value = value")
        other.commit()
        for file in path.parent.iterdir():
            os.chown(file, NOBODY, NOBODY)
        before = {file: file.stat().st_uid for file in path.parent.iterdir()}
        assert path.with_name("scheduler.db-wal") in before
        for words in (["history", "list", "--json"], ["reports", "list", "--json"], ["check-once", "--json"]):
            error = error_of(open_place.run(*words))
            assert (words, error["code"]) == (words, "database_owner")
            assert "sudo -u nobody scheduler" in error["hint"]
        assert {file: file.stat().st_uid for file in path.parent.iterdir()} == before


@SQLITE
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_database_that_may_only_be_read_prevents_the_start(open_place: Place, what: str) -> None:
    path = open_place.root / "db" / "scheduler.db"
    if what == "file":
        path.chmod(0o400)
    else:
        path.parent.chmod(0o500)
    done = as_nobody(open_place, "check-once", "--json")
    error = error_of(done)
    assert (done.returncode, error["code"]) == (3, "database_readonly")
    assert str(path if what == "file" else path.parent) in error["message"] + error["hint"]
    started = as_nobody(open_place, "run")
    assert started.returncode == 3
    assert "Traceback" not in started.stderr


# Locked -----------------------------------------------------------------------------------------------------------


class LockingMail(Talk):
    """A mail server: before it answers the first whole mail, another program locks the database for *seconds*."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__()
        self.path, self.seconds = url.removeprefix("sqlite://"), seconds
        self.locked, self.released = threading.Event(), threading.Event()

    def answer(self, verb: str, usual: str) -> str | None:
        if verb == "." and not self.locked.is_set():
            threading.Thread(target=self._lock, daemon=True).start()
            self.locked.wait(30)
        return super().answer(verb, usual)

    def _lock(self) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        self.locked.set()
        time.sleep(self.seconds)
        connection.rollback()
        connection.close()
        self.released.set()


@SQLITE
def test_a_database_locked_for_long_is_waited_for_and_nothing_is_lost_or_doubled(place: Place) -> None:
    with LockingMail(place.url, 8) as server, open_test_store(place.url) as store:
        place.environ |= {"SCHEDULER_EMAIL__HOST": "127.0.0.1", "SCHEDULER_EMAIL__PORT": str(server.port)}
        place.environ |= {"SCHEDULER_EMAIL__SECURITY": "none", "SCHEDULER_EMAIL__FROM": "reports@sched.example"}
        make_schedule(store, name="Being sent", recipients=MAIL[:2])
        make_schedule(store, name="Due meanwhile", shop=OTHER, next_due_at=now() + timedelta(seconds=4))
        process = place.start()
        assert server.locked.wait(30)
        done = place.run("check-once", "--json")
        assert not server.released.is_set()
        error = error_of(done)
        assert (done.returncode, error["code"]) == (3, "database_locked")
        assert "fuser" in error["hint"]
        wait_for(lambda: [run.status.final for run in store.history.latest()] == [True, True])
        wait_for(lambda: place.state()["last_error"] is None)
        runs = {run.name: run for run in store.history.latest()}
        sent = store.history.deliveries(runs["Being sent"].id)
        assert process.poll() is None
    assert [row.state for row in sent] == [DeliveryState.DELIVERED] * 2
    assert {name: (run.status, run.attempt) for name, run in runs.items()} == {
        "Being sent": (RunStatus.SUCCEEDED, 1),
        "Due meanwhile": (RunStatus.SUCCEEDED, 1),
    }
    assert len(server.mails) == 2
    assert place.log().count('"check_failed"') <= 2


# A PostgreSQL server that comes and goes --------------------------------------------------------------------------


class Server:
    """A PostgreSQL server with a password, on a port, that a test may stop and start."""

    def __init__(self, initdb: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="scheduler-pg-"))
        self.password, self.port = secrets.token_hex(8), free_port()
        self.control = str(Path(initdb).parent / "pg_ctl")
        secret = self.root / "password"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            shutil.chown(self.root, "postgres")
            shutil.chown(secret, "postgres")
        options = ["-A", "scram-sha-256", "-U", "postgres", f"--pwfile={secret}", "--no-sync"]
        self._run(initdb, "-D", str(self.root / "data"), *options)

    def _run(self, *command: str) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def url(self, **changes: Any) -> str:
        parts = {"password": self.password, "port": self.port, "name": "postgres"} | changes
        return f"postgresql://postgres:{parts['password']}@127.0.0.1:{parts['port']}/{parts['name']}"

    def start(self) -> None:
        options = f"-k {self.root} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.root / "log")
        self._run(self.control, "-D", str(self.root / "data"), "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        if (self.root / "data" / "postmaster.pid").exists():
            self._run(self.control, "-D", str(self.root / "data"), "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    initdb = find_initdb()
    if initdb is None:
        if "postgres" in REQUIRED:
            pytest.fail("no PostgreSQL server is installed (initdb), and SCHEDULER_TESTS_REQUIRE names it")
        pytest.skip("no PostgreSQL server is installed (initdb)")
    made = Server(initdb)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(made.root, ignore_errors=True)


@SQLITE
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wr0ng-secret"}, "password authentication failed"),
        ({"name": "nowhere"}, 'database "nowhere" does not exist'),
        ({"port": 1}, "refused"),
    ],
    ids=["password", "database", "port"],
)
def test_a_server_that_refuses_us_is_named_without_its_password(
    place: Place, server: Server, changes: dict[str, Any], said: str
) -> None:
    url = server.url(**changes)
    outputs = [place.run(*words, SCHEDULER_DATABASE__URL=url) for words in (["check-once", "--json"], ["run"])]
    for done in outputs:
        assert done.returncode == 3
        assert said in (done.stdout + done.stderr).replace('\\"', '"')
        assert "Traceback" not in done.stderr
        assert "wr0ng-secret" not in done.stdout + done.stderr
        assert server.password not in done.stdout + done.stderr
    error = error_of(outputs[0])
    assert (error["code"], bool(error["hint"])) == ("database_unavailable", True)


@SQLITE
def test_a_server_that_goes_away_and_comes_back_costs_no_report(place: Place, server: Server) -> None:
    place.url = server.url()
    place.environ |= {"SCHEDULER_DATABASE__URL": place.url, "SCHEDULER_DAEMON__LEASE": "2s"}
    place.environ |= {"SCHEDULER_DAEMON__BEAT": "500ms", "SCHEDULER_STATE__MAX_AGE": "1m"}
    with open_test_store(place.url, lease=2) as store:
        for domain in (SHOP, OTHER):
            make_session(store, domain, place.simulator.shop(domain).token)
        make_schedule(store, name="At work")
        due = now() + timedelta(seconds=4)
        make_schedule(store, name="In the outage", shop=OTHER, next_due_at=due)
    place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 3}])
    process = place.start()
    wait_for(lambda: place.state().get("jobCount"))
    server.stop()
    try:
        state = wait_for(lambda: found if (found := place.state()).get("last_error") else None)
        assert state["last_error"]["code"] == "database_unavailable"
        assert server.password not in json.dumps(state)
        assert place.run("status").returncode == 1
        wait_for(lambda: now() > due + timedelta(seconds=1))
        assert process.poll() is None
    finally:
        server.start()
    with open_test_store(place.url) as store:
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED] * 2)
        runs = {run.name: run for run in store.history.latest()}
        assert set(runs) == {"At work", "In the outage"}
        assert runs["In the outage"].attempt == 1
    wait_for(lambda: place.state()["last_error"] is None)
    assert len(list((place.root / "reports").rglob("*.csv"))) == 2
    assert "Traceback" not in place.log()
    assert server.password not in place.log()
    # An outage is told once and not each second.
    assert place.log().count('"check_failed"') <= 6


# Rights -----------------------------------------------------------------------------------------------------------

SERVERS = pytest.mark.parametrize("database_url", ["postgres", "mariadb"], indirect=True)


@pytest.fixture
def reader(place: Place) -> Iterator[tuple[str, Callable[[str], Any]]]:
    """The URL of a user who may read every table and write none; and what grants or takes away its rights."""
    name = f"reader_{secrets.token_hex(3)}"
    with open_test_store(place.url) as store:
        if store.engine.kind == "postgres":
            for sql in (
                f"CREATE ROLE {name} LOGIN",
                f"GRANT USAGE ON SCHEMA public, scheduler TO {name}",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA scheduler TO {name}",
            ):
                store.engine.write(sql)

            def change(text: str) -> None:
                for schema in ("public", "scheduler"):
                    store.engine.write(text.format(tables=f"ALL TABLES IN SCHEMA {schema}", user=name))

            yield place.url.replace("//postgres@", f"//{name}@"), change
            store.engine.write(f"DROP OWNED BY {name}")
            store.engine.write(f"DROP ROLE {name}")
            return
        database = store.target.name
        store.engine.write(f"CREATE USER {name}@localhost")
        store.engine.write(f"GRANT SELECT ON {database}.* TO {name}@localhost")

        def change_here(text: str) -> None:
            store.engine.write(text.format(tables=f"{database}.*", user=f"{name}@localhost"))

        yield place.url.replace("//root@", f"//{name}@"), change_here
        store.engine.write(f"DROP USER {name}@localhost")


@SERVERS
def test_a_user_who_may_only_read_starts_no_daemon_and_is_told_which_rights_it_lacks(
    place: Place, reader: tuple[str, Callable[[str], Any]]
) -> None:
    url, change = reader
    started = place.run("run", SCHEDULER_DATABASE__URL=url)
    assert started.returncode == 3
    assert "INSERT, UPDATE, DELETE on" in started.stderr
    assert "scheduler_run" in started.stderr
    assert "UPDATE on public.ReportSchedule" in started.stderr or "UPDATE on ReportSchedule" in started.stderr
    error = error_of(place.run("check-once", "--json", SCHEDULER_DATABASE__URL=url))
    assert (error["code"], "Grant" in error["hint"]) == ("database_readonly", True)
    checked = place.run("doctor", "--no-network", SCHEDULER_DATABASE__URL=url)
    assert "we lack: INSERT, UPDATE, DELETE on" in checked.stdout
    # Whoever may only read may look.
    for words in (["history", "list"], ["check-once", "--dry-run"]):
        done = place.run(*words, SCHEDULER_DATABASE__URL=url)
        assert (words, done.returncode) == (words, 0), done.stderr
    change("GRANT INSERT, UPDATE, DELETE ON {tables} TO {user}")
    assert place.run("check-once", SCHEDULER_DATABASE__URL=url).returncode == 0


# MariaDB lets a connection keep its rights until it is made anew.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_rights_that_are_taken_away_are_told_once_and_their_return_too(
    place: Place, reader: tuple[str, Callable[[str], Any]]
) -> None:
    url, change = reader
    change("GRANT INSERT, UPDATE, DELETE ON {tables} TO {user}")
    place.environ |= {"SCHEDULER_DATABASE__URL": url, "SCHEDULER_DAEMON__CHECK_EVERY": "1s"}
    place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    change("REVOKE INSERT, UPDATE, DELETE ON {tables} FROM {user}")
    wait_for(lambda: "check_failed" in place.log())
    checks = place.log().count('"check_started"')
    wait_for(lambda: place.log().count('"check_started"') > checks + 3)
    assert place.log().count('"check_failed"') == 1
    assert '"database_back"' not in place.log()
    assert place.state()["last_error"]["code"] == "database_readonly"
    change("GRANT INSERT, UPDATE, DELETE ON {tables} TO {user}")
    wait_for(lambda: '"database_back"' in place.log())
    assert place.log().count('"check_failed"') == 1
