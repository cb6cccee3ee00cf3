"""`scheduler reports run`: one report now, through the same corridor as any other."""

import secrets
import threading

import click

from ..app import App, build, open_store
from ..channels.summary import size
from ..errors import RunError, UsageError
from ..lib.clock import utc_now
from ..lib.figures import grouped, money
from ..lib.spans import days
from ..lib.words import say_length
from ..model import Column, ColumnKind, Run, RunStatus, Trigger
from ..spool import Spool
from ..store import SeenSchedule
from ..tick import start_shops
from .asking import announce, find_report, readable
from .check_once import stoppable
from .context import Context
from .groups import example
from .moments import say_clock, zone_or_utc
from .output import echo_json, plain
from .progress import Progress
from .run_lines import Done, address, as_data, below, columns_of, done_of

#: An occurrence's key holds this much, "manual:" included; more would be cut and two keys become one.
MOST_KEY = 57
#: The total that a person wants to read first, by column; the first that the report has is shown.
HEADLINE = ("net_sales", "net", "total")


@click.command("run", epilog=example("reports run 'Weekly Sales'", "reports run rs_01ab --key order-4711 --json"))
@click.argument("report")
@click.option("--key", default="", help="An idempotency key: the same key never makes a second run.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def run_now(context: Context, report: str, key: str, as_json: bool) -> int:
    """
    Make REPORT (id or name) now and deliver it.

    Its schedule does not move. Exit status: 0 it succeeded, 1 it did not (yet).
    """
    if len(key) > MOST_KEY:
        raise UsageError(f"The key {key[:20]!r}… has {len(key)} characters; it may have {MOST_KEY}.")
    config = context.config()
    if "log.level" not in config.origin:
        config.log.level = "warning"  # the lines below say it all; whoever wants the log asks for it
    context.logs()
    with open_store(config) as store:
        wake = threading.Event()
        app = build(config, store, wake.set)
        if context.verbose:
            announce(config, store)
        seen = find_report(store, report)
        _require_open(app, seen)
        with stoppable(app):
            run = _perform(app, seen, f"manual:{key or secrets.token_hex(6)}", wake)
        _print(app, done_of(store, run), seen, as_json)
        app.close()
        return 0 if run.status is RunStatus.SUCCEEDED else 1


def _require_open(app: App, seen: SeenSchedule) -> None:
    """Raise UsageError where the report could not leave, or would wait for ever."""
    if app.mode == "hold":
        raise UsageError(
            "Delivery is on hold: nothing is sent from this database yet.",
            code="delivery_held",
            hint='Look and let go: scheduler go-live. Or try it on yourself: delivery.mode = "redirect".',
        )
    if seen.shop_paused is not None:
        message = f"The shop {seen.shop} is paused ({seen.shop_paused})."
        raise UsageError(message, hint=f"Resume it: scheduler shops resume {seen.shop}")


def _perform(app: App, seen: SeenSchedule, name: str, wake: threading.Event) -> Run:
    """Queue the run and work until it is over, or waits for a retry; return it as it then stands."""
    app.store.queueing.queue_by_hand(readable(seen), name, utc_now())
    app.heartbeat.start()
    with Progress(app.config, app.threads) as progress:
        while True:
            wake.clear()
            start_shops(app.store, app.threads, seen.shop)
            run = app.store.history.by_key(seen.id, Trigger.MANUAL, name)
            assert run is not None, name
            if run.status.final or (run.status is RunStatus.QUEUED and run.attempt and not app.threads.busy()):
                return run
            holder = app.store.leases.held_elsewhere([seen.shop]).get(seen.shop)
            progress.show(f"{seen.shop} is being worked on by {holder}; this run comes next." if holder else "")
            wake.wait(0.2)


def _print(app: App, done: Done, seen: SeenSchedule, as_json: bool) -> None:
    if as_json:
        echo_json("run", as_data(done))
        return
    run = done.run
    if run.file_name and run.record_count is not None:
        kept = f", {plain(run.file_name)} ({size(run.file_size or 0)})"
        click.echo(f"OK       {run.record_count:,} rows{kept}")
    if done.delivered:
        to = ", ".join(address(row) for row in done.delivered)
        click.echo(f"OK       delivered to {to} in {done.seconds:.1f} s")
    if run.period_start and run.period_end:
        zone = run.zone or seen.shop_zone or "UTC"
        click.echo(f"Period   {days(run.period_start, run.period_end, zone)}, {zone}{_headline(app, run)}")
    if run.status is not RunStatus.SUCCEEDED:
        _unfinished(done, seen)


def _unfinished(done: Done, seen: SeenSchedule) -> None:
    run = done.run
    for said in below(done, columns_of([]))[1 if done.delivered else 0 :]:
        click.echo(f"         {said.strip()}")
    word = "RETRY" if run.status is RunStatus.QUEUED else run.status.value.upper()
    click.echo(f"{word:8} {plain(run.error or run.reason or '')}")
    if run.status is RunStatus.QUEUED:
        now, zone = utc_now(), zone_or_utc(run.zone, seen.shop_zone)
        wait = say_length(max(run.not_before - now, now - now))
        click.echo(f"         It is tried again at {say_clock(run.not_before, zone, now)}, in {wait}, by the daemon or")
        click.echo("         by: scheduler check-once")
    else:
        click.echo(f"         See: scheduler reports why {seen.id}")


def _headline(app: App, run: Run) -> str:
    """Return the report's most wanted total as a sentence, from the file in the spool; empty where there is none."""
    try:
        file = Spool(app.config.spool_dir).open_file(run, "")
    except (RunError, OSError, ValueError, KeyError):
        return ""
    totals = {column.key: column for column in file.columns if column.key in file.about.totals}
    column = next((totals[key] for key in HEADLINE if key in totals), None)
    if column is None:
        return ""
    return f". {column.title} {_figure(column, file.about.totals[column.key])}"


def _figure(column: Column, text: str) -> str:
    if column.kind is not ColumnKind.MONEY:
        return grouped(text)
    return f"{money(text, column.currency)} {column.currency or ''}".rstrip()
