"""The program `scheduler`: its commands are imported when they are used, so that it starts fast."""

import io
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, NoReturn

import click

from .. import __version__
from ..errors import SchedulerError, UsageError
from ..lib.descriptors import RAISE_LIMIT, is_limit, say_limit
from ..lib.disk import FULL, reason
from .context import Context
from .early import VALUED
from .groups import HELP, LazyGroup, Table, example, global_options
from .output import show_error
from .streams import outlast_readers

__all__ = ["COMMANDS", "Context", "main", "program"]

#: Each command's module and what it does; `-h` reads this and imports nothing.
COMMANDS = {
    "run": ("run", "Run the daemon."),
    "check-once": ("check_once", "Check once, wait for the reports, say what happened."),
    "status": ("status", "Say how the daemon is, and the one next thing to do."),
    "init": ("init", "Write a configuration and create the database."),
    "demo": ("demo", "Show the whole product on invented shops."),
    "doctor": ("doctor", "Check everything around the scheduler; say what to do."),
    "shops": ("shops", "Add, list, check, pause and remove shops."),
    "reports": ("reports", "Add, list, edit, explain and run scheduled reports."),
    "history": ("history", "Look at what ran."),
    "notices": ("notices", "Look at what owners were told of trouble; mute it."),
    "pause": ("pause", "Let everything rest, until a moment or until resume."),
    "resume": ("pause", "Let everything go on after a pause."),
    "go-live": ("go_live", "Let reports leave, after showing what would."),
    "db": ("db", "Look at the database and upgrade it."),
    "config": ("config_commands", "Show and check the configuration."),
}

EPILOG = "\n\n".join(
    (
        example("demo", "init", "doctor", "reports why 'Weekly Sales'"),
        "\b\nCompletion of commands and options by the Tab key, for this shell (bash; or zsh_source, fish_source):\n"
        '  eval "$(_SCHEDULER_COMPLETE=bash_source scheduler)"',
    )
)


class Program(LazyGroup):
    """The group of all commands."""

    table: ClassVar[Table] = {name: (module, name.replace("-", "_"), text) for name, (module, text) in COMMANDS.items()}


@click.command(cls=Program, context_settings=HELP, params=global_options(hidden=False), epilog=EPILOG)
@click.version_option(__version__, "--version", message="scheduler %(version)s")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Make and send the scheduled reports of a Shopify app."""
    ctx.ensure_object(Context)


def main(args: Sequence[str] | None = None) -> None:
    """Run the program; the exit status is that of the command."""
    try:
        _main(args)
    except SystemExit as left:
        if args is None:
            _leave_hanging(left.code)
        raise


def _leave_hanging(code: object) -> None:
    """
    End the process where a thread still waits for somebody's answer: Python would wait for it, for minutes perhaps.

    Its report is back in the queue by now, or is taken up when its lease ends.
    """
    until = time.monotonic() + 0.5
    others = [item for item in threading.enumerate() if item is not threading.main_thread() and not item.daemon]
    for thread in others:
        thread.join(max(0.0, until - time.monotonic()))
    if any(thread.is_alive() for thread in others):
        _flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _main(args: Sequence[str] | None) -> None:
    if args is None:
        _open_streams()
        _start_in_utf8()
        outlast_readers()
    words = list(sys.argv[1:] if args is None else args)
    speak_utf8()
    try:
        _check_words(words)
        status = program.main(words, prog_name="scheduler", standalone_mode=False)
    except SchedulerError as error:
        _fail(error, words)
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError" and "--json" not in words:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        _fail(_from_click(error), words)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except OSError as error:
        _fail(_from_system(error), words)
    except Exception as error:
        _defect(error, words)
    lost = _flush()
    if lost is not None:
        _fail(_from_system(lost), words)
    sys.exit(status if isinstance(status, int) else 0)


def _open_streams() -> None:
    """
    Put the null device where the caller closed standard input, output or error (``>&-``).

    Python has None for such a stream; and the next file that is opened, a database say, would get its number, so that
    whatever is written to standard error would go into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # The numbers below are taken by now, so this one is the next that is free.
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _flush() -> OSError | None:
    """
    Write out what is left, so that Python need not at its end, with a status of its own (120).

    Return why standard output did not take it, None where it did.
    """
    lost = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if stream is sys.stdout and isinstance(error, OSError):
                lost = error
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return lost


def _start_in_utf8() -> None:
    """Start this process again in Python's UTF-8 mode (PEP 540) where the locale cannot name a file ``Été.csv``."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def speak_utf8() -> None:
    """Let standard output and error speak UTF-8 in any locale; what cannot be said is escaped, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _check_words(words: Sequence[str]) -> None:
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"The argument {word!r} is not UTF-8.", hint="Type it again in a UTF-8 locale.") from None


def _fail(error: SchedulerError, words: Sequence[str]) -> NoReturn:
    with suppress(OSError):  # nobody can be told any more; the exit status still says it
        show_error(error, "--json" in words)
    _flush()
    # Monitoring reads 2 as CRITICAL: wrong arguments of `status` are UNKNOWN.
    sys.exit(3 if _command(words) == "status" else error.exit_code)


def _command(words: Sequence[str]) -> str:
    """Return the first word that is a command, the values of the global options left out."""
    before = ["", *words]
    return next(
        (word for last, word in zip(before, words, strict=False) if word in COMMANDS and last not in VALUED), ""
    )


def _from_click(error: click.ClickException) -> SchedulerError:
    """Return one of click's own errors in our form: what happened, and how it is written."""
    ctx = getattr(error, "ctx", None)
    message = error.format_message().strip()
    if ctx is None:
        return UsageError(message, hint="See: scheduler -h")
    if isinstance(error, click.MissingParameter):
        return UsageError(message, hint=f"Write: {' '.join(ctx.get_usage().split()[1:])}")
    return UsageError(message, hint=f"See: {ctx.command_path} -h")


def _from_system(error: OSError) -> SchedulerError:
    """Return the error for a file that cannot be read or written where nobody nearer has told of it."""
    place = f"{error.filename}: " if error.filename else ""
    text = f"{place}{reason(error)}."
    if error.errno in FULL:
        return SchedulerError(text, code="disk_full", hint="Make room there.")
    if is_limit(error):
        return SchedulerError(f"{place}{say_limit()}.", code="too_many_files", hint=f"{RAISE_LIMIT}.")
    return UsageError(text, hint="Check its owner and mode, or run the command as the daemon's user.")


def _defect(error: Exception, words: Sequence[str]) -> NoReturn:
    """Tell of a defect of ours in a sentence; its trace only to whoever asked for it."""
    if any(word in ("debug", "--log-level=debug") for word in words):
        raise error
    from ..lib.words import redact

    text = redact(f"{type(error).__name__}: {error}")
    hint = "Run it again with --log-level debug and report it."
    _fail(SchedulerError(f"A defect of the scheduler: {text}", hint=hint), words)
