"""Cron text that cannot be read, mended: the nearest text that can, to be offered and never taken in silence."""

import re
from collections.abc import Callable

from ..lib.words import did_you_mean
from .rule_text import DAYS, MONTHS

#: The least and the most of each of the five fields; 7 is Sunday too.
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
#: The names that a field may hold, in the order of their numbers.
NAMES = ((), (), (), *(tuple(name[:3].upper() for name in names) for names in (MONTHS, DAYS)))
#: Hour 24 is midnight, and minute 60 the hour's first; what else lies beyond its field is brought to its end.
TURNS = {(0, 60): 0, (1, 24): 0}


def nearest_cron(text: str, is_read: Callable[[str], bool]) -> str:
    """Return the text nearest to *text* that *is_read* takes; empty where none is plain."""
    fields = text.split()
    if len(fields) == 6 and re.fullmatch(r"\d{1,2}", fields[0]) and not re.fullmatch(r"[*?]|\d{4}", fields[5]):
        fields = fields[1:]  # seconds first
    if len(fields) != 5:
        return ""
    mended = " ".join(_field(place, field) for place, field in enumerate(fields))
    return mended if mended != text and is_read(mended) else ""


def _field(place: int, field: str) -> str:
    return ",".join(_item(place, item) for item in field.split(",") if item) or "*"


def _item(place: int, item: str) -> str:
    """Return one item of a list: each of its numbers within its field, its names as they are written."""
    low, high = BOUNDS[place]
    if place == 2:
        item = re.sub(r"(?<=\d)[Ww]$", "", item)
    if place == 4 and "#" in item:
        day, _, number = item.partition("#")
        return f"{_part(place, day)}#{min(max(int(number), 1), 5) if number.isdigit() else 1}"
    span, slash, step = item.partition("/")
    ends = [_part(place, part) for part in span.split("-") if part]
    first, last = ([*(_number(place, end) for end in ends), 0, 0])[:2]
    if len(ends) == 2 and not slash and first > last >= 0:
        top = high - 1 if place == 4 else high
        ends = [f"{first}-{top},{low}-{last}"]
    most = high - low + 1
    count = min(max(int(step), 1), most) if step.isdigit() else 1
    return "-".join(ends) + (f"/{count}" if slash and count > 1 else "")


def _number(place: int, part: str) -> int:
    """Return the number of *part*, a number or a name; -1 where it is neither."""
    if part in NAMES[place]:
        return NAMES[place].index(part) + BOUNDS[place][0]
    return int(part) if part.isdigit() else -1


def _part(place: int, part: str) -> str:
    low, high = BOUNDS[place]
    if part.isdigit():
        number = int(part)
        if place == 2 and number > high:
            return "L"
        return str(TURNS.get((place, number), min(max(number, low), high)))
    near = did_you_mean(part.upper(), NAMES[place]) if part.isalpha() and part.upper() != "L" else ""
    if part.upper()[:3] in NAMES[place]:
        return part.upper()[:3]
    return near.split("'")[1] if near else part
