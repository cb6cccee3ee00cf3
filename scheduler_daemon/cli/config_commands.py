"""`scheduler config`: shown, checked, written as an example."""

import click

from ..config.example import example, shown
from .main import Context
from .output import echo_json, table


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def show(context: Context, as_json: bool) -> None:
    """Show every option, its value and where it came from; secrets print as ****."""
    found = context.config()
    rows = shown(found)
    if as_json:
        echo_json("config", [{"key": key, "value": value, "origin": origin} for key, value, origin in rows])
        return
    click.echo(f"File: {found.source or 'none'}")
    table(["option", "value", "from"], rows)


@config.command("check")
@click.pass_obj
def check(context: Context) -> None:
    """Check the configuration; every problem is told at once. Exit status 2 where there is one."""
    found = context.config()
    click.echo(f"OK       {found.source or 'no file; defaults'}")


@config.command("example")
def show_example() -> None:
    """Print an example with every option, its default and what it does."""
    click.echo(example(), nl=False)
