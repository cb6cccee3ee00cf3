"""Time zones, from the newer of the two sets of zone data at hand."""

import zoneinfo
from datetime import tzinfo
from functools import cache
from pathlib import Path

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
    """Return the zone of the IANA name *name*; raise KeyError where there is none."""
    zone_data()
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise KeyError(name) from error


def zone_names() -> set[str]:
    """Return all IANA names that `find_zone` takes."""
    zone_data()
    return zoneinfo.available_timezones()
