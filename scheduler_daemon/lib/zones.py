"""Time zones, from the newer of the two sets of zone data at hand."""

import os
import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from .descriptors import is_limit
from .words import did_you_mean

#: Where the system's data says its version (tz project: first line of tzdata.zi).
SYSTEM = ("/usr/share/zoneinfo/tzdata.zi", "/usr/lib/zoneinfo/tzdata.zi", "/etc/zoneinfo/tzdata.zi")


@cache
def zone_data() -> tuple[str, str]:
    """
    Choose the newer zone data for this process; return its version and "system" or "package".

    zoneinfo prefers the system's, which may be years old; the two differ for whole countries (DESIGN 9).
    """
    import tzdata

    package: str = tzdata.IANA_VERSION
    system = _system_version()
    if system >= package:
        return system, "system"
    zoneinfo.reset_tzpath(to=[])
    return package, "package"


def _system_version() -> str:
    for name in SYSTEM:
        path = Path(name)
        if path.exists():
            with path.open(encoding="utf-8") as file:
                return file.readline().removeprefix("# version").strip()
    return ""


@cache
def find_zone(name: str) -> tzinfo:
    """Return the zone of the IANA name *name*; raise KeyError where there is none, OSError without a descriptor."""
    zone_data()
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        if is_limit(error):
            raise  # it is there, and cannot be opened now
        raise KeyError(name) from error


def zone_names() -> set[str]:
    """Return all IANA names that `find_zone` takes."""
    zone_data()
    return zoneinfo.available_timezones()


@lru_cache(1000)
def zone_like(name: str) -> str:
    """Return `` Did you mean 'Europe/Paris'?`` for what is no zone; it looks at all names, so answers are kept."""
    return did_you_mean(name, zone_names())


# This machine's zone ------------------------------------------------------------------------------------------------

LOCALTIME = Path("/etc/localtime")
#: What TZ may hold besides a name (POSIX.1-2017, 8.3): an abbreviation and how far it is from UTC, "CET-1CEST,…".
POSIX = re.compile(r"(<[-+\w]{3,}>|[A-Za-z]{3,})[-+]?\d")


class Host(NamedTuple):
    """The zone in which this machine's people live."""

    zone: tzinfo
    #: What TZ says, where that is no zone: the C library takes UTC in silence.
    unknown: str = ""


@cache
def host_zone() -> Host:
    """
    Return the zone of TZ, else that of /etc/localtime, else UTC; as it was when first asked, whatever TZ says later.

    A zone with its clock changes, not the offset of this moment, save for a TZ that spells its own rule (POSIX).
    """
    name = os.environ.get("TZ", "").removeprefix(":")
    if "TZ" in os.environ:
        if not name:
            return Host(UTC)
        try:
            return Host(_from_file(Path(name)) if name.startswith("/") else find_zone(name))
        except (KeyError, ValueError, OSError):
            known = POSIX.match(name) is not None
            return Host(datetime.now().astimezone().tzinfo or UTC) if known else Host(UTC, name)
    try:
        return Host(_from_file(LOCALTIME))
    except (ValueError, OSError):
        return Host(datetime.now().astimezone().tzinfo or UTC)


def _from_file(path: Path) -> tzinfo:
    """Return the zone that a file of zone data holds, by its name where it has one: our data may be newer."""
    _, inside, name = str(path.resolve()).partition("/zoneinfo/")
    if inside:
        try:
            return find_zone(name)
        except KeyError:
            pass
    with path.open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=name or None)


# Clock changes ------------------------------------------------------------------------------------------------------

DAY = timedelta(days=1)
#: The years that rules may name and are walked in: clock changes began later, and Python's dates end a year behind.
FIRST_YEAR, LAST_YEAR = 1800, 9998


def offset_at(zone: tzinfo, instant: datetime) -> timedelta:
    """Return how far *zone* is ahead of UTC at *instant*."""
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def stretches(zone: tzinfo, after: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """
    Yield the stretches (begin, end, offset) of unchanging offset from *after* (UTC) on, half-open and without gap.

    A stretch may end where nothing changes: at the end of a year.
    """
    begin, offset = after, offset_at(zone, after)
    for year in range(after.year, LAST_YEAR + 1):
        for change, changed in changes(zone, year):
            if change > begin:
                yield begin, change, offset
                begin, offset = change, changed
        end = datetime(year + 1, 1, 1, tzinfo=UTC)
        if end > begin:
            yield begin, end, offset
            begin = end


@lru_cache(maxsize=4096)
def changes(zone: tzinfo, year: int) -> tuple[tuple[datetime, timedelta], ...]:
    """Return the clock changes of *zone* in a year (UTC): each instant, to the second, with the offset from then on."""
    found = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    offset = offset_at(zone, day - timedelta(seconds=1))
    while day.year == year:
        # Offsets are looked at day by day: no zone changes twice within one.
        after = offset_at(zone, day + DAY - timedelta(seconds=1))
        if after != offset:
            found.append((change_between(zone, day - timedelta(seconds=1), day + DAY), after))
            offset = after
        day += DAY
    return tuple(found)


def change_between(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first instant in (*before*, *after*] whose offset differs from *before*'s, to the second."""
    offset = offset_at(zone, before)
    low, high = int(before.timestamp()), int(after.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
