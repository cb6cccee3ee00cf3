"""Mail by SMTP: one transaction per recipient on one connection, and an honest answer to "did it go out?"."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.generator import BytesGenerator
from email.policy import SMTP
from io import BytesIO
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import DeliveryError
from ..lib.options import Length, SecretText
from ..model import Receipt, Recipient
from .base import Parcel
from .message import build, message_id, one_line

PORTS = {"starttls": 587, "tls": 465, "none": 25}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Options(BaseModel):
    """The section `[email]`: how mail leaves."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)

    host: str = Field(description="Name of the mail server.")
    port: int = Field(0, ge=0, le=65535, description="Its port; 0 is 587 for starttls, 465 for tls, 25 for none.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is encrypted.")
    username: str = Field("", description="User name; empty for a server that asks for none.")
    password: SecretText | None = Field(None, description="Password; better given as password_file.")
    sender: str = Field(alias="from", description="Address that mails come from.")
    reply_to: str = Field("", description="Address for answers where a schedule has no owner.")
    timeout: Length = Field(timedelta(seconds=60), description="The longest wait for one answer of the server.")
    ca_file: str = Field("", description="File with the certificates to trust instead of the system's.")


class Email:
    """Sends a report file to mail addresses."""

    idempotent = False

    def __init__(self, options: Options) -> None:
        self.options = options
        self._server: smtplib.SMTP | None = None

    def deliver(self, parcel: Parcel, recipient: Recipient, key: str) -> Receipt:
        """Send *parcel* to *recipient* in a transaction of its own; raise DeliveryError."""
        message = build(parcel, recipient, key, sender=self.options.sender, reply_to=self.options.reply_to)
        server = self._connected()
        utf8 = not recipient.address.isascii()
        buffer = BytesIO()
        BytesGenerator(buffer, policy=SMTP.clone(utf8=utf8)).flatten(message)
        data = smtplib._quote_periods(buffer.getvalue())  # type: ignore[attr-defined]
        self._check_size(server, len(data), parcel)
        try:
            reply = self._transact(server, recipient, data, utf8)
        except DeliveryError:
            self._reset()
            raise
        return Receipt({"message_id": message_id(key, self.options.sender), "reply": reply, "host": self.options.host})

    def close(self) -> None:
        """Say goodbye; a goodbye that fails after the mail was taken is no failure."""
        if self._server is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._server.quit()
            self._server = None

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            try:
                if self._server.noop()[0] == 250:
                    return self._server
            except (smtplib.SMTPException, OSError):
                pass  # it hung up between two mails; a new connection is opened
            self._server = None
        self._server = connect(self.options)
        return self._server

    def _check_size(self, server: smtplib.SMTP, size: int, parcel: Parcel) -> None:
        limit = server.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < size:
            raise DeliveryError(
                f"The mail with {parcel.file.name} has {size:,} bytes; {self.options.host} takes {int(limit):,}.",
                code="message_too_big",
                hint="Choose fewer columns or a shorter period, or deliver to a folder.",
            )

    def _transact(self, server: smtplib.SMTP, recipient: Recipient, data: bytes, utf8: bool) -> str:
        with self._faults(recipient):
            words = ["SMTPUTF8"] if utf8 and server.has_extn("smtputf8") else []
            self._expect(server.mail(self.options.sender, words), 250, recipient)
            self._expect(server.rcpt(recipient.address), (250, 251), recipient)
            self._expect(server.docmd("DATA"), 354, recipient)
            server.send(data if data.endswith(b"\r\n") else data + b"\r\n")
        # From the final dot on the server may take the mail whether or not its answer reaches us.
        try:
            server.send(b".\r\n")
            code, reply = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._server = None
            raise DeliveryError(
                f"The connection to {self.options.host} ended before its answer; the mail to {recipient.address} may "
                "have gone out.",
                code="smtp_unknown",
                hint="Ask the recipient; then: scheduler history show.",
                ambiguous=True,
            ) from error
        self._expect((code, reply), 250, recipient)
        return said(reply)

    def _expect(self, answer: tuple[int, bytes], wanted: int | tuple[int, ...], recipient: Recipient) -> None:
        code, reply = answer
        if code == wanted or (isinstance(wanted, tuple) and code in wanted):
            return
        if code == 421:
            self._server = None
        raise DeliveryError(
            f"{self.options.host} refused the mail to {recipient.address}: {code} {said(reply)}",
            code="smtp_refused",
            hint="Correct the address, or ask whoever runs the mail server." if code >= 500 else "",
            retryable=code < 500,
        )

    @contextmanager
    def _faults(self, recipient: Recipient) -> Iterator[None]:
        try:
            yield
        except (smtplib.SMTPException, OSError) as error:
            self._server = None
            raise unavailable(self.options, error, f"while sending to {recipient.address}") from error

    def _reset(self) -> None:
        if self._server is not None:
            try:
                self._server.rset()
            except (smtplib.SMTPException, OSError):
                self._server = None  # gone; the next delivery connects anew


def connect(options: Options) -> smtplib.SMTP:
    """Return a connection, encrypted and signed in as *options* say; raise DeliveryError."""
    port = options.port or PORTS[options.security]
    context = ssl.create_default_context(cafile=options.ca_file or None)
    seconds = options.timeout.total_seconds()
    try:
        if options.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(options.host, port, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(options.host, port, timeout=seconds)
        server.ehlo()
        if options.security == "starttls":
            server.starttls(context=context)
            server.ehlo()
        _sign_in(server, options)
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryError(
            f"{options.host} refused the user name {options.username!r} or its password ({error.smtp_code}).",
            code="smtp_auth",
            hint="Correct email.username and email.password_file.",
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise unavailable(options, error, "while connecting") from error
    return server


def _sign_in(server: smtplib.SMTP, options: Options) -> None:
    if not options.username or options.password is None:
        return
    if options.security == "none" and options.host not in LOOPBACK:
        raise DeliveryError(
            f"email.security is none: the password would go to {options.host} readable by everyone.",
            code="smtp_auth",
            hint='Set email.security = "starttls" or "tls".',
        )
    server.login(options.username, options.password.reveal())


def unavailable(options: Options, error: Exception, when: str) -> DeliveryError:
    """Return the error for a server that does not answer as one should."""
    kind = "timed out" if isinstance(error, (TimeoutError, socket.timeout)) else one_line(str(error), 120)
    certificate = isinstance(error, ssl.SSLCertVerificationError)
    return DeliveryError(
        f"The mail server {options.host} does not answer {when}: {kind}",
        code="smtp_unavailable",
        hint="Its certificate is not trusted; set email.ca_file."
        if certificate
        else "Check email.host and email.port.",
        retryable=True,
    )


def said(reply: bytes) -> str:
    """Return a server's reply as one short line."""
    return one_line(reply.decode("utf-8", errors="replace"))
