"""The server: many invented shops on one port, each below its own domain: ``http://127.0.0.1:PORT/{shop}``."""

import json
import re
import socket
import sys
import threading
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from .faults import play
from .shop import VERSIONS, SimShop
from .tokens import accepted, grant

#: What `/_control` may set.
SETTABLE = (
    *("state", "scopes", "restore_rate", "bucket_size", "available", "cursor_limit", "expires", "tells_expiry"),
    *("approved", "name", "zone"),
)


class Simulator:
    """A running simulator; use it as a context manager."""

    def __init__(self, shops: Sequence[SimShop], port: int = 0) -> None:
        self.shops = {shop.domain: shop for shop in shops}
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.simulator = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/{{shop}}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def shop(self, domain: str) -> SimShop:
        """Return the shop *domain*."""
        return self.shops[domain]

    def __enter__(self) -> "Simulator":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Serve until interrupted, in this thread."""
        self._server.serve_forever(0.2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    simulator: Simulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; a defect of the simulator is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing goes to standard error."""

    def do_GET(self) -> None:
        if self.path != "/_log":
            self.answer(404, b'{"errors":"Not Found"}', {})
            return
        logged = [entry for shop in self.server.simulator.shops.values() for entry in shop.log]
        self.answer(200, json.dumps(logged).encode(), {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.strip("/").split("/")
        if parts == ["_control"]:
            self._control(json.loads(body))
            return
        shop = self.server.simulator.shops.get(parts[0])
        if shop is not None and parts[1:] == ["admin", "oauth", "access_token"]:
            self._token(shop, body)
        elif shop is not None and parts[1:3] == ["admin", "api"] and parts[4:] == ["graphql.json"]:
            self._graphql(shop, parts[3], body)
        else:
            self.answer(404, b'{"errors":"Not Found"}', {})

    def _control(self, order: dict[str, Any]) -> None:
        """Take `{"shop": domain, "script": [fault ...], "set": {name: value}, "call": "expire" | "revoke"}`."""
        shop = self.server.simulator.shops.get(order.get("shop", ""))
        unknown = [name for name in order.get("set", {}) if name not in SETTABLE]
        if shop is None or unknown or order.get("call") not in (None, "expire", "revoke"):
            self.answer(400, json.dumps({"error": f"no such shop, call or setting: {order}"}).encode(), {})
            return
        try:
            shop.script(order.get("script", ()))
        except ValueError as error:
            self.answer(400, json.dumps({"error": str(error)}).encode(), {})
            return
        for name, value in order.get("set", {}).items():
            setattr(shop, name, value)
        if order.get("call"):
            getattr(shop, order["call"])()
        self.answer(200, b"{}", {})

    def _token(self, shop: SimShop, body: bytes) -> None:
        fault = shop.fault("token")
        lost = fault is not None and fault["fault"] == "lost"
        if fault and not lost and self._play(shop, fault):
            shop.log.append({"shop": shop.domain, "operation": "token", "fault": fault["fault"]})
            return
        text = body.decode()
        form = json.loads(text) if text.startswith("{") else {key: values[0] for key, values in parse_qs(text).items()}
        with shop.lock:
            status, made = grant(shop, form)
        shop.log.append({"shop": shop.domain, "operation": form.get("grant_type"), "status": status})
        if lost:
            play(self, {"fault": "lost"})
            return
        self.answer(status, json.dumps(made).encode(), {})

    def _graphql(self, shop: SimShop, version: str, body: bytes) -> None:
        fault = shop.fault("graphql")
        token = self.headers.get("X-Shopify-Access-Token", "")
        entry: dict[str, Any] = {"shop": shop.domain, "operation": "graphql", "token": token[-4:], "version": version}
        shop.log.append(entry)
        if fault and self._play(shop, fault):
            entry["fault"] = fault["fault"]
            return
        if not accepted(shop, token):
            entry["fault"] = "401"
            play(self, {"fault": "401"})
            return
        try:
            asked = json.loads(body)
            query, variables = str(asked["query"]), dict(asked.get("variables") or {})
        except (ValueError, TypeError, KeyError):
            play(self, {"fault": "bad_request"})
            return
        made = shop.answer(query, variables)
        name = re.search(r"(?:query|mutation)\s+(\w+)", query)
        entry["query"] = name[1] if name else None
        entry["cost"] = made.get("extensions", {}).get("cost", {}).get("actualQueryCost")
        entry["throttled"] = any(e.get("extensions", {}).get("code") == "THROTTLED" for e in made.get("errors", ()))
        served = version if version in VERSIONS else VERSIONS[0]
        self.answer(200, json.dumps(made, ensure_ascii=False).encode(), {"X-Shopify-API-Version": served})

    def _play(self, shop: SimShop, fault: dict[str, Any]) -> bool:
        if fault["fault"] != "throttled":
            return play(self, fault)
        self.answer(200, json.dumps(shop.throttled(int(shop.available) + 1)).encode(), {})
        return True

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        """Send one whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Request-ID", str(uuid.uuid4()))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
