"""`scheduler init`: a configuration and a database, in a few questions."""

import os
from pathlib import Path

import click

from ..app import open_store
from ..config import load_config
from ..config.example import example
from ..errors import DeliveryError, UsageError
from ..lib.files import write_atomically
from .asking import can_ask
from .main import Context


@click.command()
@click.option("--smtp-host", help="Mail server; empty for files only.")
@click.pass_obj
def init(context: Context, smtp_host: str | None) -> int:
    """Write a configuration and create the database; nothing is ever overwritten."""
    path = context.config_path or _default_path()
    if path.exists():
        raise UsageError(f"{path} is there already.", hint="Edit it, or give another with --config.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines, folder = [], Path.home() / "reports"
    mail = _ask_mail(smtp_host, path)
    lines += mail
    if not mail:
        lines += ["[folder]", f'path = "{folder}"', ""]
    write_atomically(path, ("\n".join(lines) + "\n" + example()).encode(), mode=0o600)
    click.echo(f"Wrote    {path}")
    config = load_config(path, context.overrides)
    with open_store(config, create=True) as store:
        click.echo(f"Created  {store.target.shown.removeprefix('sqlite:')}")
        if not store.own:
            click.echo("Note     the app's tables are there; delivery is on hold until: scheduler go-live")
    if config.email is not None:
        _try_mail(config.email)
    click.echo("Next: scheduler shops add NAME.myshopify.com")
    return 0


def _default_path() -> Path:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "scheduler-daemon" / "config.toml"


def _ask_mail(host: str | None, path: Path) -> list[str]:
    if host is None:
        host = click.prompt("SMTP host (empty: files only)", default="", show_default=False) if can_ask() else ""
    if not host:
        return []
    name, _, port = host.partition(":")
    user = click.prompt("User", default="", show_default=False) if can_ask() else ""
    lines = ["[email]", f'host = "{name}"', f'from = "{user or "reports@localhost"}"']
    if port:
        lines.append(f"port = {int(port)}")
    if name in ("127.0.0.1", "localhost"):
        lines.append('security = "none"')
    if user:
        secret = path.with_name("smtp-password")
        password = click.prompt("Password (hidden)", hide_input=True, default="", show_default=False)
        write_atomically(secret, (password + "\n").encode(), mode=0o600)
        lines += [f'username = "{user}"', f'password_file = "{secret}"'] if password else []
        lines += ["", "[notices]", f'to = "{user}"']
    return [*lines, ""]


def _try_mail(options: object) -> None:
    from ..channels.email import Options, connect

    assert isinstance(options, Options)
    try:
        server = connect(options)
        server.quit()
    except DeliveryError as error:
        click.echo(f"Problem  {error.message}")
        click.echo(f"         {error.hint}")
        return
    how = {"starttls": "with STARTTLS", "tls": "with TLS", "none": "without encryption"}[options.security]
    click.echo(f"OK       signed in {how}.")
