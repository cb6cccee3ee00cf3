"""`scheduler reports`: schedules, looked at and changed."""

from dataclasses import replace
from itertools import islice
from typing import Any

import click

from ..errors import UsageError
from ..lib.clock import iso, utc_now
from ..model import Schedule
from ..period import PERIODS
from ..recurrence import sentence
from ..sources import TYPES, open_source
from ..store import SeenSchedule, Store
from ..timetable import first_after, occurrences, say_next, zone_of
from .asking import opened
from .main import Context
from .output import echo_json, table
from .report_forms import add, edit
from .report_run import run_now
from .report_why import why


@click.group()
def reports() -> None:
    """Add, list, edit, explain and run scheduled reports."""


reports.add_command(add)
reports.add_command(edit)
reports.add_command(run_now)
reports.add_command(why)


@reports.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def types(as_json: bool) -> None:
    """List the report types with their columns, filters and periods."""
    found: list[dict[str, Any]] = []
    for key in TYPES:
        source = open_source(key)
        filters = {name: field.description for name, field in source.filters.model_fields.items()}
        columns = [{"key": c.key, "title": c.title, "kind": c.kind.value} for c in source.columns]
        facts = {"type": key, "title": source.title, "scopes": source.scopes}
        found.append({**facts, "columns": columns, "filters": filters})
    if as_json:
        echo_json("types", found)
        return
    for item in found:
        click.echo(f"{item['type']}  {item['title']}, needs {', '.join(item['scopes'])}")
        click.echo(f"  columns  {', '.join(column['key'] for column in item['columns'])}")
        click.echo(f"  filters  {', '.join(item['filters'])}")
    click.echo(f"periods  {', '.join(PERIODS)}")


@reports.command("list")
@click.option("--shop", default="", help="Only this shop.")
@click.option("--owner", default="", help="Only schedules of this owner.")
@click.option("--recipient", default="", help="Only schedules that go to this address.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_reports(context: Context, shop: str, owner: str, recipient: str, as_json: bool) -> None:
    """List the schedules."""
    with opened(context) as store:
        found = [item for item in store.schedules.all(shop=shop) if _fits(item, owner, recipient)]
    if as_json:
        echo_json("reports", [data(item) for item in found])
        return
    rows = [(s.id, s.shop, s.name, _when(s), _state(s), _upcoming(s)) for s in found]
    table(["id", "shop", "name", "when", "state", "next"], rows)


def _fits(seen: SeenSchedule, owner: str, recipient: str) -> bool:
    schedule = seen.schedule
    if schedule is None:
        return not (owner or recipient)
    addresses = {item.address for item in schedule.recipients}
    return owner in ("", schedule.owner) and (not recipient or recipient in addresses)


def _when(seen: SeenSchedule) -> str:
    return sentence(seen.schedule.recurrence) if seen.schedule else "?"


def _state(seen: SeenSchedule) -> str:
    if seen.schedule is None:
        return f"unreadable: {seen.problem}"
    if not seen.schedule.active:
        return "off"
    return "paused" if seen.schedule.paused_at else "active"


def _upcoming(seen: SeenSchedule) -> str:
    if seen.schedule is None or seen.due_at is None or not seen.schedule.active:
        return ""
    return say_next(seen.schedule, seen.due_at, seen.shop_zone)


def data(seen: SeenSchedule) -> dict[str, object]:
    """Return a schedule for machines."""
    schedule = seen.schedule
    made: dict[str, object] = {"id": seen.id, "shop": seen.shop, "name": seen.name, "state": _state(seen)}
    made["next_run_at"] = iso(seen.due_at) if seen.due_at else None
    if schedule is None:
        return {**made, "problem": seen.problem}
    report = schedule.report
    return {
        **made,
        "type": report.type,
        "format": report.format,
        "period": report.period,
        "columns": [key for key, _ in report.columns],
        "filters": dict(report.filters),
        "when": sentence(schedule.recurrence),
        "zone": schedule.zone or seen.shop_zone,
        "recipients": [{"channel": r.channel, "address": r.address, "role": r.role} for r in schedule.recipients],
        "owner": schedule.owner or None,
        "last_run_at": iso(schedule.last_run_at) if schedule.last_run_at else None,
    }


@reports.command()
@click.argument("report")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, report: str, as_json: bool) -> None:
    """Show the schedule REPORT (id or name)."""
    with opened(context) as store:
        seen = store.schedules.find(report)
    if as_json:
        echo_json("report", data(seen))
        return
    for key, value in data(seen).items():
        click.echo(f"{key:14} {value if value is not None else ''}")


