"""`scheduler history`: the ledger, for people."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

import click

from ..lib.clock import EPOCH, iso, utc_now
from ..lib.words import plural, say_length
from ..model import Attempt, Delivery, Run, RunStatus, SkipReason
from ..store import Store
from .asking import find_report, known_shop, opened
from .context import Context
from .groups import Group, Whole, example
from .history_again import rerun, resend
from .history_cancel import cancel
from .history_prune import prune
from .moments import say_moment, zone_or_utc
from .output import echo_json, facts, fancy, marked, table
from .run_lines import address, delivery_as_data


@click.group(cls=Group, epilog=example("history list --status failed", "history show 8GQ4ZK1P"))
def history() -> None:
    """Look at what ran; make it, send it or stop it once more."""


@dataclass(slots=True)
class Zones:
    """The zone of each run: its schedule's, else its shop's, each shop looked up once."""

    store: Store
    _shops: dict[str, str | None] = field(default_factory=dict)

    def of(self, run: Run) -> tzinfo:
        """Return the zone in which the moments of *run* are shown."""
        if not run.zone and run.shop not in self._shops:
            self._shops[run.shop] = self.store.shops.find(run.shop).zone
        return zone_or_utc(run.zone, self._shops.get(run.shop))


@history.command(
    "list", epilog=example("history list --status failed", "history list --report 'Weekly Sales' --limit 100 --json")
)
@click.option("--shop", default="", help="Only this shop.")
@click.option("--report", default="", help="Only this report (id or name).")
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([status.value for status in RunStatus]),
    help="Only this status; may be repeated.",
)
@click.option("--limit", default=30, show_default=True, type=Whole(1, 1000), help="How many.")
@click.option("--before", default="", help="Go on behind this run.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_runs(
    context: Context, shop: str, report: str, status: tuple[str, ...], limit: int, before: str, as_json: bool
) -> None:
    """List the runs, the newest first, in the local time of each."""
    with opened(context) as store:
        if shop:
            known_shop(store, shop)
        schedule = find_report(store, report).id if report else ""
        behind = store.history.find(before).id if before else ""
        found = store.history.latest(limit=limit + 1, shop=shop, schedule=schedule, status=status, before=behind)
        runs, more = found[:limit], found[limit:]
        zones = Zones(store)
        rows = [] if as_json else [_row(run, zones.of(run), utc_now()) for run in runs]
    following = runs[-1].id if more else None
    if as_json:
        echo_json("runs", [data(run) for run in runs], next=following)
        return
    if not runs:
        click.echo("No run yet." if not (shop or report or status or before) else "No run fits.")
        return
    table(["run", "due", "shop", "report", "status", "rows", "took"], rows, right=("rows", "took"))
    if len(runs) > 1:
        click.echo(_picture(runs))
    if following:
        click.echo(f"More: scheduler history list --before {following[-8:]}")


def _row(run: Run, zone: tzinfo, now: datetime) -> tuple[Any, ...]:
    why = run.reason or (run.error_code if run.damage or run.status is not RunStatus.SUCCEEDED else "")
    status = marked(run.status.value, f"{run.status.value} ({why})" if why else "")
    ran = run.started_at and run.status is not RunStatus.SKIPPED
    took = say_length(run.finished_at - run.started_at) if ran and run.finished_at and run.started_at else None
    rows = None if run.record_count is None else f"{run.record_count:,}"
    shop = run.shop.removesuffix(".myshopify.com")
    return (run.id[-8:], say_moment(run.due_at, zone, now), shop, run.name or run.schedule_id, status, rows, took)


def _picture(runs: list[Run]) -> str:
    """Return how these runs ended: as marks, oldest first, where marks can be shown, and in numbers."""
    counts = {status: sum(run.status is status for run in runs) for status in RunStatus}
    said = ", ".join(f"{number} {status.value}" for status, number in counts.items() if number)
    if not fancy():
        return f"The last {plural(len(runs), 'run')}: {said}"
    marks = "".join(marked(run.status.value)[0] for run in reversed(runs))
    return f"{marks}  {said}"


def data(run: Run) -> dict[str, object]:
    """Return a run for machines."""
    moments = ("due_at", "not_before", "queued_at", "started_at", "finished_at", "period_start", "period_end")
    names = ("shop", "schedule_id", "name", "occurrence_key", "attempt", "reason", "record_count", "file_name")
    more = ("file_size", "sha256", "error_code", "error")
    made: dict[str, object] = {"id": run.id, "status": run.status.value, "trigger": run.trigger.value}
    made |= {name: getattr(run, name) for name in (*names, *more)}
    known = ((name, getattr(run, name)) for name in moments)
    return made | {name: None if moment in (None, EPOCH) else iso(moment) for name, moment in known}


@history.command(epilog=example("history show 8GQ4ZK1P"))
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, run_id: str, as_json: bool) -> None:
    """Show one run: its attempts and its deliveries. RUN is its id, or the beginning or end of it."""
    with opened(context) as store:
        run = store.history.find(run_id)
        attempts = store.history.attempts(run.id)
        deliveries = store.history.deliveries(run.id)
        zone = Zones(store).of(run)
    if as_json:
        sent = [delivery_as_data(row) for row in deliveries]
        echo_json("run", {**data(run), "attempts": [_attempt(item) for item in attempts], "deliveries": sent})
        return
    facts(_shown(run, zone))
    if attempts:
        click.echo("")
        headers = ["attempt", "started", "took", "ended as", "error"]
        table(headers, [_attempt_row(item, zone) for item in attempts], right=("attempt", "took"))
    if deliveries:
        click.echo("")
        rows = [(d.recipient.channel, address(run, d), _role(d), d.state.value, d.error) for d in deliveries]
        table(["channel", "recipient", "as", "state", "error"], rows)
    if run.status in (RunStatus.FAILED, RunStatus.PARTIAL) or run.reason == SkipReason.NO_SESSION:
        click.echo(f"\nNext: scheduler reports why {run.schedule_id}")


def _role(row: Delivery) -> str:
    return f"{row.recipient.role}, copy {row.copy}" if row.copy else row.recipient.role


def _shown(run: Run, zone: tzinfo) -> dict[str, object]:
    """Return what `show` says of a run, its moments in *zone*."""
    now = utc_now()

    def at(moment: datetime | None) -> str | None:
        return None if moment is None else say_moment(moment, zone, now)

    why = run.reason or run.error_code
    period = f"{at(run.period_start)} to {at(run.period_end)}" if run.period_start and run.period_end else None
    found = {
        "run": run.id,
        "report": f"{run.name} ({run.schedule_id})",
        "shop": run.shop,
        "status": marked(run.status.value, f"{run.status.value} ({why})" if why else ""),
        "error": run.error,
        "trigger": run.trigger.value,
        "due": at(run.due_at),
        "queued": at(run.queued_at),
        "started": at(run.started_at),
        "finished": at(run.finished_at),
        "next try": at(run.not_before) if run.status is RunStatus.QUEUED and run.attempt else None,
        "period": period,
        "rows": None if run.record_count is None else f"{run.record_count:,}",
        "file": f"{run.file_name} ({run.file_size or 0:,} bytes)" if run.file_name else None,
        "occurrence": run.occurrence_key,
    }
    return {name: value for name, value in found.items() if value is not None}


def _attempt(item: Attempt) -> dict[str, object]:
    ended = iso(item.finished_at) if item.finished_at else None
    made: dict[str, object] = {"number": item.number, "status": item.status, "holder": item.holder}
    made |= {"started_at": iso(item.started_at), "finished_at": ended, "timings": dict(item.timings)}
    return made | {"error_code": item.error_code, "error": item.error}


def _attempt_row(item: Attempt, zone: tzinfo) -> tuple[Any, ...]:
    took = say_length(item.finished_at - item.started_at) if item.finished_at else None
    local = item.started_at.astimezone(zone)
    return (item.number, f"{local:%d %b %H:%M:%S %Z}", took, item.status, item.error)


for command in (rerun, resend, cancel, prune):
    history.add_command(command)
