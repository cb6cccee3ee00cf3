"""`scheduler reports run`: one report now, through the same corridor as any other."""

import secrets
from dataclasses import replace
from typing import Any

import click

from ..app import App
from ..changes import amount_with_unit, change_of, change_of_rows, in_brackets
from ..channels.address import parse_address
from ..channels.summary import size
from ..errors import RunError, UsageError
from ..lib.clock import iso, utc_now
from ..lib.spans import days
from ..lib.words import say_length
from ..model import Recipient, ReportFile, Run, RunStatus, Schedule, Trigger
from ..spool import Spool
from .asking import find_report, readable
from .at_work import at_work, require_open, still_queued
from .context import Context
from .groups import example
from .moments import say_clock, zone_or_utc
from .output import echo_json, plain
from .run_lines import Done, address, as_data, below, columns_of, done_of

#: An occurrence's key holds this much, "manual:" included; more would be cut and two keys become one.
MOST_KEY = 57
#: The total that a person wants to read first, by column; the first that the report has is shown.
HEADLINE = ("net_sales", "net", "total")


@click.command(
    "run",
    epilog=example(
        "reports run 'Weekly Sales'",
        "reports run rs_01ab --key order-4711 --json",
        "reports run rs_01ab --send-to me@acme.example",
    ),
)
@click.argument("report")
@click.option("--key", default="", help="An idempotency key: the same key never makes a second run.")
@click.option("--send-to", multiple=True, help="A test: only to this address, marked [Test]; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def run_now(context: Context, report: str, key: str, send_to: tuple[str, ...], as_json: bool) -> int:
    """
    Make REPORT (id or name) now and deliver it.

    Its schedule does not move, and its condition is not asked. Exit status: 0 it succeeded, 1 it did not (yet).
    """
    if len(key) > MOST_KEY:
        raise UsageError(f"The key {key[:20]!r}… has {len(key)} characters; it may have {MOST_KEY}.")
    people = tuple(Recipient("email", parse_address(address)) for address in send_to)
    with at_work(context) as bench:
        app = bench.app
        seen = find_report(app.store, report)
        require_open(app, seen.shop)
        schedule = readable(seen)
        if people:
            _require_mail(app, people)
            schedule = _as_test(schedule, people)
        name = f"{'test' if people else 'manual'}:{key or secrets.token_hex(6)}"
        run, repeated = _queue(app, schedule, name)
        (run,) = bench.work_off(seen.shop, [run.id])
        tell(app, done_of(app.store, run), as_json, repeated=repeated)
        return 0 if run.status is RunStatus.SUCCEEDED else 1


def _queue(app: App, schedule: Schedule, name: str) -> tuple[Run, bool]:
    """Queue the run of that key, unless it is there; return it, and whether it was there before."""
    known = app.store.history.by_key(schedule.id, Trigger.MANUAL, name)
    if known is not None:
        return known, True
    app.store.queueing.queue_by_hand(schedule, name, utc_now())
    run = app.store.history.by_key(schedule.id, Trigger.MANUAL, name)
    assert run is not None, name
    return run, False


def _as_test(schedule: Schedule, people: tuple[Recipient, ...]) -> Schedule:
    """Return the schedule as a test of it goes out: to *people* alone, its title marked in subject, mail and file."""
    title = f"[Test] {schedule.report.title}"
    return replace(schedule, recipients=people, report=replace(schedule.report, title=title))


def _require_mail(app: App, people: tuple[Recipient, ...]) -> None:
    if app.config.email is None:
        hint = "Write the section [email]: scheduler config example"
        raise UsageError("--send-to needs a mail server.", code="channel_not_configured", hint=hint)
    if app.mode == "redirect":
        click.echo(f"Note     delivery is redirected: it goes to {app.config.delivery.redirect_to}", err=True)


def tell(app: App, done: Done, as_json: bool, *, repeated: bool = False) -> None:
    """Print how one run ended; *repeated* says that its idempotency key was used before."""
    run, file = done.run, _file(app, done.run)
    if as_json:
        echo_json("run", as_data(done) | (figures_of(file) if file else {}), repeated=repeated)
        return
    if repeated:
        click.echo(f"Note     the key was used before: this is run {run.id}, and nothing was made anew")
    if run.file_name and run.record_count is not None:
        kept = f", {plain(run.file_name)} ({size(run.file_size or 0)})"
        changed = in_brackets(change_of_rows(file.about), file.about) if file else ""
        click.echo(f"OK       {run.record_count:,} rows{f' {changed}' if changed else ''}{kept}")
    if done.delivered:
        to = ", ".join(address(run, row) for row in done.delivered)
        click.echo(f"OK       delivered to {to} in {done.seconds:.1f} s")
    if run.period_start and run.period_end:
        zone = run.zone or app.store.shops.find(run.shop).zone or "UTC"
        click.echo(f"Period   {days(run.period_start, run.period_end, zone)}, {zone}{_headline(file)}")
    if run.status is not RunStatus.SUCCEEDED:
        _unfinished(app, done)


def _unfinished(app: App, done: Done) -> None:
    run = done.run
    if run.status is RunStatus.QUEUED and run.not_before <= utc_now():
        still_queued(run)
        return
    for said in below(done, columns_of([]))[1 if done.delivered else 0 :]:
        click.echo(f"         {said.strip()}")
    word = "RETRY" if run.status is RunStatus.QUEUED else run.status.value.upper()
    click.echo(f"{word:8} {plain(run.error or run.reason or '')}")
    if run.status is RunStatus.QUEUED:
        now, zone = utc_now(), zone_or_utc(run.zone, app.store.shops.find(run.shop).zone)
        wait = say_length(max(run.not_before - now, now - now))
        click.echo(f"         It is tried again at {say_clock(run.not_before, zone, now)}, in {wait}, by the daemon or")
        click.echo("         by: scheduler check-once")
    else:
        click.echo(f"         See: scheduler reports why {run.schedule_id}")


def _file(app: App, run: Run) -> ReportFile | None:
    """Return the run's file, which says its totals; None where it is not in the spool."""
    try:
        return Spool(app.config.spool_dir).open_file(run, "")
    except (RunError, OSError, ValueError, KeyError):
        return None


def figures_of(file: ReportFile) -> dict[str, Any]:
    """Return the totals of a file for machines, and what they are compared with; None where with nothing."""
    about, before = file.about, file.about.compared
    made: dict[str, Any] = {"totals": dict(about.totals), "compared": None}
    if before is not None:
        changes = {column.key: change_of(about, column) for column in file.columns if column.key in before.totals}
        made["compared"] = {
            "comparison": before.word,
            "period_start": iso(before.period.start),
            "period_end": iso(before.period.end),
            "rows": before.row_count,
            "rows_change": change_of_rows(about),
            "totals": dict(before.totals),
            "changes": {key: change for key, change in changes.items() if change},
        }
    return made


def _headline(file: ReportFile | None) -> str:
    """Return the most wanted total and how it changed; empty where there is none."""
    if file is None:
        return ""
    totals = {column.key: column for column in file.columns if column.key in file.about.totals}
    column = next((totals[key] for key in HEADLINE if key in totals), None)
    if column is None:
        return ""
    change = in_brackets(change_of(file.about, column), file.about)
    return f". {column.title} {amount_with_unit(column, file.about.totals[column.key])} {change}".rstrip()
