"""
The mail itself, built without touching the network: the same key gives the same bytes.

The file is not read into memory: a mail is what stands before the file, the file in base64 as it is read from disk,
and what stands after it. So the size is known, and can be compared with what the server takes, before a byte is sent.
"""

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..errors import DeliveryError, UsageError
from ..lib.words import isolated
from . import summary
from .address import for_the_wire, parse_address, read_sender
from .base import Parcel
from .headers import address_header, file_parameter, mailbox, text_header, unreachable
from .summary import Summary

#: Bytes of the file in one line of base64 (RFC 2045, 6.8: 76 characters), and in one block as it is read.
LINE = 57
BLOCK = LINE * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, ready to be sent block by block."""

    #: What stands before the attached file.
    head: bytes
    #: The attached file; None where there is none.
    path: Path | None
    #: Its size in bytes.
    file_size: int
    #: What stands after it.
    tail: bytes

    @property
    def size(self) -> int:
        """Return the size on the wire in bytes, as SIZE counts it (RFC 1870: line ends in, doubled dots out)."""
        lines = -(-self.file_size // LINE)
        return len(self.head) + 4 * -(-self.file_size // 3) + 2 * lines + len(self.tail)

    def blocks(self) -> Iterator[bytes]:
        """Yield the mail as it goes out, dots not doubled; raise DeliveryError where the file is not as announced."""
        yield self.head
        if self.path is None:
            yield self.tail
            return
        left = self.file_size
        try:
            with self.path.open("rb") as file:
                while part := file.read(BLOCK):
                    left -= len(part)
                    yield encodebytes(part).replace(b"\n", b"\r\n")
        except OSError as error:
            raise _gone(self.path, error.strerror or str(error)) from error
        if left:
            raise _gone(self.path, "its size changed")
        yield self.tail

    def __bytes__(self) -> bytes:
        """Return the whole mail; for small ones."""
        return b"".join(self.blocks())


def message_id(key: str, sender: str) -> str:
    """Return the Message-ID that a delivery's key always gives."""
    domain = for_the_wire(read_sender(sender)[1]).rpartition("@")[2]
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def build(parcel: Parcel, key: str, *, sender: str, reply_to: str = "", utf8: bool = False) -> Mail:
    """
    Return the mail; nothing in it depends on which recipient gets it.

    To and Cc are the same in every copy and a bcc address is in none (DESIGN 6); text and HTML say the summary, the
    file is attached; no error text is ever in it. *utf8* says that the server takes addresses that are not ASCII.
    Raise DeliveryError `spool_missing`, or UsageError for a sender that cannot be.
    """
    path, size = Path(parcel.file.path), parcel.file.size
    try:
        found = path.stat().st_size
    except OSError as error:
        raise _gone(path, error.strerror or str(error)) from error
    if found != size:
        raise _gone(path, "its size changed")
    answers_to = parcel.reply_to if _readable([parcel.reply_to], utf8) else reply_to
    said = summary.summarise(parcel.file, attached=not parcel.bare, instead_of=parcel.instead_of)
    outer, inner = (f"=_{sha256(f'{key}/{number}'.encode()).hexdigest()[:40]}" for number in (0, 1))
    lines = [
        *_headers(parcel, key, sender, answers_to, utf8),
        f'Content-Type: multipart/mixed; boundary="{outer}"',
        *("", f"--{outer}", f'Content-Type: multipart/alternative; boundary="{inner}"'),
        *("", f"--{inner}", *part("plain", _text(said, answers_to))),
        *(f"--{inner}", *part("html", _html(said, answers_to)), f"--{inner}--"),
        *([""] if parcel.bare else ["", f"--{outer}", *_attached(parcel), "", ""]),
    ]
    if parcel.bare:
        return Mail("\r\n".join([*lines, ""]).encode(), None, 0, f"--{outer}--\r\n".encode())
    return Mail("\r\n".join(lines).encode(), path, size, f"--{outer}--\r\n".encode())


