"""The connection to a mail server: encrypted, signed in, its answers bounded as a whole, its errors told plainly."""

import re
import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError
from ..lib.clock import monotonic
from ..lib.descriptors import RAISE_LIMIT, out_of_files, say_limit
from ..lib.words import closed
from .summary import one_line

if TYPE_CHECKING:
    from .email import Options

PORTS = {"starttls": 587, "tls": 465, "none": 25}
#: The longest answer in bytes; a real one has a few lines (RFC 5321, 4.5.3.1.5: 512 bytes each).
MOST_ANSWER = 100_000
#: Seconds for a goodbye, on which nothing depends.
GOODBYE = 3.0
#: OpenSSL's verify codes that say more than "not trusted" (x509_vfy.h).
EXPIRED, NOT_YET, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
#: What says at a later step that the *sender* is refused: the codes X.1.7 and X.1.8 (RFC 3463, 3.2), and the words of
#: Postfix, which by default answers with them to RCPT TO and not to MAIL FROM (postconf(5): smtpd_delay_reject).
OF_SENDER = re.compile(r"^[45]\.1\.[78]\b|\bsender address rejected\b", re.IGNORECASE)


class Server(smtplib.SMTP):
    """A connection whose every answer comes within a time, however slowly it drips (smtplib bounds each read only)."""

    #: Seconds for the next answers where they differ from the connection's timeout.
    patience: float | None = None

    def connect(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        """
        Connect, and let no small packet wait for the acknowledgement of the one before (RFC 9293, 3.7.4: Nagle).

        A mail's final dot is one: it would lie here for the 40 ms by which a server delays its acknowledgements, and a
        process that is lost meanwhile could not say whether its mail went out.
        """
        answer = super().connect(*args, **options)
        if self.sock is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return answer

    def getreply(self) -> tuple[int, bytes]:
        """Read one answer, all its lines within the time; raise SMTPServerDisconnected."""
        if self.file is None:
            self.file = _Lines(self.sock)
        self.file.begin(self.patience or self.timeout)
        try:
            return super().getreply()
        finally:
            if self.sock is not None:
                self.sock.settimeout(self.timeout)


class TlsServer(Server, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


class _Lines:
    """The lines of a socket's answers, read under one deadline an answer."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.held = bytearray()
        self.until = self.left = 0.0

    def begin(self, seconds: float) -> None:
        """Begin an answer that must be whole within *seconds*."""
        self.until, self.left = monotonic() + seconds, MOST_ANSWER

    def readline(self, limit: int) -> bytes:
        """Return the next line, at most *limit* bytes; empty at the end. Raise OSError."""
        while b"\n" not in self.held and len(self.held) < limit:
            rest = self.until - monotonic()
            if rest <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(rest)
            part = self.sock.recv(4096)
            if not part:
                break
            self.held += part
        size = min(self.held.find(b"\n") + 1 or len(self.held), limit)
        line = bytes(self.held[:size])
        del self.held[:size]
        self.left -= size
        if self.left < 0:
            raise ConnectionAbortedError("its answer does not end")
        return line

    def close(self) -> None:
        """Forget what was read."""
        self.held.clear()


def connect(options: "Options") -> Server:
    """
    Return a connection, encrypted and signed in as *options* say; raise DeliveryError.

    `starttls` never falls back to clear text, certificates are checked against the name, and a password goes in the
    clear to this machine only.
    """
    port = options.port or PORTS[options.security]
    seconds = options.timeout.total_seconds()
    context = _trust(options)
    server: Server | None = None
    try:
        if options.security == "tls":
            server = TlsServer(options.host, port, timeout=seconds, context=context)
        else:
            server = Server(options.host, port, timeout=seconds)
        server.ehlo_or_helo_if_needed()
        if options.security == "starttls":
            server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
        _sign_in(server, options)
    except DeliveryError:
        leave(server)
        raise
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        leave(server)
        raise unavailable(options, error, "while connecting") from error
    return server


def leave(server: Server | None) -> None:
    """Say goodbye and let go of the connection; what goes wrong with that is no matter."""
    if server is None:
        return
    with suppress(smtplib.SMTPException, OSError):
        if server.sock is not None:
            server.patience = GOODBYE
            server.sock.settimeout(GOODBYE)
            server.docmd("QUIT")
    drop(server)


def drop(server: Server) -> None:
    """Let go of the connection without a word, as in the middle of a mail."""
    with suppress(OSError):
        server.close()


def _trust(options: "Options") -> ssl.SSLContext | None:
    if options.security == "none":
        return None
    try:
        return ssl.create_default_context(cafile=options.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        if out_of_files(error):
            raise unavailable(options, error, "") from error
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise DeliveryError(
            f"The file {options.ca_file} cannot be read: {why}.", code="smtp_unavailable", hint="Correct email.ca_file."
        ) from error


def _sign_in(server: Server, options: "Options") -> None:
    if not options.username or options.password is None:
        return
    if not isinstance(server.sock, ssl.SSLSocket) and not _is_here(server):
        raise DeliveryError(
            f"email.security is none: the password would go to {options.host} readable by everyone.",
            code="smtp_auth",
            hint='Set email.security = "starttls" or "tls".',
        )
    try:
        _login(server, options.username, options.password.reveal())
    except smtplib.SMTPAuthenticationError as error:
        later = 400 <= error.smtp_code < 500
        raise DeliveryError(
            f"{options.host} refused the user name {options.username!r} or its password ({error.smtp_code}).",
            code="smtp_auth",
            hint="" if later else "Correct email.username and email.password_file.",
            retryable=later,
        ) from None
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException:
        raise DeliveryError(
            f"{options.host} asks for no user name in a way that this program knows (AUTH PLAIN, LOGIN, CRAM-MD5).",
            code="smtp_auth",
            hint="Remove email.username, or set the port and email.security of its door for users.",
        ) from None


def _is_here(server: Server) -> bool:
    """Whether the connection ends on this machine; its address says so, a name could lie."""
    if server.sock is None:
        return False
    address = str(server.sock.getpeername()[0]).partition("%")[0]
    return ip_address(address.removeprefix("::ffff:") if "." in address else address).is_loopback


def _login(server: Server, username: str, password: str) -> None:
    if username.isascii() and password.isascii():
        server.login(username, password)
        return
    # smtplib knows ASCII only, and its error would carry the password; RFC 4616 says UTF-8.
    if "PLAIN" not in server.esmtp_features.get("auth", "").upper().split():
        raise smtplib.SMTPNotSupportedError("AUTH PLAIN")
    code, reply = server.docmd("AUTH", "PLAIN " + b64encode(f"\0{username}\0{password}".encode()).decode())
    if code not in (235, 503):
        raise smtplib.SMTPAuthenticationError(code, reply)


def unavailable(options: "Options", error: Exception, when: str) -> DeliveryError:
    """Return the error for a server that does not answer as one should, or cannot be asked."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | TimeoutError) and out_of_files(error):
        message = f"The mail server {options.host} cannot be asked: {say_limit()}."
        return DeliveryError(message, code="too_many_files", hint=f"{RAISE_LIMIT}.", retryable=True)
    message, hint = f"The mail server {options.host} does not answer {when}: {_why(error)}.", ""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"The certificate of the mail server {options.host} is not accepted: {error.verify_message}."
        hint = _certificate_hint(error.verify_code)
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        message = f"The mail server {options.host} offers no STARTTLS, and nothing is sent in the clear."
        hint = 'Set email.security = "tls" with the port for it (often 465), or ask whoever runs the mail server.'
    elif isinstance(error, ssl.SSLError):
        hint = "Check email.port and email.security: starttls is usual on 587, tls on 465."
    return DeliveryError(
        message, code="smtp_unavailable", hint=hint or "Check email.host and email.port.", retryable=True
    )


def refusal(options: "Options", code: int, reply: str, *, to: str, sender: str = "") -> DeliveryError:
    """Return the error for an answer that refuses the mail to *to*, or, where *sender* is given, whoever sends it."""
    what, hint = f"the mail to {to}", "Correct the address, or ask whoever runs the mail server."
    if sender:
        # The same for every recipient: no address of theirs is wrong.
        what = f"{sender} as the sender"
        hint = "Set email.from to an address that it lets this user send from, or ask whoever runs the mail server."
    return DeliveryError(
        closed(f"{options.host} refused {what}: {code} {reply}"),
        code="smtp_refused",
        hint=hint if code >= 500 else "",
        retryable=code < 500,
    )


def _certificate_hint(code: int) -> str:
    if code in (OTHER_NAME, OTHER_ADDRESS):
        return "Set email.host to the name that stands in its certificate."
    if code in (EXPIRED, NOT_YET):
        return "Check this machine's clock, or ask whoever runs the mail server to renew it."
    return "Set email.ca_file to the certificate of the authority that signed it."


def _why(error: Exception) -> str:
    cause = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else error
    if isinstance(cause, TimeoutError):
        return "timed out"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {said(error.smtp_error)}".rstrip(".")
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, UnicodeError):
        return "its name cannot be one"
    shown = cause if isinstance(cause, OSError) and cause.strerror else error
    return one_line(getattr(shown, "strerror", None) or str(shown), 120).rstrip(".")


def said(reply: bytes | str) -> str:
    """Return a server's reply as one short line."""
    return one_line(reply.decode("utf-8", errors="replace") if isinstance(reply, bytes) else reply)
