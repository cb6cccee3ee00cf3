"""`scheduler reports add` and `edit`: from flags, or by a few questions."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import click

from ..app import delivery_mode
from ..channels import check_kind
from ..channels.address import parse_address
from ..compare import require_whole
from ..config import Config
from ..errors import RunError, UsageError
from ..lib.clock import to_ms, utc_now
from ..lib.ids import new_ulid
from ..lib.words import parse_length, plural, say_length
from ..model import CatchUp, Overlap, Recipient, Report, Schedule
from ..prepare import check_report
from ..renderers import KINDS
from ..sources import TYPES, open_source
from ..sources.base import require_scopes
from ..store import Store
from ..store.row_checks import MOST, check_zone
from ..tick import Planner
from ..when.comparison import COMPARISONS, read_comparison
from ..when.period import PERIODS, find_period, read_week_start
from ..when.rule_text import sentence
from ..when.spoken import read_words
from ..when.timetable import first_after, mark_of, zone_of
from .asking import can_ask, find_report, opened, read_domain, readable, same_name
from .context import Context
from .groups import Whole, example
from .output import STEERING, plain
from .report_conditions import OPTIONS as CONDITIONS
from .report_conditions import read_flags
from .report_questions import ask_all
from .report_show import say_made

#: A name longer than this fits no mail subject and no file name.
MOST_NAME = 120

OPTIONS = [
    click.option("--name", help="What people call it."),
    click.option("--type", "type_", help=f"Report type: {', '.join(TYPES)}."),
    click.option("--every", help='When: "monday 08:00", "daily 8:00 and 16:00", "last working day 17:00", cron text.'),
    click.option("--zone", help="Time zone; default is the shop's."),
    click.option("--period", help=f"What it is about: {', '.join(PERIODS)}."),
    click.option("--from", "from_", help="First day of a custom period."),
    click.option("--to-day", help="Last day of a custom period."),
    click.option(
        "--compare", help=f"Compares totals: {', '.join(COMPARISONS)}, none. A second fetch, as costly as the first."
    ),
    click.option("--format", "format_", help=f"File format: {', '.join(KINDS)}."),
    click.option("--columns", help="Columns to show, comma separated; key=Title renames one."),
    click.option("--filter", "filters", multiple=True, help="A filter, name=value; may be repeated; name= is none."),
    click.option("--to", multiple=True, help="Recipient's mail address; may be repeated."),
    click.option("--cc", multiple=True, help='Copy; may be repeated; "" is nobody.'),
    click.option("--bcc", multiple=True, help='Blind copy; may be repeated; "" is nobody.'),
    click.option("--folder/--no-folder", default=None, help="Into the configured folder too."),
    click.option("--owner", help="Who is told of trouble, and gets the answers."),
    click.option("--catch-up", type=click.Choice([item.value for item in CatchUp]), help="Missed occurrences."),
    click.option("--catch-up-window", help='How old a missed occurrence may be to be caught up, like "12h"; 0s: any.'),
    click.option("--jitter", help='Spread its runs over so long behind their moments, like "10m"; 0s: not at all.'),
    click.option("--week-start", help="First day of its weeks, like sunday; default is that of [reports]."),
    click.option("--overlap", type=click.Choice([item.value for item in Overlap]), help="Overlapping occurrences."),
    click.option("--priority", type=Whole(0, 1000), help="Smaller runs first within a shop."),
]


def with_options(command: Any) -> Any:
    """Add the options that `add` and `edit` share."""
    for option in reversed([*OPTIONS, *CONDITIONS]):
        command = option(command)
    return command


ADD = "reports add --shop acme.myshopify.com --type orders --every 'daily 07:30' --to me@acme.example"


@click.command(epilog=example("reports add", ADD))
@click.option("--shop", help="Domain of the shop.")
@click.option("--yes", is_flag=True, help="Do not ask where another report of the shop has the name.")
@with_options
@click.pass_obj
def add(context: Context, /, shop: str | None, yes: bool, **given: Any) -> int:
    """Add a schedule; without flags it asks."""
    config = context.config()
    with opened(context, create=True) as store:
        asked = not shop and can_ask()
        if asked:
            shop, given = ask_all(store, given)
        if not shop:
            raise UsageError("--shop is needed.", hint="Or run it on a terminal without flags; it asks.")
        read_domain(shop)
        for name in ("type_", "every"):
            if not given[name]:
                raise UsageError(f"--{name.rstrip('_')} is needed.", hint="See: scheduler reports add -h")
        type_ = str(given["type_"])
        title = given["name"] if given["name"] is not None else type_.replace("-", " ").capitalize()
        blank = Schedule(new_id(), shop, title, Report(type_, title, period="last_week"), None, "", ())
        now = utc_now()
        made = _apply(store, config, blank, {**given, "name": title}, now)
        _tell_of_same_name(store, made, ask=not yes and can_ask())
        store.schedules.add(made, now)
        say_made(store, config, made)
        held = delivery_mode(config, store) == "hold"
    if asked and not held and click.confirm("Make one now?", default=True):
        ctx = click.get_current_context()
        from .report_run import run_now

        return int(ctx.invoke(run_now, report=made.id, key="", send_to=(), as_json=False) or 0)
    click.echo(f"OK       {made.id}")
    return 0


@click.command(
    epilog=example("reports edit 'Weekly Sales' --every 'tuesday 07:00'", "reports edit rs_01ab --to a@b.example")
)
@click.argument("report")
@with_options
@click.pass_obj
def edit(context: Context, /, report: str, **given: Any) -> None:
    """Change REPORT (id or name); nothing fires for the past."""
    if all(value in (None, ()) for value in given.values()):
        raise UsageError("There is nothing to change.", hint="Give an option: scheduler reports edit -h")
    config = context.config()
    with opened(context) as store:
        seen = find_report(store, report)
        now = utc_now()
        old = readable(seen)
        made = _apply(store, config, old, given, now)
        if given["every"] and _was_over(old, seen.shop_zone, now):  # its end had switched it off, and nobody else
            made = replace(made, active=True)
        if given["name"] is not None:
            _tell_of_same_name(store, made, ask=False)
        missed = 0
        if made.recurrence is not None:  # its cursor moves: what is due already stays a row
            missed = Planner(store, delivery_mode(config, store)).skip_due(seen, now, zone_kept=given["zone"] is None)
        store.schedules.edit(made, now)
        say_made(store, config, made)
    if missed:
        click.echo(f"Note     {plural(missed, 'occurrence')} that had come due and not begun will not run")


def _was_over(old: Schedule, shop_zone: str | None, now: datetime) -> bool:
    """Whether the rule of a schedule that is switched off has no further moment: then its end switched it off."""
    if old.active or old.recurrence is None:
        return False
    return first_after(old.recurrence, zone_of(old, shop_zone)[1], now) is None


def _tell_of_same_name(store: Store, made: Schedule, *, ask: bool) -> None:
    """Say that another report of the shop has the name; where somebody is there, *ask* whether it is meant."""
    told = same_name(store, made.shop, made.name, made.id)
    if not told:
        return
    if ask:
        click.confirm(f"{plain(told)} Add another of that name?", abort=True)
        return
    hint = "To tell them apart: scheduler reports edit ID --name …"
    click.echo(f"Warning  {plain(told)} {hint}", err=True)


def new_id() -> str:
    """Return an id for a schedule of ours."""
    return f"rs_{new_ulid(to_ms(utc_now())).lower()}"


# From answers to a schedule -----------------------------------------------------------------------------------------


def _apply(store: Store, config: Config, old: Schedule, given: dict[str, Any], now: datetime) -> Schedule:
    """Return *old* with what was given, checked, and its cursor computed from *now* on."""
    report = _report(old.report, given)
    _check_name(report.title)
    check_report(report)
    if given["type_"] or given["columns"]:  # another change must not be refused for what it lacks already
        _check_scopes(store, old.shop, report)
    zone = old.zone if given["zone"] is None else given["zone"]
    if zone:
        check_zone(zone)
    elif not store.own:  # the app's own pages read this column, and know no empty zone (Intl throws a RangeError)
        zone = store.shops.find(old.shop).zone or "UTC"
    made = replace(
        old,
        name=report.title,
        report=report,
        recurrence=read_words(given["every"]) if given["every"] else old.recurrence,
        zone=zone,
        recipients=_recipients(old, given),
        owner=parse_address(given["owner"]) if given["owner"] else old.owner,
        catch_up=CatchUp(given["catch_up"]) if given["catch_up"] else old.catch_up,
        catch_up_window=_seconds("catch_up_window", given, old.catch_up_window),
        jitter=_seconds("jitter", given, old.jitter),
        overlap=Overlap(given["overlap"]) if given["overlap"] else old.overlap,
        priority=given["priority"] if given["priority"] is not None else old.priority,
    )
    if not made.recipients and config.folder is None:
        message = "The report has nobody to deliver to, and there is no [folder]."
        hint = "Give --to name@example.com, or write the section [folder]: scheduler config example"
        raise UsageError(message, code="no_recipients", hint=hint)
    return _with_cursor(store, config, made, now)


def _check_scopes(store: Store, shop: str, report: Report) -> None:
    """Raise UsageError where the report needs a scope that the shop's token is known to lack."""
    try:
        require_scopes(open_source(report.type), report, store.shops.find(shop))
    except RunError as error:
        raise UsageError(error.message, code=error.code, hint=error.hint) from None


