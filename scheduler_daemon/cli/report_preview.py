"""`scheduler reports preview`: the first rows of a report, from the shop, for the person who asks alone."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..app import build
from ..config import Config
from ..errors import UsageError
from ..lib.clock import iso, utc_now
from ..lib.files import write_atomically
from ..lib.spans import days
from ..lib.words import plural
from ..model import Cell, Column, ColumnKind, Report, Row, Table
from ..renderers import open_renderer
from ..renderers.base import local, title_of, zone_of
from ..sources import open_source
from ..sources.base import Ask
from ..store import SeenSchedule, Store
from ..when.comparison import find_comparison
from .asking import find_report, opened, readable
from .context import Context
from .groups import Whole, example
from .output import echo_json, plain, table, width
from .waiting import Waiting

#: Characters of a cell that are shown.
MOST_CELL = 28


@click.command(
    epilog=example("reports preview 'Weekly Sales'", "reports preview rs_01ab --rows 50 --html preview.html")
)
@click.argument("report")
@click.option("--rows", "count", default=10, show_default=True, type=Whole(1, 100), help="How many rows.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write them as a page too.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def preview(context: Context, report: str, count: int, page: Path | None, as_json: bool) -> None:
    """
    Show the first rows that REPORT (id or name) would have now.

    One page is asked of the shop; nothing is recorded, delivered or moved. What the report is compared with is named
    and not fetched: that takes all rows.
    """
    config = context.config()
    with opened(context) as store:
        seen = find_report(store, report)
        found, complete = _fetch(config, store, seen, readable(seen).report, count)
    if page is not None:
        _write(found, page)
    if as_json:
        echo_json("preview", _data(seen, found, complete), file=str(page) if page else None)
        return
    _show(found, complete)
    if page is not None:
        click.echo(f"Page     {plain(page)}")


def _fetch(config: Config, store: Store, seen: SeenSchedule, report: Report, count: int) -> tuple[Table, bool]:
    """Return the first *count* rows as a table, and whether they are all; raise RunError."""
    source, now = open_source(report.type), utc_now()
    with Waiting(f"Asking {seen.shop}"):
        preparer = build(config, store, lambda: None).performer.preparer
        api, shop = preparer.access.open_shop(seen.shop, now, time.sleep, learn=False)
        zone = readable(seen).zone or shop.zone or "UTC"
        period = preparer.period_of(readable(seen), now, zone)
        compared = find_comparison(report, period)
        made = source.fetch(Ask(report, period, shop, api, now, now, lambda _: None, first_page=True))
        rows = list(islice(made.rows, count + 1))
    about = made.about
    if compared is not None:
        span = days(compared.start, compared.end, zone)
        note = f"The report compares its totals with {span}; a preview has none, and does not ask for that time."
        about = replace(about, notes=(note, *about.notes))
    return Table(made.columns, rows[:count], about), len(rows) <= count


def _write(found: Table, page: Path) -> None:
    """Write the rows as a page; raise UsageError where it cannot be written."""
    rows = list(found.rows)
    note = "A preview: the first rows alone, and no totals."
    about = replace(found.about, row_count=len(rows), totals={}, notes=(note, *found.about.notes))
    shown = Table(tuple(replace(column, total=False) for column in found.columns), rows, about)
    with TemporaryDirectory() as folder:
        temp = Path(folder) / "preview.html"
        open_renderer("html", {}).render(shown, temp)
        try:
            write_atomically(page.absolute(), temp.read_bytes(), 0o600)
        except OSError as error:
            message = f"{page} cannot be written: {error.strerror or error}."
            raise UsageError(message, hint="Name a file in a folder of yours: --html preview.html") from None


def _data(seen: SeenSchedule, found: Table, complete: bool) -> dict[str, Any]:
    period = found.about.period
    columns = [{"key": c.key, "title": c.title, "kind": c.kind.value, "currency": c.currency} for c in found.columns]
    return {
        "schedule": seen.id,
        "report": seen.name,
        "shop": seen.shop,
        "type": found.about.report_type,
        "period": {"name": period.name, "from": iso(period.start), "to": iso(period.end), "zone": period.zone},
        "columns": columns,
        "rows": [list(row) for row in found.rows],
        "complete": complete,
        "notes": list(found.about.notes),
    }


def _show(found: Table, complete: bool) -> None:
    about, rows = found.about, list(found.rows)
    cells = [[_cell(column, cell, about.zone) for column, cell in zip(found.columns, row, strict=True)] for row in rows]
    fitting = _fitting(found.columns, cells)
    if rows:
        names = [title_of(column) for column in found.columns[:fitting]]
        numbers = (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.MONEY, ColumnKind.PERCENT)
        right = {title_of(column) for column in found.columns if column.kind in numbers}
        table(names, [row[:fitting] for row in cells], right=right)
    left = [column.key for column in found.columns[fitting:]]
    if left and rows:
        click.echo(f"Columns  and {len(left)} more: {', '.join(left)}")
    said = (
        "no rows" if not rows else f"all {plural(len(rows), 'row')}" if complete else f"the first {len(rows)} of more"
    )
    period = f"{days(about.period.start, about.period.end, about.zone)}, {about.zone}"
    click.echo(f"Rows     {said}, {period}")
    for note in about.notes:
        click.echo(f"Note     {plain(note)}")


def _cell(column: Column, cell: Cell, zone: str) -> str:
    if cell is None:
        return ""
    if column.kind is ColumnKind.MOMENT:
        return f"{local(str(cell), zone_of(zone)):%Y-%m-%d %H:%M}"
    if column.kind is ColumnKind.BOOLEAN:
        return "yes" if cell else "no"
    text = plain(cell)
    return text if len(text) <= MOST_CELL else f"{text[: MOST_CELL - 1]}…"


def _fitting(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Return how many columns fit on the terminal; all where standard output is none."""
    if not sys.stdout.isatty():
        return len(columns)
    room = shutil.get_terminal_size().columns
    for number, column in enumerate(columns):
        room -= 2 + max([width(title_of(column)), *(width(str(row[number])) for row in rows)])
        if room < -2:
            return max(number, 1)
    return len(columns)
