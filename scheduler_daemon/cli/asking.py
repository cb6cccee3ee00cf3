"""What several commands need: an open store, checked values."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..app import delivery_mode, open_store
from ..config import Config
from ..errors import UsageError
from ..lib.words import closed, did_you_mean
from ..model import DOMAIN, Schedule, Shop
from ..store import SeenSchedule, Store
from .context import Context
from .output import short

#: More names than these are not searched for a near miss.
NAMES = 2000


@contextmanager
def opened(context: Context, *, create: bool = False) -> Iterator[Store]:
    """Open the configured database for one command; with -v say which it is."""
    from ..logs import configure

    config = context.config()
    configure("warning", config.log.format)
    with open_store(config, create=create) as store:
        if context.verbose:
            announce(config, store)
        yield store


def announce(config: Config, store: Store) -> None:
    """Say on standard error which database is used and whether reports leave."""
    click.echo(which(config, store), err=True)


def which(config: Config, store: Store) -> str:
    """Return the line that says which database is used and whether reports leave."""
    mode = delivery_mode(config, store)
    to = f" to {config.delivery.redirect_to}" if mode == "redirect" else ""
    return f"Database {short(store.target.shown)}, delivery {mode}{to}"


def read_domain(text: str) -> str:
    """Return *text* if it is exactly a shop's domain; raise UsageError `unknown_shop`."""
    if not DOMAIN.fullmatch(text):
        raise UsageError(
            f"{text!r} is no shop's domain.",
            code="unknown_shop",
            hint="Write it exactly like name.myshopify.com.",
        )
    return text


def known_shop(store: Store, domain: str) -> Shop:
    """Return the shop *domain*, which has a session, a schedule or a row of ours; raise UsageError `unknown_shop`."""
    read_domain(domain)
    shops = store.shops.all()
    found = next((shop for shop in shops if shop.domain == domain), None)
    if found is None:
        near = did_you_mean(domain, [shop.domain for shop in shops])
        hint = f"Add it: scheduler shops add {domain}"
        raise UsageError(f"There is no shop {domain}.{near}", code="unknown_shop", hint=hint)
    return found


def find_report(store: Store, wanted: str) -> SeenSchedule:
    """
    Return the schedule that *wanted* means: its id, the beginning of it, or its name, however it is written.

    Raise UsageError `unknown_schedule`, with the nearest name.
    """
    if not wanted.strip():
        raise UsageError("The report's id or name is empty.", hint="List them with: scheduler reports list")
    try:
        return store.schedules.find(wanted)
    except UsageError as error:
        if "fits several" in error.message:
            raise
        known = store.schedules.all(limit=NAMES)
        same = [item for item in known if _slug(item.name) == _slug(wanted)]
        if len(same) == 1:
            return same[0]
        if same:
            listed = ", ".join(f"{item.id} ({item.name}, {item.shop})" for item in same[:5])
            hint = "Give the whole id."
            raise UsageError(f"{wanted!r} fits several: {listed}.", code=error.code, hint=hint) from None
        near = did_you_mean(wanted, {item.name for item in known})
        raise UsageError(f"There is no report {wanted!r}.{near}", code=error.code, hint=error.hint) from None


def same_name(store: Store, shop: str, name: str, own: str = "") -> str:
    """Return the sentence that another schedule of *shop* than *own* has *name*, with its id; empty where none has."""
    found = [item for item in store.schedules.all(shop=shop, limit=NAMES) if _slug(item.name) == _slug(name)]
    others = [item for item in found if item.id != own]
    if not others:
        return ""
    return f"{shop} has a report {others[0].name!r} already ({others[0].id}{', and more' if len(others) > 1 else ''})."


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


def readable(seen: SeenSchedule) -> Schedule:
    """Return the schedule of a row that can be read; raise UsageError with what is wrong with it."""
    if seen.schedule is None:
        message = closed(f"The report {seen.name} cannot be read: {seen.problem}")
        raise UsageError(message, code=seen.problem_code, hint=f"See: scheduler reports why {seen.id}")
    return seen.schedule


def can_ask() -> bool:
    """Whether somebody is there to answer questions."""
    return sys.stdin.isatty()


def confirm(question: str, yes: bool) -> None:
    """Ask *question* unless *yes*; abort on no; raise UsageError where nobody is there to answer."""
    if yes:
        return
    if not can_ask():
        raise UsageError("Nobody is there to confirm.", hint="Run it on a terminal, or with --yes.")
    click.confirm(question, abort=True)
