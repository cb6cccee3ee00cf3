"""What `--until` means: a length of time from now on, or a wall time in a zone."""

from datetime import UTC, datetime

from ..errors import UsageError
from ..lib.words import parse_length
from ..lib.zones import find_zone, host_zone

HINT = 'Write a length like "2h", or a day and time like "2026-12-24 08:00" (in this machine\'s zone, or with its own).'


def read_until(text: str, zone_name: str, now: datetime) -> datetime:
    """Return the moment (UTC) that *text* means: a length from now on, or a wall time; raise UsageError."""
    try:
        moment = now + parse_length(text)
    except (ValueError, OverflowError):
        moment = _wall_time(text, zone_name)
    if moment <= now:
        raise UsageError(f"--until {text} is not ahead.", hint=HINT)
    return moment


def _wall_time(text: str, zone_name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"--until {text!r} is no moment.", hint=HINT) from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if not zone_name:
        host = host_zone()
        if host.unknown:
            message = f"{host.unknown!r} (in the environment's TZ) is no time zone, and --until {text!r} is read in it."
            raise UsageError(message, code="unknown_zone", hint="Correct TZ, or name one: --zone Europe/Paris")
        return moment.replace(tzinfo=host.zone).astimezone(UTC)
    try:
        return moment.replace(tzinfo=find_zone(zone_name)).astimezone(UTC)
    except KeyError:
        raise UsageError(f"{zone_name!r} is no time zone.", code="unknown_zone") from None
