"""A mail that is only text: what an owner is told."""

from datetime import datetime
from email.utils import format_datetime

from .address import read_sender
from .headers import address_header, mailbox, text_header
from .message import Mail, message_id, part
from .summary import one_line


def build_note(subject: str, text: str, address: str, key: str, *, sender: str, at: datetime) -> Mail:
    """Return the mail; the same *key* and moment (UTC) give the same bytes. Raise ValueError for a bad sender."""
    name, own = read_sender(sender)
    lines = [
        text_header("Subject", one_line(subject)),
        address_header("From", [mailbox(own, one_line(name))]),
        address_header("To", [mailbox(address)]),
        f"Date: {format_datetime(at)}",
        f"Message-ID: {message_id(key, sender)}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        *part("plain", text),
    ]
    return Mail("\r\n".join(lines).encode(), None, 0, b"")
