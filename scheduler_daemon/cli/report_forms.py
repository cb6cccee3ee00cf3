"""`scheduler reports add` and `edit`: from flags, or by a few questions."""

import json
from dataclasses import replace
from typing import Any

import click

from ..channels import check_kind
from ..channels.address import parse_address
from ..errors import UsageError
from ..lib.clock import utc_now
from ..lib.ids import new_ulid
from ..model import CatchUp, Overlap, Recipient, Report, Schedule
from ..period import PERIODS, find_period
from ..prepare import check_report
from ..recurrence import rule_hash, sentence
from ..renderers import KINDS
from ..sources import TYPES
from ..sources.base import require_reach
from ..spoken import read_words
from ..store import Store
from ..store.schedule_rows import check_zone
from ..timetable import first_after, say_next, zone_of
from .asking import can_ask, opened, read_domain
from .main import Context

OPTIONS = [
    click.option("--name", help="What people call it."),
    click.option("--type", "type_", help=f"Report type: {', '.join(TYPES)}."),
    click.option("--every", help='When: "monday 08:00", "daily 07:30", "monthly 1 08:00", cron text.'),
    click.option("--zone", help="Time zone; default is the shop's."),
    click.option("--period", help=f"What it is about: {', '.join(PERIODS)}."),
    click.option("--from", "from_", help="First day of a custom period."),
    click.option("--to-day", help="Last day of a custom period."),
    click.option("--format", "format_", help=f"File format: {', '.join(KINDS)}."),
    click.option("--columns", help="Columns to show, comma separated; key=Title renames one."),
    click.option("--filter", "filters", multiple=True, help="A filter, name=value; may be repeated."),
    click.option("--to", multiple=True, help="Recipient's mail address; may be repeated."),
    click.option("--cc", multiple=True, help="Copy; may be repeated."),
    click.option("--bcc", multiple=True, help="Blind copy; may be repeated."),
    click.option("--folder/--no-folder", default=None, help="Into the configured folder too."),
    click.option("--owner", help="Who is told of trouble, and gets the answers."),
    click.option("--catch-up", type=click.Choice([item.value for item in CatchUp]), help="Missed occurrences."),
    click.option("--overlap", type=click.Choice([item.value for item in Overlap]), help="Overlapping occurrences."),
    click.option("--priority", type=click.IntRange(0, 1000), help="Smaller runs first within a shop."),
]


