"""
The app's `Session` rows: offline tokens, read as Secrets, renewed once per shop at a time.

A renewal holds the row's lock (PostgreSQL), or a file lock of its own beside an SQLite database: SQLite has no row
locks, and its one write lock must not be held while Shopify is asked. Whoever comes second reads the row again and
finds the new pair.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from ..errors import SessionError
from ..lib.secret import Secret
from ..model import Access, StoredSession
from .engine import Engine
from .moments import Style, decode, encode

#: Marks sessions whose token is asked for with client id and secret; the column is empty for all others.
CLIENT_STATE = "client_credentials"

Renewal = Callable[[StoredSession], StoredSession]


class Sessions:
    """Offline sessions by shop."""

    def __init__(self, engine: Engine, style: Style) -> None:
        self.engine = engine
        self.style = style
        self.row = engine.tables.session

    def find(self, shop: str) -> StoredSession | None:
        """Return the shop's offline session; None where there is none. Online sessions are never looked at."""
        return self._from(self.engine.fetch(self._query(shop)))

    def _query(self, shop: str) -> Any:
        row = self.row
        columns = (row.shop, row.access_token, row.expires, row.refresh_token, row.refresh_token_expires)
        query = row.select(*columns, row.scope, row.state)
        return query.where(row.id == f"offline_{shop}", row.is_online == False)  # noqa: E712 (SQL)

    @staticmethod
    def _from(rows: Any) -> StoredSession | None:
        return _from_row(rows[0]) if rows and rows[0][1] else None

    def need(self, shop: str) -> StoredSession:
        """Return the shop's offline session; raise SessionError `no_session` where there is none."""
        found = self.find(shop)
        if found is None:
            raise SessionError(
                f"{shop} has no offline session.",
                hint=f"Open the app in the shop once, or run: scheduler shops add {shop}",
            )
        _require_sendable(found)
        return found

    def mark(self, shop: str) -> str:
        """Return what tells the shop's tokens from others without saying them; empty where there is no session."""
        found = self.find(shop)
        if found is None:
            return ""
        refresh = found.refresh_token.reveal() if found.refresh_token else ""
        return sha256(f"{found.token.reveal()} {refresh}".encode()).hexdigest()[:16]

    def save(self, session: StoredSession) -> None:
        """Write *session* as the app would: one row, id `offline_{shop}`; the token pair in one statement."""
        row = self.row
        refresh = None if session.refresh_token is None else session.refresh_token.reveal()
        values = {
            row.shop: session.shop,
            row.state: CLIENT_STATE if session.access is Access.CLIENT else "",
            row.is_online: False,
            row.scope: ",".join(session.scopes) or None,
            row.expires: encode(session.expires_at, self.style),
            row.access_token: session.token.reveal(),
            row.refresh_token: refresh,
            row.refresh_token_expires: encode(session.refresh_expires_at, self.style),
        }
        name = f"offline_{session.shop}"
        with self.engine.transaction():
            if self.engine.change(row.update(values).where(row.id == name)) == 0:
                self.engine.change(row.insert({row.id: name, **values}))

    def renew(self, shop: str, renewal: Renewal, *, unless: Callable[[StoredSession], bool]) -> StoredSession:
        """
        Return the shop's session, renewed by *renewal* unless *unless* is content with what the row says by now.

        One renewal per shop at a time, over threads and processes; the new pair is committed before anyone uses it.
        Raise SessionError, or what *renewal* raises: then the old pair stands.
        """
        with self._locked(shop) as query:
            current = self._from(self.engine.fetch(query))
            if current is None:
                raise SessionError(f"{shop} has no offline session.", hint=f"Run: scheduler shops add {shop}")
            if unless(current):
                return current
            renewed = renewal(current)
            kept = renewed if renewed.scopes else replace(renewed, scopes=current.scopes)
            self.save(kept)
            return kept

    @contextmanager
    def _locked(self, shop: str) -> Iterator[Any]:
        """Hold the shop's lock and give the query that reads its row under it."""
        if not self.engine.is_sqlite:
            with self.engine.transaction():
                yield self._query(shop).for_update()
            return
        name = sha256(shop.encode()).hexdigest()[:16]
        fd = os.open(f"{self.engine.target.path}.token-{name}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield self._query(shop)
        finally:
            os.close(fd)


def _require_sendable(session: StoredSession) -> None:
    """Raise SessionError `token_refused` where the token is no visible ASCII: no header holds it (RFC 9110, 5.5)."""
    if all("!" <= char <= "~" for char in session.token.reveal()):
        return
    raise SessionError(
        f"The stored token of {session.shop} is none: it holds characters that no token has.",
        code="token_refused",
        hint=f"Open the app in the shop once, or store a new token: scheduler shops add {session.shop}",
    )


def _from_row(row: Any) -> StoredSession:
    refresh = Secret(row[3]) if row[3] else None
    access = Access.CLIENT if row[6] == CLIENT_STATE else (Access.EXPIRING if refresh else Access.TOKEN)
    return StoredSession(
        shop=row[0],
        token=Secret(row[1]),
        expires_at=_moment(row[2]),
        refresh_token=refresh,
        refresh_expires_at=_moment(row[4]),
        scopes=tuple(item.strip() for item in (row[5] or "").split(",") if item.strip()),
        access=access,
    )


def _moment(value: Any) -> datetime | None:
    try:
        return decode(value)
    except (ValueError, TypeError, OverflowError):
        return None  # unreadable: treated as a token without an end; Shopify's 401 then says the truth
