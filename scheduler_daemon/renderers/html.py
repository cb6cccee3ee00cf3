"""A page that a person likes to read: the totals, simple bars, a small table, and what it is at its foot."""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..changes import change_of, change_of_rows, compared_span
from ..lib import spans
from ..lib.words import isolated, plural
from ..model import Cell, Column, ColumnKind, Row, Table
from .bars import Picture, shown
from .base import facts, local, title_of, zone_of

NUMBERS = (ColumnKind.MONEY, ColumnKind.DECIMAL, ColumnKind.INTEGER, ColumnKind.PERCENT)
#: Text longer than this is broken into lines instead of widening its column.
LONG = 34
#: From these numbers of columns on a print is laid across, and its columns share the width.
WIDE, MANY = 8, 20
#: What HTML may not hold (HTML standard, preprocessing the input stream): controls, lone surrogates, noncharacters.
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Options(BaseModel):
    """Options of the format html."""

    model_config = ConfigDict(extra="forbid")

    rows: int = Field(100, ge=0, le=5000, description="How many rows the page shows.")


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell as the page shows it; *look* is its class: "n" for numbers, "m" for moments, "long", or nothing."""

    text: str
    look: str


@dataclass(frozen=True, slots=True)
class Card:
    """One figure above the bars: the column's *key* and name, the value, what it is in, and how it changed."""

    key: str
    name: str
    value: str
    unit: str
    change: str


class Html:
    """Writes one self-contained page: no script, nothing loaded from elsewhere, the same bytes for the same table."""

    media_type = "text/html"
    extension = "html"

    def __init__(self, options: Options) -> None:
        self.options = options

    def render(self, table: Table, path: Path) -> None:
        """Write the page; the rows pass once, and only those it shows are kept. Raise OSError."""
        picture = Picture(table)
        rows: list[list[Shown]] = []
        show = _cells(table)
        for row in table.rows:
            picture.add(row)
            if len(rows) < self.options.rows:
                rows.append(show(row))
        page = _template().render(
            about=table.about,
            rows=rows,
            heads=[Shown(title_of(column), "n" if column.kind in NUMBERS else "") for column in table.columns],
            cards=_cards(table),
            chart=picture.chart(),
            facts=facts(table),
            long=LONG,
            size=_size(len(table.columns)),
            **_style(),
            **_sentences(table, len(rows)),
        )
        path.write_text(page, encoding="utf-8", newline="\n")


def fit(value: Any) -> Any:
    """Return *value* for the page: text without the characters that HTML may not hold."""
    return UNFIT.sub("", value) if type(value) is str else value


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("scheduler_daemon.renderers")
    world = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=fit, auto_reload=False
    )
    world.filters["isolated"] = isolated
    return world.get_template("report.html")


def _style() -> dict[str, Any]:
    """Return the style sheet and its digest: the page's policy lets this one apply and no other."""
    from markupsafe import Markup

    text = files("scheduler_daemon.renderers").joinpath("templates/report.css").read_text(encoding="utf-8")
    return {"style": Markup(text), "style_hash": b64encode(sha256(text.encode()).digest()).decode()}


def _sentences(table: Table, count: int) -> dict[str, str]:
    about = table.about
    whole = plural(about.row_count, "row")
    if count >= about.row_count:
        said = "All rows of the report are shown."
    elif count:
        said = (
            f"Showing {count:,} of {whole}, the first ones. The totals and bars count every row; "
            "for the whole list have the report made as xlsx or csv."
        )
    else:
        said = f"None of the {whole} is shown; the totals and bars count every one."
    return {
        "period": spans.days(about.period.start, about.period.end, about.zone),
        "compared": compared_span(about),
        "place": spans.place(about.zone),
        "complete": spans.until(about.complete_until or about.period.end, about.zone),
        "rows_said": whole,
        "rows_title": "Rows" if count == about.row_count else f"Rows 1 to {count:,}" if count else "Rows",
        "shown_said": said,
    }


def _size(columns: int) -> str:
    return "wide many" if columns > MANY else "wide" if columns >= WIDE else ""


def _cards(table: Table) -> list[Card]:
    made = [Card("", "Rows", f"{table.about.row_count:,}", "", change_of_rows(table.about))]
    for column in table.columns:
        if column.key in table.about.totals:
            unit = (column.currency or "") if column.kind is ColumnKind.MONEY else ""
            value, change = shown(column, table.about.totals[column.key]), change_of(table.about, column)
            made.append(Card(column.key, column.title, value, unit, change))
    return made


def _cells(table: Table) -> Any:
    """Return what makes a row of the table into a row of the page."""
    zone = zone_of(table.about.zone)

    def text(column: Column, cell: Cell) -> Shown:
        if column.kind in NUMBERS:
            return Shown("" if cell is None else shown(column, cell), "n")
        if cell is None:
            return Shown("", "")
        if column.kind is ColumnKind.MOMENT:
            return Shown(f"{local(str(cell), zone):%Y-%m-%d %H:%M}" if cell else "", "m")
        if column.kind is ColumnKind.BOOLEAN:
            return Shown("yes" if cell else "no", "")
        made = str(cell)
        return Shown(made, "long" if len(made) > LONG or "\n" in made else "")

    def cells(row: Row) -> list[Shown]:
        return [text(column, cell) for column, cell in zip(table.columns, row, strict=True)]

    return cells
