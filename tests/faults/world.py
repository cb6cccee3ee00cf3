"""What surrounds the daemons and is never killed: the shops' API, and a mail server that keeps what it took."""

import hashlib
import random
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from scheduler_daemon.simulator import SimShop, Simulator


def wall() -> int:
    """Return milliseconds since 1970 on this machine's clock."""
    return time.time_ns() // 1_000_000


class RequestLog(list[dict[str, Any]]):
    """A simulator's log that says when each request came and which daemon asked."""

    def __init__(self, node: int, seen: Callable[[int, str], None], latency: tuple[float, float]) -> None:
        super().__init__()
        self.node, self.seen, self.latency = node, seen, latency

    def append(self, entry: dict[str, Any]) -> None:
        """Take one request, and let it wait as long as an answer over the net takes."""
        self.seen(self.node, str(entry["shop"]))
        time.sleep(random.uniform(*self.latency))


class ShopFace:
    """A shop as one daemon sees it: the same shop behind a door of its own."""

    def __init__(self, shop: SimShop, log: RequestLog) -> None:
        self.shop, self.log = shop, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shop, name)


class World:
    """The API and the mail, with a door of its own for each of *nodes* daemons."""

    def __init__(self, domains: Sequence[str], nodes: int, latency: tuple[float, float] = (0.0, 0.0)) -> None:
        self.shops = {name: SimShop(name, orders=3, seed=number) for number, name in enumerate(domains)}
        for shop in self.shops.values():
            shop.restore_rate = shop.bucket_size = 100_000.0
        #: (moment, daemon, shop) of each request.
        self.requests: list[tuple[int, int, str]] = []
        self.post = PostOffice()
        self.apis: list[Simulator] = []
        for node in range(nodes):
            log = RequestLog(node, lambda who, shop: self.requests.append((wall(), who, shop)), latency)
            faces: list[Any] = [ShopFace(shop, log) for shop in self.shops.values()]
            self.apis.append(Simulator(faces))
        self.doors = [self.post.door(node) for node in range(nodes)]

    def __enter__(self) -> "World":
        for api in self.apis:
            api.__enter__()
        for door in self.doors:
            threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for api in self.apis:
            api.__exit__(None, None, None)
        for door in self.doors:
            door.shutdown()
            door.server_close()


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


class PostOffice:
    """Takes mail for all daemons and knows each key that it took."""

    def __init__(self) -> None:
        self.mood = ""
        #: How often each key was taken.
        self.taken: Counter[str] = Counter()
        #: Digests of the mails of each key: a repeat must be the same bytes.
        self.digests: dict[str, set[str]] = {}
        #: (moment, daemon, key, whether the answer was given) of each taken mail.
        self.events: list[tuple[int, int, str, bool]] = []
        #: Mails to the owner, who may be told twice but never by silence.
        self.notices = 0
        self.lock = threading.Lock()

    def door(self, node: int) -> "Door":
        """Return a server for one daemon."""
        made = Door(("127.0.0.1", 0), _Talk)
        made.office, made.node = self, node
        return made

    def take(self, node: int, data: bytes, answered: bool) -> None:
        """Keep one whole mail."""
        found = re.search(rb"(?mi)^X-Report-Key:\s*(\S+)", data)
        key = found[1].decode() if found else "none"
        with self.lock:
            if not found and re.search(rb"(?mi)^To:.*" + OWNER.encode(), data):
                self.notices += 1
                return
            self.taken[key] += 1
            self.digests.setdefault(key, set()).add(hashlib.sha256(data).hexdigest())
            self.events.append((wall(), node, key, answered))


class Door(socketserver.ThreadingTCPServer):
    """One port of the mail server."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64
    office: PostOffice
    node: int

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Talk(socketserver.StreamRequestHandler):
    server: Door

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
        self.server.office.take(self.server.node, b"".join(lines), mood != "drop_after")
        if mood == "drop_after":
            return False
        if mood == "slow":
            time.sleep(random.uniform(0.5, 2.0))
        self._say("250 taken")
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
