"""What of a schedule's row must be what: each value that cannot be read is named, with what it should be."""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..lib.zones import find_zone, zone_like
from ..model import DOMAIN, CatchUp, Overlap

#: Characters of a bad value that are shown.
MOST_SHOWN = 200
#: What of our options must be what, with the words for it.
KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(("columns", "channels", "cc", "bcc"), (list, "a list")),
    **dict.fromkeys(("format", "period", "from", "to", "owner", "catch_up", "overlap", "week_start"), (str, "text")),
    "compare": (str, "text"),
    **dict.fromkeys(("catch_up_window", "jitter"), ((int, float), "a number of seconds")),
    **dict.fromkeys(("format_options", "condition"), (dict, "an object")),
    "priority": (int, "a whole number"),
    "deadline": ((int, float), "a number of seconds"),
}
#: The highest number of each: a window of ten years, a jitter of a day.
MOST = {"priority": 1_000_000, "deadline": 7 * 86400, "catch_up_window": 3660 * 86400, "jitter": 86400}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise UsageError naming the first option that is not of its kind."""
    for name, (kind, words) in KINDS.items():
        value = options.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise bad(f"its option {name} {str(value)[:MOST_SHOWN]!r} is not {words}")
    for name, most in MOST.items():
        value = options.get(name)
        if value is not None and not 0 <= value <= most:
            raise bad(f"its option {name} {value} is not between 0 and {most:,}")
    for column in options.get("columns") or ():
        if not isinstance(column, list) or len(column) != 2 or not isinstance(column[0], str):
            raise bad(f'its option columns holds {str(column)[:80]!r}; write each as ["key", "title" or null]')
    for name, choices in (("catch_up", CatchUp), ("overlap", Overlap)):
        if options.get(name) is not None and options[name] not in tuple(choices):
            raise bad(f"its option {name} {options[name]!r} is none of: {', '.join(choices)}")


def bad(message: str) -> UsageError:
    """Return the error for a row that cannot be read."""
    return UsageError(message, code="bad_schedule_row")


def check_shop(domain: str) -> None:
    """Raise UsageError where *domain* is no shop's: the token of no other may leave by a row's own words."""
    if not DOMAIN.fullmatch(domain):
        message = f"{domain[:MOST_SHOWN]!r} is no shop; a domain is exactly like name.myshopify.com"
        raise UsageError(message, code="unknown_shop")


def read_json(value: Any, name: str, kind: type) -> Any:
    """Return *value* (JSON text, or already read by the driver) as a *kind*; raise UsageError naming the column."""
    if isinstance(value, kind):
        return value
    text = str(value)
    try:
        data = json.loads(value) if isinstance(value, (str, bytes)) else value
        # A lone surrogate can stand in no database and no file.
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise bad(f"its {name} {text[:80]!r} is not JSON") from None
    if data is None:
        return kind()
    if not isinstance(data, kind):
        word = "list" if kind is list else "object"
        raise bad(f"its {name} {text[:80]!r} is no JSON {word}")
    return data


def check_zone(name: str) -> None:
    """Raise UsageError where *name* is no time zone."""
    try:
        find_zone(name)
    except KeyError:
        near = zone_like(name[:MOST_SHOWN])
        hint = "Write an IANA name like Europe/Paris."
        raise UsageError(f"{name[:MOST_SHOWN]!r} is no time zone.{near}", code="unknown_zone", hint=hint) from None


def check_shop_zone(name: str) -> None:
    """Raise UsageError where *name*, which is known of the row's shop, is no time zone."""
    try:
        find_zone(name)
    except KeyError:
        problem = f"its shop's zone {name[:MOST_SHOWN]!r}, which it would run in, is no time zone"
        raise UsageError(problem, code="bad_shop_row") from None
