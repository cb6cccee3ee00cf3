"""What every group and command has: `-h` with an example, near misses told, the global options in any place."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem

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


#: Commands by name: their module in this package, their name in it, and what `-h` says of them.
Table = Mapping[str, tuple[str, str, str]]


class LazyGroup(Group):
    """A group that imports a command when it is used, so that it starts fast; help and completion import none."""

    #: Its commands, in the order in which they are listed.
    table: ClassVar[Table] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported; None where there is none."""
        if cmd_name not in self.table:
            return None
        module, name, _ = self.table[cmd_name]
        found = getattr(import_module(f"{__package__}.{module}"), name)
        assert isinstance(found, click.Command)
        return everywhere(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands without importing any: the Tab key must answer at once."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text) for name, (_, _, text) in self.table.items() if name.startswith(incomplete)
        ]


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
