"""Moments and spans as people say them: ``16 to 22 Nov 2026``, ``22 Nov 2026 24:00 Paris``; months in English."""

from datetime import date, datetime, timedelta, tzinfo

from .zones import find_zone

INSTANT = timedelta(microseconds=1)


def place(zone_name: str) -> str:
    """Return the zone as people call it: ``Paris`` for ``Europe/Paris``; ``Etc/GMT+5`` and ``UTC`` stay whole."""
    area, _, last = zone_name.rpartition("/")
    return zone_name if area in ("", "Etc") else last.replace("_", " ")


def days(start: datetime, end: datetime, zone_name: str) -> str:
    """
    Return the half-open span [start, end) in words, in the zone.

    ``Sun 22 Nov 2026`` · ``16 to 22 Nov 2026`` · ``28 Nov to 4 Dec 2026`` · ``November 2026`` · ``2026``; a span that
    ends within a day says when (``1 to 23 Nov 2026 until 08:00``), one that begins within a day, or is empty, says both
    moments.
    """
    zone = find_zone(zone_name)
    first, after = start.astimezone(zone), end.astimezone(zone)
    if not _is_day_start(start, zone) or start == end:
        return f"{_minute(first)} to {_minute(after)}"
    last = (end - INSTANT).astimezone(zone)
    if not _is_day_start(end, zone):
        return f"{_whole_days(first, last)} until {after:%H:%M}"
    if first.day == after.day == 1 and first.year + 1 == after.year and first.month == after.month == 1:
        return f"{first.year}"
    if first.day == after.day == 1 and (first.year, first.month) == (last.year, last.month):
        return f"{first:%B %Y}"
    return _whole_days(first, last)


def span(first: date, last: date, *, year: bool = True) -> str:
    """Return the days from *first* to *last*, both included: ``16 to 22 Nov 2026``; *year* False leaves it out."""
    end = f"{last.day} {last:%b %Y}" if year else f"{last.day} {last:%b}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {end}"
    if first.year == last.year or not year:
        return f"{first.day} {first:%b} to {end}"
    return f"{first.day} {first:%b %Y} to {end}"


def until(moment: datetime, zone_name: str, *, year: bool = True) -> str:
    """
    Return up to when figures go, in the zone: ``22 Nov 2026 24:00 Paris``, ``23 Nov 2026 08:05 Paris``.

    The beginning of a day is said as 24:00 of the day before, as people do; seconds are left out, never rounded up.
    """
    zone = find_zone(zone_name)
    local, clock = moment.astimezone(zone), "%H:%M"
    if _is_day_start(moment, zone):
        local, clock = (moment - INSTANT).astimezone(zone), "24:00"
    shown = f"{local.day} {local:%b %Y}" if year else f"{local.day} {local:%b}"
    return f"{shown} {local.strftime(clock)} {place(zone_name)}"


def at(moment: datetime, zone_name: str) -> str:
    """Return a moment in the zone: ``23 Nov 2026 08:05 Paris``."""
    return f"{_minute(moment.astimezone(find_zone(zone_name)))} {place(zone_name)}"


def _is_day_start(moment: datetime, zone: tzinfo) -> bool:
    """Whether the local day begins at *moment*; where a zone skips midnight that is 01:00."""
    return moment.astimezone(zone).date() > (moment - INSTANT).astimezone(zone).date()


def _minute(local: datetime) -> str:
    return f"{local.day} {local:%b %Y %H:%M}"


def _whole_days(first: datetime, last: datetime) -> str:
    return f"{first:%a} {first.day} {first:%b %Y}" if first.date() == last.date() else span(first.date(), last.date())
