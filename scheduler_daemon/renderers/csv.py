"""CSV for people's spreadsheets: UTF-8 with a mark, and no text that a spreadsheet would run as a formula."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..model import Column, ColumnKind, Table
from .base import local, title_of, zone_of

#: Beginnings that spreadsheets take for a formula (OWASP ASVS 5.0, 1.2.10), full-width ones included.
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 (full-width on purpose)  # fmt: skip
BATCH = 1000


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
            (index, made)
            for index, column in enumerate(table.columns)
            if (made := self._converter(column, table.about.zone)) is not None
        ]
        encoding = "utf-8-sig" if self.options.bom else "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=self.options.separator)
            writer.writerow([guard(title_of(column)) for column in table.columns])
            batch: list[list[Any]] = []
            for row in table.rows:
                cells = list(row)
                for index, convert in changes:
                    cell = cells[index]
                    if cell is not None:
                        cells[index] = convert(cell)
                batch.append(cells)
                if len(batch) == BATCH:
                    writer.writerows(batch)
                    batch.clear()
            writer.writerows(batch)

    def _converter(self, column: Column, zone_name: str) -> Callable[[Any], Any] | None:
        """Return what changes a cell of *column*, or None where cells are written as they are."""
        if column.kind is ColumnKind.TEXT:
            return guarded if self.options.guard else None
        if column.kind is ColumnKind.MOMENT:
            zone = zone_of(zone_name)
            return lambda cell: local(cell, zone).isoformat(sep=" ", timespec="seconds")
        if column.kind is ColumnKind.BOOLEAN:
            return lambda cell: "yes" if cell else "no"
        return None


def guarded(text: Any) -> str:
    """Return *text* so that no spreadsheet runs it."""
    made = str(text)
    return f"'{made}" if made.startswith(RISKY) else made
