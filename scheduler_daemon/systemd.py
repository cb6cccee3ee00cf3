"""Telling systemd how we are; nothing outside it (sd_notify(3))."""

import os
import socket
from contextlib import suppress


def notify(*lines: str) -> bool:
    """Send *lines* (``READY=1``, ``STATUS=…``) as one datagram; False where nobody listens. Never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.sendall("\n".join(lines).encode("utf-8"))
        return True
    return False


def watchdog_seconds() -> float:
    """Return how often `WATCHDOG=1` is wanted, a quarter of systemd's limit; 0 where it is not."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(wanted) / 4_000_000 if wanted.isdigit() and mine else 0.0
