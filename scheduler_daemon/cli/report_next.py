"""`scheduler reports next`: the moments ahead, of one report, of all, or of whatever rules are given."""

import sys

import click

from ..errors import UsageError
from .context import Context
from .groups import Whole, example


@click.command(
    "next",
    epilog=example(
        "reports next 'Weekly Sales' -n 12",
        "reports next --all",
        'reports next --json - <<< \'{"every": "monday 8:00", "zone": "Europe/Paris", "count": 3}\'',
    ),
)
@click.argument("report", default="")
@click.option("-n", "--count", default=5, show_default=True, type=Whole(1, 1000), help="How many moments.")
@click.option("--all", "everything", is_flag=True, help="A calendar of the coming day, for every shop.")
@click.option("--zone", default="", help="With --all: the zone of its hours; default is this machine's.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read rules from standard input, one JSON object a line.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show_next(
    context: Context, report: str, count: int, everything: bool, zone: str, from_stdin: bool, as_json: bool
) -> int:
    """
    Show the next moments of REPORT, with each clock change.

    REPORT "-" (or --stdin) reads rules instead, one JSON object a line, and answers each with a line of JSON:
    "rule", "cron", "every" (words) or the app's "frequency", "dayOfWeek", "dayOfMonth", "time"; with "zone",
    "from" (UTC, exclusive) and "count". A rule that cannot be read is answered with an "error"; the others go on.
    Exit status: 0 all well, 1 a rule on standard input could not be read.
    """
    # Each way loads its own parts: rules on standard input need no database.
    if everything:
        from .next_calendar import show_calendar

        show_calendar(context, zone, as_json)
        return 0
    if from_stdin or report == "-" or (not report and not sys.stdin.isatty()):
        from .next_lines import answer_lines

        return 0 if answer_lines(getattr(sys.stdin, "buffer", sys.stdin), count) else 1
    if not report:
        raise UsageError("REPORT is missing.", hint="Write: scheduler reports next REPORT, or: --all")
    from .next_one import show_one

    show_one(context, report, count, as_json)
    return 0
