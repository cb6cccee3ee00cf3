"""`scheduler init`: a configuration and a database, in a few questions."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..app import find_target, open_store
from ..channels.address import parse_address
from ..channels.email import Options, connect
from ..channels.smtp import PORTS
from ..config import Config, load_config
from ..config.example import example as example_file
from ..config_light import config_home, find_config_file, is_there
from ..errors import DeliveryError, UsageError
from ..lib.files import home_folder, write_atomically
from ..lib.secret import Secret
from .asking import announce, can_ask
from .context import Context
from .groups import example
from .output import plain, short
from .report_questions import ask

#: Hosts to which mail may go in the clear.
LOCAL = ("127.0.0.1", "::1", "localhost")
SECURITY = {"starttls": "with STARTTLS", "tls": "with TLS", "none": "without encryption"}


@dataclass(frozen=True, slots=True)
class Mail:
    """What was answered about the mail server."""

    host: str
    port: int = 0
    sender: str = "reports@localhost"
    username: str = ""
    password: Secret | None = None

    @property
    def security(self) -> str:
        """How the connection is encrypted: the port says it, and this machine needs none."""
        return "none" if self.host in LOCAL else "tls" if self.port == 465 else "starttls"

    def options(self) -> Options:
        """Return the section [email] that this makes."""
        fields = {"host": self.host, "port": self.port, "security": self.security, "from": self.sender}
        return Options.model_validate({**fields, "username": self.username, "password": self.password})

    def toml(self, secret: Path) -> dict[str, list[str]]:
        """Return the lines of the sections email and notices; the password lies in the file *secret*."""
        lines = [f"host = {quoted(self.host)}", f"from = {quoted(self.sender)}"]
        lines += [f"port = {self.port}"] if self.port else []
        lines += [f"security = {quoted(self.security)}"] if self.security != "starttls" else []
        lines += [f"username = {quoted(self.username)}"] if self.username else []
        lines += [f"password_file = {quoted(str(secret))}"] if self.password else []
        told = self.sender != "reports@localhost"
        return {"email": lines, "notices": [f"to = {quoted(self.sender)}"]} if told else {"email": lines}


@click.command(epilog=example("init", "init --smtp-host smtp.example.com:587", "--config ./scheduler.toml init"))
@click.option("--smtp-host", help="Mail server, with :port where it is unusual; empty for files only.")
@click.pass_obj
def init(context: Context, smtp_host: str | None) -> int:
    """
    Write a configuration and create the database.

    It asks for a mail server and signs in to it; none is fine, then reports go into a folder. Nothing is overwritten:
    beside a configuration that is there only the database is made.
    """
    found = find_config_file(context.config_path, os.environ)
    if found is not None and is_there(found, hidden=True):
        return _make_database(context, found, smtp_host)
    path = found or config_home(os.environ) / "scheduler-daemon" / "config.toml"
    secret = path.with_name("smtp-password")
    for file in (path, secret):
        if file.exists():
            raise UsageError(f"{file} is there already.", hint="Edit it, or give another place: --config FILE init")
    mail = _ask_mail(smtp_host)
    _write(path, secret, mail)
    click.echo(f"Wrote    {short(str(path))}")
    _open(context, load_config(path, context.overrides))
    if mail is None:
        click.echo("Note     no mail server: reports go into ~/reports (see [folder] and [email] in the configuration)")
    click.echo("Next: scheduler shops add NAME.myshopify.com")
    return 0


def _make_database(context: Context, path: Path, smtp_host: str | None) -> int:
    """
    Make the database that the configuration *path* names; raise UsageError where there is nothing to make.

    Another configuration beside the one that counts would be read by nobody, and its database neither.
    """
    config = load_config(path, context.overrides)
    target = find_target(config)
    missing = target.path is not None and (not target.path.exists() or target.path.stat().st_size == 0)
    if not missing or smtp_host is not None:
        raise UsageError(f"{path} is there already.", hint="Edit it, or give another place: --config FILE init")
    click.echo(f"Kept     {short(str(path))}")
    _open(context, config)
    click.echo("Next: scheduler shops add NAME.myshopify.com")
    return 0


def _open(context: Context, config: Config) -> None:
    """Open the database, made where there is none, and say which it is."""
    with open_store(config, create=True) as store:
        made = "Created" if store.engine.created else "Found  "
        click.echo(f"{made}  {short(store.target.shown)}")
        if context.verbose:
            announce(config, store)
        if not store.own:
            click.echo("Note     the app's tables are there; delivery is on hold until: scheduler go-live")


def _write(path: Path, secret: Path, mail: Mail | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = {"folder": [f"path = {quoted(str(home_folder() / 'reports'))}"]}
    if mail is not None and mail.password:
        write_atomically(secret, (mail.password.reveal() + "\n").encode(), mode=0o600)
    chosen = folder if mail is None else mail.toml(secret)
    write_atomically(path, example_file(chosen).encode(), mode=0o600)


def quoted(text: str) -> str:
    """Return *text* as a TOML string; JSON's escapes are TOML's too (TOML 1.0, "String")."""
    return json.dumps(text, ensure_ascii=False)


# The mail server ----------------------------------------------------------------------------------------------------


def _ask_mail(host: str | None) -> Mail | None:
    """Ask for the mail server until it lets us in, or the person goes on without; None means files only."""
    while True:
        answered = host
        if answered is None:
            answered = ask("SMTP host (empty: files only)", _checked_host, "") if can_ask() else ""
        if not answered:
            return None
        mail = _ask_user(read_host(answered))
        if _signed_in(mail) or not can_ask() or not click.confirm("Answer again?", default=True):
            return mail
        host = None


def _checked_host(text: str) -> str:
    if text:
        read_host(text)
    return text


def read_host(text: str) -> Mail:
    """Return the server that *text* names, ``host`` or ``host:port``; raise UsageError."""
    name, colon, port = text.rpartition(":")
    if not colon or (":" in name and not name.startswith("[")):
        name, port = text, "0"
    name = name.removeprefix("[").removesuffix("]")
    hint = "Write it like smtp.example.com or smtp.example.com:587."
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{port!r} is no port (in {text!r}).", hint=hint)
    if not name or any(char.isspace() or char in "/@" for char in name):
        raise UsageError(f"{text!r} names no mail server.", hint=hint)
    return Mail(name, int(port))


def _ask_user(mail: Mail) -> Mail:
    if not can_ask():
        return mail
    user = click.prompt("User", default="", show_default=False).strip()
    password = click.prompt("Password (hidden)", hide_input=True, default="", show_default=False) if user else ""
    sender = _address_or_empty(user) or ask("From (the address that mails come from)", parse_address)
    if not password:
        return replace(mail, sender=sender)  # a server that asks for none
    return replace(mail, sender=sender, username=user, password=Secret(password))


def _address_or_empty(text: str) -> str:
    try:
        return parse_address(text)
    except UsageError:
        return ""


def _signed_in(mail: Mail) -> bool:
    """Sign in and say how that went; no mail is sent. A server that does not answer keeps us for a minute."""
    host = f"[{mail.host}]" if ":" in mail.host else mail.host
    click.echo(f"Trying {plain(host)}:{mail.port or PORTS[mail.security]} …", err=True)
    try:
        connect(mail.options()).quit()
    except DeliveryError as error:
        click.echo(f"Problem  {error.message}")
        click.echo(f"         {error.hint}")
        return False
    told = "" if mail.sender == "reports@localhost" else f" Trouble will be told to {mail.sender}."
    what = "signed in" if mail.username else "connected"
    click.echo(f"OK       {what} {SECURITY[mail.security]}.{told}")
    return True
