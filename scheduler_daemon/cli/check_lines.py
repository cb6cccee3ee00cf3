"""What `check-once` says of a check: the runs, what was skipped or cannot be read, who waits, what comes next."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from ..app import App
from ..found import Found
from ..lib.clock import iso, utc_now
from ..lib.words import closed, plural, say_length
from ..model import Run
from ..store import SeenSchedule, Store
from ..tick import Only
from .moments import say_moment, say_takeover, zone_here, zone_or_utc
from .output import echo_json, plain
from .run_lines import as_data, below, columns_of, done_of, line
from .why.hints import way_out_of

#: What a person reads for each reason that planning skips something for.
SKIPPED = {
    "misfired": "missed, and not to be caught up",
    "coalesced": "missed, and a later one runs in their place",
    "overlapped": "the run before was not finished",
    "paused": "the report, its shop or everything was paused",
}


def print_check(
    app: App,
    found: Found,
    runs: list[Run],
    held: Mapping[str, str],
    only: Only,
    *,
    lost: Mapping[str, datetime],
    left: list[Run],
    as_json: bool,
    code: int,
) -> None:
    """
    Print what a check limited to *only* did.

    *held* are the shops that others work on, by their holder, and *lost* when the leases of those end whose process is
    gone; *left* are the runs at work when the time was over.
    """
    left = [run for run in left if run.id not in {item.id for item in runs}]
    unreadable = unreadable_of(found, only)
    resting = [item for item in app.store.resting.shops() if only[0] in ("", item[0])]
    done = [done_of(app.store, run) for run in runs]
    if as_json:
        facts: dict[str, Any] = {"held": held, "exit_code": code, "delivery_mode": app.mode}
        facts["unreadable"] = [_refused(item) for item in unreadable]
        names = {"run": "id", "schedule": "schedule_id", "report": "name", "shop": "shop"}
        facts["unfinished"] = [{name: getattr(run, field) for name, field in names.items()} for run in left]
        facts["lost"] = {shop: iso(until) for shop, until in lost.items()}
        facts["broken"] = sorted(set(app.performer.broken))
        facts["skipped"] = dict(found.skipped)
        facts["resting"] = [{"shop": shop, "runs": number, "until": iso(until)} for shop, number, until in resting]
        facts["paused"] = app.store.pauses.current(utc_now()) is not None
        echo_json("runs", [as_data(item) for item in done], **facts, database=app.store.target.shown)
        return
    columns = columns_of([(run.shop, run.name) for run in runs])
    for item in done:
        click.echo(line(item, columns))
        for said in below(item, columns):
            click.echo(said)
    for seen in unreadable:
        click.echo(plain(closed(f"{seen.name} of {seen.shop} cannot be read: {seen.problem}")))
        click.echo(plain(f"    {_way_out(seen)}"))
    for reason, number in sorted(found.skipped.items()):
        click.echo(f"Skipped {plural(number, 'occurrence')}: {SKIPPED.get(reason, reason)}.")
    for shop, number, until in resting:
        again = say_length(until - utc_now())
        click.echo(f"{shop} does not answer; {plural(number, 'report')} of it not tried yet, next try in {again}.")
    for shop in sorted(set(app.performer.broken)):
        click.echo(f"{shop} could not be worked on to the end; the log says why. It is taken up when its lease ends.")
    for shop, holder in held.items():
        click.echo(_held(shop, holder, lost.get(shop)))
    for run in left:
        click.echo(plain(f"{run.name} of {run.shop} was not done in time; it goes back to the queue."))
    if code == 4:
        click.echo("The time is over; what was not done goes back to the queue.", err=True)
    sys.stdout.flush()
    if app.mode != "hold":
        _next(app.store)


def _held(shop: str, holder: str, lost_until: datetime | None) -> str:
    """Return who has a shop; *lost_until* is when its lease ends where that process is gone."""
    if lost_until is None:
        return f"{shop} is being worked on by {holder}."
    return f"{shop} was being worked on by {holder}, whose process is gone; {say_takeover(lost_until, zone_here())}."


def unreadable_of(found: Found, only: Only) -> list[SeenSchedule]:
    """Return what could not be read of the shop and the schedule that a check was limited to."""
    return [item for item in found.unreadable if only[0] in ("", item.shop) and only[1] in ("", item.id)]


def _refused(seen: SeenSchedule) -> dict[str, str]:
    made = {"schedule": seen.id, "shop": seen.shop, "report": seen.name}
    return made | {"error_code": seen.problem_code, "error": seen.problem, "hint": _way_out(seen)}


def _way_out(seen: SeenSchedule) -> str:
    return f"{way_out_of(seen)}; see: scheduler reports why {seen.id}"


def _next(store: Store) -> None:
    """Say what comes next: the earliest moment of an active report."""
    for seen in store.schedules.upcoming(1):
        if seen.due_at is not None and seen.due_at > utc_now():
            zone = zone_or_utc(seen.schedule.zone if seen.schedule else "", seen.shop_zone)
            click.echo(f"Next: {say_moment(seen.due_at, zone, utc_now())}")
