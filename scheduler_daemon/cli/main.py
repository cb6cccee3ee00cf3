"""The program `scheduler`: its commands are imported when they are used, so that it starts fast."""

import difflib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import SchedulerError
from .output import show_error

if TYPE_CHECKING:
    from ..config import Config

#: Each command's module and what it does; `-h` reads this and imports nothing.
COMMANDS = {
    "run": ("run", "Run the daemon."),
    "check-once": ("check_once", "Check once, wait for the reports, say what happened."),
    "status": ("status", "Say how the daemon is, and the one next thing to do."),
    "init": ("init", "Write a configuration and create the database."),
    "shops": ("shops", "Add, list, check, pause and remove shops."),
    "reports": ("reports", "Add, list, edit, explain and run scheduled reports."),
    "history": ("history", "Look at what ran."),
    "demo": ("demo", "Show the whole product on invented shops."),
    "db": ("db", "Look at the database and upgrade it."),
    "go-live": ("go_live", "Let reports leave, after showing what would."),
    "config": ("config_commands", "Show and check the configuration."),
}


@dataclass(slots=True)
class Context:
    """What a command knows of the command line around it."""

    config_path: Path | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    _config: Any = None

    def config(self) -> "Config":
        """Return the configuration, read once; raise ConfigError."""
        if self._config is None:
            from ..config import load_config

            self._config = load_config(self.config_path, self.overrides, os.environ)
        return self._config  # type: ignore[no-any-return]

    def logs(self) -> None:
        """Set the log up as the configuration says."""
        from ..logs import configure

        log = self.config().log
        configure(log.level, log.format)


class Program(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        found = getattr(import_module(f"scheduler_daemon.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Say what was meant where a command does not exist."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " See: scheduler -h"
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least level logged.")
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]), help="How the log is written.")
@click.version_option(__version__, "--version", message="scheduler %(version)s")
@click.pass_context
def program(ctx: click.Context, config_path: Path | None, log_level: str | None, log_format: str | None) -> None:
    """Make and send the scheduled reports of a Shopify app."""
    overrides = {"log.level": log_level, "log.format": log_format}
    ctx.obj = Context(config_path, {key: value for key, value in overrides.items() if value})


def main(args: Sequence[str] | None = None) -> None:
    """Run the program; the exit status is that of the command."""
    words = list(sys.argv[1:] if args is None else args)
    as_json = "--json" in words
    try:
        status = program.main(words, prog_name="scheduler", standalone_mode=False)
    except SchedulerError as error:
        show_error(error, as_json)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        # Monitoring reads 2 as CRITICAL: wrong arguments of `status` are UNKNOWN.
        sys.exit(3 if _is_status(words) else error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _defect(error, as_json, "debug" in words)
    sys.exit(status if isinstance(status, int) else 0)


def _is_status(words: Sequence[str]) -> bool:
    return next((word for word in words if word in COMMANDS), "") == "status"


def _defect(error: Exception, as_json: bool, debug: bool) -> None:
    """Tell of a defect of ours in a sentence; its trace only to whoever asked for it."""
    if debug:
        raise error
    from ..lib.words import redact

    text = redact(f"{type(error).__name__}: {error}")
    shown = SchedulerError(
        f"A defect of the scheduler: {text}", hint="Run it again with --log-level debug and report it."
    )
    show_error(shown, as_json)
    sys.exit(1)
