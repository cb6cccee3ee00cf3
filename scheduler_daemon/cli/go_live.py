"""`scheduler go-live`: deliveries begin, after a look at what would go out."""

import click

from ..lib.clock import utc_now
from ..lib.words import plural
from .asking import confirm, opened, which
from .context import Context
from .groups import example

AT_ONCE = "A running daemon takes it at its next check; at once: systemctl kill -s USR1 scheduler"


@click.command("go-live", epilog=example("go-live", "go-live --hold"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--hold", is_flag=True, help="The opposite: hold deliveries again.")
@click.pass_obj
def go_live(context: Context, yes: bool, hold: bool) -> None:
    """
    Show what would leave, then let reports leave.

    Told are the counts of active, due and overdue schedules and of their recipients.
    """
    config = context.config()
    with opened(context) as store:
        if hold:
            store.remember_mode("hold")
            click.echo(f"Delivery is on hold. {AT_ONCE}")
            return
        now = utc_now()
        due = store.cursors.due(now, limit=10_000)
        counts = store.schedules.counts()
        active = [item.schedule for item in store.schedules.all() if item.schedule and item.schedule.active]
        people = {r.address for schedule in active for r in schedule.recipients if r.channel == "email"}
        click.echo(which(config, store))
        click.echo(f"{counts['reports']} active, {counts['foreign']} of other types (untouched), {len(due)} due now")
        click.echo(plural(len(people), "mail recipient"))
        confirm("Let reports leave?", yes)
        store.remember_mode("live")
    if config.delivery.mode not in ("", "live"):
        key = config.origin.get("delivery.mode", "the configuration")
        click.echo(f'Note     delivery.mode = "{config.delivery.mode}" ({key}) still wins; remove it there')
    click.echo(f"Delivery is live. Next: scheduler run. {AT_ONCE}")
