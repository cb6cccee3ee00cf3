"""`scheduler config`: shown, checked, written as an example."""

import click

from ..config.example import example as example_file
from ..config.example import shown
from ..errors import ConfigError, UsageError
from .context import Context
from .groups import Group, example
from .output import echo_json, table


@click.group(cls=Group, epilog=example("config show", "config check", "config example > scheduler.toml"))
def config() -> None:
    """Show and check the configuration."""


@config.command("show", epilog=example("config show", "--config other.toml config show --json"))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def show(context: Context, as_json: bool) -> None:
    """Show every option and where it came from; secrets print as ****."""
    found = context.config()
    rows = shown(found)
    if as_json:
        data = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        echo_json("config", data, file=str(found.source) if found.source else None)
        return
    click.echo(f"File: {found.source or 'none'}")
    table(["option", "value", "from"], rows)


@config.command("check", epilog=example("config check"))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Check the configuration; every problem is told at once. The database's URL is read, and nobody connects."""
    from ..app import find_target

    found = context.config()
    try:
        find_target(found)
    except UsageError as error:
        raise ConfigError(
            "The configuration has 1 problem.", problems=[("database.url", error.message)], hint=error.hint
        ) from None
    if as_json:
        echo_json("config_check", {"file": str(found.source) if found.source else None, "problems": []})
        return
    click.echo(f"OK       {found.source or 'no file; defaults and environment'}")


@config.command("example", epilog=example("config example > scheduler.toml"))
def show_example() -> None:
    """Print an example with every option, its default and what it does."""
    click.echo(example_file(), nl=False)
