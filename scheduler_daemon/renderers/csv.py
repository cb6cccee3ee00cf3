"""CSV for people's spreadsheets: UTF-8 with a mark, and no text that a spreadsheet would run as a formula."""

import csv
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..model import Column, ColumnKind, Table
from .base import title_of, zone_of

#: Beginnings that spreadsheets take for a formula (OWASP ASVS 5.0, 1.2.10), full-width ones included.
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 (full-width on purpose)  # fmt: skip
FIRST = frozenset(RISKY)
FULL_WIDTH = "\uff00"
BATCH = 1000
#: Characters of "2026-11-23T10:0", of "2026-11-23T10:00:00" and of the same with its "Z".
STRETCH, SECONDS, WHOLE = 15, 19, 20
MOST_KNOWN = 10_000

Change = Callable[[Sequence[Any]], Sequence[Any]]


class Options(BaseModel):
    """Options of the format csv."""

    model_config = ConfigDict(extra="forbid")

    bom: bool = Field(True, description="Begin the file with a mark that makes Excel read it as UTF-8.")
    separator: Literal[",", ";", "\t"] = Field(",", description="What stands between two cells.")
    guard: bool = Field(True, description="Put a ' before text that a spreadsheet would run as a formula.")


class Csv:
    """Writes comma-separated values."""

    media_type = "text/csv"
    extension = "csv"

    def __init__(self, options: Options) -> None:
        self.options = options

    def render(self, table: Table, path: Path) -> None:
        """Write the table: a line of titles, then a line a row."""
        guard = guarded if self.options.guard else str
        changes = [
            (index, change)
            for index, column in enumerate(table.columns)
            if (change := self._change(column, table.about.zone)) is not None
        ]
        encoding = "utf-8-sig" if self.options.bom else "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=self.options.separator)
            writer.writerow([guard(title_of(column)) for column in table.columns])
            rows = iter(table.rows)
            while batch := list(islice(rows, BATCH)):
                columns: list[Sequence[Any]] = list(zip(*batch, strict=True))
                for index, change in changes:
                    columns[index] = change(columns[index])
                writer.writerows(zip(*columns, strict=True))

    def _change(self, column: Column, zone_name: str) -> Change | None:
        """Return what changes the cells of *column*, or None where they are written as they are."""
        if column.kind is ColumnKind.TEXT:
            return _guard if self.options.guard else None
        if column.kind is ColumnKind.MOMENT:
            return _WallTimes(zone_of(zone_name))
        if column.kind is ColumnKind.BOOLEAN:
            return _say_yes
        return None


def guarded(text: Any) -> str:
    """Return *text* so that no spreadsheet runs it."""
    made = str(text)
    return f"'{made}" if made.startswith(RISKY) else made


# A batch is changed column by column, not cell by cell: a call for each cell costs as much as writing it.


def _guard(cells: Sequence[Any]) -> list[Any]:
    try:
        # Between "A" and the full-width forms nothing is risky, and most text is there: one comparison tells.
        return [
            cell if cell is None or "A" <= cell < FULL_WIDTH or cell[:1] not in FIRST else guarded(cell)
            for cell in cells
        ]
    except TypeError:  # a cell that is no text
        return [None if cell is None else guarded(cell) for cell in cells]


def _say_yes(cells: Sequence[Any]) -> list[Any]:
    return [None if cell is None else "yes" if cell else "no" for cell in cells]


class _WallTimes:
    """Tells moments as wall times in a zone; remembers stretches of ten minutes, since orders come many in a row."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._known: dict[str, str] = {}

    def __call__(self, cells: Sequence[Any]) -> list[Any]:
        known = self._known.get
        return [
            None
            if cell is None
            else start + cell[STRETCH:SECONDS]
            if len(cell) == WHOLE and (start := known(cell[:STRETCH]))
            else self._tell(cell)
            for cell in cells
        ]

    def _tell(self, cell: str) -> str:
        if len(cell) == WHOLE and cell[4] == "-" and cell[:STRETCH] not in self._known:
            self._learn(cell[:STRETCH])
        return self._local(cell)

    def _local(self, cell: str) -> str:
        return str(datetime.fromisoformat(cell).astimezone(self.zone))[:SECONDS]

    def _learn(self, start: str) -> None:
        """Remember how a stretch begins in the zone; nothing where a clock change or an odd offset cuts it."""
        first, last = self._local(f"{start}0:00Z"), self._local(f"{start}9:59Z")
        even = first[:STRETCH] == last[:STRETCH] and (first[STRETCH:], last[STRETCH:]) == ("0:00", "9:59")
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[start] = first[:STRETCH] if even else ""
