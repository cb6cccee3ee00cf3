"""`scheduler shops add` and `check`: a shop's offline access, stored and tried. A token is never an argument."""

import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from ..errors import SchedulerError, UsageError
from ..lib.clock import utc_now
from ..lib.files import write_atomically
from ..lib.http import open_http
from ..lib.secret import Secret
from ..lib.words import plural
from ..model import Access, Report, Shop, StoredSession
from ..store import Store
from .asking import can_ask, opened, read_domain
from .context import Context
from .groups import example
from .init import quoted
from .output import short

#: Codes that say: this access is wrong, and storing it would not help.
REFUSED = ("token_refused", "token_expired", "shop_not_found")


@click.command(
    epilog=example(
        "shops add acme.myshopify.com",
        "shops add acme.myshopify.com --token-file /run/secrets/token",
        "shops add acme.myshopify.com --access client",
    )
)
@click.argument("domain")
@click.option("--access", type=click.Choice([item.value for item in Access]), help="Kind of access.")
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
    """
    Store the offline access of shop DOMAIN and ask Shopify about it.

    The token comes from a file, from standard input or from a prompt; it is never an argument.
    """
    read_domain(domain)
    with opened(context, create=True) as store:
        session = _session(context, domain, access, token_file, refresh_token_file)
        if no_check:
            store.sessions.save(session)
            click.echo(f"OK       {domain} stored, not tried; try it: scheduler shops check {domain}")
            return 0
        return _try(context, store, session)


def _try(context: Context, store: Store, session: StoredSession) -> int:
    """Ask Shopify with the new access and store it, unless it is refused: then what was stored before stands."""
    from ..shopify.check import check_shop as ask
    from ..shopify.client import Client
    from ..shopify.session import due_for_refresh

    settings = context.config().shopify
    if due_for_refresh(session, utc_now()):
        session = _refreshed(context, session)
        store.sessions.save(session)  # at once: the refresh token that was given is used up
    api = Client(
        session.shop,
        session.token,
        http=open_http(settings.proxy or None, settings.ca_file or None),
        base_url=settings.base_url,
        api_version=settings.api_version,
        timeout=settings.timeout.total_seconds(),
    )
    try:
        shop = ask(api, utc_now())
    except SchedulerError as error:
        if error.code in REFUSED:
            error.hint = "It was not stored. Give the token of this shop, as Shopify shows it."
        else:
            store.sessions.save(session)
            click.echo(f"Note     the access of {session.shop} is stored, but could not be tried", err=True)
        raise
    store.sessions.save(session)
    store.shops.learn(shop)
    tell_shop(shop)
    return 0


def _session(
    context: Context, domain: str, access: str | None, token_file: Path | None, refresh_file: Path | None
) -> StoredSession:
    if access is None and token_file is None and can_ask():
        question = "Access: 1 client id and secret (Dev Dashboard)  2 token"
        choice = click.prompt(question, default="1", type=click.Choice(["1", "2"]), show_choices=False)
        access = Access.CLIENT.value if choice == "1" else Access.TOKEN.value
    if access == Access.CLIENT:
        if token_file is not None or refresh_file is not None:
            raise UsageError("With --access client no token is given.", hint="Leave --token-file out.")
        return _client_session(context, domain)
    token = _read_secret(token_file, "Token")
    if access == Access.EXPIRING or refresh_file is not None:
        if refresh_file is None and not can_ask():
            raise UsageError("An expiring token needs its refresh token.", hint="Give --refresh-token-file.")
        refresh = _read_secret(refresh_file, "Refresh token")
        # When it ends is not known: treated as ending now, it is renewed at its first use.
        return StoredSession(domain, token, utc_now(), refresh, access=Access.EXPIRING)
    return StoredSession(domain, token)


def _refreshed(context: Context, session: StoredSession) -> StoredSession:
    from ..shopify.session import refresh

    settings = context.config().shopify
    return refresh(
        session,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        http=open_http(settings.proxy or None, settings.ca_file or None),
        base_url=settings.base_url,
        now=utc_now(),
    )


