"""`scheduler history rerun` and `resend`: a run once more with fresh data, or its very file once more."""

from collections.abc import Sequence

import click

from ..app import App
from ..channels.address import parse_address
from ..deliver import new_delivery
from ..errors import RunError, SchedulerError, UsageError
from ..lib.clock import to_ms, utc_now
from ..lib.words import plural
from ..model import Delivery, DeliveryState, Recipient, Run, RunStatus, Trigger
from .asking import confirm
from .at_work import Bench, at_work, require_open, still_queued
from .context import Context
from .groups import example
from .output import echo_json, plain
from .report_run import tell
from .run_lines import address, as_data, done_of

#: Of whom a person must know before a copy leaves that he may get it twice.
MAYBE = (DeliveryState.DELIVERED, DeliveryState.UNKNOWN)


@click.command(epilog=example("history rerun 8GQ4ZK1P", "history rerun 8GQ4ZK1P --to me@acme.example --json"))
@click.argument("run_id", metavar="RUN")
@click.option("--to", multiple=True, help="Only to this address; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def rerun(context: Context, run_id: str, to: tuple[str, ...], as_json: bool) -> int:
    """
    Make RUN once more: same report and period, fresh data.

    It is a new run; the old one and the schedule stay as they are. Exit status: 0 it succeeded, 1 it did not (yet).
    """
    with at_work(context) as bench:
        app = bench.app
        old = app.store.history.find(run_id)
        require_over(old)
        if old.report is None:
            message = f"What run {old.id} was asked for cannot be read from the ledger."
            hint = f"Make the report as it is now: scheduler reports run {old.schedule_id}"
            raise SchedulerError(message, code="bad_schedule_row", hint=hint)
        require_open(app, old.shop)
        recipients = chosen(old.recipients, to) if to else old.recipients
        key = app.store.by_hand.rerun(old, recipients, utc_now())
        made = app.store.history.by_key(old.schedule_id, Trigger.MANUAL, key)
        assert made is not None, key
        (run,) = bench.work_off(old.shop, [made.id])
        tell(app, done_of(app.store, run), as_json)
        return 0 if run.status is RunStatus.SUCCEEDED else 1


@click.command(
    epilog=example("history resend 8GQ4ZK1P --to cfo@acme.example", "history resend 8GQ4ZK1P --missed --yes --json")
)
@click.argument("run_id", metavar="RUN")
@click.option("--to", multiple=True, help="Only to this address; may be repeated.")
@click.option("--missed", is_flag=True, help="Only to those who did not get it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def resend(context: Context, run_id: str, to: tuple[str, ...], missed: bool, yes: bool, as_json: bool) -> int:
    """
    Send the file of RUN once more, as it was made.

    Nothing is fetched. Who gets it counts for the run: a partial one may become succeeded, none becomes worse. Exit
    status: 0 every copy was delivered, 1 not (yet), or the file is no longer in the spool.
    """
    if to and missed:
        raise UsageError("--to and --missed do not go together.", hint="Give one of them.")
    with at_work(context) as bench:
        app = bench.app
        run = app.store.history.find(run_id)
        require_over(run)
        _require_file(app, run)
        require_open(app, run.shop)
        rows = app.store.history.deliveries(run.id)
        people = _people(rows, to, missed)
        _ask(run, rows, people, yes)
        return _send(bench, run, _redirected(app, people), as_json)


def require_over(run: Run) -> None:
    """Raise SchedulerError `run_unfinished` where *run* is still to end by itself."""
    if not run.status.final:
        raise SchedulerError(
            f"Run {run.id} is {run.status.value}: it is not over yet.",
            code="run_unfinished",
            hint=f"Wait for it, see scheduler reports why {run.schedule_id}, or: scheduler history cancel {run.id}",
        )


def _require_file(app: App, run: Run) -> None:
    """Raise SchedulerError `spool_missing` unless the run's file is in the spool, byte for byte."""
    try:
        app.performer.preparer.find(run)
    except RunError as error:
        never = f"Run {run.id} never had a file ({run.status.value}{f', {run.reason}' if run.reason else ''})."
        hint = f"Make it once more, with fresh data: scheduler history rerun {run.id}"
        message = error.message if run.spool_path else never
        raise SchedulerError(message, code="spool_missing", hint=hint) from None


def chosen(known: Sequence[Recipient], to: Sequence[str]) -> tuple[Recipient, ...]:
    """Return whom *to* names: those of *known* with their channel, others as new mail addresses."""
    found = {item.address.lower(): item for item in reversed(known)}
    wanted = [found.get(text.strip().lower()) or Recipient("email", parse_address(text)) for text in to]
    return tuple(dict.fromkeys(wanted))


def _people(rows: Sequence[Delivery], to: Sequence[str], missed: bool) -> tuple[Recipient, ...]:
    known = tuple(dict.fromkeys(row.recipient for row in rows if row.copy == 0))
    if to:
        return chosen(known, to)
    if not missed:
        return known
    got = {row.recipient for row in rows if row.state is DeliveryState.DELIVERED}
    found = tuple(item for item in known if item not in got)
    if not found:
        raise UsageError("Everybody got it.", hint="To send it again all the same, leave --missed out.")
    return found


def _redirected(app: App, people: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """Return where copies go in the mode now: in `redirect` no mail leaves for its recipient."""
    if app.mode != "redirect":
        return people
    elsewhere = Recipient("email", app.config.delivery.redirect_to)
    return tuple(dict.fromkeys(elsewhere if item.channel == "email" else item for item in people))


def _ask(run: Run, rows: Sequence[Delivery], people: Sequence[Recipient], yes: bool) -> None:
    """Say who gets what, and who may get it twice; ask unless *yes*."""
    click.echo(f"{plain(run.name)}, run {run.id}: {plain(run.file_name or '')}", err=True)
    for item in people:
        states = [row.state for row in rows if row.recipient == item]
        said = "not a recipient of this report" if not states else states[-1].value
        if any(state in MAYBE for state in states):
            twice = "has it already" if DeliveryState.DELIVERED in states else "may have it already"
            said = f"{said}: {twice}, and gets it twice"
        click.echo(f"  {plain(item.address)}  {said}", err=True)
    confirm(f"Send it to {plural(len(people), 'recipient')}?", yes)


def _send(bench: Bench, run: Run, people: Sequence[Recipient], as_json: bool) -> int:
    store, at = bench.app.store, to_ms(utc_now())
    bench.app.performer.preparer.spool.touch(run.id)
    made = store.by_hand.resend(
        run, people, lambda to, copy: new_delivery(run, to, at + people.index(to), copy), utc_now()
    )
    if not made:
        require_over(store.history.find(run.id))
    (after,) = bench.work_off(run.shop, [run.id])
    mine = {item.id for item in made}
    done = done_of(store, after)
    copies = [row for row in done.deliveries if row.id in mine]
    good = all(row.state is DeliveryState.DELIVERED for row in copies)
    if as_json:
        echo_json("run", as_data(done), copies=[row.recipient.address for row in copies], delivered=good)
    else:
        for row in copies:
            error = f": {plain(row.error)}" if row.error else ""
            click.echo(f"{'OK' if row.state is DeliveryState.DELIVERED else row.state.value.upper():8} ", nl=False)
            click.echo(f"{address(after, row)}{error}")
        if after.status is RunStatus.QUEUED:
            still_queued(after)
        else:
            click.echo(f"         The run is {after.status.value}.")
    return 0 if good else 1
