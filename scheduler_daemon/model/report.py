"""What is told: a report, its period, its table and the file made of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

#: One value of a table. Money and decimals are decimal text ("12.30"), so that no figure
#: passes through a binary float; moments are ISO-8601 text in UTC ("2026-11-23T10:00:00Z");
#: dates are ISO text ("2026-11-23").
Cell = str | int | bool | None

#: One row: as many cells as the table has columns, in their order.
Row = Sequence[Cell]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class ColumnKind(StrEnum):
    """What the cells of a column are; decides type and format in a file."""

    #: Any text; never guessed to be a number, a date or a formula.
    TEXT = "text"
    #: A whole number.
    INTEGER = "integer"
    #: A number with a fraction, as decimal text.
    DECIMAL = "decimal"
    #: An amount in the column's currency, as decimal text.
    MONEY = "money"
    #: A share, as decimal text of the percentage ("12.5" is 12.5 %).
    PERCENT = "percent"
    #: A moment, as ISO-8601 text in UTC; files show it in the report's zone.
    MOMENT = "moment"
    #: A day, as ISO text.
    DATE = "date"
    #: Yes or no.
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    #: Stable name of the column ("net_sales"); what a report's options name.
    key: str
    #: What the reader sees above the column.
    title: str
    #: What its cells are.
    kind: ColumnKind = ColumnKind.TEXT
    #: Whether the sum of the column means something and is shown.
    total: bool = False
    #: ISO code of the currency of a money column; None for others.
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open span [start, end) that a report is about."""

    #: Its name in the report's options ("last_week", "custom").
    name: str
    #: First moment inside, UTC.
    start: datetime
    #: First moment after, UTC.
    end: datetime
    #: IANA name of the zone whose midnights bound it.
    zone: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a schedule asks to be told, as it stood when the run was queued."""

    #: Our name of the report type ("orders", "sales-by-product").
    type: str
    #: What people call it ("Weekly Sales").
    title: str
    #: Kind of the renderer ("csv", "xlsx", "html").
    format: str = "csv"
    #: Name of the period, or "custom" with *period_from* and *period_to*.
    period: str = "yesterday"
    #: First day of a custom period, ISO date; None for others.
    period_from: str | None = None
    #: Last day of a custom period (included), ISO date; None for others.
    period_to: str | None = None
    #: First day of the week by name ("sunday"), for periods of weeks; empty is the shop's, else the setting's.
    week_start: str = ""
    #: What its totals are compared with ("previous_period", "year_before"); empty is nothing.
    compare: str = ""
    #: Chosen columns as (key, title or None), in order; empty means the type's default.
    columns: tuple[tuple[str, str | None], ...] = ()
    #: Filters, checked by the model of the report type.
    filters: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    #: Options of the renderer, checked by its model.
    format_options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    #: When it is sent, checked by `condition.py`; empty means always.
    condition: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the same report said of the span that a report is compared with."""

    #: The comparison's name in the report's options ("previous_period", "year_before").
    word: str
    #: The span it is about, named as the report's own.
    period: Period
    #: Number of rows there.
    row_count: int
    #: Sums of the columns marked *total* there, as decimal text by column key.
    totals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class About:
    """The facts that each file and mail carries about itself."""

    #: What people call the report.
    title: str
    #: Our name of the report type.
    report_type: str
    #: Domain of the shop.
    shop: str
    #: The shop's own name; its domain where it is not known.
    shop_name: str
    #: What the report is about.
    period: Period
    #: IANA name of the zone in which moments are shown.
    zone: str
    #: ISO code of the shop's currency; None where it is not known.
    currency: str | None
    #: The moment that asked for the report, UTC.
    due_at: datetime
    #: When the rows were fetched, UTC.
    made_at: datetime
    #: The API version that answered ("2026-10"); None for sources without one.
    api_version: str | None = None
    #: The query that was asked, as text.
    query: str | None = None
    #: Number of rows in the table.
    row_count: int = 0
    #: Sums of the columns marked *total*, as decimal text by column key.
    totals: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    #: Up to when the figures are complete, UTC; the earlier of the period's end and *made_at*.
    complete_until: datetime | None = None
    #: Whole sentences that the reader must know (a limit, a missing scope, a clamp).
    notes: tuple[str, ...] = ()
    #: Why the report is late, as the end of "late because ..."; None when it is on time.
    late_because: str | None = None
    #: What its rows and totals are compared with; None where with nothing.
    compared: Compared | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows as fetched, before any format; rows may be read once only."""

    #: The columns, in order.
    columns: tuple[Column, ...]
    #: The rows, streamed: holding them all is a mistake.
    rows: Iterable[Row]
    #: The facts. *row_count* and *totals* are right once the rows were spooled.
    about: About


@dataclass(frozen=True, slots=True)
class ReportFile:
    """The finished file in the spool."""

    #: Where it lies.
    path: Path
    #: The name that people see ("weekly-sales-2026-11-16.xlsx").
    name: str
    #: Its media type ("text/csv").
    media_type: str
    #: Size in bytes.
    size: int
    #: SHA-256 of its bytes, hexadecimal.
    sha256: str
    #: The facts it carries.
    about: About
    #: The columns it shows, for whoever tells its totals in words.
    columns: tuple[Column, ...] = ()
