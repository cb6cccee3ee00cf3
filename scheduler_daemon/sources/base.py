"""What a report type is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import RunError, UsageError
from ..lib.words import did_you_mean
from ..model import About, Column, ColumnKind, Period, Report, Shop, Table
from ..shopify.client import Client

#: How far back `read_orders` alone shows orders (Shopify docs: Order object).
REACH = timedelta(days=60)
ALL_ORDERS = "read_all_orders"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a source is asked for."""

    #: The report as asked for.
    report: Report
    #: What it is about.
    period: Period
    #: Whose.
    shop: Shop
    #: The shop's API.
    api: Client
    #: The moment that asked for it, UTC.
    due_at: datetime
    #: Now, UTC.
    made_at: datetime
    #: Called with the rows so far at least once a page; raises when the attempt is over.
    check: Callable[[int], None]


class Filters(BaseModel):
    """The filters of a report type; unknown ones are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Source(Protocol):
    """Where the rows of a report type come from; one class a type."""

    #: Its name in schedules ("orders").
    key: ClassVar[str]
    #: What people call it.
    title: ClassVar[str]
    #: Scopes without which it cannot work.
    scopes: ClassVar[tuple[str, ...]]
    #: Every column it has.
    columns: ClassVar[tuple[Column, ...]]
    #: The columns shown when none are chosen.
    default_columns: ClassVar[tuple[str, ...]]
    #: Its filters.
    filters: ClassVar[type[Filters]]

    def fetch(self, ask: Ask) -> Table:
        """Return the table, its rows still to be streamed; raise RunError."""


def choose_columns(source: Source, report: Report, currency: str | None) -> tuple[Column, ...]:
    """Return the chosen columns, renamed as asked; raise UsageError `unknown_column`."""
    known = {column.key: column for column in source.columns}
    chosen = report.columns or tuple((key, None) for key in source.default_columns)
    made = []
    for key, title in chosen:
        if key not in known:
            near = did_you_mean(key, known)
            message = f"The report type {source.key} has no column {key!r}.{near}"
            raise UsageError(message, code="unknown_column", hint=f"There are: {', '.join(known)}.")
        column = known[key]
        money = currency if column.kind is ColumnKind.MONEY else None
        made.append(replace(column, title=title or column.title, currency=money))
    return tuple(made)


def read_filters(source: Source, values: Mapping[str, Any]) -> Any:
    """Return the checked filters; raise UsageError `bad_filter` naming the one that is wrong."""
    try:
        return source.filters(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "filters"
        near = did_you_mean(name, source.filters.model_fields) if first["type"] == "extra_forbidden" else ""
        message = f"Filter {name!r} of {source.key}: {first['msg']}.{near}"
        hint = f"There are: {', '.join(source.filters.model_fields)}."
        raise UsageError(message, code="bad_filter", hint=hint) from None


def require_reach(start: datetime, scopes: Sequence[str] | None, now: datetime) -> None:
    """
    Refuse a period that begins before what `read_orders` shows, where `read_all_orders` is not granted.

    A short file that looks whole would be worse. Unknown scopes (None) pass here; the run asks the API first.
    """
    if scopes is None or ALL_ORDERS in scopes or start >= now - REACH:
        return
    raise RunError(
        f"The period begins on {start:%d %b %Y}; the token shows orders of the last 60 days only.",
        code="scope_missing",
        hint=f"Ask Shopify for the scope {ALL_ORDERS}, or choose a shorter period.",
    )


def about(ask: Ask, *, query: str, notes: Sequence[str] = ()) -> About:
    """Return the facts of a fetched table, its count and totals still to come."""
    shop = ask.shop
    return About(
        title=ask.report.title,
        report_type=ask.report.type,
        shop=shop.domain,
        shop_name=shop.name or shop.domain,
        period=ask.period,
        zone=ask.period.zone,
        currency=shop.currency,
        due_at=ask.due_at,
        made_at=ask.made_at,
        api_version=ask.api.served_version,
        query=" ".join(query.split()),
        complete_until=min(ask.period.end, ask.made_at),
        notes=tuple(notes),
    )
