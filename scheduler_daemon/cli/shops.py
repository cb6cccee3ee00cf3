"""`scheduler shops`: shops and their access."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from ..errors import UsageError
from ..lib.clock import iso, utc_now
from ..lib.secret import Secret
from ..model import Access, Shop, StoredSession
from ..store import Store
from .asking import can_ask, opened, read_domain
from .main import Context
from .output import echo_json, table


@click.group()
def shops() -> None:
    """Add, list, check, pause and remove shops."""


@shops.command()
@click.argument("domain")
@click.option("--access", type=click.Choice(["token", "expiring", "client"]), help="Kind of access.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token; - is standard input.")
@click.option("--refresh-token-file", type=click.Path(path_type=Path), help="File with the refresh token.")
@click.option("--no-check", is_flag=True, help="Do not ask Shopify now.")
@click.pass_obj
def add(
    context: Context,
    domain: str,
    access: str | None,
    token_file: Path | None,
    refresh_token_file: Path | None,
    no_check: bool,
) -> int:
    """Store the offline access of shop DOMAIN and ask Shopify about it. A token is never an argument."""
    read_domain(domain)
    with opened(context, create=True) as store:
        session = _session(context, domain, access, token_file, refresh_token_file)
        store.sessions.save(session)
        return 0 if no_check else _check(context, store, domain)


def _session(
    context: Context, domain: str, access: str | None, token_file: Path | None, refresh_file: Path | None
) -> StoredSession:
    if access is None and token_file is None and can_ask():
        choice = click.prompt("Access: 1 client id and secret (Dev Dashboard)  2 token", default="1")
        access = "client" if choice == "1" else "token"
    if access == "client":
        return _client_session(context, domain)
    token = _read_secret(token_file, "Token")
    if access == "expiring" or refresh_file is not None:
        if refresh_file is None and not can_ask():
            raise UsageError("An expiring token needs its refresh token.", hint="Give --refresh-token-file.")
        refresh = _read_secret(refresh_file, "Refresh token")
        # When it ends is not known: treated as ending now, it is renewed at its first use.
        return StoredSession(domain, token, utc_now(), refresh, access=Access.EXPIRING)
    return StoredSession(domain, token)


def _client_session(context: Context, domain: str) -> StoredSession:
    from ..lib.http import open_http
    from ..shopify.session import refresh

    settings = context.config().shopify
    client_id, secret = settings.client_id, settings.client_secret
    if not client_id or secret is None:
        if not can_ask():
            raise UsageError(
                "The app's client id and secret are not known.",
                hint="Set shopify.client_id and shopify.client_secret_file.",
            )
        client_id = click.prompt("Client id")
        secret = Secret(click.prompt("Client secret", hide_input=True))
        click.echo("Note     set shopify.client_id and shopify.client_secret_file, so that the daemon can renew it")
    empty = StoredSession(domain, Secret(""), utc_now() - timedelta(days=1), access=Access.CLIENT)
    http = open_http(settings.proxy or None, settings.ca_file or None)
    return refresh(
        empty, client_id=client_id, client_secret=secret, http=http, base_url=settings.base_url, now=utc_now()
    )


def _read_secret(path: Path | None, name: str) -> Secret:
    if path is None:
        if can_ask():
            return Secret(click.prompt(name, hide_input=True).strip())
        path = Path("-")
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.") from None
    if not text.strip():
        raise UsageError(f"The {name.lower()} is empty.", hint="Give it on standard input, in a file, or when asked.")
    return Secret(text.strip())


def _check(context: Context, store: Store, domain: str) -> int:
    from ..prepare import Kitchen
    from ..spool import Spool

    config = context.config()
    known = store.shops.find(domain)
    store.shops.learn(replace(known, checked_at=None))
    kitchen = Kitchen(config, store, Spool(config.spool_dir))
    import time

    _, shop = kitchen.open_shop(domain, utc_now(), time.sleep)
    scopes = ", ".join(shop.scopes or ()) or "none"
    click.echo(f"OK       {shop.name}, {shop.zone}, {shop.currency}, scopes {scopes}")
    if "read_all_orders" not in (shop.scopes or ()):
        click.echo("Note     orders older than 60 days need read_all_orders")
    return 0


@shops.command("check")
@click.argument("domain")
@click.pass_obj
def check_shops(context: Context, domain: str) -> int:
    """Ask Shopify about DOMAIN: name, zone, currency, plan, granted scopes."""
    read_domain(domain)
    with opened(context) as store:
        return _check(context, store, domain)


@shops.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_shops(context: Context, as_json: bool) -> None:
    """List the shops."""
    with opened(context) as store:
        found = store.shops.all()
    if as_json:
        echo_json("shops", [_data(shop) for shop in found])
        return
    rows = [(s.domain, s.name, s.zone, s.currency, "paused" if s.paused_at else "") for s in found]
    table(["shop", "name", "zone", "currency", "state"], rows)


@shops.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, domain: str, as_json: bool) -> None:
    """Show what is known of DOMAIN."""
    with opened(context) as store:
        shop = _known(store, domain)
    if as_json:
        echo_json("shop", _data(shop))
        return
    for key, value in _data(shop).items():
        click.echo(f"{key:14} {', '.join(value) if isinstance(value, list) else value if value is not None else ''}")


@shops.command()
@click.argument("domain")
@click.option("--note", default="by hand", help="Why.")
@click.pass_obj
def pause(context: Context, domain: str, note: str) -> None:
    """Start no report of DOMAIN until it is resumed."""
    with opened(context) as store:
        _known(store, domain)
        done = store.shops.pause(domain, note, utc_now())
    click.echo(f"{'Paused' if done else 'Was paused already:'} {domain}. Next: scheduler shops resume {domain}")


@shops.command()
@click.argument("domain")
@click.pass_obj
def resume(context: Context, domain: str) -> None:
    """Let the reports of DOMAIN go on."""
    with opened(context) as store:
        _known(store, domain)
        done = store.shops.resume(domain)
    click.echo(f"{'Resumed' if done else 'Was not paused:'} {domain}")


@shops.command()
@click.argument("domain")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, domain: str, yes: bool) -> None:
    """Forget the access of DOMAIN; its history stays."""
    with opened(context) as store:
        _known(store, domain)
        if not yes:
            click.confirm(f"Remove the access of {domain}?", abort=True)
        gone = store.shops.remove(domain)
    click.echo(f"Removed {domain}: {gone['sessions']} session(s)")


def _known(store: Store, domain: str) -> Shop:
    read_domain(domain)
    found = next((shop for shop in store.shops.all() if shop.domain == domain), None)
    if found is None:
        from ..lib.words import did_you_mean

        near = did_you_mean(domain, [shop.domain for shop in store.shops.all()])
        hint = f"Add it: scheduler shops add {domain}"
        raise UsageError(f"There is no shop {domain}.{near}", code="unknown_shop", hint=hint)
    return found


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
