"""`scheduler check-once`: one tick by hand."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from ..app import App, build, open_store
from ..errors import AlreadyRunning, StoreError, UsageError
from ..health.counts import Asked, Counts
from ..health.snapshot import Observer, Tick
from ..health.statefile import StateFile
from ..lib.clock import monotonic, utc_now
from ..lib.words import parse_length, plural
from ..logs import say
from ..model import Pause, Run, RunStatus
from ..slots import start_shops
from ..store import Store
from ..tick import Only
from .asking import announce, find_report, known_shop
from .check_lines import print_check, unreadable_of
from .context import Context
from .dry_run import dry_run as say_dry_run
from .dry_run import say_held
from .groups import example
from .pause import paused
from .progress import Progress

BAD = (RunStatus.FAILED, RunStatus.PARTIAL)
#: Seconds that reports may take to let go after Ctrl-C, or when the time is over; then their threads are left behind.
PATIENCE = 5.0


@click.command("check-once", epilog=example("check-once", "check-once --dry-run", "check-once --timeout 10m --json"))
@click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")
@click.option("--dry-run", is_flag=True, help="Say what would run; change nothing.")
@click.option("--shop", default="", help="Only this shop.")
@click.option("--report", default="", help="Only this report (id or name).")
@click.option("--timeout", default="", help='How long to wait for the reports, like "90s" or "10m"; else until done.')
@click.pass_obj
def check_once(context: Context, as_json: bool, dry_run: bool, shop: str, report: str, timeout: str) -> int:
    """
    Check once: queue what is due, run it, say what happened.

    Exit status: 0 all well, 1 something failed, cannot be read, has no session, or waits for a retry or for the lease
    of a process that is gone, 2 usage or configuration, 3 database, 4 --timeout reached.
    """
    seconds = read_timeout(timeout)
    config = context.config()
    context.logs()
    with open_store(config, upgrade=not dry_run) as store:
        wake = threading.Event()
        app = build(config, store, wake.set)
        if not as_json or context.verbose:
            announce(config, store)
        only = _only(store, shop, report)
        if dry_run:
            return say_dry_run(app, only, as_json)
        store.require_rights(app.mode)
        with stoppable(app):
            return _check(app, wake, only, as_json, seconds)


def read_timeout(text: str) -> float:
    """Return the seconds of a time limit, infinite where it is empty or ``0s``; raise UsageError naming it."""
    if not text:
        return math.inf
    try:
        return parse_length(text).total_seconds() or math.inf
    except (ValueError, OverflowError):
        hint = 'Write a number with its unit, like "90s" or "10m"; without --timeout it waits until all is done.'
        raise UsageError(f"--timeout {text!r} is no length of time.", hint=hint) from None


def _only(store: Store, shop: str, report: str) -> Only:
    """Return the shop and the schedule's id that the check is limited to, empty for no limit."""
    if shop:
        known_shop(store, shop)
    if not report:
        return shop, ""
    seen = find_report(store, report)
    if shop and seen.shop != shop:
        raise UsageError(f"{seen.name} is a report of {seen.shop}, not of {shop}.", hint="Leave --shop out.")
    return seen.shop, seen.id


def _check(app: App, wake: threading.Event, only: Only, as_json: bool, seconds: float) -> int:
    now, until = utc_now(), monotonic() + seconds
    say("check_started")
    found = app.check(now, only)
    held = {shop: who for shop, who in app.store.leases.held_elsewhere().items() if only[0] in ("", shop)}
    app.heartbeat.thread.start()
    left: list[Run] | None = None
    pause = app.store.pauses.current(now)
    if app.mode != "hold" and pause is None:
        with Progress(app.config, app.threads) as progress:
            left = _wait(app, wake, only[0], until, progress)
    runs = app.store.history.runs(sorted(set(app.performer.ended)))
    tell_owners(app)
    _write_state(app, now, pause)
    lost = app.store.leases.lost_elsewhere(utc_now()) if held else {}
    lost = {shop: until for shop, until in lost.items() if shop in held}
    code = _code(runs, bool(unreadable_of(found, only) or app.performer.broken or lost), left is None)
    print_check(app, found, runs, held, only, lost=lost, left=left or [], as_json=as_json, code=code)
    if app.mode == "hold" and not as_json:
        say_held(app, only, now)
    elif pause is not None and not as_json:
        click.echo(f"{paused(pause)} Nothing was started. Next: scheduler resume")
    if found.behind and not as_json:
        click.echo(f"{plural(found.behind, 'report')} missed more than one check takes in; the next check goes on.")
    return code


def tell_owners(app: App) -> None:
    """Tell owners of trouble, as the daemon does beside its work; what cannot be told waits in the outbox."""
    try:
        app.notifier.tell_due()
    except StoreError as error:
        say("check_failed", "warning", error=error.message, code=error.code)


def _wait(app: App, wake: threading.Event, shop: str, until: float, progress: Progress) -> list[Run] | None:
    """Run everything that may run now; None when all is done, else the runs at work when the time was over."""
    while True:
        wake.clear()
        start_shops(app.store, app.threads, shop)
        progress.show()
        if not app.threads.busy():
            upcoming = app.store.leases.next_work_at()
            if upcoming is None or upcoming > utc_now() or shop:
                return None
        if monotonic() > until:
            left = [run for hold in app.threads.holds() if (run := hold.run) is not None]
            give_back(app)
            return left
        wake.wait(min(0.2, max(0.01, until - monotonic())))


def give_back(app: App) -> None:
    """Let reports at work go back to the queue; who waits for an answer longer than `PATIENCE` loses its shop."""
    app.performer.draining = True
    app.threads.abort()
    until = monotonic() + PATIENCE
    while app.threads.busy() and monotonic() < until:
        threading.Event().wait(0.05)
    for hold in app.threads.holds():
        app.performer.surrender(hold)


@contextmanager
def stoppable(app: App) -> Iterator[None]:
    """
    Let go of the threads and connections of *app* behind a command, however that ends.

    Ctrl-C and SIGTERM end it: its reports go back to the queue, and the attempts do not count.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopping: reports in work go back to the queue.", err=True)
        give_back(app)
        raise
    finally:
        app.close()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _code(runs: list[Run], refused: bool, done: bool) -> int:
    if not done:
        return 4
    bad = any(run.status in BAD or run.reason == "no_session" or run.status is RunStatus.QUEUED for run in runs)
    return 1 if bad or refused else 0


def _write_state(app: App, now: datetime, pause: Pause | None) -> None:
    """Write the state file with mode "once", unless a daemon holds it or it cannot be written (which is told)."""
    state = StateFile(app.config.state_file)
    try:
        state.lock()
    except AlreadyRunning:
        return
    except OSError as error:
        say("state_unwritable", "warning", error=error.strerror or str(error))
        return
    try:
        observer = Observer("once", now, Counts(app.config, app.store))
        tick = Tick(
            number=1, last_good_at=utc_now(), asked=Asked(app.mode, tuple(app.planner.planning.aside), paused=pause)
        )
        observer.counts.take(utc_now(), tick.asked)
        state.write(observer.state(utc_now(), tick, [], app.config.daemon.workers))
    except OSError as error:
        say("state_unwritable", "warning", error=error.strerror or str(error))
    finally:
        state.unlock()
