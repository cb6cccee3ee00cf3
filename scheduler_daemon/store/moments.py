"""Moments as Prisma stores them, read in every style and written in the column's own."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..lib.clock import from_ms, to_ms


class Style(StrEnum):
    """How a column of the app holds its moments (DESIGN 5)."""

    #: SQLite, Prisma before 7: integer milliseconds UTC.
    INTEGER = "integer"
    #: SQLite, Prisma 7: ISO-8601 text ``2026-11-23T10:00:00.000+00:00``.
    TEXT = "text"
    #: PostgreSQL: ``timestamp(3)`` without zone, UTC.
    NATIVE = "native"


#: Numbers below this are seconds since 1970 (Shopify's own SQL session storages), not milliseconds: it is the
#: year 5138 in seconds and March 1973 in milliseconds.
SECONDS_BELOW = 100_000_000_000


#: The last moment of a row, UTC: some write the last second of 9999 for "never", which no zone ahead of UTC can show.
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def decode(value: Any) -> datetime | None:
    """
    Return the moment that a column of the app holds, aware, in UTC; None for NULL.

    Takes integers (milliseconds, or seconds in Shopify's own session tables), ISO text with or without a zone,
    and naive or aware datetimes. What is later than `LATEST` is that. Raise ValueError for anything else.
    """
    return None if value is None else min(_decode(value), LATEST)


def _decode(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, (int, float)):
        return from_ms(int(value) if abs(value) >= SECONDS_BELOW else int(value * 1000))
    text = str(value).strip()
    if text.lstrip("-").isdigit():
        return _decode(int(text))
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def encode(moment: datetime | None, style: Style) -> Any:
    """Return *moment* (aware) as *style* stores it, cut to milliseconds; None stays NULL."""
    if moment is None:
        return None
    if style is Style.INTEGER:
        return to_ms(moment)
    whole = from_ms(to_ms(moment))
    if style is Style.TEXT:
        return whole.isoformat(timespec="milliseconds")
    return whole.replace(tzinfo=None)


def latest_text(moment: datetime) -> str:
    """
    Return a text that sorts after every ISO text of *moment*'s second and before the next second's.

    Styles differ after the seconds (``Z``, ``.000Z``, ``+00:00``), so an index is asked for the whole second and the
    exact comparison is made on what it gives.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") + "\x7f"


def first_text(moment: datetime) -> str:
    """Return a text that sorts before every ISO text of *moment*'s second that has a T."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def style_of(value: Any, otherwise: Style) -> Style:
    """Return the style in which *value* was stored, so that it is written back alike; *otherwise* for NULL."""
    if isinstance(value, str):
        return Style.TEXT
    return Style.INTEGER if isinstance(value, (int, float)) else otherwise
