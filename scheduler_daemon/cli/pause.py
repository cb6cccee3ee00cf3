"""`scheduler pause` and `scheduler resume`: everything rests; pauses of single reports and shops stay as they are."""

import click

from ..errors import UsageError
from ..health.problems import say_pause
from ..lib.clock import iso, utc_now
from ..lib.words import say_length
from ..model import Pause
from .asking import opened
from .context import Context
from .groups import example
from .output import echo_json, plain
from .until import read_until

#: A note longer than this fits no line of a screen.
MOST_NOTE = 500


@click.command(epilog=example("pause --until 2h --note 'moving house'", "pause --until '2026-12-24 18:00'"))
@click.option("--until", "until_", default="", help='When it ends by itself: "2h", or "2026-12-24 08:00".')
@click.option("--zone", default="", help="Zone in which --until is read; default is this machine's.")
@click.option("--note", default="", help="Why; status and reports why say so.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def pause(context: Context, until_: str, zone: str, note: str, as_json: bool) -> None:
    """
    Let everything rest; what comes due is recorded as skipped.

    What is at work finishes; what is queued waits. Pauses of single reports and shops stay as they are.
    """
    if len(note) > MOST_NOTE:
        raise UsageError(f"The note has {len(note)} characters; it may have {MOST_NOTE}.")
    now = utc_now()
    end = read_until(until_, zone, now) if until_ else None
    with opened(context) as store:
        made = store.pauses.begin(now, end, " ".join(note.split()))
    if as_json:
        echo_json("pause", data(made))
        return
    wait = f", in {say_length(made.until - now)}" if made.until else ""
    click.echo(f"{paused(made)[:-1]}{wait}. Next: scheduler resume")


@click.command(epilog=example("resume"))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def resume(context: Context, as_json: bool) -> None:
    """Let everything go on; what came due in the pause stays skipped."""
    with opened(context) as store:
        ended = store.pauses.end(utc_now())
    if as_json:
        echo_json("pause", data(ended) if ended else None)
        return
    click.echo(f"Resumed; it was paused since {ended.since:%a %d %b %Y %H:%M} UTC" if ended else "Was not paused.")


def paused(made: Pause) -> str:
    """Return the sentence that says that everything is paused, fit for a terminal."""
    return plain(say_pause(made))


def data(made: Pause) -> dict[str, str | None]:
    """Return a pause for machines."""
    return {"since": iso(made.since), "until": iso(made.until) if made.until else None, "note": made.note}
