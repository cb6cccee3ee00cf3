"""A process that may open no more files: told apart from a database, a server or a disk that does not answer."""

import errno
import os
import resource
from collections.abc import Iterator

#: Too many open files, of this process or of the whole machine.
TOO_MANY = (errno.EMFILE, errno.ENFILE)
#: What opens several files at once needs this many: SQLite its file, its log, its index of that, and a folder.
SPARE = 4
#: What to do about it.
RAISE_LIMIT = "Raise the limit of open files (LimitNOFILE=4096 in the unit, or ulimit -n 4096), or lower daemon.workers"


def out_of_files(error: BaseException) -> bool:
    """
    Whether *error* came because this process, or the machine, may open no more files.

    Drivers hide the number: SQLite says "unable to open database file", a name server "temporary failure". So where
    the error does not say it, it is tried whether a few files can be opened now.
    """
    return any(_says_so(item) for item in _causes(error)) or _none_left()


def is_limit(error: BaseException) -> bool:
    """Whether *error* is the system's own word that no more files may be opened."""
    return isinstance(error, OSError) and error.errno in TOO_MANY


def say_limit() -> str:
    """Return the reason, to be set behind a colon: ``this process may open no more files (its limit is 1,024)``."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"this process may open no more files and connections (its limit is {soft:,})"


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return error.errno in TOO_MANY
    return os.strerror(errno.EMFILE).lower() in str(error).lower()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and the errors behind it, wherever libraries keep them."""
    waiting, seen = [error], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        behind = (item.__cause__, item.__context__, getattr(item, "reason", None), *item.args)
        waiting += [other for other in behind if isinstance(other, BaseException)]


def _none_left() -> bool:
    held: list[int] = []
    try:
        while len(held) < SPARE:
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in TOO_MANY
    finally:
        for descriptor in held:
            os.close(descriptor)
    return False
