"""A page that a person likes to read: the totals, simple bars, a small table, and what it is at its foot."""

from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..model import Cell, Column, ColumnKind, Row, Table
from .base import facts, local, title_of, zone_of

NUMBERS = (ColumnKind.MONEY, ColumnKind.DECIMAL, ColumnKind.INTEGER, ColumnKind.PERCENT)
BARS = 10


class Options(BaseModel):
    """Options of the format html."""

    model_config = ConfigDict(extra="forbid")

    rows: int = Field(100, ge=0, le=5000, description="How many rows the page shows.")


class Html:
    """Writes one self-contained page: no script, nothing loaded from elsewhere."""

    media_type = "text/html"
    extension = "html"

    def __init__(self, options: Options) -> None:
        self.options = options

    def render(self, table: Table, path: Path) -> None:
        """Write the page."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        loader = PackageLoader("scheduler_daemon.renderers")
        world = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        shown = list(islice(iter(table.rows), self.options.rows))
        zone = zone_of(table.about.zone)
        period = table.about.period
        page = world.get_template("report.html").render(
            about=table.about,
            start=period.start.astimezone(zone),
            end=period.end.astimezone(zone),
            totals=_totals(table),
            bars=_bars(table, shown),
            titles=[(title_of(column), column.kind in NUMBERS) for column in table.columns],
            rows=[_cells(table, row) for row in shown],
            facts=facts(table),
        )
        path.write_text(page, encoding="utf-8")


def grouped(cell: Cell) -> str:
    """Return a number with its thousands grouped and its decimals as they are."""
    text = str(cell)
    whole, dot, rest = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits or 0):,}{dot}{rest}" if digits.isdigit() else text


def _totals(table: Table) -> list[tuple[str, str]]:
    named = {column.key: column for column in table.columns}
    return [
        (named[key].title, f"{grouped(value)} {named[key].currency or ''}".strip())
        for key, value in table.about.totals.items()
        if key in named
    ]


def _cells(table: Table, row: Row) -> list[tuple[str, bool]]:
    return [
        (_text(column, cell, table), column.kind in NUMBERS) for column, cell in zip(table.columns, row, strict=True)
    ]


def _text(column: Column, cell: Cell, table: Table) -> str:
    if cell is None:
        return ""
    if column.kind in NUMBERS:
        return grouped(cell)
    if column.kind is ColumnKind.MOMENT:
        return f"{local(str(cell), zone_of(table.about.zone)):%Y-%m-%d %H:%M}"
    if column.kind is ColumnKind.BOOLEAN:
        return "yes" if cell else "no"
    return str(cell)


def _bars(table: Table, rows: list[Row]) -> list[dict[str, Any]]:
    """Return the largest rows by the last money column with a total, each with its share of the largest."""
    money = [i for i, column in enumerate(table.columns) if column.total and column.kind is ColumnKind.MONEY]
    names = [i for i, column in enumerate(table.columns) if column.kind is ColumnKind.TEXT]
    if not money or not names:
        return []
    by = money[-1]
    largest = sorted(rows, key=lambda row: float(str(row[by] or 0)), reverse=True)[:BARS]
    most = max((float(str(row[by] or 0)) for row in largest), default=0.0)
    if most <= 0:
        return []
    return [
        {
            "name": str(row[names[0]] or ""),
            "value": grouped(row[by]),
            "share": max(0, 100 * float(str(row[by] or 0)) / most),
        }
        for row in largest
    ]
