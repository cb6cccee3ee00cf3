"""`scheduler db`: the database's tables."""

import click

from ..app import delivery_mode, open_store
from ..config import Config
from ..lib.zones import zone_data
from ..store import schema
from ..store.engine import Engine
from ..store.files import require_file
from ..store.urls import read_url
from .asking import announce
from .context import Context
from .groups import Group, example
from .output import echo_json, facts, short


@click.group(cls=Group, epilog=example("db status", "db upgrade"))
def db() -> None:
    """Look at the database and upgrade it."""


@db.command(epilog=example("db status", "db status --json"))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> int:
    """
    Say which database is used and whether it needs an upgrade.

    Exit status: 0 nothing to do, 1 an upgrade is needed, 3 the database cannot be used.
    """
    engine = _engine(context.config())
    try:
        found = schema.status(engine)
        tables = schema.app_tables(engine)
    finally:
        engine.close_thread()
    data: dict[str, object] = {
        "database": engine.target.shown,
        "applied": list(found.applied),
        "pending": list(found.pending),
        "unknown": list(found.unknown),
        "app_tables": tables,
        "zone_data": " ".join(zone_data()),
    }
    if as_json:
        echo_json("database", data)
    else:
        facts({name: value if value != [] else "none" for name, value in data.items()})
        click.echo("Next: scheduler db upgrade" if found.pending else "OK       nothing to do")
    return 1 if found.pending or found.unknown else 0


def _engine(config: Config) -> Engine:
    assert config.database.url is not None
    target = read_url(config.database.url.reveal(), config.source.parent if config.source else None)
    if target.path is not None:
        require_file(target.path)
    return Engine(target)


@db.command(epilog=example("db upgrade"))
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring our tables up to this version; never the app's."""
    config = context.config()
    with open_store(config) as store:
        if context.verbose:
            announce(config, store)
        found = schema.status(store.engine)
        click.echo(f"OK       {short(store.target.shown)}: {', '.join(found.applied)}")
        if delivery_mode(config, store) == "hold":
            click.echo("Note     delivery is on hold until: scheduler go-live")
