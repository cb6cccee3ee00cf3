"""The few questions of `reports add` without flags; each is asked until its answer can be used."""

from collections.abc import Callable
from typing import Any

import click

from ..channels.address import parse_address
from ..errors import UsageError, with_hint
from ..model import Report
from ..renderers import open_renderer
from ..sources import TYPES, open_source
from ..store import Store
from ..when.comparison import COMPARISONS, NONE, check_comparison, read_comparison
from ..when.period import check_period
from ..when.spoken import read_words
from .asking import read_domain


def ask_all(store: Store, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the shop and *given* with the answers to the few questions of `reports add`."""
    known = [item.domain for item in store.shops.all()]
    listed = f" ({', '.join(known[:5])}{', …' if len(known) > 5 else ''})" if len(known) > 1 else ""
    shop = ask(f"Shop{listed}", read_domain, known[0] if known else None)
    answers = dict(given)
    answers["type_"] = ask(f"Type ({', '.join(TYPES)})", lambda text: open_source(text) and text)
    answers["period"] = ask("Period", _period, "last_week")
    answers["compare"] = ask(
        f"Compare with ({', '.join(COMPARISONS)}, {NONE})", lambda text: _comparison(text, answers["period"]), NONE
    )
    answers["format_"] = ask("Format", lambda text: open_renderer(text, {}) and text, "xlsx")
    answers["every"] = ask('When ("monday 08:00", "daily 07:30", cron text)', lambda text: read_words(text) and text)
    answers["to"] = ask("Send to", _addresses, "")
    return shop, answers


def ask(question: str, check: Callable[[str], Any], default: str | None = None) -> Any:
    """Ask *question* until *check* takes the answer; what it returns is the answer."""

    def proc(text: str) -> Any:
        try:
            return check(text.strip())
        except UsageError as error:
            raise click.UsageError(with_hint(error)) from None

    return click.prompt(question, default=default, show_default=bool(default), value_proc=proc)


def _period(text: str) -> str:
    if text == "custom":
        raise UsageError("A custom period is given by flags.", hint="reports add --period custom --from … --to-day …")
    check_period(Report("orders", "", period=text))
    return text


def _comparison(text: str, period: str) -> str:
    check_comparison(Report("orders", "", period=period, compare=read_comparison(text)))
    return text


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(parse_address(item) for item in text.replace(";", ",").split(",") if item.strip())
