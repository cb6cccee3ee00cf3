"""`scheduler history prune`: the daemon's retention, by hand."""

from datetime import timedelta

import click

from ..app import build
from ..errors import UsageError
from ..lib.clock import iso, utc_now
from ..lib.words import parse_length, plural, say_length
from .asking import confirm, opened
from .context import Context
from .groups import Whole, example
from .output import echo_json
from .waiting import Waiting

#: Less history than this tells nobody what happened today.
LEAST = timedelta(hours=1)


@click.command(
    epilog=example("history prune --dry-run", "history prune --older-than 90d --yes", "history prune --rows 100 --json")
)
@click.option("--older-than", default="", help='Runs that ended longer ago, like "90d"; default: history.keep.')
@click.option("--rows", type=Whole(1, 1_000_000), help="More finished runs of one schedule; default: history.rows.")
@click.option("--dry-run", is_flag=True, help="Say how many; remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def prune(context: Context, older_than: str, rows: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """
    Remove old runs, with their attempts, deliveries and files.

    Unfinished runs are never touched. It works in small batches beside a running daemon; Ctrl-C keeps what is done.
    """
    config = context.config()
    keep = _read_length(older_than) if older_than else config.history.keep
    most = rows or config.history.rows
    now = utc_now()
    with opened(context) as store:
        found = store.pruning.count(now - keep, most)
        facts = {"before": iso(now - keep), "rows_kept": most or None}
        if dry_run:
            if as_json:
                echo_json("prune", {**facts, "dry_run": True, "runs": found, "spool_folders": None})
            else:
                click.echo(f"{plural(found, 'run')} would be removed; nothing was.")
            return
        if found:
            limit = f" or beyond the latest {most:,} of each schedule" if most else ""
            click.echo(f"{plural(found, 'run')} ended more than {say_length(keep)} ago{limit}.", err=True)
            confirm("Remove them for ever?", yes)
        retention = build(config, store, lambda: None).retention
        removed = 0
        with Waiting("Removing old runs") as waiting:
            for part in retention.batches(now - keep, most):
                removed += part
                waiting.show(f"Removing old runs: {removed:,} of {max(found, removed):,}")
            files = retention.sweep(now)
    if as_json:
        echo_json("prune", {**facts, "dry_run": False, "runs": removed, "spool_folders": files})
        return
    click.echo(f"Removed {plural(removed, 'run')}, and {plural(files, 'old folder')} of the spool")


def _read_length(text: str) -> timedelta:
    hint = 'Write a length with its unit, like "90d" or "12h".'
    try:
        length = parse_length(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--older-than {text!r} is no length of time.", hint=hint) from None
    if length < LEAST:
        raise UsageError(f"--older-than {text} is too short: at least {say_length(LEAST)} of history stays.", hint=hint)
    return length
