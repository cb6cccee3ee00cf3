"""`scheduler reports backfill`: the occurrences of a schedule in the past, made now, each once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import Any

import click

from ..app import App
from ..compare import require_whole
from ..errors import RunError, UsageError
from ..lib.clock import iso, utc_now
from ..lib.words import plural
from ..model import Occurrence, Run, RunStatus, Schedule, Trigger
from ..store import SeenSchedule
from ..when.period import midnight
from ..when.timetable import occurrences, zone_of
from .asking import confirm, find_report, readable
from .at_work import Bench, at_work, require_open, still_queued
from .context import Context
from .groups import example
from .moments import say_moment
from .output import echo_json, plain
from .run_lines import as_data, below, columns_of, done_of, line

#: Occurrences that one command makes; more would keep a shop busy for hours before anybody looks.
MOST = 400
#: Occurrences listed before the question; the rest is counted.
SHOWN = 20
DAY = timedelta(days=1)


@dataclass(slots=True)
class Chosen:
    """The occurrences of a span, sorted by what is done about them."""

    #: To be queued.
    make: list[Occurrence] = field(default_factory=list)
    #: Backfilled before and not over: this command watches them too.
    waiting: list[Run] = field(default_factory=list)
    #: Left out, with the reason.
    left: list[tuple[Occurrence, str]] = field(default_factory=list)


@click.command(
    epilog=example(
        "reports backfill 'Weekly Sales' --from 2026-01-01 --to 2026-03-31",
        "reports backfill rs_01ab --from 2026-11-01 --to 2026-11-23 --no-wait --yes --json",
    )
)
@click.argument("report")
@click.option("--from", "first", required=True, metavar="DAY", help="First local day, like 2026-11-01.")
@click.option("--to", "last", required=True, metavar="DAY", help="Last local day, included.")
@click.option("--again", is_flag=True, help="Also those that succeeded as scheduled.")
@click.option("--wait/--no-wait", default=True, help="Work or watch until all are made.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def backfill(
    context: Context, report: str, first: str, last: str, again: bool, wait: bool, yes: bool, as_json: bool
) -> int:
    """
    Make the reports that REPORT (id or name) had from DAY to DAY.

    Each is about the period it was due for. They come behind everything else of the shop, and none is made twice:
    typed again, it goes on where it was stopped. Exit status: 0 all succeeded (or are queued), 1 some did not.
    """
    with at_work(context) as bench:
        app = bench.app
        seen = find_report(app.store, report)
        schedule = readable(seen)
        require_open(app, seen.shop)
        name, zone, _ = zone_of(schedule, seen.shop_zone)
        span = (read_day("--from", first), read_day("--to", last))
        chosen = _choose(app, schedule, _occurrences(schedule, span, zone), again)
        _require_reach(app, schedule, chosen.make, name)
        _say(seen, chosen, zone)
        if chosen.make:
            each = plural(len(schedule.recipients) or 1, "recipient")
            confirm(f"Make {plural(len(chosen.make), 'report')}, each for {each}?", yes)
            app.store.by_hand.backfill(schedule, chosen.make, utc_now())
        runs = _runs(app, schedule, chosen)
        if wait and runs:
            runs = _work_off(bench, seen.shop, [run.id for run in runs])
        return _tell(bench, runs, chosen, as_json, waited=wait)


def _work_off(bench: Bench, shop: str, ids: list[str]) -> list[Run]:
    """Wait for the runs; who stops that is told what becomes of the rest."""
    try:
        return bench.work_off(shop, ids)
    except KeyboardInterrupt:
        click.echo("What is left stays queued: a daemon makes it, or this command, typed again.", err=True)
        raise


def read_day(option: str, text: str) -> date:
    """Return the day that an option names; raise UsageError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{option} {text!r} is no day.", hint="Write it like 2026-11-01.") from None


def _occurrences(schedule: Schedule, span: tuple[date, date], zone: tzinfo) -> list[Occurrence]:
    """Return the occurrences of the rule on the local days of *span*, up to now; raise UsageError."""
    rule, now = schedule.recurrence, utc_now()
    if rule is None:
        hint = f'Give it one: scheduler reports edit {schedule.id} --every "monday 08:00"'
        raise UsageError(f"{schedule.name} has no rule: the app sets its moments.", code="bad_recurrence", hint=hint)
    first, last = span
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}.", hint="Give the first and the last day.")
    if last > now.astimezone(zone).date():
        raise UsageError(f"--to {last} lies in the future.", hint="What is still to come due comes by itself.")
    start, end = midnight(first, zone), midnight(last + DAY, zone)
    found: list[Occurrence] = []
    for item in occurrences(rule, zone, start - timedelta(milliseconds=1)):
        if item.due_at >= end or item.due_at > now:
            break
        if len(found) == MOST:
            raise _too_many(schedule, found, span, zone)
        found.append(item)
    return found


