"""What commands print: envelopes for machines, plain tables for people, errors for both."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from ..errors import ConfigError, SchedulerError


def echo_json(kind: str, data: Any, **more: Any) -> None:
    """Print *data* in the envelope that every listing has (DESIGN 7)."""
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
    click.echo(f"Error: {error.message}", err=True)
    if isinstance(error, ConfigError):
        for key, text in error.problems:
            click.echo(f"  {key}: {text}" if key else f"  {text}", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in aligned columns."""
    cells = [
        [str(header) for header in headers],
        *[["" if cell is None else str(cell) for cell in row] for row in rows],
    ]
    widths = [max(len(row[index]) for row in cells) for index in range(len(headers))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 and not os.environ.get("NO_COLOR") else line)
