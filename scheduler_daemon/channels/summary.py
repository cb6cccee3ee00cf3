"""The few lines that mails say about a report."""

from datetime import datetime, timedelta

from ..lib.zones import find_zone
from ..model import ColumnKind, ReportFile


def days(start: datetime, end: datetime, zone_name: str) -> str:
    """Return the days of a half-open span as people say them: ``16 to 22 Nov 2026``, ``22 Nov 2026``."""
    zone = find_zone(zone_name)
    first = start.astimezone(zone)
    last = (end - timedelta(milliseconds=1)).astimezone(zone)
    if first.date() == last.date():
        return f"{first.day} {first:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%b %Y}"
    if first.year == last.year:
        return f"{first.day} {first:%b} to {last.day} {last:%b %Y}"
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"


def span(start: datetime, end: datetime, zone_name: str) -> str:
    """Return a span with its moments: ``16 Nov 2026 00:00 to 23 Nov 2026 00:00, Europe/Paris``."""
    zone = find_zone(zone_name)
    return f"{start.astimezone(zone):%d %b %Y %H:%M} to {end.astimezone(zone):%d %b %Y %H:%M}, {zone_name}"


def until(moment: datetime, zone_name: str) -> str:
    """Return up to when figures are complete; midnight is said as 24:00 of the day before, as people do."""
    zone = find_zone(zone_name)
    local = moment.astimezone(zone)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local - timedelta(days=1):%d %b %Y} 24:00 {zone_name}"
    return f"{local:%d %b %Y %H:%M:%S} {zone_name}"


def grouped(text: str) -> str:
    """Return decimal text with its thousands grouped and every decimal kept."""
    whole, dot, rest = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{dot}{rest}" if digits.isdigit() else text


def lines(file: ReportFile) -> list[tuple[str, str]]:
    """Return what a mail says about *file*, as (name, value)."""
    about = file.about
    zone = about.zone
    said = [
        ("Shop", about.shop_name),
        ("Period", span(about.period.start, about.period.end, zone)),
        ("Complete until", until(about.complete_until or about.period.end, zone)),
        ("Rows", f"{about.row_count:,}"),
    ]
    for column in file.columns:
        if column.key in about.totals:
            money = column.currency or "" if column.kind is ColumnKind.MONEY else ""
            said.append((column.title, f"{grouped(about.totals[column.key])} {money}".strip()))
    said.append(("File", f"{file.name} ({size(file.size)})"))
    return said


def size(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{number / 1000:.0f} kB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"
