"""What commands print: envelopes for machines, plain tables for people, errors for both."""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from ..errors import ConfigError, SchedulerError
from ..lib.files import home_folder

#: Control characters, and those that turn the direction of writing: a merchant's text must not steer a terminal.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: How a status is marked where marks can be shown; the word stands beside it everywhere.
MARKS = {"succeeded": "✓", "partial": "✗", "failed": "✗", "skipped": "–", "queued": "·", "running": "▸"}
#: Columns of a table's longest cell: the app's rows hold texts of any length, and one would fill up all other lines.
LONGEST_CELL = 300
COLOURS = {"succeeded": "green", "partial": "yellow", "failed": "red", "running": "cyan"}


def echo_json(kind: str, data: Any, **more: Any) -> None:
    """Print *data* in the envelope that every listing has (DESIGN 7); `next` is what --after or --before takes."""
    made = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    envelope = {"schema": 1, "kind": kind, "generated_at": made, "data": data, "next": None, **more}
    click.echo(json.dumps(envelope, ensure_ascii=False, indent=1, default=str))


def show_error(error: SchedulerError, as_json: bool) -> None:
    """Print an error: what happened, with which value, what to do."""
    if as_json:
        body: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
        if isinstance(error, ConfigError):
            body["problems"] = [{"key": key, "message": text} for key, text in error.problems]
        click.echo(json.dumps({"schema": 1, "error": body}, ensure_ascii=False))
        return
    click.echo(f"Error: {plain(error.message)}", err=True)
    if isinstance(error, ConfigError):
        for key, text in error.problems:
            click.echo(plain(f"  {key}: {text}" if key else f"  {text}"), err=True)
    if error.hint:
        click.echo(f"       {plain(error.hint)}", err=True)


def short(shown: str) -> str:
    """Return a database's name for people: a file without its scheme, the home as ``~``."""
    path = shown.removeprefix("sqlite:")
    home = str(home_folder())
    return f"~{path.removeprefix(home)}" if home != "/" and path.startswith(f"{home}/") else path


def plain(text: object) -> str:
    """Return *text* with whatever could steer a terminal written as an escape."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], str(text))


def width(text: str) -> int:
    """Return how many columns of a terminal *text* takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return *text* filled up with blanks to *columns*, on its left where it is a number (*right*)."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks


def cut(text: str, columns: int) -> str:
    """Return *text* in at most *columns*, ended by "…" where it is longer."""
    if len(text) <= 2 * columns and width(text) <= columns:
        return text
    kept, taken = 0, 0
    for char in text:
        taken += width(char)
        if taken >= columns:
            break
        kept += 1
    return f"{text[:kept]}…"


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], right: Collection[str] = ()) -> None:
    """Print rows in aligned columns, what is very long cut off; the columns named in *right* hold numbers."""
    cells = [
        [str(header) for header in headers],
        *[["" if cell is None else plain(cut(str(cell), LONGEST_CELL)) for cell in row] for row in rows],
    ]
    widths = [max(width(row[index]) for row in cells) for index in range(len(headers))]
    for number, row in enumerate(cells):
        padded = [pad(row[i], widths[i], right=headers[i] in right) for i in range(len(headers))]
        line = "  ".join(padded).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 and fancy() else line)


def facts(data: dict[str, Any]) -> None:
    """Print names and values in two columns; lists with commas, nothing for None."""
    columns = max((len(name) for name in data), default=0)
    for name, value in data.items():
        shown = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        click.echo(f"{name:{columns}}  {plain('' if shown is None else shown)}".rstrip())


def fancy() -> bool:
    """Whether marks and colours may be printed: a terminal that speaks UTF-8, and no NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not sys.stdout.isatty():
        return False
    named = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    return "UTF" in named.upper()


def marked(status: str, shown: str = "") -> str:
    """Return a run's status (or *shown*) with its mark before it where marks can be shown, else the words alone."""
    words = shown or status
    return f"{MARKS.get(status, ' ')} {words}" if fancy() else words


def coloured(line: str, status: str) -> str:
    """Return *line* in the colour of *status* where colours may be printed."""
    return click.style(line, fg=COLOURS[status]) if fancy() and status in COLOURS else line