def _with_cursor(store: Store, config: Config, made: Schedule, now: datetime) -> Schedule:
    """Return the schedule with its next moment; raise UsageError where there is none, or its period reaches too far."""
    shop = store.shops.find(made.shop)
    name, zone, _ = zone_of(made, shop.zone)
    rule = made.recurrence
    if rule is None:
        return made
    upcoming = store.queueing.first_free(made.id, rule, zone, now)
    if upcoming is None:
        what = "lies in the past" if first_after(rule, zone, now) is None else "has its row in the history already"
        near = sentence(replace(rule, end="")) if rule.end else ""
        hint = f'The nearest that works: "{near[0].lower()}{near[1:]}".' if near else "Give a later moment."
        raise UsageError(f"{sentence(rule)} {what}.", code="bad_recurrence", hint=hint)
    try:
        period = find_period(made.report, upcoming.due_at, name, week_start=config.reports.first_day(made.shop))
        require_whole(made.report, period, shop.scopes, upcoming.due_at)
    except RunError as error:
        raise UsageError(error.message, code=error.code, hint=error.hint) from None
    return replace(made, next_due_at=upcoming.due_at, rule_hash=mark_of(rule, name, upcoming))


def _check_name(name: str) -> None:
    if not name.strip():
        raise UsageError("The report's name is empty.", hint='Give one: --name "Weekly Sales"')
    if len(name) > MOST_NAME:
        raise UsageError(f"The name {name[:20]!r}… has {len(name)} characters; it may have {MOST_NAME}.")
    if STEERING.search(name):
        raise UsageError(f"The name {name!r} has control characters.", hint="Write it on one line.")


