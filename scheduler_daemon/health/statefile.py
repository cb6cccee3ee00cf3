"""The state file: what is true now, as JSON, replaced whole; and the lock that says who may write it."""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import AlreadyRunning, SchedulerError, StoreError
from ..lib.files import owner_for_root, sweep_temporary, write_atomically
from ..lib.words import say_length

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
#: A living daemon writes the state file at least this often, in seconds.
WRITE_EVERY = 10.0
#: A state file that is older although its daemon lives says nothing of now: three times it could not be written.
SILENT = timedelta(seconds=3 * WRITE_EVERY)
SILENT_HINT = "See the room and the rights of its folder: scheduler doctor; and its log: journalctl -u scheduler"


class StateFile:
    """One path, one writer: the daemon's main loop, or `check-once` where there is no daemon."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def lock(self) -> None:
        """
        Become the writer until `unlock`; the kernel lets go when the process ends.

        Raise AlreadyRunning, StoreError `database_owner`, or OSError where the folder cannot be written.
        """
        self.require_ours()
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        fd = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyRunning(
                f"Another daemon (pid {pid}) holds the state file {self.path}.",
                hint="Stop it first, or give this one another state.file.",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock = fd
        sweep_temporary(self.path)

    def keep_lock(self) -> bool:
        """
        Take the lock again where its file was removed or replaced since (a state folder made anew); whether it was.

        Else another daemon could take the one at the path, and both would write the state. Raise as `lock` does; the
        old lock is kept then, and the next call tries again.
        """
        held = self._lock
        if held is None:
            return False
        mine = os.fstat(held)
        with suppress(FileNotFoundError, NotADirectoryError):
            there = Path(f"{self.path}.lock").stat()
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return False
        self.lock()
        os.close(held)
        return True

    def require_ours(self) -> None:
        """Raise StoreError where we are root and the folder is another user's: the daemon could not open our files."""
        owner = owner_for_root(self.path.parent)
        if owner:
            raise StoreError(
                f"The state file {self.path} lies in a folder of the user {owner}; root's lock would shut it out.",
                code="database_owner",
                hint=f"Run the command as that user: sudo -u {owner} scheduler …",
            )

    def unlock(self) -> None:
        """Let the next one write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_locked(self) -> bool:
        """Whether a living process holds the lock."""
        try:
            fd = os.open(f"{self.path}.lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the file; raise OSError, the old file then stands."""
        write_atomically(self.path, (json.dumps(state, ensure_ascii=False, indent=1) + "\n").encode(), mode=0o644)

    def read(self) -> dict[str, Any]:
        """Return the state; raise SchedulerError where there is none or it cannot be read."""
        try:
            state = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SchedulerError(
                f"There is no state file {self.path}.", code="usage", hint="Start the daemon: scheduler run"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise SchedulerError(f"The state file {self.path} cannot be read: {error}.", code="usage") from None
        if not isinstance(state, dict) or state.get("schema") != 1:
            message = f"The state file {self.path} was written by another version."
            raise SchedulerError(message, code="usage", hint="Use the scheduler that the daemon uses.")
        return state


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a state file means now."""

    #: 0 ok, 1 degraded, 2 down or stale, 3 unknown.
    code: int
    #: Why it is not ok, as sentences.
    reasons: tuple[str, ...]
    #: The one next thing to do.
    next_step: str
    #: The state with the keys that readers compute: a stale file says false, [] and 0.
    state: Mapping[str, Any]


def judge(state: Mapping[str, Any], now: datetime, max_age: timedelta, *, locked: bool) -> Verdict:
    """
    Judge a state file by the age of its last good check, not by the existence of a process.

    A daemon that lives but no longer writes it (a full disk, a folder that became read-only, a loop that hangs) is
    degraded: what the file says of the reports is old.
    """
    tick = state.get("tick") or {}
    last = _moment(tick.get("last_good_at"))
    once = state.get("mode") == "once"
    age = now - last if last else None
    if not once and not locked:
        return _down(state, "The daemon is not running.", "Start it: scheduler run (or: systemctl start scheduler)")
    if age is None and not once:
        started = _moment(state.get("started_at"))
        if started and now - started > max_age:
            return _down(
                state, "The daemon has made no good check since it started.", "See its log: journalctl -u scheduler"
            )
    elif age is None or (abs(age) > max_age and not _waits_well(state, now, max_age)):
        said = _how_old(age)
        return _down(state, said, "Run: scheduler check-once" if once else "See its log: journalctl -u scheduler")
    problems = state.get("problems") or []
    reasons = tuple(str(item["message"]) for item in problems)
    step = str(problems[0].get("hint") or "") if problems else ""
    if silent := silence(state, now):
        return Verdict(1, (silent, *reasons), SILENT_HINT, state)
    if reasons:
        return Verdict(1, reasons, step or "See: scheduler history list", state)
    return Verdict(0, (), "", state)


def _waits_well(state: Mapping[str, Any], now: datetime, max_age: timedelta) -> bool:
    """Whether checks are just rarer than *max_age* (daily at nine): the loop turns, and the next one is still ahead."""
    written, next_at = _moment(state.get("written_at")), _moment((state.get("tick") or {}).get("next_at"))
    turns = written is not None and abs(now - written) <= max_age
    return turns and next_at is not None and now <= next_at + max_age and not state.get("last_error")


def _how_old(age: timedelta | None) -> str:
    if age is None:
        return "There was no good check."
    if age < timedelta(0):
        return f"The last good check lies {say_length(age)} in the future: a clock was set."
    return f"The last good check was {say_length(age)} ago."


def silence(state: Mapping[str, Any], now: datetime) -> str:
    """Return the sentence that a living daemon no longer writes its state file; empty where it does."""
    written = _moment(state.get("written_at"))
    if state.get("mode") == "once" or written is None or abs(now - written) <= SILENT:
        return ""
    age = now - written
    said = f"{say_length(age)} ago" if age > timedelta(0) else f"{say_length(age)} in the future, a clock was set"
    return f"The daemon lives, but last wrote its state file {said}: what it says is old."


def _down(state: Mapping[str, Any], reason: str, step: str) -> Verdict:
    return Verdict(2, (reason,), step, {**state, "isRunning": False, "runningJobs": [], "jobCount": 0, "running": []})


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