def _client_session(context: Context, domain: str) -> StoredSession:
    from ..shopify.session import refresh

    settings = context.config().shopify
    client_id, secret = settings.client_id, settings.client_secret
    fresh: tuple[str, Secret] | None = None
    if not client_id or secret is None:
        if not can_ask():
            raise UsageError(
                "The app's client id and secret are not known.",
                hint="Set shopify.client_id and shopify.client_secret_file.",
            )
        client_id = _one_word(click.prompt("Client id"), "Client id")
        secret = Secret(_one_word(click.prompt("Client secret", hide_input=True), "Client secret"))
        fresh = (client_id, secret)
    empty = StoredSession(domain, Secret(""), utc_now() - timedelta(days=1), access=Access.CLIENT)
    http = open_http(settings.proxy or None, settings.ca_file or None)
    made = refresh(
        empty, client_id=client_id, client_secret=secret, http=http, base_url=settings.base_url, now=utc_now()
    )
    if fresh is not None:
        _keep_client(context, *fresh)
    return made


def _keep_client(context: Context, client_id: str, secret: Secret) -> None:
    """Write the app's client id and secret down, so that the daemon can renew tokens; say so, or what to do."""
    file = context.config().source
    try:
        kept = file is not None and _add_client(file, client_id, secret)
    except OSError:
        kept = False
    if kept:
        click.echo(f"Kept     client id and secret in {short(str(file))}, so that the daemon can renew the token")
    else:
        click.echo("Note     set shopify.client_id and shopify.client_secret_file, so that the daemon can renew it")


def _add_client(file: Path, client_id: str, secret: Secret) -> bool:
    """Add the section [shopify] to the configuration; False where it has one, or the secret's file is there."""
    text, place = file.read_text(encoding="utf-8"), file.with_name("shopify-client-secret")
    if place.exists() or "shopify" in tomllib.loads(text):
        return False
    lines = ["[shopify]", f"client_id = {quoted(client_id)}", f"client_secret_file = {quoted(str(place))}", ""]
    section = "\n".join(lines)
    room = "\n# [shopify]\n"  # where `init` left it empty; options that are uncommented below it then belong to it
    text = text.replace(room, f"\n{section}\n", 1) if room in text else f"{text}\n{section}"
    write_atomically(place, (secret.reveal() + "\n").encode(), mode=0o600)
    write_atomically(file.resolve(), text.encode(), mode=file.stat().st_mode & 0o777)
    return True


def _read_secret(path: Path | None, name: str) -> Secret:
    if path is None:
        if can_ask():
            return Secret(_one_word(click.prompt(name, hide_input=True), name))
        path = Path("-")
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"The file {path} is no text.", hint=f"It holds the {name.lower()} and nothing else."
        ) from None
    except OSError as error:
        hint = "Check its owner and mode."
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.", hint=hint) from None
    return Secret(_one_word(text, name))


def _one_word(text: str, name: str) -> str:
    """Return the token in *text*; raise UsageError, which never repeats it, where it is none."""
    word = text.strip()
    if not word:
        raise UsageError(f"The {name.lower()} is empty.", hint="Give it on standard input, in a file, or when asked.")
    if not word.isascii() or not word.isprintable() or len(word.split()) > 1:
        message = f"The {name.lower()} has blanks, line breaks or other characters that no token has."
        raise UsageError(message, hint=f"Give the {name.lower()} and nothing else.")
    return word


def check_shop(context: Context, store: Store, domain: str) -> Shop:
    """Ask Shopify about the shop and write down what it says; raise SourceError, SessionError."""
    from ..access import ShopAccess

    config = context.config()
    known = store.shops.find(domain)
    store.shops.learn(replace(known, checked_at=None))
    _, shop = ShopAccess(config, store).open_shop(domain, utc_now(), time.sleep)
    return shop


def tell_shop(shop: Shop) -> None:
    """Print what Shopify said of a shop."""
    click.echo(f"OK       {shop.name}, {shop.zone}, {shop.currency}, scopes {', '.join(shop.scopes or ()) or 'none'}")
    if "read_all_orders" not in (shop.scopes or ()):
        click.echo("Note     orders older than 60 days need read_all_orders")


def lacking_scopes(shop: Shop, reports: Iterable[Report]) -> list[str]:
    """Return what the shop's token lacks for *reports*, as ends of sentences; judged by type and chosen columns."""
    from ..sources import TYPES, open_source
    from ..sources.base import missing_scopes

    lacking: Counter[tuple[str, str]] = Counter()
    for report in reports:
        if report.type in TYPES:
            missing = missing_scopes(open_source(report.type), report, shop.scopes)
            lacking.update((report.type, scope) for scope in missing)
    return [
        f"the token lacks {scope}, which {plural(count, 'report')} ({kind}) {'needs' if count == 1 else 'need'}"
        for (kind, scope), count in lacking.items()
    ]
