"""What surrounds the daemons and is never killed: the shops' API, and a mail server."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from scheduler_daemon.simulator import SimShop, Simulator

from .post import Post, wall


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
        self.post = Post(nodes)
        self.apis: list[Simulator] = []
        for node in range(nodes):
            log = RequestLog(node, lambda who, shop: self.requests.append((wall(), who, shop)), latency)
            faces: list[Any] = [ShopFace(shop, log) for shop in self.shops.values()]
            self.apis.append(Simulator(faces))

    def __enter__(self) -> "World":
        for api in self.apis:
            api.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for api in self.apis:
            api.__exit__(None, None, None)
        self.post.close()
