"""
The simple bars of a page: an amount by hour, day, week, month or year, else the largest rows.

By time is what people want of orders; it is drawn where a moment or a day stands in every row and lies in the period.
The rows pass once, and only sums and the largest few are kept. Sums are decimals; a bar's width is a share of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import heappush, heappushpop

from ..lib import figures, spans
from ..lib.zones import find_zone
from ..model import Cell, Column, ColumnKind, Row, Table
from .base import title_of

#: How many of the largest rows are drawn.
LARGEST = 10
#: How many text columns may name a row.
NAMES = 3
#: The step of the bars by the number of days in the period: the first that is not exceeded.
STEPS = ((1, "hour"), (31, "day"), (100, "week"), (1100, "month"))
HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)
ZERO = Decimal(0)

KEYS: dict[str, Callable[[datetime], datetime]] = {
    "hour": lambda at: at.replace(minute=0),
    "day": lambda at: at.replace(hour=0, minute=0),
    "week": lambda at: at.replace(hour=0, minute=0) - timedelta(days=at.weekday()),
    "month": lambda at: at.replace(day=1, hour=0, minute=0),
    "year": lambda at: at.replace(month=1, day=1, hour=0, minute=0),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, its amount as shown, and where it lies, in percent of the width."""

    name: str
    value: str
    left: Decimal
    width: Decimal
    #: Whether the amount is below zero.
    low: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, with what they show in words."""

    #: What stands above them.
    title: str
    #: How the rows are counted, as a sentence.
    said: str
    #: What one bar is: "Day", "Product".
    part: str
    #: The bars, in order.
    bars: tuple[Bar, ...]
    #: Key of the column whose amounts they are; None where rows are counted.
    key: str | None
    #: Whether each bar is a span of time.
    by_time: bool


class ByTime:
    """Sums a column (or counts rows) by the hour, day, week, month or year of the table's first moment."""

    def __init__(self, table: Table, when: int, amount: int | None) -> None:
        self.table, self.when, self.amount = table, when, amount
        period = table.about.period
        self.zone = find_zone(table.about.zone)
        self.start, self.end = period.start, period.end
        #: The days that the bars begin and end with; what is still to come has no bar.
        complete = min(period.end, max(table.about.complete_until or period.end, period.start + timedelta(seconds=1)))
        self.first, self.last = self._local(period.start), self._local(complete - timedelta(microseconds=1))
        number = (self.last.date() - self.first.date()).days + 1
        self.step = next((step for most, step in STEPS if number <= most), "year")
        self.sums: dict[datetime, Decimal] = {}
        self.fits = True

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, second=0, microsecond=0)

    def add(self, row: Row) -> None:
        """Count *row*; one whose moment is missing or lies outside the period makes the picture unfit."""
        local = self._moment(row[self.when])
        if local is None:
            self.fits = False
            return
        key = KEYS[self.step](local)
        value = Decimal(1) if self.amount is None else _decimal(row[self.amount])
        self.sums[key] = self.sums.get(key, ZERO) + value

    def _moment(self, cell: Cell) -> datetime | None:
        if not cell:
            return None
        found = datetime.fromisoformat(str(cell))
        if found.tzinfo is None:  # a day, or wall time in the report's zone
            return found if self.first.date() <= found.date() <= self.last.date() else None
        return self._local(found) if self.start <= found < self.end else None

    def chart(self) -> Chart | None:
        """Return the bars, those of empty hours or days included; None where there is nothing to see."""
        if not self.fits or not self.sums:
            return None
        sums = dict.fromkeys(self._keys(), ZERO) | self.sums
        column = None if self.amount is None else self.table.columns[self.amount]
        title = f"{'Rows' if column is None else title_of(column)} by {self.step}"
        moment, zone = self.table.columns[self.when].title, spans.place(self.table.about.zone)
        said = f"Every row counts, by the {self.step} in “{moment}” ({zone} time)."
        named = [(self._name(key), value) for key, value in sorted(sums.items())]
        return _chart(title, said, self.step.capitalize(), named, column, by_time=True)

    def _keys(self) -> list[datetime]:
        """Return the keys of all bars in order; hours are walked in UTC, since a local one may be missing."""
        last, made = KEYS[self.step](self.last), []
        moment, pace = (self.start, HALF_HOUR) if self.step == "hour" else (self.first, DAY)
        while (key := KEYS[self.step](self._local(moment) if moment.tzinfo else moment)) < last:
            made.append(key)
            moment += pace
        return [*made, last]

    def _name(self, key: datetime) -> str:
        if self.step == "week":
            first, last = max(key, self.first).date(), min(key + 6 * DAY, self.last).date()
            return spans.span(first, last, year=False)
        texts = {"hour": "%H:%M", "day": f"%a {key.day} %b", "month": "%b %Y", "year": "%Y"}
        return key.strftime(texts[self.step])


