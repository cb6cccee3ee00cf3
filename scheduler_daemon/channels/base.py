"""What a channel is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..model import About, Receipt, Recipient, ReportFile


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is handed over: one file, with what must be said about it."""

    #: The finished file.
    file: ReportFile
    #: The facts of it.
    about: About
    #: All recipients of the run on this channel, for the To and Cc headers.
    recipients: tuple[Recipient, ...]
    #: Mail address of the owner; empty where there is none.
    reply_to: str = ""
    #: Whether a mail says only in words that there is nothing, without the file.
    bare: bool = False
    #: To whom a redirected mail would have gone; None where it is not redirected.
    instead_of: tuple[str, ...] | None = None


#: Called once, at the last moment at which nothing of a delivery can have gone out; whatever it raises, nothing does.
Commit = Callable[[], None]


def nothing() -> None:
    """Write nothing down: for who delivers without an outbox."""


class Channel(Protocol):
    """Hands a file over to one recipient at a time; one class a kind."""

    #: Whether the receiver recognises a repeat by its key, so that a second sending does no harm.
    idempotent: bool

    def deliver(self, parcel: Parcel, recipient: Recipient, key: str, commit: Commit = nothing) -> Receipt:
        """
        Hand over; raise DeliveryError, `ambiguous` where it may have gone out all the same.

        *commit* is called before anything can have gone out, as late as the channel can tell; perhaps twice, where the
        receiver refused after it.
        """

    def close(self) -> None:
        """Let go of connections."""
