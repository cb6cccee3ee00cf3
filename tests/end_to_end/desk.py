"""A person at the command line: a home, a database, invented shops; commands in this process or in one of their own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.cli.main import main
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.making import SHOP, make_session

ROOT = str(Path(__file__).parents[2])
#: For a test whose SQL differs from one kind of database to the other; all else stays on SQLite, where it is quick.
THREE = pytest.mark.parametrize("desk_url", ["sqlite", "postgres", "mariadb"], indirect=True)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        return self.json["data"]


class Desk:
    """Types commands. `type` runs in this process (fast), `spawn` in a process of its own."""

    def __init__(
        self,
        root: Path,
        url: str,
        simulator: Simulator,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.root, self.simulator = root, simulator
        self.monkeypatch, self.capsys = monkeypatch, capsys
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "PYTHONPATH": ROOT,
            "SCHEDULER_DATABASE__URL": url,
            "SCHEDULER_STATE__FILE": str(root / "state" / "state.json"),
            "SCHEDULER_SPOOL__DIR": str(root / "spool"),
            "SCHEDULER_SHOPIFY__BASE_URL": simulator.base_url,
            "SCHEDULER_FOLDER__PATH": str(root / "reports"),
            "SCHEDULER_DAEMON__START_DELAY": "100ms",
            "SCHEDULER_DAEMON__PEEK": "200ms",
        }

    def set(self, **more: str) -> None:
        """Set options by section and key: ``delivery__mode="hold"``."""
        self.environ |= {f"SCHEDULER_{name.upper()}": value for name, value in more.items()}

    @property
    def url(self) -> str:
        return self.environ["SCHEDULER_DATABASE__URL"]

    def store(self) -> Store:
        return open_test_store(self.url)

    def type(self, *words: str, stdin: str = "") -> Done:
        """Run a command in this process, nobody sitting at the terminal."""
        with self.monkeypatch.context() as patch:
            for name, value in self.environ.items():
                if name.startswith("SCHEDULER_") or name == "HOME":
                    patch.setenv(name, value)
            patch.chdir(self.root)
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            self.capsys.readouterr()
            with pytest.raises(SystemExit) as left:
                main(list(words))
        said = self.capsys.readouterr()
        return Done(int(left.value.code or 0), said.out, said.err)

    def spawn(self, *words: str, **environ: str) -> Done:
        """Run a command in a process of its own, with *environ* besides."""
        start = [sys.executable, "-m", "scheduler_daemon", *words]
        done = subprocess.run(
            start, env=self.environ | environ, cwd=self.root, capture_output=True, check=False, timeout=60
        )
        return Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


@pytest.fixture
def shop() -> SimShop:
    """The invented shop of the desk."""
    return SimShop(SHOP, orders=120, zone="Europe/Paris", name="Test Shop")


@pytest.fixture
def bare(
    tmp_path: Path, desk_url: str, shop: SimShop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    """A desk without a database."""
    with Simulator([shop]) as simulator:
        yield Desk(tmp_path, desk_url, simulator, monkeypatch, capsys)


@pytest.fixture
def desk(bare: Desk, shop: SimShop) -> Desk:
    """A desk with a database, the shop's session in it, and what Shopify says of the shop."""
    with bare.store() as store:
        make_session(store, SHOP, shop.token)
    assert bare.type("shops", "check", SHOP).code == 0
    return bare