def _report(old: Report, given: dict[str, Any]) -> Report:
    period = given["period"] or old.period
    if period != "custom" and (given["from_"] or given["to_day"]):
        message = f"--from and --to-day are the days of a custom period; this report's is {period}."
        raise UsageError(message, hint="Add --period custom, or leave them out.")
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
        if not value.strip() and name.strip() in old.filters:
            del filters[name.strip()]
    return replace(
        old,
        type=given["type_"] or old.type,
        title=given["name"] if given["name"] is not None else old.title,
        format=given["format_"] or old.format,
        period=period,
        period_from=given["from_"] or old.period_from if period == "custom" else None,
        period_to=given["to_day"] or old.period_to if period == "custom" else None,
        compare=old.compare if given["compare"] is None else read_comparison(given["compare"]),
        week_start=old.week_start if given["week_start"] is None else _week_start(given["week_start"]),
        columns=columns,
        filters=filters,
        condition=read_flags(old.condition, given),
    )


def _week_start(text: str) -> str:
    return read_week_start(text) if text.strip() else ""


def _seconds(name: str, given: dict[str, Any], old: float) -> float:
    """Return the seconds of a length that was given, else what was; raise UsageError naming the option."""
    if given[name] is None:
        return old
    option, most = f"--{name.replace('_', '-')}", MOST[name]
    try:
        seconds = parse_length(given[name]).total_seconds()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {error}.", hint=f"Write it like {option} 10m; 0s is none.") from None
    if seconds > most:
        raise UsageError(
            f"{option} {given[name]} is more than {say_length(timedelta(seconds=most))}.", hint=f"Give {option} less."
        )
    return seconds


def _value(text: str) -> Any:
    return json.loads(text) if text in ("true", "false") else text


def _recipients(old: Schedule, given: dict[str, Any]) -> tuple[Recipient, ...]:
    kept = list(old.recipients)
    for role in ("to", "cc", "bcc"):
        if given[role]:
            kept = [item for item in kept if item.channel != "email" or item.role != role]
            # An empty copy takes the copies away; without any "to" a report would go nowhere by mistake.
            addresses = [address for address in given[role] if address.strip() or role == "to"]
            kept += [Recipient("email", parse_address(address), role) for address in addresses]
    if given["folder"] is not None:
        check_kind("folder")
        kept = [item for item in kept if item.channel != "folder"]
        kept += [Recipient("folder", "folder")] if given["folder"] else []
    return tuple(kept)
