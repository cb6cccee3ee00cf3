"""`scheduler reports run`: one report now, through the same corridor as any other."""

import secrets
import threading

import click

from ..app import build, open_store
from ..lib.clock import to_ms, utc_now
from ..model import Occurrence, RunStatus, Trigger
from ..store.new_runs import insert_runs, run_values, wake_shops
from ..tick import start_shops
from .check_once import as_data, line
from .main import Context
from .output import echo_json


@click.command("run")
@click.argument("report")
@click.option("--key", default="", help="An idempotency key: the same key never makes a second run.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def run_now(context: Context, report: str, key: str, as_json: bool) -> int:
    """Make REPORT (id or name) now and deliver it; its schedule does not move."""
    from .reports import schedule_of

    config = context.config()
    context.logs()
    with open_store(config) as store:
        seen, schedule = schedule_of(store, report)
        wake = threading.Event()
        app = build(config, store, wake.set)
        now = utc_now()
        name = f"manual:{key or secrets.token_hex(6)}"[:64]
        values = run_values(schedule, Occurrence(name, now), to_ms(now), Trigger.MANUAL)
        with store.engine.transaction():
            insert_runs(store.engine, values)
            wake_shops(store.engine, {seen.shop: to_ms(now)})
        app.heartbeat.start()
        while True:
            wake.clear()
            start_shops(store, app.threads, seen.shop)
            (run,) = [item for item in store.history.last_of(seen.id, 50) if item.occurrence_key == name][:1]
            if run.status.final or (run.status is RunStatus.QUEUED and run.attempt and not app.threads.busy()):
                break
            wake.wait(0.2)
        if as_json:
            echo_json("run", as_data(app, run))
        else:
            click.echo(line(app, run))
            if run.status is not RunStatus.SUCCEEDED:
                click.echo(f"    {run.error}")
        app.close()
        return 0 if run.status is RunStatus.SUCCEEDED else 1
