"""`scheduler reports show` and `types`: one schedule in full, and what a report can be."""

from datetime import timedelta
from typing import Any

import click

from ..app import delivery_mode
from ..condition import say_condition
from ..config import Config
from ..lib.clock import utc_now
from ..lib.words import say_length
from ..model import Report, Schedule
from ..sources import TYPES, open_source
from ..store import SeenSchedule, Store
from ..when.comparison import COMPARISONS
from ..when.period import PERIODS
from ..when.rule_text import sentence
from ..when.timetable import say_next, zone_of
from .asking import find_report, opened
from .context import Context
from .groups import example
from .moments import say_moment, zone_or_utc
from .output import echo_json, facts
from .report_list import data, state


@click.command(epilog=example("reports show 'Weekly Sales'"))
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
    facts(_shown(seen, context.config().reports.first_day(seen.shop)))


def _shown(seen: SeenSchedule, week_start: str) -> dict[str, object]:
    """Return what `show` says of a schedule, its moments in its own zone; *week_start* is the shop's."""
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
        "period": _period(report, week_start),
        "compared with": report.compare or "nothing",
        "format": report.format,
        "columns": [f"{key}={title}" if title else key for key, title in report.columns] or "those of its type",
        "filters": [f"{key}={value}" for key, value in report.filters.items()] or "none",
        "to": [f"{r.address}{'' if r.role == 'to' else f' ({r.role})'}" for r in schedule.recipients] or "the folder",
        "condition": say_condition(report.condition) or "none",
        "owner": schedule.owner or "none; notices.to is told of trouble",
        "policies": ", ".join(_policies(schedule)),
    }


def _period(report: Report, week_start: str) -> str:
    """Return the period in words: a custom one with its days, one of weeks with their first day."""
    if report.period_from:
        return f"{report.period} {report.period_from} to {report.period_to}"
    weeks = f", weeks begin on {(report.week_start or week_start).capitalize()}" if "week" in report.period else ""
    return f"{report.period}{weeks}"


def _policies(schedule: Schedule) -> list[str]:
    window, jitter = timedelta(seconds=schedule.catch_up_window), timedelta(seconds=schedule.jitter)
    catch_up = f"catch-up {schedule.catch_up.value}" + (f" up to {say_length(window)} back" if window else "")
    said = [catch_up, f"overlap {schedule.overlap.value}", f"priority {schedule.priority}"]
    return [*said, f"jitter {say_length(jitter)}"] if jitter else said


@click.command(epilog=example("reports types"))
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
        echo_json("types", found, periods=PERIODS, comparisons=COMPARISONS)
        return
    for item in found:
        click.echo(f"{item['type']}  {item['title']}, needs {', '.join(item['scopes'])}")
        click.echo(f"  columns  {', '.join(column['key'] for column in item['columns'])}")
        for name, text in item["filters"].items():
            click.echo(f"  filter   {name}: {text}")
    width = max(len(name) for name in (*PERIODS, *COMPARISONS))
    for title, words in (("periods", PERIODS), ("comparisons", COMPARISONS)):
        click.echo(title)
        for name, text in words.items():
            click.echo(f"  {name.ljust(width)}  {text}")


def say_made(store: Store, config: Config, made: Schedule) -> None:
    """Print the schedule as a sentence, and what it still lacks."""
    shop = store.shops.find(made.shop)
    name, _, note = zone_of(made, shop.zone)
    upcoming = f"; next: {say_next(made, made.next_due_at, shop.zone)}" if made.next_due_at else ""
    click.echo(f"{sentence(made.recurrence)}, {name}{upcoming}")
    notes = [note]
    if store.sessions.find(made.shop) is None:
        notes.append(f"{made.shop} has no offline session yet: scheduler shops add {made.shop}")
    unset = sorted({item.channel for item in made.recipients if getattr(config, item.channel, None) is None})
    notes += [f"it delivers by {name}, and the configuration has no section [{name}] yet" for name in unset]
    if delivery_mode(config, store) == "hold":
        notes.append("delivery is on hold until: scheduler go-live")
    for text in notes:
        if text:
            click.echo(f"Note     {text}")
