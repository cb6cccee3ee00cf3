"""Report files to hand over, and mail servers that take them: a real one, and one that answers as a test says."""

import secrets
import socket
import socketserver
import ssl
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from scheduler_daemon.channels import Parcel
from scheduler_daemon.channels.email import Email, Options
from scheduler_daemon.model import About, Column, ColumnKind, Period, Recipient, ReportFile

START = datetime(2026, 11, 15, 23, 0, tzinfo=UTC)
END = START + timedelta(days=7)
TO = (
    Recipient("email", "a@acme.example"),
    Recipient("email", "b@acme.example", "cc"),
    Recipient("email", "c@acme.example", "bcc"),
)
ABOUT = About(
    title="Weekly Sales",
    report_type="sales-by-product",
    shop="acme.myshopify.com",
    shop_name="Acme",
    period=Period("last_week", START, END, "Europe/Paris"),
    zone="Europe/Paris",
    currency="EUR",
    due_at=END,
    made_at=END,
    row_count=1,
    totals={"net": "8412.50"},
    complete_until=END,
)
COLUMNS = (Column("net", "Net sales", ColumnKind.MONEY, True, "EUR"),)
CSV = b"Product,Net\r\nTea,12.50\r\n.\r\n"


def parcel(folder: Path, content: bytes = CSV, **changes: Any) -> Parcel:
    """Write a file into *folder* and return it, ready to be handed over; *changes* are facts of its About."""
    path = folder / changes.pop("name", "weekly-sales.csv")
    path.write_bytes(content)
    to, owner = changes.pop("to", TO), changes.pop("owner", "owner@acme.example")
    about = replace(ABOUT, **changes)
    file = ReportFile(path, path.name, "text/csv", len(content), "0" * 64, about, COLUMNS)
    return Parcel(file, about, to, reply_to=owner)


def free_port() -> int:
    """
    Return a port that nobody listens on.

    It is below those that the system gives to whoever asks for any: so no connection and no other test has it by chance
    before it is used.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", 15_000 + secrets.randbelow(15_000)))
            return int(probe.getsockname()[1])


def open_email(port: int, **changes: Any) -> Email:
    """Return the channel to a server on this machine."""
    options = {
        "host": "127.0.0.1",
        "security": "none",
        "timeout": "5s",
        "data_timeout": "5s",
        "from": "r@sched.example",
    }
    return Email(Options(port=port, **(options | changes)))


class Handler:
    """Keeps what it takes; refuses who is named."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes]] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((list(envelope.rcpt_tos), envelope.content))
        return "250 taken as 4711"


class MailServer(Controller):
    """A real server on this machine; *options* are aiosmtpd's."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self.options = options
        super().__init__(handler, hostname="127.0.0.1", port=free_port(), ssl_context=tls)

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self.options)

    def __enter__(self) -> "MailServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Talk:
    """
    Speaks SMTP by hand. *answers* has for a verb what it answers (or a function), in turn, the last one for ever.

    Verbs are those of SMTP, "greeting", "body" (its answer None hangs up in the middle) and "." for the final dot.
    None hangs up, "silence" says nothing, "drip" and "endless" never come to an end.
    """

    def __init__(self, host: str = "127.0.0.1", features: Sequence[str] = ("SIZE 50000000",), **answers: Any) -> None:
        self.features = features
        named = {"dot": ".", "greeting": "greeting", "body": "body"}
        self.answers = {
            named.get(verb, verb.upper()): deque(made if isinstance(made, list) else [made])
            for verb, made in answers.items()
        }
        #: The commands heard, each connection's in a list of its own; the bodies of the mails that came whole.
        self.heard: list[list[bytes]] = []
        self.mails: list[bytes] = []
        #: What came of mails that were broken off.
        self.cut: list[bytes] = []
        self.keep = True
        self.done = threading.Event()
        self._server = _TalkServer((host, 0), _Conversation)
        self._server.talk = self
        self.port: int = self._server.server_address[1]

    def answer(self, verb: str, usual: str) -> Any:
        found = self.answers.get(verb)
        if not found:
            return usual
        made = found.popleft() if len(found) > 1 else found[0]
        return made() if callable(made) else made

    @property
    def bytes_heard(self) -> bytes:
        """Return everything that was said to it."""
        return b"".join(line for lines in self.heard for line in lines) + b"".join(self.mails)

    def __enter__(self) -> "Talk":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()


class _TalkServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    talk: Talk

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what these tests are about."""


class _Conversation(socketserver.StreamRequestHandler):
    server: _TalkServer

    def handle(self) -> None:
        talk = self.server.talk
        lines: list[bytes] = []
        talk.heard.append(lines)
        if not self.say(talk.answer("greeting", "220 hi")):
            return
        while line := self.rfile.readline():
            lines.append(line)
            verb = line.split(None, 1)[0].strip().upper().decode(errors="replace") if line.strip() else ""
            usual = {"DATA": "354 go", "QUIT": "221 bye", "EHLO": self.hello()}.get(verb, "250 ok")
            answer = talk.answer(verb, usual)
            if not self.say(answer) or verb == "QUIT":
                return
            if verb == "DATA" and answer.startswith("354") and not self.body():
                return

    def hello(self) -> str:
        *first, last = ("talk", *self.server.talk.features)
        return "".join(f"250-{item}\r\n" for item in first) + f"250 {last}"

    def body(self) -> bool:
        talk = self.server.talk
        parts, end = [], b""
        while not end.endswith(b"\r\n.\r\n"):
            part = self.rfile.read1(65536)  # type: ignore[attr-defined]
            if not part or talk.answer("body", "go on") is None:
                talk.cut.append(b"".join(parts))
                return False
            end = (end + part)[-5:]
            if talk.keep:
                parts.append(part)
        talk.mails.append(b"".join(parts)[:-3].replace(b"\r\n..", b"\r\n."))
        return self.say(talk.answer(".", "250 taken"))

    def say(self, text: str | None) -> bool:
        if text is None:
            return False
        done = self.server.talk.done
        if text == "silence":
            done.wait(30)
            return False
        if text == "drip":
            while not done.wait(0.05):
                self.wfile.write(b"2")
        while text == "endless" and not done.is_set():
            self.wfile.write(b"250-and so on\r\n" * 100)
        self.wfile.write(f"{text}\r\n".encode())
        return True


def make_certificate(folder: Path, *, name: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, ssl.SSLContext]:
    """Return the certificate of a new authority, and a server's context with one that it signed for *name*."""
    folder.mkdir(exist_ok=True)
    (folder / "leaf.ext").write_text(
        f"subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    extensions = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    commands = (
        f"req -x509 {new} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority {extensions}",
        f"req {new} -keyout leaf.key -out leaf.csr -subj /CN=mail",
        f"x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days {days} -extfile leaf.ext -out leaf.pem",
    )
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    return folder / "ca.pem", context
