"""Mail by SMTP: one transaction per recipient on one connection, and an honest answer to "did it go out?"."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import DeliveryError, UsageError
from ..lib.options import Length, SecretText
from ..model import Receipt, Recipient
from .address import for_the_wire, parse_address, read_sender
from .base import Commit, Parcel, nothing
from .message import Mail, build, message_id, quote_dots
from .note import build_note
from .smtp import OF_SENDER, Server, connect, drop, leave, refusal, said, unavailable

__all__ = ["Email", "Options", "connect"]

#: What the server says of a mail that is too big (RFC 1870, 6.1; RFC 3463, X.3.4).
TOO_BIG = 552


class Options(BaseModel):
    """The section `[email]`: how mail leaves."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, hide_input_in_errors=True
    )

    host: str = Field(min_length=1, description="Name of the mail server.")
    port: int = Field(0, ge=0, le=65535, description="Its port; 0 is 587 for starttls, 465 for tls, 25 for none.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is encrypted.")
    username: str = Field("", description="User name; empty for a server that asks for none.")
    password: SecretText | None = Field(None, description="Password; better given as password_file.")
    sender: str = Field(alias="from", description="Address that mails come from, bare or as Our Shop <address>.")
    reply_to: str = Field("", description="Address for answers where a schedule has no owner.")
    timeout: Length = Field(
        timedelta(seconds=60), gt=timedelta(0), description="The longest wait for one answer of the server."
    )
    data_timeout: Length = Field(
        timedelta(minutes=10),
        gt=timedelta(0),
        description="The longest wait for the answer to a whole mail; when it does not come, the mail is unknown.",
    )
    ca_file: str = Field("", description="File with the certificates to trust instead of the system's.")

    @field_validator("sender")
    @classmethod
    def _sender_is_one(cls, value: str) -> str:
        read_sender(value)
        return value

    @field_validator("reply_to")
    @classmethod
    def _answers_have_an_address(cls, value: str) -> str:
        if value and read_sender(value)[0]:
            raise ValueError(f"{value!r} has a name; write the address alone")
        return value.strip()

    @model_validator(mode="after")
    def _both_or_none(self) -> "Options":
        if bool(self.username) != bool(self.password):
            missing = "password" if self.username else "username"
            raise ValueError(f"username and password go together; email.{missing} is not set, or empty")
        return self


