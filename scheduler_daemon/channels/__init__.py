"""How a file reaches people: one module a kind."""

from importlib import import_module
from typing import Any, cast

from ..errors import UsageError
from ..lib.words import did_you_mean
from .base import Channel, Parcel

__all__ = ["IDEMPOTENT", "KINDS", "Channel", "Parcel", "check_kind", "open_channel", "repeatable"]

KINDS = {
    "email": "scheduler_daemon.channels.email:Email",
    "folder": "scheduler_daemon.channels.folder:Folder",
}

#: Channels on which a delivery found in `sending` may be sent again (DESIGN 6).
IDEMPOTENT = ("folder",)


def repeatable(on_unknown: str) -> tuple[str, ...]:
    """Return the channels on which what may have gone out is sent again, as `delivery.on_unknown` says."""
    return tuple(KINDS) if on_unknown == "resend" else IDEMPOTENT


def check_kind(kind: str) -> None:
    """Raise UsageError where *kind* is no channel."""
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS)
        message = f"{kind!r} is no channel.{near}"
        raise UsageError(message, code="unknown_channel", hint=f"There are: {', '.join(KINDS)}.")


def open_channel(kind: str, options: Any) -> Channel:
    """Return the channel *kind* with its *options* (its section of the configuration)."""
    check_kind(kind)
    module, name = KINDS[kind].split(":")
    return cast(Channel, getattr(import_module(module), name)(options))
