"""The processes that benchmarks measure: `scheduler` in surroundings of its own, and an invented Shopify beside it."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Shop, StoredSession
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.sources import TYPES
from scheduler_daemon.store import Store, read_url
from tests.servers import find_initdb, new_database, private_postgres

#: The repository: child processes are started here.
ROOT = Path(__file__).parents[2]


def each_database() -> Iterator[tuple[str, str | None]]:
    """
    Yield the name and the URL of an empty database of each kind, dropped when the next one is asked for.

    PostgreSQL is the server named by SCHEDULER_TEST_POSTGRES, else a private one whose commits wait for the disk;
    None where there is neither.
    """
    with own_folder() as folder:
        yield "SQLite", f"sqlite://{folder / 'scheduler.db'}"
    with postgres() as server:
        if server is None:
            yield "PostgreSQL", None
            return
        with new_database(server) as url:
            yield "PostgreSQL", url


@contextmanager
def postgres() -> Iterator[str | None]:
    """Yield the URL of a PostgreSQL server as `each_database` chooses it; None where there is none."""
    given, initdb = os.environ.get("SCHEDULER_TEST_POSTGRES"), find_initdb()
    if given or initdb is None:
        yield given
        return
    with private_postgres(initdb, durable=True) as url:
        yield url


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder for one measurement; remove it behind."""
    with tempfile.TemporaryDirectory(prefix="scheduler-benchmark-") as name:
        yield Path(name)


def environment(root: Path, url: str, **more: str) -> dict[str, str]:
    """Return the environment of a `scheduler` that has nothing but *root* and the database *url*."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "PYTHONPATH": str(ROOT),
        "SCHEDULER_DATABASE__URL": url,
        "SCHEDULER_STATE__FILE": str(root / "state.json"),
        "SCHEDULER_SPOOL__DIR": str(root / "spool"),
        "SCHEDULER_FOLDER__PATH": str(root / "reports"),
        "SCHEDULER_LOG__FORMAT": "json",
        **more,
    }


def command(*words: str) -> list[str]:
    """Return the command line of `scheduler` *words*."""
    return [sys.executable, "-m", "scheduler_daemon", *words]


@contextmanager
def daemon(root: Path, environ: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `scheduler run` in *root*, its log in `daemon.log`; stop it behind, by force where it does not listen."""
    with (root / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command("run"), env=dict(environ), cwd=root, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def invented_shops(wanted: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve shops, each made with one of *wanted*'s arguments, from another process; yield base URL and tokens."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, list(wanted)), daemon=True)
    process.start()
    try:
        if not mine.poll(120):
            raise RuntimeError("the simulator did not start")
        base_url, tokens = mine.recv()
        yield base_url, tokens
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, wanted: Sequence[Mapping[str, Any]]) -> None:
    shops = [SimShop(**item) for item in wanted]
    simulator = Simulator(shops)
    pipe.send((simulator.base_url, {shop.domain: shop.token for shop in shops}))
    simulator.serve()


def open_own(url: str) -> Store:
    """Open a database of our own, made when it is not there."""
    return Store(read_url(url), types={name: name for name in TYPES}, create=True)


def add_shops(store: Store, tokens: Mapping[str, str]) -> None:
    """Store a session and what the API would say of each shop, so that a run asks for orders alone."""
    scopes = ("read_orders", "read_all_orders", "read_products")
    for domain, token in tokens.items():
        store.sessions.save(StoredSession(domain, Secret(token), scopes=scopes))
        store.shops.learn(Shop(domain, domain, "UTC", "EUR", "Basic", scopes, checked_at=datetime.now(UTC)))


def wait_for(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Return what *condition* gives once it is true; raise RuntimeError after *seconds*."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise RuntimeError(f"{what}: not within {seconds:.0f} s")