class Email:
    """Sends a report file to mail addresses."""

    idempotent = False

    def __init__(self, options: Options) -> None:
        self.options = options
        self._server: Server | None = None

    def deliver(self, parcel: Parcel, recipient: Recipient, key: str, commit: Commit = nothing) -> Receipt:
        """Send *parcel* to *recipient* in a transaction of its own; raise DeliveryError."""
        reused = self._server is not None
        try:
            return self._send(parcel, recipient, key, commit)
        except DeliveryError as error:
            # What may have gone out is `smtp_unknown` and never sent again.
            if not reused or error.code != "smtp_unavailable":
                raise
        # It hung up between two mails, as servers do after a number of them; nothing of this one had gone out.
        return self._send(parcel, recipient, key, commit)

    def tell(self, subject: str, text: str, address: str, key: str, at: datetime) -> None:
        """Send a plain text to one address, *at* (UTC) as its date; raise DeliveryError."""
        server, sender, wired, _ = self._reach(address)
        mail = build_note(subject, text, address, key, sender=self.options.sender, at=at)
        self._transact(server, sender, wired, mail, not (sender + wired).isascii(), nothing)

    def close(self) -> None:
        """Say goodbye; a goodbye that fails after the mail was taken is no failure."""
        leave(self._server)
        self._server = None

    def _send(self, parcel: Parcel, recipient: Recipient, key: str, commit: Commit) -> Receipt:
        server, sender, address, utf8 = self._reach(recipient.address)
        needed = utf8 and not _all_ascii(parcel, sender, self.options.reply_to)
        mail = build(parcel, key, sender=self.options.sender, reply_to=self.options.reply_to, utf8=needed)
        self._check_size(server, mail, parcel)
        reply = self._transact(server, sender, address, mail, needed, commit)
        return Receipt({"message_id": message_id(key, self.options.sender), "reply": reply, "host": self.options.host})

    def _reach(self, to: str) -> tuple[Server, str, str, bool]:
        """
        Return a server for mail to *to*, sender and address as they go over the wire, and whether it knows SMTPUTF8.

        Raise DeliveryError where it does not and one of them is not ASCII.
        """
        sender, address = self._envelope(to)
        if self._server is None:
            self._server = connect(self.options)
        server = self._server
        utf8 = bool(server.has_extn("smtputf8"))
        if not utf8 and not (sender + address).isascii():
            raise DeliveryError(
                f"{self.options.host} cannot carry mail from {sender} to {address}: it knows no SMTPUTF8.",
                code="smtp_refused",
                hint="Use an address in plain letters before the @, or another mail server.",
            )
        return server, sender, address, utf8

    def _envelope(self, address: str) -> tuple[str, str]:
        try:
            return self._envelope_sender(), for_the_wire(parse_address(address))
        except UsageError as error:
            raise DeliveryError(error.message, code=error.code, hint=error.hint) from None

    def _envelope_sender(self) -> str:
        return for_the_wire(read_sender(self.options.sender)[1])

    def _check_size(self, server: Server, mail: Mail, parcel: Parcel) -> None:
        limit = server.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < mail.size:
            raise self._too_big(parcel.file.name, mail.size, f"takes {int(limit):,}")

    def _too_big(self, name: str, size: int, how: str) -> DeliveryError:
        return DeliveryError(
            f"The mail with {name} has {size:,} bytes; {self.options.host} {how}.",
            code="message_too_big",
            hint="Choose fewer columns or a shorter period, or deliver to a folder.",
        )

    def _transact(self, server: Server, sender: str, address: str, mail: Mail, utf8: bool, commit: Commit) -> str:
        words = ["SMTPUTF8", *(["BODY=8BITMIME"] if server.has_extn("8bitmime") else [])] if utf8 else []
        if server.has_extn("size"):
            words.append(f"size={mail.size}")
        with self._faults(server, address):
            self._expect(server.mail(sender, words), (250,), address, mail, refuses=sender)
            self._expect(server.rcpt(address), (250, 251, 252), address)
            self._expect(server.docmd("DATA"), (354,), address, mail)
        # Until the final dot nothing counts as handed over; a connection that ends in the middle leaves no mail.
        with self._faults(server, address, halfway=True):
            for block in mail.blocks():
                server.send(quote_dots(block))
        try:
            commit()
        except BaseException:
            self._lost(server)  # without its final dot there is no mail (RFC 5321, 4.1.1.4)
            raise
        return said(self._finish(server, address, mail))

    def _finish(self, server: Server, address: str, mail: Mail) -> bytes:
        """Send the final dot: from here on the server may take the mail whether or not its answer reaches us."""
        server.patience = self.options.data_timeout.total_seconds()
        try:
            server.send(b".\r\n")
            code, reply = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            raise self._unknown(server, address, "ended before its answer") from error
        server.patience = None
        if 200 <= code < 300:
            return reply
        if not 400 <= code < 600:
            raise self._unknown(server, address, f"brought an answer that is none ({code})")
        self._expect((code, reply), (), address, mail)
        return reply

    def _unknown(self, server: Server, address: str, what: str) -> DeliveryError:
        self._lost(server)
        return DeliveryError(
            f"The connection to {self.options.host} {what}; the mail to {address} may have gone out.",
            code="smtp_unknown",
            hint="Ask the recipient; if it did not come: scheduler history resend.",
            ambiguous=True,
        )

    def _expect(
        self,
        answer: tuple[int, bytes],
        wanted: tuple[int, ...],
        address: str,
        mail: Mail | None = None,
        *,
        refuses: str = "",
    ) -> None:
        """
        Raise DeliveryError unless the answer is *wanted*; where *mail* is given, 552 says that it is too big.

        *refuses* is the sender where the answer is about it and not about the recipient *address*.
        """
        code, reply = answer
        if code in wanted:
            return
        if code == 421 or not 400 <= code < 600:
            if self._server is not None:
                self._lost(self._server)
            raise unavailable(
                self.options, smtplib.SMTPResponseException(code, reply), f"as it should, while sending to {address}"
            )
        with suppress(smtplib.SMTPException, OSError):
            if self._server is not None:
                self._server.rset()
        if code == TOO_BIG and mail is not None:
            raise self._too_big(
                mail.path.name if mail.path else "words alone", mail.size, f"refused it: {code} {said(reply)}"
            )
        if not refuses and OF_SENDER.search(said(reply)):
            refuses = self._envelope_sender()
        raise refusal(self.options, code, said(reply), to=address, sender=refuses)

    @contextmanager
    def _faults(self, server: Server, address: str, *, halfway: bool = False) -> Iterator[None]:
        try:
            yield
        except DeliveryError:
            if halfway:
                self._lost(server)
            raise
        except (smtplib.SMTPException, OSError) as error:
            self._lost(server)
            raise unavailable(self.options, error, f"while sending to {address}") from error

    def _lost(self, server: Server) -> None:
        """Let go of a connection on which nothing more can be said; the next delivery connects anew."""
        drop(server)
        self._server = None


def _all_ascii(parcel: Parcel, sender: str, reply_to: str) -> bool:
    """Whether every address of the mail is ASCII once its domain is (so that any server carries its headers)."""
    for text in (*(item.address for item in parcel.recipients), parcel.reply_to, reply_to, sender):
        with suppress(UsageError):
            if not for_the_wire(text).isascii():
                return False
    return True
