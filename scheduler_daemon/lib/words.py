"""Words for people: lengths of time, numbers of things, near misses."""

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from unicodedata import bidirectional

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
LENGTH = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?B)?")
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of *choices*, or an empty text."""
    near = difflib.get_close_matches(word, sorted(choices), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def parse_length(text: str) -> timedelta:
    """
    Read a length of time with its unit: ``90s``, ``5m``, ``1h30m``, ``2d``.

    Raise ValueError for a bare number or anything else.
    """
    packed = text.strip().replace(" ", "")
    if not LENGTH.fullmatch(packed):
        raise ValueError(f'{text!r} is not a length of time; write a number with its unit, like "90s", "5m" or "1h30m"')
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in PART.findall(packed)))


def parse_size(text: str) -> int:
    """
    Read a number of bytes with its unit: ``500MB``, ``2GB``, ``0``; units are powers of 1000.

    Raise ValueError for anything else.
    """
    found = SIZE.fullmatch(text.strip().upper().replace(" ", ""))
    if not found or (not found[2] and float(found[1])):
        raise ValueError(f'{text!r} is not a size; write a number with its unit, like "500MB" or "2GB"')
    return int(float(found[1]) * SIZES[found[2] or ""])


def say_length(length: timedelta) -> str:
    """Return *length* for people, in its two largest units: ``3 s``, ``5 min``, ``2 h 10 min``, ``3 d 4 h``."""
    seconds = abs(length.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds % 1 >= 0.05 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 5 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def closed(text: str) -> str:
    """Return *text* as a sentence: with a full stop, unless a question mark ends it (``Did you mean …?``)."""
    text = text.rstrip(". ")
    return text if text.endswith("?") else f"{text}."


#: Signs that keep the direction of a name to itself (UAX 9: first strong isolate, pop directional isolate).
ISOLATE, POP = "\u2068", "\u2069"


def isolated(name: str) -> str:
    """Return *name* so that one written from the right does not turn the figures after it around."""
    turns = any(bidirectional(sign) in ("R", "AL") for sign in name)
    return f"{ISOLATE}{name}{POP}" if turns else name


def plural(number: int, noun: str) -> str:
    """Return *number* with *noun*, an ``s`` added unless it is one: ``1 report``, ``0 reports``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


#: What looks like a Shopify token, a bearer token, or user and password in a URL; never by length.
SECRETS = re.compile(r"shp(?:at|ca|pa|ss|ua|rt)_[A-Za-z0-9_-]{6,}|(?<=Bearer )\S+|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")


def redact(text: str) -> str:
    """Return *text* without anything that looks like a token or a password."""
    return SECRETS.sub("****", text)
