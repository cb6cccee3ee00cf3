"""
Files inside one folder and never outside it: every step goes through an open folder, and no link is followed.

A path is checked and used in two moments, and somebody may plant a link between them; an open folder stays the one
that it is (openat(2), O_NOFOLLOW).
"""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Where the marks lie below the folder; no file name begins with a dot, so none of ours can be this one.
MARKS = ".delivered"
SWEPT = "swept"
#: A copy that is not finished yet, named after its delivery's key (`unfinished`).
UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.part")
#: Nobody works at a copy for so long: its process is gone, and its run may be given up.
ABANDONED = timedelta(days=1)
BLOCK = 1 << 20


@contextmanager
def opened(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """
    Open the folder *parts* below *root* and give its descriptor; what is missing is made (mode 0750).

    *root* itself may be a link, as its owner likes; below it a link is refused. Raise OSError.
    """
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    fd = os.open(root, FOLDER)
    try:
        for part in parts:
            below = _step(fd, part)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def _step(fd: int, part: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(part, 0o750, dir_fd=fd)
        os.fsync(fd)
    try:
        return os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(error.errno, f"{part!r} in it is no folder, or a link that may lead out") from None
        raise


def copy(source: BinaryIO, folder: int, name: str, mode: int = 0o640) -> int:
    """
    Copy *source* to the new file *name* of *folder*, durably; return its bytes. Raise OSError, and leave nothing.

    What an earlier attempt left under the name is replaced.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            size = 0
            while block := source.read(BLOCK):
                size += file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        remove(folder, name)
        raise
    return size


def unfinished(digest: str) -> str:
    """Return the name of a copy until it is whole; *digest* is that of its delivery's key, in hexadecimal digits."""
    return f".{digest[:32]}.part"


def sweep_unfinished(root: Path, now: datetime) -> None:
    """Remove the copies below *root* that were left unfinished since `ABANDONED`; links are not followed."""
    with opened(root, ()) as top:
        for _, _, names, folder in os.fwalk(".", dir_fd=top):
            for name in filter(UNFINISHED.fullmatch, names):
                with suppress(OSError):  # its repeat may replace it meanwhile
                    left = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if stat.S_ISREG(left.st_mode) and now.timestamp() - left.st_mtime > ABANDONED.total_seconds():
                        os.unlink(name, dir_fd=folder)


def remove(folder: int, name: str) -> None:
    """Remove a file that is of no use; that it cannot be is no matter."""
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)


def exists(folder: int, name: str) -> bool:
    """Whether anything has that name, a link that leads nowhere included."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def locked(folder: int) -> Iterator[None]:
    """Let one process and thread at a time choose a name; where the file system has no locks, go on without."""
    with suppress(OSError):
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)


class Marks:
    """Which delivery's key a file has, by its path: one small file each, in a folder of their own."""

    def __init__(self, folder: int) -> None:
        self.folder = folder

    def read(self, path: str) -> str | None:
        """Return the key of the file *path*; None where there is no mark."""
        try:
            fd = os.open(_mark(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):  # a link that somebody planted is no mark
                return None
            raise
        with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\n")

    def write(self, path: str, key: str) -> None:
        """Say that *path* has the file of *key*, durably; the path stands below it for people."""
        temp = f"{_mark(path)}.part"
        remove(self.folder, temp)
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640, dir_fd=self.folder)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(f"{key}\n{path}\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temp, _mark(path), src_dir_fd=self.folder, dst_dir_fd=self.folder)
        os.fsync(self.folder)

    def sweep(self, keep: timedelta, now: datetime) -> bool:
        """Once a day, remove the marks older than *keep*: no delivery is repeated after that. Return whether it was."""
        with suppress(FileNotFoundError):
            swept = os.stat(SWEPT, dir_fd=self.folder).st_mtime
            if now.timestamp() - swept < timedelta(days=1).total_seconds():
                return False
        for name in os.listdir(self.folder):  # noqa: PTH208 (an open folder has no path)
            with suppress(FileNotFoundError):
                if now.timestamp() - os.stat(name, dir_fd=self.folder).st_mtime > keep.total_seconds():
                    os.unlink(name, dir_fd=self.folder)
        os.close(os.open(SWEPT, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640, dir_fd=self.folder))
        os.utime(SWEPT, (now.timestamp(), now.timestamp()), dir_fd=self.folder)
        return True


def _mark(path: str) -> str:
    return sha256(path.encode()).hexdigest()[:32]