def _headers(parcel: Parcel, key: str, sender: str, answers_to: str, utf8: bool) -> list[str]:
    name, address = read_sender(sender)
    to, cc = (
        _readable([item.address for item in parcel.recipients if item.role == role], utf8) for role in ("to", "cc")
    )
    said = summary.redirected(parcel.instead_of)
    return [
        text_header("Subject", summary.subject(parcel.about)),
        address_header("From", [_mailbox(address, utf8, summary.one_line(name))]),
        address_header("To", to or [_mailbox(address, utf8)]),
        *([address_header("Cc", cc)] if cc else []),
        *([address_header("Reply-To", [_mailbox(answers_to, utf8)])] if answers_to else []),
        # The moment the rows were made, not of sending: a repeat must be the same bytes.
        f"Date: {format_datetime(parcel.about.made_at)}",
        f"Message-ID: {message_id(key, sender)}",
        "Auto-Submitted: auto-generated",
        text_header("X-Report-Key", summary.one_line(key)),
        *([text_header("X-Report-Redirected", said)] if said else []),
        "MIME-Version: 1.0",
    ]


def _readable(texts: Sequence[str], utf8: bool) -> list[str]:
    """Return the readable ones of *texts*: one that cannot be read must not keep the others from their mail."""
    made = []
    for text in texts:
        with suppress(UsageError):
            made.append(_mailbox(parse_address(text), utf8))
    return made


def _mailbox(text: str, utf8: bool, name: str = "") -> str:
    address = for_the_wire(text)
    return mailbox(address, name) if utf8 or address.isascii() else unreachable(address)


def part(kind: str, text: str) -> list[str]:
    """Return a text as a part, its lines in quoted-printable (RFC 2045, 6.7)."""
    body = b2a_qp(text.encode()).decode("ascii").rstrip("\n").split("\n")
    return [f"Content-Type: text/{kind}; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", *body, ""]


def _attached(parcel: Parcel) -> list[str]:
    kind = parcel.file.media_type
    return [
        f"Content-Type: {kind}; charset=utf-8" if kind.startswith("text/") else f"Content-Type: {kind}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: attachment;\r\n {file_parameter(summary.one_line(parcel.file.name))}",
    ]


def _gone(path: Path, why: str) -> DeliveryError:
    message = f"The file {path.name} cannot be read from the spool: {why}."
    return DeliveryError(message, code="spool_missing", hint="It is made again.", retryable=True)


def _text(said: Summary, answers_to: str) -> str:
    rows = f"{said.rows} {said.rows_change}".rstrip()
    facts = [("Shop", isolated(said.shop)), ("Period", said.period), ("Rows", rows), ("Complete until", said.complete)]
    width = max(len(item[0]) for item in (*facts, *said.totals))
    lines = [isolated(said.title), "", *((said.redirected, "") if said.redirected else ())]
    lines += [f"{name.ljust(width)}  {value}" for name, value in facts]
    lines += ["", said.late] if said.late else []
    if said.totals:
        most = max(len(value) for _, value, _ in said.totals)
        lines.append("")
        for name, value, change in said.totals:
            padding = " " * (width - len(name))
            lines.append(f"{isolated(name)}{padding}  {value.rjust(most)} {change}".rstrip())
    lines += [line for note in said.notes for line in ("", note)]
    lines += ["", f"Attached: {said.file}"] if said.file else [""]
    if answers_to:
        lines.append(f"Answers to this mail go to {answers_to}.")
    return "\n".join(lines) + "\n"


def _html(said: Summary, answers_to: str) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("scheduler_daemon.channels")
    world: Any = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made: str = world.get_template("mail.html").render(said=said, answers_to=answers_to)
    return made


def quote_dots(block: bytes) -> bytes:
    """Return *block*, which begins a line, with the dots doubled that begin one (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", block)