@reports.command()
@click.argument("report")
@click.option("--note", default="by hand", help="Why.")
@click.pass_obj
def pause(context: Context, report: str, note: str) -> None:
    """Let REPORT rest: its occurrences are written down as skipped."""
    with opened(context) as store:
        seen = store.schedules.find(report)
        done = store.schedules.pause(seen.id, note, utc_now())
    click.echo(f"{'Paused' if done else 'Was paused already:'} {seen.name}. Next: scheduler reports resume {seen.id}")


@reports.command()
@click.argument("report")
@click.pass_obj
def resume(context: Context, report: str) -> None:
    """Let REPORT go on from its next moment; what was missed does not run."""
    with opened(context) as store:
        seen = store.schedules.find(report)
        done = store.schedules.resume(seen.id)
        upcoming = _following(seen) if done else None
        if upcoming is not None and seen.due_at and seen.due_at <= utc_now():
            store.schedules.edit(upcoming, utc_now())
    click.echo(f"{'Resumed' if done else 'Was not paused:'} {seen.name}")


def _following(seen: SeenSchedule) -> Schedule | None:
    schedule = seen.schedule
    if schedule is None or schedule.recurrence is None:
        return None
    found = first_after(schedule.recurrence, zone_of(schedule, seen.shop_zone)[1], utc_now())
    return replace(schedule, next_due_at=found.due_at if found else None)


@reports.command()
@click.argument("report")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, report: str, yes: bool) -> None:
    """Remove REPORT; its history stays."""
    with opened(context) as store:
        seen = store.schedules.find(report)
        if not yes:
            click.confirm(f"Remove {seen.name} of {seen.shop}?", abort=True)
        cancelled = store.schedules.remove(seen.id, utc_now())
    click.echo(f"Removed {seen.name}; {cancelled} waiting run(s) cancelled")


@reports.command("next")
@click.argument("report")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many moments.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show_next(context: Context, report: str, count: int, as_json: bool) -> None:
    """Show the next moments of REPORT, with local time and UTC offset."""
    with opened(context) as store:
        seen = store.schedules.find(report)
    schedule = _readable(seen)
    if schedule.recurrence is None:
        raise UsageError(f"{seen.name} has no rule: the app sets its moments.", code="bad_recurrence")
    _, zone, _ = zone_of(schedule, seen.shop_zone)
    found = list(islice(occurrences(schedule.recurrence, zone, utc_now()), count))
    if as_json:
        echo_json("next", [{"key": item.key, "due_at": iso(item.due_at)} for item in found])
        return
    click.echo(sentence(schedule.recurrence))
    for item in found:
        click.echo(f"{item.due_at.astimezone(zone):%a %d %b %Y %H:%M %Z (UTC%z)}")


def _readable(seen: SeenSchedule) -> Schedule:
    if seen.schedule is None:
        raise UsageError(f"Schedule {seen.name} cannot be read: {seen.problem}.", code=seen.problem_code)
    return seen.schedule


def schedule_of(store: Store, report: str) -> tuple[SeenSchedule, Schedule]:
    """Return a schedule that can be read; raise UsageError."""
    seen = store.schedules.find(report)
    return seen, _readable(seen)
