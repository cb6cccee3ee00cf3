"""
CSV and XLSX of 100,000 rows and 20 columns, beside the plain writers.

The rows are in memory for all of them. Ours is the renderer as a run uses it: formula guard, moments told in the
report's zone, money typed, header, totals, "About". The peers get cells that are ready to be written (texts,
floats, naive datetimes) and do nothing else: `csv.writer.writerow` a row, and XlsxWriter in constant-memory mode,
`worksheet.write` a cell with the column's format. Medians of repeats made in turn. Told as well: ours reading the rows
from the spool, as a run does, and XlsxWriter called with the typed methods.
"""

import csv
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook

from scheduler_daemon.model import About, Column, ColumnKind, Period, Table
from scheduler_daemon.renderers import open_renderer
from scheduler_daemon.spool import Spool
from tests.benchmarks.measured import Row, median_seconds
from tests.benchmarks.processes import own_folder

TEXTS = ("name", "customer", "email", "payment", "fulfilment", "currency", "channel", "tags", "city", "country")
MONEY = ("gross", "discounts", "refunds", "shipping", "taxes", "net")
COLUMNS = (
    *(Column(key, key.title()) for key in TEXTS),
    *(Column(key, key.title(), ColumnKind.MONEY, total=True, currency="EUR") for key in MONEY),
    Column("items", "Items", ColumnKind.INTEGER, total=True),
    Column("created", "Created", ColumnKind.MOMENT),
    Column("processed", "Processed", ColumnKind.MOMENT),
    Column("test", "Test", ColumnKind.BOOLEAN),
)
WORDS = ("Ana Núñez", "O'Neil, Pat", "=cmd", "paid", "unfulfilled", "EUR", "web", "vip, wholesale", "Zürich", "🍵 tea")
ZONE = "Europe/Paris"
START = datetime(2026, 10, 1, tzinfo=UTC)
FORMATS = {ColumnKind.MONEY: "#,##0.00", ColumnKind.INTEGER: "#,##0", ColumnKind.MOMENT: "yyyy-mm-dd hh:mm:ss"}


def invented(count: int) -> list[list[Any]]:
    """Return *count* rows of believable cells, the same ones each time."""
    chance = random.Random(1)
    rows: list[list[Any]] = []
    for number in range(count):
        texts = [f"#{number}", *(f"{chance.choice(WORDS)} {chance.randrange(5000)}" for _ in TEXTS[1:])]
        money = [f"{chance.randrange(1_000_000) / 100:.2f}" for _ in MONEY]
        made = START + timedelta(seconds=26 * number)
        moments = [f"{made:%Y-%m-%dT%H:%M:%SZ}", f"{made + timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}"]
        rows.append([*texts, *money, chance.randrange(9), *moments, number % 50 == 0])
    return rows


def table(rows: Any, count: int) -> Table:
    """Return *rows* as a fetched table."""
    period = Period("custom", START, START + timedelta(days=31), ZONE)
    names = ("Orders", "orders", "a.myshopify.com", "A")
    totals = dict.fromkeys(MONEY, "1.00")
    about = About(*names, period, ZONE, currency="EUR", due_at=START, made_at=START, row_count=count, totals=totals)
    return Table(COLUMNS, rows, about)


def ready(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the cells as XlsxWriter takes them, so that the peer has nothing to convert."""
    zone = ZoneInfo(ZONE)

    def cell(column: Column, value: Any) -> Any:
        if column.kind is ColumnKind.MONEY:
            return float(value)
        if column.kind is ColumnKind.MOMENT:
            return datetime.fromisoformat(value).astimezone(zone).replace(tzinfo=None)
        return value

    return [[cell(column, value) for column, value in zip(COLUMNS, row, strict=True)] for row in rows]


def plain_csv(rows: list[list[Any]], path: Path) -> None:
    """Write the rows with `csv.writer.writerow`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.title for column in COLUMNS])
        for row in rows:
            writer.writerow(row)


def plain_xlsx(rows: list[list[Any]], path: Path, *, typed: bool) -> None:
    """Write ready cells with XlsxWriter: by `write`, or by the method of the column's type."""
    book = Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet()
    formats = [book.add_format({"num_format": FORMATS[c.kind]}) if c.kind in FORMATS else None for c in COLUMNS]
    methods = {
        ColumnKind.TEXT: sheet.write_string,
        ColumnKind.MOMENT: sheet.write_datetime,
        ColumnKind.BOOLEAN: sheet.write_boolean,
    }
    writes: list[Callable[..., Any]] = [
        methods.get(column.kind, sheet.write_number) if typed else sheet.write for column in COLUMNS
    ]
    for index, column in enumerate(COLUMNS):
        sheet.write(0, index, column.title)
    for number, row in enumerate(rows, start=1):
        for index, cell in enumerate(row):
            writes[index](number, index, cell, formats[index])
    book.close()


def measure(quick: bool) -> list[Row]:
    """Measure both formats."""
    count, repeats = (10_000, 3) if quick else (100_000, 5)
    rows = invented(count)
    with own_folder() as folder:
        spooled = Spool(folder / "spool").write_rows("R", table(rows, count))
        held = table(rows, count)
        return [*_csv(held, spooled, rows, folder, repeats), *_xlsx(held, spooled, ready(rows), folder, repeats)]


def _csv(held: Table, spooled: Table, rows: list[list[Any]], folder: Path, repeats: int) -> list[Row]:
    ours, path = open_renderer("csv", {}), folder / "r.csv"
    mine, from_spool, plain = median_seconds(
        repeats,
        lambda: ours.render(held, path),
        lambda: ours.render(spooled, path),
        lambda: plain_csv(rows, path),
    )
    return _told("csv", len(rows), mine, from_spool, plain, "csv.writer.writerow", 2.5)


def _xlsx(held: Table, spooled: Table, cells: list[list[Any]], folder: Path, repeats: int) -> list[Row]:
    ours, path = open_renderer("xlsx", {}), folder / "r.xlsx"
    mine, from_spool, plain, typed = median_seconds(
        repeats,
        lambda: ours.render(held, path),
        lambda: ours.render(spooled, path),
        lambda: plain_xlsx(cells, path, typed=False),
        lambda: plain_xlsx(cells, path, typed=True),
    )
    rows = _told("xlsx", len(cells), mine, from_spool, plain, "XlsxWriter", 1.2)
    return [*rows, Row("xlsx beside typed calls", mine / typed, "x", beside=f"typed calls {typed:.2f} s")]


def _told(kind: str, count: int, mine: float, from_spool: float, plain: float, peer: str, limit: float) -> list[Row]:
    beside = f"ours {mine:.2f} s, {peer} {plain:.2f} s"
    return [
        Row(f"{kind}, {count:,} rows x {len(COLUMNS)} columns", mine / plain, "x", limit, beside=beside),
        Row(f"{kind}, rows read from the spool", from_spool / plain, "x", beside=f"ours {from_spool:.2f} s"),
    ]
