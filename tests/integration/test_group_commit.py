"""Threads that share a commit: each gets its own result or its own error, and an error takes nobody else's rows."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.errors import LeaseLost, StoreError
from scheduler_daemon.store.engine import Engine
from scheduler_daemon.store.urls import read_url

THREADS, EACH = 8, 40


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = Engine(read_url(f"sqlite://{tmp_path / 'group.db'}"))
    made.write("CREATE TABLE row (name TEXT PRIMARY KEY)")
    return made


def insert(name: str, error: Exception | None = None) -> Callable[..., str]:
    """Return steps that write one row, and then raise *error* where there is one."""

    def steps(execute: Any) -> str:
        execute("INSERT INTO row VALUES (?)", (name,))
        if error is not None:
            raise error
        return name

    return steps


def names(engine: Engine) -> list[str]:
    return [row[0] for row in engine.read("SELECT name FROM row ORDER BY name")]


def test_every_thread_gets_its_own_result_and_every_row_is_there(engine: Engine) -> None:
    def work(thread: int) -> list[str]:
        return [engine.together(insert(f"{thread}-{number:02}")) for number in range(EACH)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = [name for part in pool.map(work, range(THREADS)) for name in part]
    assert sorted(results) == names(engine)
    assert len(results) == THREADS * EACH


def test_an_error_is_its_callers_own_and_takes_only_its_rows(engine: Engine) -> None:
    start = threading.Barrier(THREADS)

    def work(thread: int) -> int:
        lost = 0
        for number in range(EACH):
            start.wait()  # all at once, so that they share a commit
            error = LeaseLost("no longer ours") if (thread + number) % 3 == 0 else None
            try:
                engine.together(insert(f"{thread}-{number:02}", error))
            except LeaseLost:
                lost += 1
        return lost

    with ThreadPoolExecutor(THREADS) as pool:
        lost = sum(pool.map(work, range(THREADS)))
    assert lost == sum((thread + number) % 3 == 0 for thread in range(THREADS) for number in range(EACH))
    assert len(names(engine)) == THREADS * EACH - lost


def test_a_database_that_is_locked_is_told_to_every_caller(engine: Engine, tmp_path: Path) -> None:
    import sqlite3

    engine.wait_for_locks(0.1)
    other = sqlite3.connect(tmp_path / "group.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    codes = []

    def work(thread: int) -> None:
        engine.wait_for_locks(0.1)
        try:
            engine.together(insert(str(thread)))
        except StoreError as error:
            codes.append(error.code)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    other.execute("ROLLBACK")
    assert codes == ["database_locked"] * 3
    assert engine.together(insert("after")) == "after"
    assert names(engine) == ["after"]
