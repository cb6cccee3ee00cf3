"""
A mail server that keeps what it took, in a process of its own.

As in life it answers without waiting for whoever else is at work: in one process with the shops' API, which executes a
whole schema, its answer waited for that, and a daemon killed meanwhile cannot know what became of its mail.
"""

import ctypes
import hashlib
import multiprocessing
import random
import re
import signal
import socketserver
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

#: Who is told of trouble.
OWNER = "owner@faults.example"
#: What the mail server may do to the mails of a while.
MOODS = {
    "refuse": "hangs up before its greeting",
    "busy": "says 451 to the address",
    "drop_before": "hangs up at the final dot and keeps nothing",
    "drop_after": "keeps the mail and hangs up without an answer",
    "slow": "lets the sender wait for the answer to DATA",
    "tarpit": "answers a byte at a time, for longer than anybody waits",
}
#: Seconds that a slow mail server lets a sender wait, at least and at most.
SLOW = (0.5, 2.0)
#: Their numbers in the memory that both processes see; 0 is a good day.
_NUMBERS = ("", *MOODS)


def wall() -> int:
    """Return milliseconds since 1970 on this machine's clock."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Taken:
    """What the mail server has taken so far."""

    #: How often each key was taken.
    keys: Counter[str] = field(default_factory=Counter)
    #: Digests of the mails of each key: a repeat must be the same bytes.
    digests: dict[str, set[str]] = field(default_factory=dict)
    #: (moment of the final dot, moment of the answer or 0, daemon, key) of each.
    events: list[tuple[int, int, int, str]] = field(default_factory=list)
    #: Mails to the owner, who may be told twice but never by silence.
    notices: int = 0


class Post:
    """The mail server as the harness sees it, with a port for each of *doors* daemons."""

    def __init__(self, doors: int) -> None:
        # A process of its own, not a copy of this one: the daemons' database connections stay here.
        context = multiprocessing.get_context("spawn")
        self._mood = context.Value(ctypes.c_int, 0)
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(end, self._mood, doors), daemon=True, name="post")
        self._process.start()
        end.close()
        #: The port of each daemon's door.
        self.ports: list[int] = self._pipe.recv()

    @property
    def mood(self) -> str:
        """What it does to mails now; empty on a good day."""
        return _NUMBERS[self._mood.value]

    @mood.setter
    def mood(self, name: str) -> None:
        self._mood.value = _NUMBERS.index(name)

    def ask(self) -> Taken:
        """Return what it has taken so far."""
        self._pipe.send("taken")
        taken: Taken = self._pipe.recv()
        return taken

    def close(self) -> None:
        """End its process."""
        with suppress(OSError):
            self._pipe.close()
        self._process.join(5)
        self._process.kill()
        self._process.join()


class _Mood(Protocol):
    value: int


class _Office:
    """Takes mail for all daemons and knows each key that it took; lives in the other process."""

    def __init__(self, mood: _Mood) -> None:
        self._mood = mood
        self.taken = Taken()
        self.lock = threading.Lock()

    @property
    def mood(self) -> str:
        return _NUMBERS[self._mood.value]

    def take(self, node: int, data: bytes) -> int:
        """Keep one whole mail; return its number, -1 for a notice."""
        found = re.search(rb"(?mi)^X-Report-Key:\s*(\S+)", data)
        key = found[1].decode() if found else "none"
        digest = hashlib.sha256(data).hexdigest()
        with self.lock:
            if not found and re.search(rb"(?mi)^To:.*" + OWNER.encode(), data):
                self.taken.notices += 1
                return -1
            self.taken.keys[key] += 1
            self.taken.digests.setdefault(key, set()).add(digest)
            self.taken.events.append((wall(), 0, node, key))
            return len(self.taken.events) - 1

    def answered(self, number: int) -> None:
        """Note the moment at which the mail *number* was answered for."""
        if number >= 0:
            with self.lock:
                at, _, node, key = self.taken.events[number]
                self.taken.events[number] = (at, wall(), node, key)


def _serve(pipe: Connection, mood: _Mood, doors: int) -> None:
    """Serve until the harness lets go of the pipe; a Ctrl+C is the harness's to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    office = _Office(mood)
    servers = [_Door(office, node) for node in range(doors)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    pipe.send([int(server.server_address[1]) for server in servers])
    with suppress(EOFError, OSError):
        while pipe.recv():
            with office.lock:
                pipe.send(office.taken)


class _Door(socketserver.ThreadingTCPServer):
    """One port of the mail server."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, office: _Office, node: int) -> None:
        self.office, self.node = office, node
        super().__init__(("127.0.0.1", 0), _Talk)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Talk(socketserver.StreamRequestHandler):
    server: _Door

    def handle(self) -> None:
        """Speak SMTP until the client quits; a mail counts as taken only with its final dot (RFC 5321, 4.1.1.4)."""
        office = self.server.office
        if office.mood == "refuse":
            return
        self._say("220 faults")
        while line := self.rfile.readline(4096):
            verb = line.decode("utf-8", "replace").strip().upper()
            if verb.startswith("EHLO"):
                self._say("250-faults", "250 8BITMIME")
            elif verb.startswith("RCPT"):
                self._say(_answer_to(verb, office.mood))
            elif verb == "DATA":
                self._say("354 go on")
                if not self._data(office.mood):
                    return
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _data(self, mood: str) -> bool:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b"..") else line)
        if mood == "drop_before":
            return False
        office = self.server.office
        number = office.take(self.server.node, b"".join(lines))
        if mood == "drop_after":
            return False
        if mood == "slow":
            time.sleep(random.uniform(*SLOW))
        self._say("250 taken")
        office.answered(number)
        return True

    def _say(self, *lines: str) -> None:
        data = "".join(f"{line}\r\n" for line in lines).encode()
        if self.server.office.mood != "tarpit":
            self.wfile.write(data)
            return
        for number in range(len(data)):
            self.wfile.write(data[number : number + 1])
            if self.server.office.mood == "tarpit":
                time.sleep(0.8)


def _answer_to(verb: str, mood: str) -> str:
    if "NOBODY@" in verb:
        return "550 no such user"
    return "451 come again" if mood == "busy" else "250 ok"
