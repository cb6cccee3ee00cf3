"""The only place that asks what time it is."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def utc_now() -> datetime:
    """Return the wall clock's moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds on a clock that never jumps; only differences mean something."""
    return time.monotonic()


def to_ms(moment: datetime) -> int:
    """Return *moment* as whole milliseconds since 1970, UTC; the form of our own tables."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment *milliseconds* after 1970, aware, in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def iso(moment: datetime) -> str:
    """Return *moment* as ISO-8601 in UTC with milliseconds: ``2026-11-23T10:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
