"""
A total time for each answer, its headers included.

A socket's limit is one for each read: who sends a byte a second would be listened to for hours, status line and headers
being read by the standard library before a caller sees anything.
"""

import http.client
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .clock import monotonic

_mine = threading.local()


@contextmanager
def answered_by(moment: float) -> Iterator[None]:
    """Let reads of this thread's answers end with TimeoutError at a monotonic moment."""
    _mine.until = moment
    try:
        yield
    finally:
        _mine.until = None


class _Timed(io.RawIOBase):
    """What a socket sends, until the moment that was set when the answer began."""

    def __init__(self, source: Any, until: float) -> None:
        self.source, self.until = source, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if monotonic() > self.until:
            raise TimeoutError("the answer took too long")
        return self.source.readinto(buffer)

    def close(self) -> None:
        self.source.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        until = getattr(_mine, "until", None)
        if until is not None:
            self.fp = io.BufferedReader(_Timed(self.fp.detach(), until))


class _Plain(HTTPConnection):
    response_class = _Answer


class _Secure(HTTPSConnection):
    response_class = _Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class TimedAdapter(HTTPAdapter):
    """The adapter of a session whose answers obey `answered_by`, through a proxy too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through *proxy*."""
        found = super().proxy_manager_for(proxy, **kwargs)
        found.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return found
