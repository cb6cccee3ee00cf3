"""The daemons of a sitting: started, watched, killed, frozen, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .databases import wait_until
from .post import OWNER, wall
from .world import World

#: Seconds: short, so that a minute sees many leases end.
LEASE = 2.0
SETTINGS = {
    "DAEMON__LEASE": "2s",
    "DAEMON__BEAT": "500ms",
    "DAEMON__START_DELAY": "100ms",
    "DAEMON__PEEK": "100ms",
    "DAEMON__CHECK_EVERY": "5s",
    "DAEMON__DRAIN": "3s",
    "DAEMON__DEADLINE": "20s",
    "SHOPIFY__TIMEOUT": "3s",
    "RETRY__BASE": "1s",
    "RETRY__CAP": "3s",
    "RETRY__ATTEMPTS": "10",
    "RETRY__PAST_NEXT": "true",
    "EMAIL__HOST": "127.0.0.1",
    "EMAIL__SECURITY": "none",
    "EMAIL__FROM": "reports@faults.example",
    "EMAIL__TIMEOUT": "3s",
    "EMAIL__DATA_TIMEOUT": "4s",
    "NOTICES__TO": OWNER,
    "LOG__FORMAT": "json",
}


class Node:
    """One daemon: its folder, its doors into the world, and its process."""

    def __init__(
        self, number: int, folder: Path, url: str, world: World, path: Path, environ: Mapping[str, str]
    ) -> None:
        self.number, self.folder = number, folder
        #: Each process that it was, by pid.
        self.pids: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None
        #: Whether it was killed and not started again.
        self.killed = False
        self.points = folder / f"points-{number}"
        self.points.mkdir(parents=True, exist_ok=True)
        self.state_folder = folder / f"state-{number}"
        self.state_folder.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS | {
            "DATABASE__URL": url,
            "STATE__FILE": str(self.state_folder / "state.json"),
            "SPOOL__DIR": str(folder / "spool"),
            "FOLDER__PATH": str(folder / "reports"),
            "FOLDER__NAME": "{shop}/{report}-{from}.{ext}",
            "SHOPIFY__BASE_URL": world.apis[number].base_url,
            "EMAIL__PORT": str(world.post.ports[number]),
        }
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(path),
            "FAULT_POINTS": str(self.points),
            **{f"SCHEDULER_{name}": value for name, value in settings.items()},
            **environ,
        }

    @property
    def log(self) -> Path:
        """Where its process writes."""
        return self.folder / f"daemon-{self.number}.log"

    def start(self) -> None:
        """Start its process; a point that waited for the last one does not wait for this one."""
        self.disarm()
        self.killed = False
        with self.log.open("ab") as file:
            words = [sys.executable, "-m", "scheduler_daemon", "run"]
            self.process = subprocess.Popen(words, env=self.environ, stdout=file, stderr=file, cwd=self.folder)
        self.pids.append(self.process.pid)

    def alive(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> int:
        """Send a signal; return the moment after it."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return wall()

    def thaw(self, seconds: float = 0.0) -> int:
        """
        Let it go on; return the moment after it.

        One that was stopped here before it had stopped itself at its point does so now: it is woken again, *seconds*
        long.
        """
        woken, until = self.send(signal.SIGCONT), time.monotonic() + seconds
        while self.alive() and time.monotonic() < until:
            time.sleep(0.02)
            if self._is_stopped():
                woken = self.send(signal.SIGCONT)
        return woken

    def _is_stopped(self) -> bool:
        assert self.process is not None
        with suppress(OSError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def kill(self) -> int:
        """End it with SIGKILL; return the moment after it."""
        assert self.process is not None
        self.send(signal.SIGKILL)
        self.process.wait()
        self.killed = True
        return wall()

    def arm(self, point: str, number: int, times: int = 1, pause: float = 0.0) -> None:
        """
        Let it send itself the signal *number* when it comes to *point* the *times*-th time.

        After a freeze the thread that came there waits *pause* seconds more.
        """
        temp = self.points / ".next"
        temp.write_text(f"{int(number)} {times} {pause}")
        temp.rename(self.points / point)

    def sprung(self, point: str, seconds: float) -> bool:
        """Wait until the point was reached; disarm it and return False where it was not."""
        path, until = self.points / point, time.monotonic() + seconds
        while path.exists() and time.monotonic() < until and self.alive():
            time.sleep(0.005)
        try:
            path.unlink()
        except FileNotFoundError:
            return True
        return False

    def disarm(self) -> None:
        """Let no point wait any more."""
        for path in self.points.iterdir():
            path.unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """Return what its state file says; nothing where it is not there."""
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.state_folder / "state.json").read_text())
            return found
        return {}

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until its first check went well; raise RuntimeError where it ended instead."""

        def ready() -> bool:
            if not self.alive():
                tail = self.log.read_text(errors="replace")[-1500:]
                raise RuntimeError(f"daemon {self.number} ended: {tail}")
            state = self.state()
            mine = self.process is not None and state.get("pid") == self.process.pid
            return bool(mine and (state.get("tick") or {}).get("last_good_at"))

        wait_until(ready, seconds)

    def usage(self) -> tuple[int, int, int]:
        """Return resident memory (KiB), open descriptors and threads of its process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        fds = len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))
        return int(facts["VmRSS"].split()[0]), fds, int(facts["Threads"])

    def open_files(self) -> dict[str, int]:
        """Return how many descriptors its process has open, by kind: sockets, and files by name."""
        assert self.process is not None
        found: Counter[str] = Counter()
        for fd in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found[fd.readlink().name.split(":")[0]] += 1
        return dict(found.most_common(12))
