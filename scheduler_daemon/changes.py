"""How a report's rows and totals differ from what they are compared with, in words: mails, pages and screens alike."""

from functools import partial

from .lib import figures, spans
from .model import About, Column, ColumnKind

#: What people call each comparison.
WORDS = {"previous_period": "the period before", "year_before": "the same period a year before"}


def amount(column: Column, text: str) -> str:
    """Return a total of *column* as people read it, without its unit: ``1,234.00``."""
    return figures.money(text, column.currency) if column.kind is ColumnKind.MONEY else figures.grouped(text)


def amount_with_unit(column: Column, text: str) -> str:
    """Return the same with the currency of money: ``1,234.00 EUR``."""
    unit = column.currency or "" if column.kind is ColumnKind.MONEY else ""
    return f"{amount(column, text)} {unit}".rstrip()


def change_of_rows(about: About) -> str:
    """Return how the number of rows changed: ``up 10.0 % from 180``; empty where nothing is compared."""
    return "" if about.compared is None else figures.change(about.row_count, about.compared.row_count)


def change_of(about: About, column: Column) -> str:
    """Return how the total of *column* changed: ``up 12.3 % from 1,098.75``; empty where it is not compared."""
    total = about.totals.get(column.key)
    before = None if about.compared is None else about.compared.totals.get(column.key)
    return "" if total is None or before is None else figures.change(total, before, partial(amount, column))


def compared_span(about: About) -> str:
    """Return the span that is compared with, in the report's zone: ``9 to 15 Nov 2026``; empty where none is."""
    if about.compared is None:
        return ""
    return spans.days(about.compared.period.start, about.compared.period.end, about.zone)


def in_brackets(change: str, about: About) -> str:
    """Return a *change* to stand behind its figure: ``(up 12.3 % from 1,098.75, 9 to 15 Nov 2026)``; empty for none."""
    return f"({change}, {compared_span(about)})" if change else ""
