"""`scheduler reports pause`, `resume` and `remove`: a schedule rests, goes on, or is gone."""

import click

from ..app import delivery_mode
from ..lib.clock import utc_now
from ..lib.words import plural
from ..store import SeenSchedule, Store
from ..tick import Planner
from .asking import confirm, find_report, opened
from .context import Context
from .groups import example


@click.command(epilog=example("reports pause 'Weekly Sales' --note 'until the sale is over'"))
@click.argument("report")
@click.option("--note", default="by hand", help="Why.")
@click.pass_obj
def pause(context: Context, report: str, note: str) -> None:
    """Let REPORT rest; what comes due is recorded as skipped."""
    with opened(context) as store:
        seen = find_report(store, report)
        done = store.schedules.pause(seen.id, note, utc_now())
    click.echo(f"{'Paused' if done else 'Was paused already:'} {seen.name}. Next: scheduler reports resume {seen.id}")


@click.command(epilog=example("reports resume 'Weekly Sales'"))
@click.argument("report")
@click.pass_obj
def resume(context: Context, report: str) -> None:
    """Let REPORT go on; what was missed does not run."""
    with opened(context) as store:
        seen = find_report(store, report)
        skip_what_was_paused(store, seen, delivery_mode(context.config(), store))
        done = store.schedules.resume(seen.id)
    click.echo(f"{'Resumed' if done else 'Was not paused:'} {seen.name}")


def skip_what_was_paused(store: Store, seen: SeenSchedule, mode: str) -> None:
    """Write down as skipped what came due in the pause of *seen* while no daemon looked: none of it runs afterwards."""
    schedule = seen.schedule
    if schedule is not None and schedule.paused_at is not None and schedule.active:
        Planner(store, mode).queue_all_due(utc_now(), (seen.shop, seen.id))


@click.command(epilog=example("reports remove 'Weekly Sales'"))
@click.argument("report")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, report: str, yes: bool) -> None:
    """Remove REPORT; its history stays."""
    with opened(context) as store:
        seen = find_report(store, report)
        confirm(f"Remove {seen.name} of {seen.shop}?", yes)
        cancelled = store.schedules.remove(seen.id, utc_now())
    click.echo(f"Removed {seen.name}; {plural(cancelled, 'waiting run')} cancelled")
