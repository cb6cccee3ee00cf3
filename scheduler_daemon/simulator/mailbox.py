"""A small real SMTP server that keeps what it takes as files: the demo's mailbox."""

import socketserver
import threading
from pathlib import Path
from types import TracebackType


class Mailbox:
    """Takes mail on 127.0.0.1 and writes each message to *folder*; use it as a context manager."""

    def __init__(self, folder: Path, *, refuse: tuple[str, ...] = (), size: int = 25_000_000) -> None:
        self.folder = folder
        self.refuse = refuse
        self.size = size
        self.count = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Talk)
        self._server.mailbox = self
        self.port: int = self._server.server_address[1]

    def keep(self, recipients: list[str], data: bytes) -> None:
        """Write one message; its recipients stand in its name."""
        with self._lock:
            self.count += 1
            name = f"{self.count:03}-{'+'.join(recipients)[:80].replace('/', '-')}.eml"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)

    def __enter__(self) -> "Mailbox":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailbox: Mailbox


class _Talk(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Speak SMTP until the client quits (RFC 5321)."""
        self._say("220 demo mailbox")
        recipients: list[str] = []
        while line := self.rfile.readline(4096):
            word = line.strip().decode("utf-8", errors="replace")
            verb = word.upper()
            if verb.startswith("EHLO"):
                self._say(
                    "250-demo", f"250-SIZE {self.server.mailbox.size}", "250-8BITMIME", "250-AUTH PLAIN", "250 SMTPUTF8"
                )
            elif verb.startswith("RCPT TO:"):
                address = word[8:].split(">")[0].strip(" <")
                if address in self.server.mailbox.refuse:
                    self._say("550 no such user")
                    continue
                recipients.append(address)
                self._say("250 ok")
            elif verb.startswith("AUTH PLAIN"):
                self._say("235 welcome")
            elif verb == "DATA":
                self._say("354 go on")
                self.server.mailbox.keep(recipients, self._data())
                recipients = []
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                recipients = [] if verb.startswith(("RSET", "MAIL")) else recipients
                self._say("250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