class Largest:
    """Keeps the rows with the largest amounts, whatever their sign."""

    def __init__(self, table: Table, amount: int, names: Sequence[int]) -> None:
        self.table, self.amount, self.names = table, amount, names
        self._heap: list[tuple[Decimal, int, Row]] = []
        self._seen = 0

    def add(self, row: Row) -> None:
        """Look at *row*; of equal amounts the earlier stays."""
        self._seen += 1
        item = (abs(_decimal(row[self.amount])), -self._seen, row)
        if len(self._heap) < LARGEST:
            heappush(self._heap, item)
        else:
            heappushpop(self._heap, item)

    def chart(self) -> Chart | None:
        """Return the bars from the largest amount down; None where all are zero."""
        rows = [row for _, _, row in sorted(self._heap, key=lambda item: item[:2], reverse=True)]
        rows.sort(key=lambda row: _decimal(row[self.amount]), reverse=True)
        column = self.table.columns[self.amount]
        of = f"the {len(rows)} largest amounts of {self._seen:,} rows" if self._seen > len(rows) else "all rows"
        named = list(zip(self._names(rows), (_decimal(row[self.amount]) for row in rows), strict=True))
        part = self.table.columns[self.names[0]].title
        return _chart(title_of(column), f"Shown are {of}.", part, named, column, by_time=False)

    def _names(self, rows: list[Row]) -> list[str]:
        """Return the rows' names: the first text column, with the next where that is the same for two."""
        made: list[str] = []
        for count in range(1, min(NAMES, len(self.names)) + 1):
            chosen = self.names[:count]
            made = [" · ".join(str(row[i]) for i in chosen if row[i]) or "(no name)" for row in rows]
            if len(set(made)) == len(made):
                break
        return made


class Picture:
    """Chooses the bars of a table while its rows pass."""

    def __init__(self, table: Table) -> None:
        amount = _amount_of(table.columns)
        when = _first(table.columns, ColumnKind.MOMENT, ColumnKind.DATE)
        names = [i for i, column in enumerate(table.columns) if column.kind is ColumnKind.TEXT]
        self._by_time = None if when is None else ByTime(table, when, amount)
        self._largest = None if amount is None or not names else Largest(table, amount, names)

    def add(self, row: Row) -> None:
        """Take one row into account."""
        if self._by_time is not None and self._by_time.fits:
            self._by_time.add(row)
        if self._largest is not None:
            self._largest.add(row)

    def chart(self) -> Chart | None:
        """Return the bars by time where the rows allow it, else the largest rows, else None."""
        made = self._by_time.chart() if self._by_time is not None else None
        if made is None and self._largest is not None:
            made = self._largest.chart()
        return made


def shown(column: Column | None, value: Cell | Decimal) -> str:
    """Return a number as the page shows it; *column* None for a count."""
    if column is not None and column.kind is ColumnKind.MONEY:
        return figures.money(value, column.currency)
    if column is not None and column.kind is ColumnKind.PERCENT:
        return f"{figures.grouped(value)} %"
    return figures.grouped(value)


def _chart(
    title: str, said: str, part: str, named: list[tuple[str, Decimal]], column: Column | None, *, by_time: bool
) -> Chart | None:
    values = [value for _, value in named]
    low, high = min([ZERO, *values]), max([ZERO, *values])
    if low == high:
        return None
    bars = []
    for name, value in named:
        left, right = ((end - low) * 100 / (high - low) for end in sorted((value, ZERO)))
        width = max(right - left, Decimal("0.3")) if value else ZERO
        bars.append(Bar(name, shown(column, value), round(left, 2), round(width, 2), value < 0))
    return Chart(title, said, part, tuple(bars), column.key if column is not None else None, by_time)


def _amount_of(columns: Sequence[Column]) -> int | None:
    """Return the column whose amounts are drawn: the last one of money with a total, else the last with a total."""
    summed = [i for i, column in enumerate(columns) if column.total]
    money = [i for i in summed if columns[i].kind is ColumnKind.MONEY]
    return next(iter([*money[::-1], *summed[::-1]]), None)


def _first(columns: Sequence[Column], *kinds: ColumnKind) -> int | None:
    return next((i for i, column in enumerate(columns) if column.kind in kinds), None)


def _decimal(cell: Cell) -> Decimal:
    return ZERO if cell is None or cell == "" else Decimal(str(cell))
