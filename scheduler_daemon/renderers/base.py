"""What a renderer is."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol

from ..changes import WORDS
from ..lib.words import isolated
from ..lib.zones import find_zone
from ..model import About, Column, ColumnKind, Table


class Renderer(Protocol):
    """Makes a file out of a table; one class a format, its options checked by its own model."""

    #: Media type of its files.
    media_type: str
    #: Ending of its files, without the dot.
    extension: str

    def render(self, table: Table, path: Path) -> None:
        """Write the finished file to *path*, reading the rows as a stream; raise RenderError."""


def local(text: str, zone: tzinfo) -> datetime:
    """Return the moment *text* (ISO-8601, UTC) as wall time in *zone*, naive."""
    return datetime.fromisoformat(text).astimezone(zone).replace(tzinfo=None)


def zone_of(name: str) -> tzinfo:
    """Return the zone in which a table's moments are shown."""
    return find_zone(name)


def title_of(column: Column) -> str:
    """Return what stands above *column*; money says its currency."""
    if column.kind is ColumnKind.MONEY and column.currency:
        return f"{column.title} ({column.currency})"
    return column.title


def facts(table: Table) -> list[tuple[str, str]]:
    """Return what a file says about itself, as (name, value), in the order people read it."""
    about = table.about
    zone = find_zone(about.zone)

    def at(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S} {about.zone}"

    titles = {column.key: title_of(column) for column in table.columns}
    lines = [
        ("Report", about.title),
        ("Report type", about.report_type),
        ("Shop", f"{isolated(about.shop_name)} ({about.shop})"),
        ("Period from", at(about.period.start)),
        ("Period up to (excluded)", at(about.period.end)),
        ("Time zone", about.zone),
        ("Complete until", at(about.complete_until or about.period.end)),
        ("Currency", about.currency or "unknown"),
        ("Rows", str(about.row_count)),
        *((f"Sum of {titles.get(key, key)}", value) for key, value in about.totals.items()),
        *_compared(about, titles, at),
        ("Due at", at(about.due_at)),
        ("Made at", at(about.made_at)),
        ("API version", about.api_version or "none"),
        ("Query", about.query or "none"),
    ]
    if about.late_because:
        lines.append(("Late because", about.late_because))
    return lines + [("Note", note) for note in about.notes]


def _compared(about: About, titles: Mapping[str, str], at: Callable[[datetime], str]) -> Iterator[tuple[str, str]]:
    """Yield the same facts of what the report is compared with, nothing where with nothing."""
    compared = about.compared
    if compared is None:
        return
    yield "Compared with", WORDS.get(compared.word, compared.word)
    yield "Compared from", at(compared.period.start)
    yield "Compared up to (excluded)", at(compared.period.end)
    yield "Rows, compared", str(compared.row_count)
    for key, value in compared.totals.items():
        yield f"Sum of {titles.get(key, key)}, compared", value
