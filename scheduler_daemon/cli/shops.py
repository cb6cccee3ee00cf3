"""`scheduler shops`: shops, looked at, paused and removed; `shop_access` adds and asks them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from ..app import delivery_mode
from ..lib.clock import iso, utc_now
from ..lib.words import plural, say_length
from ..model import Shop
from ..tick import Planner
from .asking import confirm, known_shop, opened, read_domain
from .context import Context
from .groups import Group, Whole, example
from .moments import zone_here
from .output import echo_json, facts, table
from .shop_access import add, check_shop, lacking_scopes, tell_shop


@click.group(cls=Group, epilog=example("shops add acme.myshopify.com", "shops list", "shops check acme.myshopify.com"))
def shops() -> None:
    """Add, list, check, pause and remove shops."""


shops.add_command(add)


@shops.command("list", epilog=example("shops list", "shops list --limit 500 --json"))
@click.option("--limit", default=100, show_default=True, type=Whole(1, 10_000), help="How many.")
@click.option("--after", default="", help="Go on behind this shop.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_shops(context: Context, limit: int, after: str, as_json: bool) -> None:
    """List the shops: zone, currency, when Shopify was asked."""
    behind = read_domain(after) if after else ""
    with opened(context) as store:
        found = [shop for shop in store.shops.all() if shop.domain > behind][: limit + 1]
        held, lost = store.leases.held_elsewhere(), store.leases.lost_elsewhere(utc_now())
        page, more = found[:limit], found[limit:]
        access = {shop.domain: store.sessions.find(shop.domain) is not None for shop in page}
    following = page[-1].domain if more else None
    if as_json:
        data = [{**_data(shop), "session": access[shop.domain], "holder": held.get(shop.domain)} for shop in page]
        echo_json("shops", data, next=following)
        return
    if not page:
        click.echo(
            "There is no shop. Next: scheduler shops add NAME.myshopify.com" if not after else "No shop follows."
        )
        return
    headers = ["shop", "name", "zone", "currency", "asked", "state"]
    table(headers, [_row(shop, access[shop.domain], _work(shop, held, lost)) for shop in page])
    if following:
        click.echo(f"More: scheduler shops list --after {following}")


def _work(shop: Shop, held: Mapping[str, str], lost: Mapping[str, datetime]) -> str:
    """Return whether somebody works for *shop*; one whose process is gone does not."""
    if shop.domain in lost:
        return f"process lost, taken over at {lost[shop.domain].astimezone(zone_here()):%H:%M:%S}"
    return "at work" if shop.domain in held else "ready"


def _row(shop: Shop, session: bool, work: str) -> tuple[str | None, ...]:
    asked = f"{say_length(utc_now() - shop.checked_at)} ago" if shop.checked_at else "never"
    state = work if session else "no session"
    if shop.paused_at:
        state = f"paused ({shop.paused_reason})" if shop.paused_reason else "paused"
    return (shop.domain, shop.name, shop.zone, shop.currency, asked, state)


@shops.command(epilog=example("shops show acme.myshopify.com"))
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, domain: str, as_json: bool) -> None:
    """Show what is known of DOMAIN."""
    with opened(context) as store:
        shop = known_shop(store, domain)
        session = store.sessions.find(domain)
        holder = store.leases.held_elsewhere([domain]).get(domain)
        reports = len(store.schedules.all(shop=domain))
    access = None if session is None else session.access.value
    ends = None if session is None or session.expires_at is None else session.expires_at
    if as_json:
        more = {"access": access, "token_expires_at": iso(ends) if ends else None, "holder": holder}
        echo_json("shop", {**_data(shop), **more, "reports": reports})
        return
    found = _data(shop)
    for name in ("checked_at", "paused_at"):
        moment = getattr(shop, name)
        found[name] = f"{moment.astimezone(UTC):%a %d %b %Y %H:%M} UTC" if moment else None
    until = f", its token ends {ends:%d %b %Y %H:%M} UTC" if ends else ""
    found["access"] = f"{access}{until}" if access else f"none; next: scheduler shops add {domain}"
    found |= {"reports": reports, "at work": holder}
    facts({name: value for name, value in found.items() if value is not None})


@shops.command("check", epilog=example("shops check acme.myshopify.com"))
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def check_shops(context: Context, domain: str, as_json: bool) -> None:
    """Ask Shopify about DOMAIN: name, zone, currency, plan, scopes."""
    read_domain(domain)
    with opened(context) as store:
        shop = check_shop(context, store, domain)
        seen = [item.schedule for item in store.schedules.all(shop=domain)]
    lacking = lacking_scopes(shop, [made.report for made in seen if made is not None and made.active])
    if as_json:
        echo_json("shop", {**_data(shop), "lacking": lacking})
        return
    tell_shop(shop)
    for told in lacking:
        click.echo(f"Note     {told}; grant the app the scope, then check again")


@shops.command(epilog=example("shops pause acme.myshopify.com --note 'moving house'"))
@click.argument("domain")
@click.option("--note", default="by hand", help="Why.")
@click.pass_obj
def pause(context: Context, domain: str, note: str) -> None:
    """Start no report of DOMAIN until it is resumed."""
    with opened(context) as store:
        known_shop(store, domain)
        done = store.shops.pause(domain, note, utc_now())
    click.echo(f"{'Paused' if done else 'Was paused already:'} {domain}. Next: scheduler shops resume {domain}")


@shops.command(epilog=example("shops resume acme.myshopify.com"))
@click.argument("domain")
@click.pass_obj
def resume(context: Context, domain: str) -> None:
    """Let the reports of DOMAIN go on."""
    with opened(context) as store:
        known_shop(store, domain)
        if store.shops.find(domain).paused_at is not None:  # what came due in the pause, unseen, does not run after it
            Planner(store, delivery_mode(context.config(), store)).queue_all_due(utc_now(), (domain, ""))
        done = store.shops.resume(domain)
    click.echo(f"{'Resumed' if done else 'Was not paused:'} {domain}")


@shops.command(epilog=example("shops remove acme.myshopify.com"))
@click.argument("domain")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, domain: str, yes: bool) -> None:
    """Forget the access of DOMAIN; its history stays."""
    with opened(context) as store:
        known_shop(store, domain)
        confirm(f"Remove the access of {domain}?", yes)
        gone = store.shops.remove(domain)
        left = len(store.schedules.all(shop=domain))
    click.echo(f"Removed {domain}: {plural(gone['sessions'], 'session')}")
    if left:
        click.echo(f"Note     {plural(left, 'report')} of it will be skipped: scheduler reports list --shop {domain}")


def _data(shop: Shop) -> dict[str, object]:
    return {
        "shop": shop.domain,
        "name": shop.name,
        "zone": shop.zone,
        "currency": shop.currency,
        "plan": shop.plan,
        "scopes": list(shop.scopes) if shop.scopes is not None else None,
        "checked_at": iso(shop.checked_at) if shop.checked_at else None,
        "paused_at": iso(shop.paused_at) if shop.paused_at else None,
        "paused_reason": shop.paused_reason or None,
    }
