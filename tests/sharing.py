"""
One server of each kind for all processes of a test run.

With ``-n`` the tests run in workers. A process of its own keeps the servers, so that none hangs on a worker that ends
early or crashes: a worker asks for one by its name over a socket, and the first to ask has it started. They end with
the process that started the workers, however that ends.
"""

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from threading import Event, Lock, Thread

from tests.servers import starts


class Shared:
    """The process that keeps the servers, for whoever started the workers."""

    def __init__(self) -> None:
        # No interrupt from the keyboard reaches it: the tests still use its servers while they end.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sharing"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def close(self) -> None:
        """Stop every server; return once nothing is left of them."""
        self._process.communicate(timeout=60)


class Keeper:
    """Starts each server when it is first asked for, and stops them all."""

    def __init__(self, folder: Path) -> None:
        self._listener = Listener(str(folder / "ask"), "AF_UNIX", backlog=64)
        self._urls: dict[str, str] = {}
        self._stack, self._starting, self._over = ExitStack(), Lock(), Event()
        Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while not self._over.is_set():
            # A worker that was killed while it waited must not end the answers to the others.
            try:
                with self._listener.accept() as asker:
                    asker.send(self._started(asker.recv()))
            except (OSError, EOFError):
                continue

    def _started(self, name: str) -> tuple[str, str]:
        """Return the URL of a server and, where there is none, why."""
        try:
            with self._starting:
                if name not in self._urls and not self._over.is_set():
                    self._urls[name] = self._stack.enter_context(starts()[name]())
                return self._urls[name], ""
        except Exception as error:
            return "", f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Stop every server."""
        self._over.set()
        with self._starting:
            self._stack.close()
        self._listener.close()


def ask(address: str, name: str) -> str:
    """Return the URL of the keeper's server; raise where it could not be started."""
    with Client(address, "AF_UNIX") as keeper:
        keeper.send(name)
        url, trouble = keeper.recv()
    if trouble:
        raise RuntimeError(f"the {name} server that all workers share was not started: {trouble}")
    return str(url)


def keep() -> None:
    """Say the address, and keep servers until standard input ends: with whoever holds its other end."""
    folder = Path(tempfile.mkdtemp(prefix="scheduler-servers-"))
    try:
        keeper = Keeper(folder)
        print(folder / "ask", flush=True)
        sys.stdin.read()
        keeper.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep()
