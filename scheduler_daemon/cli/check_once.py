"""`scheduler check-once`: one tick by hand."""

import threading
from datetime import datetime
from typing import Any

import click

from ..app import App, build, open_store
from ..errors import AlreadyRunning, UsageError
from ..lib.clock import iso, monotonic, utc_now
from ..logs import say
from ..model import Run, RunStatus
from ..snapshot import Observer, Tick
from ..statefile import StateFile
from ..tick import start_shops, tell
from .main import Context
from .output import echo_json

BAD = (RunStatus.FAILED, RunStatus.PARTIAL)


@click.command("check-once")
@click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")
@click.option("--dry-run", is_flag=True, help="Say what would run; change nothing.")
@click.option("--shop", default="", help="Only this shop.")
@click.option("--report", default="", help="Only this report (id or name).")
@click.option("--timeout", default=0.0, help="Seconds to wait for the reports; 0 waits until they are done.")
@click.pass_obj
def check_once(context: Context, as_json: bool, dry_run: bool, shop: str, report: str, timeout: float) -> int:
    """
    Check once: queue what is due, run it, say what happened.

    Exit status: 0 all well, 1 something failed, 2 usage or configuration, 3 database, 4 --timeout reached.
    """
    if timeout < 0:
        raise UsageError(f"--timeout {timeout} is negative.")
    config = context.config()
    context.logs()
    with open_store(config) as store:
        wake = threading.Event()
        app = build(config, store, wake.set)
        if not as_json:
            click.echo(f"Database {store.target.shown}, delivery {app.mode}", err=True)
        only = (shop, store.schedules.find(report).id if report else "")
        if dry_run:
            return _dry_run(app, only, as_json)
        return _check(app, wake, only, as_json, timeout)


def _dry_run(app: App, only: tuple[str, str], as_json: bool) -> int:
    now = utc_now()
    due = [item for item in app.store.queueing.due(now) if only[0] in ("", item.shop) and only[1] in ("", item.id)]
    data = [{"schedule": i.id, "shop": i.shop, "report": i.name, "due_at": iso(i.due_at or now)} for i in due]
    if as_json:
        echo_json("due", data)
    else:
        for item in due:
            problem = f"  cannot be read: {item.problem}" if item.problem else ""
            click.echo(f"{item.shop}  {item.name}  due {iso(item.due_at or now)}{problem}")
        click.echo(f"{len(due)} due; nothing was run.")
    return 0


def _check(app: App, wake: threading.Event, only: tuple[str, str], as_json: bool, timeout: float) -> int:
    now, started = utc_now(), monotonic()
    say("check_started")
    app.planner.set_cursors(now)
    found = app.planner.queue_due(now, only)
    tell(found, app.mode)
    held = app.store.leases.held_elsewhere()
    app.heartbeat.start()
    done = _wait(app, wake, only[0], started + timeout if timeout else float("inf")) if app.mode != "hold" else True
    runs = app.store.history.runs(sorted(set(app.performer.ended)))
    _write_state(app, now)
    code = _code(runs, found.refused, done)
    _print(app, runs, held, as_json, code)
    if done:
        app.close()
    return code


def _wait(app: App, wake: threading.Event, shop: str, until: float) -> bool:
    """Run everything that may run now; False when the time is over first."""
    while True:
        wake.clear()
        start_shops(app.store, app.threads, shop)
        if not app.threads.busy():
            upcoming = app.store.leases.next_work_at()
            if upcoming is None or upcoming > utc_now() or shop:
                return True
        if monotonic() > until:
            app.performer.draining = True
            app.threads.abort()
            return False
        wake.wait(min(0.5, max(0.01, until - monotonic())))


def _code(runs: list[Run], refused: int, done: bool) -> int:
    if not done:
        return 4
    bad = any(run.status in BAD or run.reason == "no_session" or run.status is RunStatus.QUEUED for run in runs)
    return 1 if bad or refused else 0


def _write_state(app: App, now: datetime) -> None:
    """Write the state file with mode "once", unless a daemon holds it."""
    state = StateFile(app.config.state_file)
    try:
        state.lock()
    except AlreadyRunning:
        return
    observer = Observer(app.config, app.store, "once", app.mode, now)
    observer.count(utc_now(), force=True)
    tick = Tick(number=1, last_good_at=utc_now())
    state.write(observer.state(utc_now(), tick, [], app.config.daemon.workers))
    state.unlock()


def _print(app: App, runs: list[Run], held: dict[str, str], as_json: bool, code: int) -> None:
    if as_json:
        echo_json("runs", [as_data(app, run) for run in runs], held=held, exit_code=code)
        return
    for run in runs:
        click.echo(line(app, run))
        if run.error and run.status is not RunStatus.SUCCEEDED:
            click.echo(f"    {run.error}")
    for shop, holder in held.items():
        click.echo(f"{shop} is being worked on by {holder}.")


def line(app: App, run: Run) -> str:
    """Return a run as one line."""
    shop = run.shop.removesuffix(".myshopify.com")
    if run.status is RunStatus.SUCCEEDED:
        to = app.store.history.deliveries(run.id)
        mails = sum(item.recipient.channel == "email" for item in to)
        where = f"delivered to {mails}" if mails else ", ".join(sorted({item.recipient.channel for item in to}))
        return f"{shop:14} {run.name:22} {run.record_count or 0:>7,} rows  {run.file_name}  {where}"
    reason = run.reason or run.error_code or ""
    return f"{shop:14} {run.name:22} {run.status.value.upper()} {reason}".rstrip()


def as_data(app: App, run: Run) -> dict[str, Any]:
    """Return a run for machines."""
    deliveries = [
        {"channel": d.recipient.channel, "recipient": d.recipient.address, "state": d.state.value, "error": d.error}
        for d in app.store.history.deliveries(run.id)
    ]
    return {
        "run": run.id,
        "schedule": run.schedule_id,
        "report": run.name,
        "shop": run.shop,
        "status": run.status.value,
        "reason": run.reason,
        "due_at": iso(run.due_at),
        "rows": run.record_count,
        "file": run.file_name,
        "error_code": run.error_code,
        "error": run.error,
        "deliveries": deliveries,
    }