def _too_many(schedule: Schedule, found: Sequence[Occurrence], span: tuple[date, date], zone: tzinfo) -> UsageError:
    """Return the error that says how to split the span: the last whole day that fits."""
    fits = found[-1].due_at.astimezone(zone).date() - DAY
    message = f"From {span[0]} to {span[1]} there are more than {MOST} reports; that is too many at once."
    if fits < span[0]:
        hint = f"A single day has more; those wanted can be made one by one: scheduler reports run {schedule.id}"
        return UsageError(message, hint=hint)
    return UsageError(message, hint=f"In parts: --from {span[0]} --to {fits}, then --from {fits + DAY} --to …")


def _choose(app: App, schedule: Schedule, found: Sequence[Occurrence], again: bool) -> Chosen:
    """Sort the occurrences by what the ledger has of them."""
    made = Chosen()
    if not found:
        return made
    known = app.store.history.between(schedule.id, found[0].due_at - DAY, found[-1].due_at + DAY)
    runs = {(run.trigger, run.occurrence_key): run for run in known}
    for item in found:
        mine, scheduled = (runs.get((trigger, item.key)) for trigger in (Trigger.BACKFILL, Trigger.SCHEDULE))
        if mine is not None and not mine.status.final:
            made.waiting.append(mine)
        elif mine is not None:
            again_by = "" if mine.status is RunStatus.SUCCEEDED else "; once more: scheduler history rerun RUN"
            made.left.append((item, f"backfilled before: {mine.status.value}{again_by}"))
        elif scheduled is not None and not scheduled.status.final:
            made.left.append((item, "is being made as scheduled"))
        elif scheduled is not None and not again and scheduled.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            made.left.append((item, f"{scheduled.status.value} as scheduled"))
        else:
            made.make.append(item)
    return made


def _require_reach(app: App, schedule: Schedule, make: Sequence[Occurrence], zone_name: str) -> None:
    """Raise UsageError where the token cannot show the earliest period or its comparison: better now than later."""
    if not make:
        return
    shop = app.store.shops.find(schedule.shop)
    try:
        period = app.performer.preparer.period_of(schedule, make[0].due_at, zone_name)
        require_whole(schedule.report, period, shop.scopes, utc_now())
    except RunError as error:
        raise UsageError(error.message, code=error.code, hint=error.hint) from None


def _say(seen: SeenSchedule, chosen: Chosen, zone: tzinfo) -> None:
    """Say on standard error what would be made and what is left out, and why."""
    now = utc_now()
    for item in chosen.make[:SHOWN]:
        click.echo(f"  {say_moment(item.due_at, zone, now)}  {plain(seen.name)}", err=True)
    if len(chosen.make) > SHOWN:
        click.echo(f"  and {len(chosen.make) - SHOWN} more", err=True)
    if chosen.waiting:
        click.echo(f"{plural(len(chosen.waiting), 'report')} queued before, not over yet", err=True)
    for why in dict.fromkeys(why for _, why in chosen.left):
        number = sum(other == why for _, other in chosen.left)
        click.echo(f"{plural(number, 'report')} left out: {why}", err=True)


def _runs(app: App, schedule: Schedule, chosen: Chosen) -> list[Run]:
    """Return the runs to watch: those just queued and those that wait from before."""
    keys = {item.key for item in chosen.make} | {run.occurrence_key for run in chosen.waiting}
    if not keys:
        return []
    moments = [item.due_at for item in chosen.make] + [run.due_at for run in chosen.waiting]
    known = app.store.history.between(schedule.id, min(moments), max(moments) + timedelta(milliseconds=1))
    return [run for run in known if run.trigger is Trigger.BACKFILL and run.occurrence_key in keys]


def _tell(bench: Bench, runs: Sequence[Run], chosen: Chosen, as_json: bool, *, waited: bool) -> int:
    store = bench.app.store
    done = [done_of(store, run) for run in runs]
    good = sum(run.status is RunStatus.SUCCEEDED for run in runs)
    if as_json:
        left: list[dict[str, Any]] = [_left(item, why) for item, why in chosen.left]
        echo_json("runs", [as_data(item) for item in done], queued=len(chosen.make), left_out=left)
    elif not runs:
        click.echo("Nothing to make.")
    elif not waited:
        click.echo(f"Queued   {plural(len(runs), 'report')}; a daemon makes them, or: scheduler check-once")
    else:
        columns = columns_of([(run.shop, run.name) for run in runs])
        for item in done:
            if item.run.status is not RunStatus.SUCCEEDED:
                for said in (line(item, columns), *below(item, columns)):
                    click.echo(said)
        click.echo(f"{'OK' if good == len(runs) else 'PARTLY':8} {good} of {plural(len(runs), 'report')} succeeded")
        for run in runs:
            if not run.status.final and run.not_before <= utc_now():
                still_queued(run)
                break
    return 0 if not waited or good == len(runs) else 1


def _left(item: Occurrence, why: str) -> dict[str, Any]:
    return {"key": item.key, "due_at": iso(item.due_at), "why": why}
