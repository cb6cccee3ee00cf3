"""Excel workbooks: typed cells, a frozen header, totals, and a sheet that says what this is. Rows are streamed."""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..lib.figures import MINOR_UNITS
from ..model import Column, ColumnKind, Row, Table
from .base import facts, local, title_of, zone_of

#: Excel's own limit, the header counted (Microsoft: Excel specifications and limits).
MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
#: Excel keeps fifteen digits of a number; more than that stays text, so that no cent is lost.
MOST_DIGITS = 15
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
SAMPLE = 200

Write = Callable[[int, int, Any], Any]


class Options(BaseModel):
    """Options of the format xlsx."""

    model_config = ConfigDict(extra="forbid")

    totals: bool = Field(True, description="End the sheet with a row of totals.")


class Xlsx:
    """Writes an Excel workbook."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    extension = "xlsx"

    def __init__(self, options: Options) -> None:
        self.options = options

    def render(self, table: Table, path: Path) -> None:
        """
        Write the table's sheets and the sheet "About"; the same table gives the same bytes.

        Its temporary files are beside *path*. Raise OSError.
        """
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError

        safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        # Not in /tmp: another disk, and what a killed process leaves there nobody sweeps.
        steady = {"constant_memory": True, "tmpdir": str(path.parent)}
        book = Workbook(str(path), {**steady, "default_date_format": "yyyy-mm-dd hh:mm:ss", **safe})
        book.set_properties({"title": table.about.title, "created": table.about.made_at.replace(tzinfo=None)})
        bold = book.add_format({"bold": True, "bottom": 1})
        formats = [_format(book, column) for column in table.columns]
        widths = _widths(table)
        rows = iter(table.rows)
        number = 0
        while True:
            number += 1
            part = islice(rows, MOST_ROWS - 2)
            sheet = book.add_worksheet("Report" if number == 1 else f"Report {number}")
            last = _fill(sheet, table, part, formats, bold, widths)
            if last < MOST_ROWS - 2:
                break
        if self.options.totals and table.about.totals:
            _totals(sheet, table, last + 1, book)
        _about(book, table, bold)
        try:
            book.close()
        except FileCreateError as error:  # what the disk said stands inside it
            raise error.args[0] if error.args and isinstance(error.args[0], OSError) else error from error


def _format(book: Any, column: Column) -> Any:
    texts = {
        ColumnKind.MONEY: money_format(column.currency),
        ColumnKind.DECIMAL: "#,##0.##",
        ColumnKind.INTEGER: "#,##0",
        ColumnKind.PERCENT: "0.0",
        ColumnKind.MOMENT: "yyyy-mm-dd hh:mm:ss",
        ColumnKind.DATE: "yyyy-mm-dd",
    }
    text = texts.get(column.kind)
    return book.add_format({"num_format": text}) if text else None


def money_format(currency: str | None) -> str:
    """Return Excel's number format for amounts in *currency*, with its decimals."""
    digits = MINOR_UNITS.get(currency or "", 2)
    return f"#,##0.{'0' * digits}" if digits else "#,##0"


def _widths(table: Table) -> list[int]:
    """Return the width of each column, from its title and its first cells."""
    widths = [len(title_of(column)) + 2 for column in table.columns]
    for row in islice(iter(table.rows), SAMPLE):
        widths = [max(width, len(str(cell or "")) + 1) for width, cell in zip(widths, row, strict=True)]
    return [min(width, 48) for width in widths]


def _fill(sheet: Any, table: Table, rows: Iterable[Row], formats: list[Any], bold: Any, widths: list[int]) -> int:
    """Write one sheet; return its last row."""
    for index, width in enumerate(widths):
        sheet.set_column(index, index, width)
    sheet.freeze_panes(1, 0)
    for index, column in enumerate(table.columns):
        sheet.write_string(0, index, clean(title_of(column)), bold)
    zone = zone_of(table.about.zone)
    writers = list(enumerate(_writer(sheet, c, f, zone) for c, f in zip(table.columns, formats, strict=True)))
    number = 0
    for number, row in enumerate(rows, start=1):
        for index, write in writers:
            cell = row[index]
            if cell is not None:
                write(number, index, cell)
    sheet.autofilter(0, 0, number, len(table.columns) - 1)
    return number


def _writer(sheet: Any, column: Column, style: Any, zone: Any) -> Write:
    """Return what writes a cell of *column*, chosen once: types come from the column and are never guessed."""
    string, number = sheet.write_string, sheet.write_number
    if column.kind in (ColumnKind.MONEY, ColumnKind.DECIMAL, ColumnKind.PERCENT):

        def write_decimal(row: int, index: int, cell: str) -> None:
            if len(cell) <= MOST_DIGITS or sum(map(str.isdigit, cell)) <= MOST_DIGITS:
                number(row, index, float(cell), style)
            else:
                string(row, index, cell)

        return write_decimal
    if column.kind is ColumnKind.INTEGER:
        return lambda row, index, cell: number(row, index, cell, style)
    if column.kind is ColumnKind.MOMENT:
        return lambda row, index, cell: sheet.write_datetime(row, index, local(cell, zone), style)
    if column.kind is ColumnKind.BOOLEAN:
        return lambda row, index, cell: sheet.write_boolean(row, index, cell)
    return lambda row, index, cell: string(row, index, clean(cell))


def clean(text: Any) -> str:
    """Return *text* without what a workbook cannot hold."""
    return CONTROL.sub("", str(text))[:MOST_CHARACTERS]


def _totals(sheet: Any, table: Table, row: int, book: Any) -> None:
    sheet.write_string(row, 0, "Total", book.add_format({"bold": True, "top": 1}))
    for index, column in enumerate(table.columns):
        value = table.about.totals.get(column.key)
        if value is not None and index > 0:
            text = "#,##0" if column.kind is ColumnKind.INTEGER else money_format(column.currency)
            style = book.add_format({"bold": True, "top": 1, "num_format": text})
            sheet.write_number(row, index, float(value), style)


def _about(book: Any, table: Table, bold: Any) -> None:
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 100)
    sheet.write_string(0, 0, "About this report", bold)
    for number, (name, value) in enumerate(facts(table), start=1):
        sheet.write_string(number, 0, clean(name))
        sheet.write_string(number, 1, clean(value))
