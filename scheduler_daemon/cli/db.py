"""`scheduler db`: the database's tables."""

import click

from ..app import open_store
from ..config import Config
from ..lib.zones import zone_data
from ..store import schema
from ..store.engine import Engine
from ..store.urls import read_url
from .main import Context
from .output import echo_json


@click.group()
def db() -> None:
    """Look at the database and upgrade it."""


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> int:
    """Say which database is used and whether its tables are as this version needs them."""
    engine = _engine(context.config())
    try:
        found = schema.status(engine)
        tables = schema.app_tables(engine)
    finally:
        engine.close_thread()
    facts = {
        "database": engine.target.shown,
        "applied": list(found.applied),
        "pending": list(found.pending),
        "unknown": list(found.unknown),
        "app_tables": tables,
        "zone_data": " ".join(zone_data()),
    }
    if as_json:
        echo_json("database", facts)
    else:
        for key, value in facts.items():
            click.echo(f"{key:12} {', '.join(value) if isinstance(value, list) else value}")
        click.echo("Next: scheduler db upgrade" if found.pending else "OK       nothing to do")
    return 1 if found.pending or found.unknown else 0


def _engine(config: Config) -> Engine:
    from ..errors import StoreError

    assert config.database.url is not None
    target = read_url(config.database.url.reveal(), config.source.parent if config.source else None)
    if target.path is not None and not target.path.exists():
        raise StoreError(f"There is no database {target.path}.", hint="Run: scheduler init")
    return Engine(target)


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the tables up to this version; the app's own tables are never touched."""
    with open_store(context.config(), create=True) as store:
        found = schema.status(store.engine)
        click.echo(f"OK       {store.target.shown}: {', '.join(found.applied)}")
