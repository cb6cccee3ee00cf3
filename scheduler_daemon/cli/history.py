"""`scheduler history`: the ledger, for people."""

import click

from ..lib.clock import iso
from ..model import Run
from .asking import opened
from .main import Context
from .output import echo_json, table


@click.group()
def history() -> None:
    """Look at what ran."""


@history.command("list")
@click.option("--shop", default="", help="Only this shop.")
@click.option("--report", default="", help="Only this report (id or name).")
@click.option("--status", default="", help="Only this status.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@click.option("--before", default="", help="Go on behind this run's id.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_runs(context: Context, shop: str, report: str, status: str, limit: int, before: str, as_json: bool) -> None:
    """List the runs, the newest first."""
    with opened(context) as store:
        schedule = store.schedules.find(report).id if report else ""
        runs = store.history.latest(limit=limit, shop=shop, schedule=schedule, status=status, before=before)
    if as_json:
        echo_json("runs", [data(run) for run in runs], next=runs[-1].id if len(runs) == limit else None)
        return
    rows = [(r.id[-8:], f"{r.due_at:%Y-%m-%d %H:%M}", r.shop, r.name, _status(r), r.record_count) for r in runs]
    table(["run", "due (UTC)", "shop", "report", "status", "rows"], rows)


def _status(run: Run) -> str:
    why = run.reason or run.error_code
    return f"{run.status.value} ({why})" if why else run.status.value


def data(run: Run) -> dict[str, object]:
    """Return a run for machines."""
    moments = ("due_at", "not_before", "queued_at", "started_at", "finished_at", "period_start", "period_end")
    names = ("shop", "schedule_id", "name", "occurrence_key", "attempt", "reason", "record_count", "file_name")
    more = ("file_size", "sha256", "error_code", "error")
    made: dict[str, object] = {"id": run.id, "status": run.status.value, "trigger": run.trigger.value}
    made |= {name: getattr(run, name) for name in (*names, *more)}
    return made | {name: iso(getattr(run, name)) if getattr(run, name) else None for name in moments}


@history.command()
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def show(context: Context, run_id: str, as_json: bool) -> None:
    """Show one run: its attempts and its deliveries."""
    with opened(context) as store:
        run = store.history.find(run_id)
        attempts = store.history.attempts(run.id)
        deliveries = store.history.deliveries(run.id)
    tried = [
        {"number": a.number, "status": a.status, "started_at": iso(a.started_at), "error": a.error}
        | {"finished_at": iso(a.finished_at) if a.finished_at else None, "timings": dict(a.timings)}
        for a in attempts
    ]
    sent = [
        {"channel": d.recipient.channel, "recipient": d.recipient.address, "state": d.state.value, "error": d.error}
        | {"attempts": d.attempts, "receipt": d.receipt}
        for d in deliveries
    ]
    if as_json:
        echo_json("run", {**data(run), "attempts": tried, "deliveries": sent})
        return
    for key, value in data(run).items():
        click.echo(f"{key:14} {value if value is not None else ''}")
    if tried:
        table(
            ["attempt", "status", "started", "error"],
            [(t["number"], t["status"], t["started_at"], t["error"]) for t in tried],
        )
    if sent:
        rows = [(s["channel"], s["recipient"], s["state"], s["error"]) for s in sent]
        table(["channel", "recipient", "state", "error"], rows)
