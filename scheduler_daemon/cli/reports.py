"""`scheduler reports`: schedules, looked at and changed."""

from datetime import timedelta
from typing import Any

import click

from ..app import delivery_mode
from ..condition import say_condition
from ..lib.clock import utc_now
from ..lib.words import plural, say_length
from ..model import Schedule
from ..sources import TYPES, open_source
from ..store import SeenSchedule, Store
from ..tick import Planner
from ..when.period import PERIODS
from ..when.rule_text import sentence
from .asking import confirm, find_report, opened
from .context import Context
from .groups import Group, example
from .moments import say_moment, zone_or_utc
from .output import echo_json, facts
from .report_backfill import backfill
from .report_forms import add, edit
from .report_list import data, list_reports, state
from .report_next import show_next
from .report_preview import preview
from .report_run import run_now
from .report_why import why


@click.group(cls=Group, epilog=example("reports add", "reports list", "reports why 'Weekly Sales'"))
def reports() -> None:
    """Add, list, edit, explain and run scheduled reports."""


for command in (add, list_reports, why, show_next, preview, run_now, backfill, edit):
    reports.add_command(command)


@reports.command(epilog=example("reports show 'Weekly Sales'"))
@click.argument("report")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, report: str, as_json: bool) -> None:
    """Show the schedule REPORT (id or name)."""
    with opened(context) as store:
        seen = find_report(store, report)
    if as_json:
        echo_json("report", data(seen))
        return
    facts(_shown(seen))


def _shown(seen: SeenSchedule) -> dict[str, object]:
    """Return what `show` says of a schedule, its moments in its own zone."""
    schedule = seen.schedule
    found: dict[str, object] = {"id": seen.id, "report": seen.name, "shop": seen.shop, "state": state(seen)}
    if schedule is None:
        return {**found, "next": f"none; see: scheduler reports why {seen.id}"}
    now, zone = utc_now(), zone_or_utc(schedule.zone, seen.shop_zone)
    last, report = schedule.last_run_at, schedule.report
    return {
        **found,
        "type": report.type,
        "when": f"{sentence(schedule.recurrence)}, {schedule.zone or seen.shop_zone or 'UTC'}",
        "next": say_moment(seen.due_at, zone, now) if seen.due_at and schedule.active else "none",
        "last run": say_moment(last, zone, now) if last else "none yet",
        "period": report.period + (f" {report.period_from} to {report.period_to}" if report.period_from else ""),
        "format": report.format,
        "columns": [f"{key}={title}" if title else key for key, title in report.columns] or "those of its type",
        "filters": [f"{key}={value}" for key, value in report.filters.items()] or "none",
        "to": [f"{r.address}{'' if r.role == 'to' else f' ({r.role})'}" for r in schedule.recipients] or "the folder",
        "condition": say_condition(report.condition) or "none",
        "owner": schedule.owner or "none; notices.to is told of trouble",
        "policies": ", ".join(_policies(schedule)),
    }


def _policies(schedule: Schedule) -> list[str]:
    window, jitter = timedelta(seconds=schedule.catch_up_window), timedelta(seconds=schedule.jitter)
    catch_up = f"catch-up {schedule.catch_up.value}" + (f" up to {say_length(window)} back" if window else "")
    said = [catch_up, f"overlap {schedule.overlap.value}", f"priority {schedule.priority}"]
    return [*said, f"jitter {say_length(jitter)}"] if jitter else said


@reports.command(epilog=example("reports pause 'Weekly Sales' --note 'until the sale is over'"))
@click.argument("report")
@click.option("--note", default="by hand", help="Why.")
@click.pass_obj
def pause(context: Context, report: str, note: str) -> None:
    """Let REPORT rest; what comes due is recorded as skipped."""
    with opened(context) as store:
        seen = find_report(store, report)
        done = store.schedules.pause(seen.id, note, utc_now())
    click.echo(f"{'Paused' if done else 'Was paused already:'} {seen.name}. Next: scheduler reports resume {seen.id}")


@reports.command(epilog=example("reports resume 'Weekly Sales'"))
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
        Planner(store, mode).queue_due(utc_now(), only=(seen.shop, seen.id))


@reports.command(epilog=example("reports remove 'Weekly Sales'"))
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


@reports.command(epilog=example("reports types"))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def types(as_json: bool) -> None:
    """List the report types with their columns and filters."""
    found: list[dict[str, Any]] = []
    for key in TYPES:
        source = open_source(key)
        filters = {name: field.description for name, field in source.filters.model_fields.items()}
        columns = [{"key": c.key, "title": c.title, "kind": c.kind.value} for c in source.columns]
        about: dict[str, Any] = {"type": key, "title": source.title, "scopes": list(source.scopes)}
        found.append({**about, "columns": columns, "filters": filters})
    if as_json:
        echo_json("types", found, periods=PERIODS)
        return
    for item in found:
        click.echo(f"{item['type']}  {item['title']}, needs {', '.join(item['scopes'])}")
        click.echo(f"  columns  {', '.join(column['key'] for column in item['columns'])}")
        for name, text in item["filters"].items():
            click.echo(f"  filter   {name}: {text}")
    click.echo("periods")
    for name, text in PERIODS.items():
        click.echo(f"  {name:14} {text}")
