"""The comparison of a report: the same report over an earlier span, its rows counted and summed, none of them kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from .errors import RunError, SourceError
from .model import Compared, Period, Report
from .sources import open_source
from .sources.base import Ask, require_reach
from .tablefile import Tally
from .when.comparison import find_comparison


def fetch_compared(ask: Ask, now: datetime) -> Compared | None:
    """
    Return what the report of *ask* says of the span that its period is compared with; None where with nothing.

    Same type, filters and columns; the span is made of the run's own period and bounded in its zone. It costs as much
    as the report itself. *now* is UTC. Raise what the source raises: RunError and its kinds, UsageError.
    """
    report, period = ask.report, find_comparison(ask.report, ask.period)
    if period is None:
        return None
    with _way_out():
        table = open_source(report.type).fetch(replace(ask, period=period, made_at=now))
        tally = Tally(table.columns)
        for _ in tally.passing(table.rows):
            pass
    return Compared(report.compare, period, tally.row_count, tally.totals)


def require_whole(report: Report, period: Period, scopes: Sequence[str] | None, now: datetime) -> None:
    """
    Refuse a report whose *period*, or what that is compared with, begins before what the token shows.

    Raise RunError `scope_missing`, or UsageError for a comparison that does not exist.
    """
    require_reach(period, scopes, now)
    compared = find_comparison(report, period)
    if compared is not None:
        with _way_out():
            require_reach(compared, scopes, now)


@contextmanager
def _way_out() -> Iterator[None]:
    """Say of a span beyond what the token shows that it is the comparison's, and how to go without."""
    try:
        yield
    except RunError as error:
        if error.code != "scope_missing" or isinstance(error, SourceError):  # of the source: not for the span's sake
            raise
        message = f"What it is compared with cannot be shown. {error.message}"
        hint = f"{error.hint} Or compare with nothing: scheduler reports edit REPORT --compare none"
        raise RunError(message, code=error.code, hint=hint) from error
