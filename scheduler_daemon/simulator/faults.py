"""
Bad days on demand: what an answer can look like when something is wrong.

A fault is `{"fault": name}`, one per request, with these keys besides: `seconds` (how long it is slow or drips; the
value of Retry-After), `to` (where a redirect leads), `skip` (so many requests go well before it) and `on` ("graphql",
which is meant without it, or "token").
"""

import json
import socket
import struct
import time
from typing import Any

#: Every fault and what it does. A fault may carry `seconds`.
FAULTS = {
    "401": "The token is refused.",
    "402": "The shop is frozen.",
    "403": "A scope is missing, or the shop is fraudulent.",
    "403_expiring": "Non-expiring tokens are no longer taken.",
    "404": "No such shop.",
    "423": "The shop is locked.",
    "429": "Too many requests, with Retry-After.",
    "430": "The request was rejected as unsafe.",
    "500": "Shopify failed.",
    "502": "A gateway failed.",
    "503": "Shopify is not available.",
    "504": "The query took too long.",
    "520": "A gateway got no sense out of Shopify.",
    "throttled": "THROTTLED, as HTTP 200.",
    "errors_list": "An internal error, as a list, with HTTP 200.",
    "errors_string": "`errors` is a string, with HTTP 200.",
    "errors_object": "`errors` is an object, with HTTP 200.",
    "bad_request": "`errors` is an object, with HTTP 400.",
    "partial": "Data, and an error beside it: some of the data is null.",
    "no_data": "Neither data nor errors.",
    "slow": "The answer comes late.",
    "dripping": "The answer comes a byte at a time.",
    "dripping_headers": "The headers come a byte at a time.",
    "cut_off": "The answer ends in its middle.",
    "lost": "The request is carried out, and the connection reset instead of an answer.",
    "html": "A page instead of JSON.",
    "empty": "Nothing, with HTTP 200.",
    "redirect": "A redirect to another host.",
    "reset": "The connection is reset.",
}

#: What a shop's `state` does to each request; it may also be the name of a fault.
STATES = {
    "frozen": "402",
    "locked": "423",
    "fraudulent": "403",
    "uninstalled": "401",
    "gone": "404",
    "down": "503",
}

BODIES: dict[str, tuple[int, Any]] = {
    "401": (401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}),
    "402": (402, {"errors": "Unavailable Shop"}),
    "403": (403, {"errors": "User does not have access"}),
    "403_expiring": (403, {"errors": "[API] Non-expiring access tokens are no longer accepted for the Admin API."}),
    "404": (404, {"errors": "Not Found"}),
    "423": (423, {"errors": "This shop is unavailable"}),
    "429": (429, {"errors": "Too many requests"}),
    "430": (430, {"errors": "Request rejected"}),
    "500": (500, {"errors": "Internal Server Error"}),
    "502": (502, "<html>Bad Gateway</html>"),
    "503": (503, "<html>Service Unavailable</html>"),
    "504": (504, "<html>Gateway Timeout</html>"),
    "520": (520, "<html>Web server is returning an unknown error</html>"),
    "errors_list": (
        200,
        {
            "errors": [
                {"message": "Internal error.", "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "r-1"}}
            ]
        },
    ),
    "errors_string": (200, {"errors": "Something is not right"}),
    "errors_object": (200, {"errors": {"query": "Something is not right"}}),
    "bad_request": (400, {"errors": {"query": "Required parameter missing or invalid"}}),
    "partial": (
        200,
        {
            "data": {"shop": None},
            "errors": [
                {"message": "Internal error.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}, "path": ["shop"]}
            ],
        },
    ),
    "no_data": (200, {"extensions": {}}),
    "html": (200, "<!doctype html><p>Maintenance</p>"),
    "empty": (200, ""),
}


def check(name: str) -> None:
    """Raise ValueError for a fault that does not exist."""
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")


def play(handler: Any, fault: dict[str, Any]) -> bool:
    """Play *fault* on the open connection; False where the ordinary answer must still follow."""
    name, seconds = fault["fault"], float(fault.get("seconds", 1))
    if name == "slow":
        time.sleep(seconds)
        return False
    if name in ("reset", "lost"):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()
        return True
    if name in ("dripping", "cut_off"):
        _drip(handler, name, seconds)
        return True
    if name == "dripping_headers":
        handler.close_connection = True
        _drip_bytes(handler, b"HTTP/1.1 200 OK\r\nX-Long: ", seconds)
        return True
    if name == "redirect":
        handler.answer(302, b"", {"Location": fault.get("to", "http://127.0.0.1:9/elsewhere")})
        return True
    status, body = BODIES[name]
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    handler.answer(status, data, {"Retry-After": str(fault.get("seconds", 1))} if name == "429" else {})
    return True


def _drip(handler: Any, name: str, seconds: float) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"data": ')
    handler.wfile.flush()
    _drip_bytes(handler, b"", 0 if name == "cut_off" else seconds)


def _drip_bytes(handler: Any, first: bytes, seconds: float) -> None:
    """Send *first*, then blanks, a byte at a time."""
    until = time.monotonic() + seconds
    sent = iter(first)
    while time.monotonic() < until:
        try:
            handler.wfile.write(bytes([next(sent, ord(" "))]))
            handler.wfile.flush()
        except OSError:
            return  # the client has had enough
        time.sleep(0.1)
