"""What a report type is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import RunError, UsageError
from ..lib.figures import MINOR_UNITS
from ..lib.words import did_you_mean
from ..lib.zones import find_zone
from ..model import About, Column, ColumnKind, Period, Report, Row, Shop, Table
from ..shopify.answers import lacks_access
from ..shopify.check import granted_scopes
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
    #: Whether one page of orders is enough: a preview.
    first_page: bool = False


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
    #: What single columns need besides.
    column_scopes: ClassVar[Mapping[str, str]]
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
        message = f"The filter {name} of {source.key} cannot be {first['input']!r}: it is {_kind_of(first)}."
        if first["type"] == "extra_forbidden":
            near = did_you_mean(name, source.filters.model_fields)
            message = f"The report type {source.key} has no filter {name!r}.{near}"
        hint = f"There are: {', '.join(source.filters.model_fields)}."
        raise UsageError(message, code="bad_filter", hint=hint) from None


def _kind_of(problem: Any) -> str:
    """Return in words what a value had to be, from a problem that pydantic found."""
    if problem["type"].startswith("bool"):
        return "true or false"
    return str(problem["ctx"]["expected"]).removeprefix("'', ") if problem["type"] == "literal_error" else "a text"


def missing_scopes(source: Source, report: Report, scopes: Sequence[str] | None) -> dict[str, list[str]]:
    """
    Return each scope that *report* needs and a token with *scopes* has not, with the columns that need it (or none).

    The right to write contains the right to read (Shopify docs: access scopes). Unknown scopes (None) lack nothing.
    """
    if scopes is None:
        return {}
    needed: dict[str, list[str]] = {scope: [] for scope in source.scopes}
    for key in [key for key, _ in report.columns] or source.default_columns:
        if key in source.column_scopes:
            needed.setdefault(source.column_scopes[key], []).append(key)
    return {
        scope: columns
        for scope, columns in needed.items()
        if not {scope, f"write_{scope.removeprefix('read_')}"} & set(scopes)
    }


def require_scopes(source: Source, report: Report, shop: Shop) -> None:
    """Raise SourceError `scope_missing`, as the run would, where the shop's token is known to lack a scope."""
    missing = missing_scopes(source, report, shop.scopes)
    told = [f"{scope} (for {', '.join(columns)})" if columns else scope for scope, columns in missing.items()]
    if told:
        raise lacks_access(shop.domain, f"{', '.join(told)}.")


def require_reach(period: Period, scopes: Sequence[str] | None, now: datetime) -> None:
    """
    Refuse a period that begins before what `read_orders` shows, where `read_all_orders` is not granted.

    A short file that looks whole would be worse. Unknown scopes (None) pass here; the run asks the API first.
    """
    if scopes is None or ALL_ORDERS in scopes or period.start >= now - REACH:
        return
    first = period.start.astimezone(find_zone(period.zone))
    raise RunError(
        f"The period begins on {first:%d %b %Y}; the token shows orders of the last 60 days only.",
        code="scope_missing",
        hint=f"Ask Shopify for the scope {ALL_ORDERS}, or choose a shorter period.",
    )


def require_reach_now(ask: Ask) -> tuple[str, ...]:
    """
    Refuse a period that the token cannot show whole at this moment; return the scopes it has, as far as known.

    A period that was in reach when it was asked for may be beyond it when a late run comes to it; and what was learned
    of the token's scopes may be a day old, so for a period that needs `read_all_orders` Shopify is asked.
    """
    scopes = ask.shop.scopes
    if scopes is None or ask.period.start < ask.made_at - REACH:
        scopes = granted_scopes(ask.api)
    require_reach(ask.period, scopes, ask.made_at)
    return scopes


def digits_of(currency: str | None) -> int:
    """Return the decimals that amounts of *currency* have."""
    return MINOR_UNITS.get(currency or "", 2)


def padded(amount: str, digits: int) -> str:
    """
    Return Shopify's decimal text with the usual number of decimals: ``12.3`` as ``12.30``, ``1200.0`` JPY as ``1200``.

    Nothing is rounded: decimals beyond the usual number stay where they are not zero.
    """
    whole, _, part = amount.partition(".")
    if len(part) > digits:
        part = part[:digits] + part[digits:].rstrip("0")
    return f"{whole}.{part:0<{digits}}" if part or digits else whole


def begun(rows: Iterator[Row]) -> Iterator[Row]:
    """Return *rows* with the first one fetched: an error comes now, and the API has said which version it serves."""
    for first in rows:
        return chain([first], rows)
    return iter(())


def search_end(moment: datetime) -> datetime:
    """Return *moment* for a search, which knows whole seconds: a part of a second counts as a whole one."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


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
