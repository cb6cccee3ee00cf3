"""What the commands share that make or send something now: the parts at work, and progress until it is over."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from ..app import App, build, open_store
from ..errors import UsageError
from ..lib.clock import monotonic, utc_now
from ..lib.words import say_length
from ..model import Run, RunStatus
from ..slots import start_shops
from .asking import announce
from .check_once import stoppable, tell_owners
from .context import Context
from .moments import say_takeover, zone_here
from .pause import paused
from .progress import Progress

#: Seconds after which a command stops waiting for runs that nobody works on and that cannot be started here.
IDLE = 10.0


@dataclass(slots=True)
class Bench:
    """The parts of one command at work."""

    app: App
    wake: threading.Event

    def work_off(self, shop: str, ids: Sequence[str]) -> list[Run]:
        """
        Work for *shop*, or watch who does, until each of the runs *ids* is over or waits; return them as they stand.

        A run waits where its next try lies ahead, or where nobody can start it (its shop was paused meanwhile).
        """
        app = self.app
        app.heartbeat.thread.start()
        busy_at = monotonic()
        with Progress(app.config, app.threads) as progress:
            while True:
                self.wake.clear()
                start_shops(app.store, app.threads, shop)
                runs = app.store.history.runs(ids)
                open_ = [run for run in runs if not (run.status.final or _waits(run))]
                holder = app.store.leases.held_elsewhere([shop]).get(shop)
                if app.threads.busy() or holder:
                    busy_at = monotonic()
                if not open_:
                    app.performer.draining = True  # what else the shop has to do is not this command's
                if not app.threads.busy() and (not open_ or monotonic() - busy_at > IDLE):
                    return runs
                lost_until = app.store.leases.lost_elsewhere(utc_now()).get(shop) if holder else None
                progress.show(_waiting(shop, len(runs) - len(open_), len(runs), holder, lost_until))
                self.wake.wait(0.2)


def _waits(run: Run) -> bool:
    return run.status is RunStatus.QUEUED and run.not_before > utc_now()


def _waiting(shop: str, done: int, total: int, holder: str | None, lost_until: datetime | None) -> str:
    count = f"{done} of {total} done. " if total > 1 else ""
    if lost_until is not None:
        return f"{count}The last process of {shop}, {holder}, is gone; {say_takeover(lost_until, zone_here())}."
    return count + (f"{shop} is being worked on by {holder}; this comes next." if holder else "")


@contextmanager
def at_work(context: Context) -> Iterator[Bench]:
    """Open the configured database and put the parts together for one command; Ctrl-C gives back what is not done."""
    config = context.config()
    if "log.level" not in config.origin:
        config.log.level = "warning"  # the lines of the command say it all; whoever wants the log asks for it
    context.logs()
    with open_store(config) as store:
        wake = threading.Event()
        app = build(config, store, wake.set)
        if context.verbose:
            announce(config, store)
        with stoppable(app):
            yield Bench(app, wake)
            tell_owners(app)


def require_open(app: App, shop: str) -> None:
    """Raise UsageError where a report could not leave, or would wait for ever."""
    if app.mode == "hold":
        raise UsageError(
            "Delivery is on hold: nothing is sent from this database yet.",
            code="delivery_held",
            hint='Look and let go: scheduler go-live. Or try it on yourself: delivery.mode = "redirect".',
        )
    pause = app.store.pauses.current(utc_now())
    if pause is not None:
        raise UsageError(paused(pause), code="paused", hint="Let everything go on: scheduler resume")
    known = app.store.shops.find(shop)
    if known.paused_at is not None:
        message = f"The shop {shop} is paused ({known.paused_reason or 'paused'})."
        raise UsageError(message, hint=f"Resume it: scheduler shops resume {shop}")


def still_queued(run: Run) -> None:
    """Say of a run that is not over what it waits for; it is not lost."""
    if run.not_before > utc_now():
        wait = say_length(run.not_before - utc_now())
        click.echo(f"RETRY    It is tried again in {wait}, by the daemon or by: scheduler check-once")
        return
    click.echo(f"QUEUED   Nobody works for {run.shop} now; the run waits. See: scheduler reports why {run.schedule_id}")
