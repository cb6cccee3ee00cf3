"""The name of a process as a holder of leases, and what it tells of a process on this machine."""

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from ..lib.boot import boot_id

#: Hex digits of a name's last part: those of `_space`, then random ones.
SPACE, RANDOM = 8, 8


def new_holder() -> str:
    """Return a name for this process as a holder of leases: host, pid, and where that pid counts with a random end."""
    return f"{_host()}:{os.getpid()}:{_space()}{secrets.token_hex(RANDOM // 2)}"


def is_gone(holder: str) -> bool:
    """
    Whether the process of *holder* is surely gone: a pid of this host, this boot and our own process namespace.

    False where nobody can say: another machine, another container, a sandbox that hides the boot id. A pid that was
    given to another process since counts as living; the end of the lease decides then.
    """
    space, (host, pid, mark) = _space(), (["", "", *holder.rsplit(":", 2)])[-3:]
    ours = host == _host() and len(mark) == SPACE + RANDOM and mark.startswith(space)
    if not (space and ours and pid.isdigit()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it lives and is another user's; or the number is none
        return False
    return False


def _host() -> str:
    return socket.gethostname()[:80]


def _space() -> str:
    """Return a mark of where our pids count: this start of the machine and our process namespace; empty if unknown."""
    boot, namespace = boot_id(), ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:SPACE] if boot and namespace else ""
