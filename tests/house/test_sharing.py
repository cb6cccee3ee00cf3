"""Tests that run in several workers share one server of each kind, and nothing of it is left, however they end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.blocks import ROOT
from tests.servers import find_initdb

TESTS = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(6))
def test_that_asks_for_a_server(postgres_url, number):
    with Path("asked").open("a") as asked:
        asked.write(f"{os.getpid()} {postgres_url}\\n")
    if number == 0:
        os._exit(9) if CRASH else time.sleep(10)
"""


@contextmanager
def run(folder: Path, *, crash: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """Run tests of its own in two workers, one test of which crashes its worker or takes long; kill what is left."""
    (folder / "test_own.py").write_text(f"CRASH = {crash}\n{TESTS}")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", "2", "--dist", "load", str(folder)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "said").open("w") as said:
        tests = subprocess.Popen(command, cwd=folder, env=environ, stdout=said, stderr=said)
    try:
        yield tests
    finally:
        tests.kill()
        tests.wait()


def asked(folder: Path) -> tuple[set[str], set[str]]:
    """Return the workers that got a server and the servers that they got."""
    path = folder / "asked"
    lines = [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []
    return {pid for pid, _ in lines}, {url for _, url in lines}


def wait_for(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def folder_of(url: str) -> Path:
    """Return the folder of a private server."""
    return Path(url.rpartition("host=")[2])


@pytest.fixture(autouse=True)
def needs_a_server() -> None:
    """Skip where there is nothing to share."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    if find_initdb() is None:
        pytest.skip("no PostgreSQL server is installed (initdb)")


def test_workers_share_one_server_that_is_gone_behind_them_though_one_crashed(tmp_path: Path) -> None:
    with run(tmp_path, crash=True) as tests:
        tests.wait(120)
    workers, urls = asked(tmp_path)
    assert "1 failed, 5 passed" in (tmp_path / "said").read_text()
    assert len(workers) > 1
    (url,) = urls
    assert not folder_of(url).exists()


def test_a_run_that_is_killed_leaves_no_server(tmp_path: Path) -> None:
    with run(tmp_path, crash=False) as tests:
        wait_for(lambda: asked(tmp_path)[1] or tests.poll() is not None)
        (url,) = asked(tmp_path)[1]
        assert folder_of(url).exists()
    wait_for(lambda: not folder_of(url).exists())
