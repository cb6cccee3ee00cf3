"""What every group and command has: `-h` with an example, near misses told, the global options in any place."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from .context import Context

HELP = {"help_option_names": ["-h", "--help"]}


def example(*lines: str) -> str:
    """Return the end of a command's help: its examples, one a line, as typed (click must not fill them up)."""
    word = "Example" if len(lines) == 1 else "Examples"
    return "\b\n" + "\n".join([f"{word}:", *(f"  scheduler {line}" for line in lines)])


class Group(click.Group):
    """A group that lists its commands in the order they were written and says what was meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order they were added."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Say what was meant where a command does not exist."""
        require_command(ctx, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class Whole(click.IntRange):
    """A whole number from a least to a most; whoever gives another is told both."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fail naming the value and the range."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no whole number from {self.min} to {self.max}.", param, ctx)


def require_command(ctx: click.Context, name: str, known: Iterable[str]) -> None:
    """Raise click's UsageError where *name* is none of the commands *known*."""
    names = list(known)
    if name in names or name.startswith("-"):
        return
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(names)}."
    raise click.UsageError(f"{ctx.command_path} has no command {name!r}.{hint}", ctx)


def global_options(*, hidden: bool) -> list[click.Option]:
    """Return the options that may stand before or behind any command; each writes itself into the Context."""
    levels, formats = ["debug", "info", "warning", "error"], ["auto", "console", "json"]
    path = click.Path(path_type=Path)
    shared: dict[str, Any] = {"expose_value": False, "hidden": hidden}
    return [
        click.Option(["--config"], type=path, help="Configuration file.", callback=_note(_config), **shared),
        click.Option(
            ["--log-level"],
            type=click.Choice(levels),
            help="Least level logged.",
            callback=_note(lambda found, value: found.overrides.update({"log.level": value})),
            **shared,
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(formats),
            help="How the log is written.",
            callback=_note(lambda found, value: found.overrides.update({"log.format": value})),
            **shared,
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="Say which database is used.",
            callback=_note(_verbose),
            **shared,
        ),
    ]


def _config(found: Context, value: Path) -> None:
    found.config_path = value


def _verbose(found: Context, value: bool) -> None:
    found.verbose = value


def _note(write: Callable[[Context, Any], None]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            write(ctx.ensure_object(Context), value)

    return callback


def everywhere(command: click.Command) -> click.Command:
    """Let *command* and all below it take the global options too: nobody remembers where they belong."""
    if not any(param.name == "verbose" for param in command.params):
        command.params.extend(global_options(hidden=True))
    if isinstance(command, click.Group):
        for item in command.commands.values():
            everywhere(item)
    return command
