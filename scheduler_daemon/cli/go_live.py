"""`scheduler go-live`: deliveries begin, after a look at what would go out."""

import click

from ..errors import UsageError
from ..lib.clock import utc_now
from .asking import can_ask, opened
from .main import Context


@click.command("go-live")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--hold", is_flag=True, help="The opposite: hold deliveries again.")
@click.pass_obj
def go_live(context: Context, yes: bool, hold: bool) -> None:
    """Show the counts of active, due and overdue schedules and their recipients, then let reports leave."""
    with opened(context) as store:
        if hold:
            store.remember_mode("hold")
            click.echo("Delivery is on hold. A running daemon takes it at its next start.")
            return
        now = utc_now()
        due = store.queueing.due(now, limit=10_000)
        counts = store.schedules.counts()
        active = [item.schedule for item in store.schedules.all() if item.schedule and item.schedule.active]
        people = {r.address for schedule in active for r in schedule.recipients if r.channel == "email"}
        click.echo(f"Database {store.target.shown}, delivery {store.mode}")
        click.echo(f"{counts['reports']} active, {counts['foreign']} of other types (untouched), {len(due)} due now")
        click.echo(f"{len(people)} mail recipients")
        if not yes:
            if not can_ask():
                raise UsageError("Nobody is there to confirm.", hint="Run it on a terminal, or with --yes.")
            click.confirm("Let reports leave?", abort=True)
        store.remember_mode("live")
    click.echo("Delivery is live. Next: scheduler run")