def with_options(command: Any) -> Any:
    """Add the options that `add` and `edit` share."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.option("--shop", help="Domain of the shop.")
@with_options
@click.pass_obj
def add(context: Context, /, shop: str | None, **given: Any) -> int:
    """Add a schedule; without flags it asks."""
    with opened(context, create=True) as store:
        asked = not shop and can_ask()
        if asked:
            shop, given = _ask(store, given)
        if not shop:
            raise UsageError("--shop is needed.", hint="Or run it on a terminal without flags; it asks.")
        read_domain(shop)
        for name in ("type_", "every"):
            if not given[name]:
                raise UsageError(f"--{name.rstrip('_')} is needed.", hint="See: scheduler reports add -h")
        type_ = str(given["type_"])
        title = given["name"] or type_.replace("-", " ").capitalize()
        blank = Schedule(new_id(), shop, title, Report(type_, title, period="last_week"), None, "", ())
        made = _apply(store, blank, {**given, "name": title})
        store.schedules.add(made, utc_now())
        _show(store, made)
    if asked and click.confirm("Make one now?", default=True):
        ctx = click.get_current_context()
        from .report_run import run_now

        return int(ctx.invoke(run_now, report=made.id, key="", as_json=False) or 0)
    click.echo(f"OK       {made.id}")
    return 0


@click.command()
@click.argument("report")
@with_options
@click.pass_obj
def edit(context: Context, /, report: str, **given: Any) -> None:
    """Change REPORT (id or name); nothing fires for the past."""
    with opened(context) as store:
        seen = store.schedules.find(report)
        if seen.schedule is None:
            raise UsageError(f"Schedule {seen.name} cannot be read: {seen.problem}.", code=seen.problem_code)
        made = _apply(store, seen.schedule, given)
        store.schedules.edit(made, utc_now())
        _show(store, made)


def new_id() -> str:
    """Return an id for a schedule of ours."""
    return f"rs_{new_ulid(int(utc_now().timestamp() * 1000)).lower()}"


def _ask(store: Store, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    known = [item.domain for item in store.shops.all()]
    shop = click.prompt("Shop", default=known[0] if known else None)
    answers = dict(given)
    answers["type_"] = click.prompt(f"Type ({', '.join(TYPES)})", default="orders")
    answers["period"] = click.prompt("Period", default="last_week")
    answers["format_"] = click.prompt("Format", default="xlsx")
    answers["every"] = click.prompt('When ("monday 08:00", "daily 07:30", cron text)')
    to = click.prompt("Send to", default="")
    answers["to"] = tuple(item.strip() for item in to.split(",") if item.strip())
    return shop, answers


def _apply(store: Store, old: Schedule, given: dict[str, Any]) -> Schedule:
    """Return *old* with what was given, checked, and its cursor computed from now on."""
    report = _report(old.report, given)
    check_report(report)
    zone = old.zone if given["zone"] is None else given["zone"]
    if zone:
        check_zone(zone)
    rule = read_words(given["every"]) if given["every"] else old.recurrence
    made = replace(
        old,
        name=report.title,
        report=report,
        recurrence=rule,
        zone=zone,
        recipients=_recipients(old, given),
        owner=parse_address(given["owner"]) if given["owner"] else old.owner,
        catch_up=CatchUp(given["catch_up"]) if given["catch_up"] else old.catch_up,
        overlap=Overlap(given["overlap"]) if given["overlap"] else old.overlap,
        priority=given["priority"] if given["priority"] is not None else old.priority,
    )
    shop = store.shops.find(made.shop)
    name, found, _ = zone_of(made, shop.zone)
    upcoming = first_after(rule, found, utc_now()) if rule else None
    if rule is not None and upcoming is None:
        raise UsageError(f"{sentence(rule)} lies in the past.", code="bad_recurrence", hint="Give a later moment.")
    if upcoming is not None:
        require_reach(find_period(report, upcoming.due_at, name).start, shop.scopes, upcoming.due_at)
        stamp = int(upcoming.due_at.timestamp() * 1000)
        return replace(made, next_due_at=upcoming.due_at, rule_hash=f"{rule_hash(rule, name)}:{stamp}")
    return made


def _report(old: Report, given: dict[str, Any]) -> Report:
    columns = old.columns
    if given["columns"]:
        parts = [item.strip().partition("=") for item in given["columns"].split(",") if item.strip()]
        columns = tuple((key.strip(), title.strip() or None) for key, _, title in parts)
    filters = dict(old.filters)
    for item in given["filters"]:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"The filter {item!r} has no value.", code="bad_filter", hint="Write it as name=value.")
        filters[name.strip()] = _value(value.strip())
    return replace(
        old,
        type=given["type_"] or old.type,
        title=given["name"] or old.title,
        format=given["format_"] or old.format,
        period=given["period"] or old.period,
        period_from=given["from_"] or old.period_from,
        period_to=given["to_day"] or old.period_to,
        columns=columns,
        filters=filters,
    )


def _value(text: str) -> Any:
    return json.loads(text) if text in ("true", "false") else text


def _recipients(old: Schedule, given: dict[str, Any]) -> tuple[Recipient, ...]:
    kept = list(old.recipients)
    for role in ("to", "cc", "bcc"):
        if given[role]:
            kept = [item for item in kept if item.channel != "email" or item.role != role]
            kept += [Recipient("email", parse_address(address), role) for address in given[role]]
    if given["folder"] is not None:
        check_kind("folder")
        kept = [item for item in kept if item.channel != "folder"]
        kept += [Recipient("folder", "folder")] if given["folder"] else []
    return tuple(kept)


def _show(store: Store, made: Schedule) -> None:
    shop = store.shops.find(made.shop)
    name, _, note = zone_of(made, shop.zone)
    upcoming = f"; next: {say_next(made, made.next_due_at, shop.zone)}" if made.next_due_at else ""
    click.echo(f"{sentence(made.recurrence)}, {name}{upcoming}")
    if note:
        click.echo(f"Note     {note}")
