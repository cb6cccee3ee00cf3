"""`scheduler history cancel`: a run that is not wanted any more."""

import click

from ..channels import repeatable
from ..errors import SchedulerError
from ..lib.clock import monotonic, utc_now
from ..lib.words import say_length
from ..model import Run, RunStatus, SkipReason
from ..store import Store
from .asking import opened
from .check_once import read_timeout
from .context import Context
from .groups import example
from .moments import say_takeover, zone_here
from .output import echo_json, plain
from .run_lines import as_data, done_of
from .waiting import Waiting


@click.command(epilog=example("history cancel 8GQ4ZK1P", "history cancel 8GQ4ZK1P --no-wait --json"))
@click.argument("run_id", metavar="RUN")
@click.option("--wait/--no-wait", default=True, help="Wait until a running one has stopped.")
@click.option("--timeout", default="", help='How long to wait, like "90s"; else until it is over.')
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def cancel(context: Context, run_id: str, wait: bool, timeout: str, as_json: bool) -> int:
    """
    Cancel RUN, queued or running, wherever it runs.

    A running one stops at its holder's next heartbeat (`daemon.beat`); a delivery that has begun is finished first.
    Exit status: 0 it is cancelled (or will be, with --no-wait), 1 it was over before, 4 --timeout reached.
    """
    seconds = read_timeout(timeout)
    with opened(context) as store:
        run = store.history.find(run_id)
        status = store.by_hand.cancel(run, repeatable(context.config().delivery.on_unknown))
        if run.status.final and status.final:
            raise SchedulerError(
                f"Run {run.id} is over: {run.status.value}.",
                code="run_finished",
                hint=f"See: scheduler history show {run.id}",
            )
        until = monotonic() + seconds
        if status is RunStatus.RUNNING and wait:
            run = _wait(store, run, until, say_length(context.config().daemon.beat))
        run = store.history.find(run.id)
        return _tell(store, run, as_json, waited=wait)


def _wait(store: Store, run: Run, until: float, beat: str) -> Run:
    """Wait until *run* is over or *until*; return it as it then stands."""
    holder = store.leases.held_elsewhere([run.shop]).get(run.shop, "its holder")
    asked = f"{holder} looks every {beat}"
    if (lost_until := store.leases.lost_elsewhere(utc_now()).get(run.shop)) is not None:
        asked = f"but the process of {holder} is gone; {say_takeover(lost_until, zone_here())}, and ends it"
    with Waiting(f"{plain(run.name)} is asked to stop; {asked}.") as waiting:
        while not run.status.final and monotonic() < until:
            waiting.pause(0.2)
            run = store.history.find(run.id)
    return run


def _tell(store: Store, run: Run, as_json: bool, *, waited: bool) -> int:
    done = run.reason == SkipReason.CANCELLED and run.status.final
    stopped = done or (run.status.final and run.error_code == "cancelled")
    if as_json:
        echo_json("run", as_data(done_of(store, run)), cancelled=stopped)
    elif stopped:
        click.echo(f"Cancelled {plain(run.name)}, run {run.id}: {run.status.value}")
        if run.status is RunStatus.PARTIAL:
            click.echo(f"         {plain(run.error or '')} For the others: scheduler history resend {run.id} --missed")
    elif not run.status.final:
        click.echo(f"Asked    {plain(run.name)}, run {run.id}, to stop. See: scheduler history show {run.id}")
    else:
        click.echo(f"It was over first: {run.status.value}. See: scheduler history show {run.id}")
    if stopped:
        return 0
    return (4 if waited else 0) if not run.status.final else 1
