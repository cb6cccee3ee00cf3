"""Composition: from a Config to the parts at work. The only module that knows them all."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .access import ShopAccess
from .background import Background
from .config import Config
from .deliver import Deliverer
from .errors import StoreError
from .found import Found, tell
from .lib.clock import monotonic
from .logs import say
from .notices.notify import Notifier
from .notices.revival import Revival
from .perform import Performer
from .prepare import Preparer
from .priority import Rules, read_ranks
from .retention import Retention
from .retry import RetryPolicy
from .retrying import Retries
from .sources import TYPES
from .spool import Spool
from .store import Store, Target, read_url
from .threads import Hold, ShopThreads
from .tick import EVERYTHING, Only, Planner

#: Seconds that threads get to end; what one does then, a statement of the database, is left to itself.
LET_GO = 2.0


@dataclass(slots=True)
class App:
    """Everything that one process of ours needs to run reports."""

    config: Config
    store: Store
    performer: Performer
    threads: ShopThreads
    planner: Planner
    heartbeat: "Heartbeat"
    retention: Retention
    notifier: Notifier

    @property
    def mode(self) -> str:
        """The delivery mode now: "hold", "redirect" or "live"."""
        return self.planner.planning.mode

    def take_mode(self) -> None:
        """Take the delivery mode that configuration and database say now (`scheduler go-live` may have changed it)."""
        mode = delivery_mode(self.config, self.store)
        if mode != self.planner.planning.mode:
            self.planner.planning.mode = self.performer.deliverer.mode = self.notifier.mode = mode
            say("delivery_mode", mode=mode)

    def check(self, now: datetime, only: Only = EVERYTHING) -> Found:
        """Queue what is due, put right what the net finds, and log it: what a check does before shops are started."""
        self.store.engine.require_file()
        found = self.planner.check(now, only)
        tell(found, self.mode, self.store.pauses.current(now))
        mending = self.store.mending
        mending.wake()
        mending.shorten_waits(self.config.retry.cap)
        mending.shorten_leases(self.config.daemon.lease)
        return found

    def take_config(self, fresh: Config) -> None:
        """Take a configuration that was read again, apart from what only a start can take; tell what changed."""
        changed, fixed = self.config.take(fresh)
        self.performer.retries.policy = retry_policy(self.config)
        self.planner.planning.rules = priority_rules(self.config)
        tell_of(self.store, self.config)
        say("config_reloaded", changed=list(changed))
        if fixed:
            say("config_needs_restart", "warning", options=list(fixed))

    def close(self) -> bool:
        """Let go of threads and connections; False where a thread is still at work after `LET_GO`."""
        beside = (self.heartbeat.thread, self.notifier.thread)
        for thread in beside:
            thread.stop()
        self.threads.close()
        self.store.close()
        until = monotonic() + LET_GO
        ended = [thread.has_ended(until - monotonic()) for thread in (*beside, self.retention)]
        return all(ended)


def open_store(config: Config, *, create: bool = False, upgrade: bool = True, synchronous: str = "FULL") -> Store:
    """Open the configured database; raise StoreError, UsageError."""
    target = find_target(config)
    types = {name: name for name in TYPES} | config.types
    return Store(
        target, types=types, lease=config.daemon.lease, create=create, upgrade=upgrade, synchronous=synchronous
    )


def find_target(config: Config) -> Target:
    """Return where the configured database is; raise UsageError for a URL that cannot be read."""
    assert config.database.url is not None
    return read_url(config.database.url.reveal(), config.source.parent if config.source else Path.cwd())


def delivery_mode(config: Config, store: Store) -> str:
    """Return "hold", "redirect" or "live": the configured mode, else what the database remembers."""
    return config.delivery.mode or store.mode


def retry_policy(config: Config) -> RetryPolicy:
    """Return how failed attempts are repeated."""
    return RetryPolicy(config.retry.attempts, config.retry.base, config.retry.cap)


def tell_of(store: Store, config: Config) -> None:
    """Let *store* write notices and pauses as `[notices]` says."""
    store.troubles.command = bool(config.notices.command)
    store.troubles.pause_after = config.notices.pause_after


def priority_rules(config: Config) -> Rules:
    """Return which report of a shop goes first."""
    settings = config.priority
    return Rules(read_ranks(settings.types), settings.many, settings.many_priority)


def build(config: Config, store: Store, wake: Callable[[], None], *, remember: bool = True) -> App:
    """
    Put the parts together; *wake* is called when a shop's thread is done, and when there is trouble to tell.

    With *remember* the performer keeps the ids of the runs that ended, for a command that waits for them.
    """
    retries = Retries(config, store, retry_policy(config))
    mode = delivery_mode(config, store)
    access = ShopAccess(config, store)
    preparer = Preparer(config, access, Spool(config.spool_dir))
    tell_of(store, config)
    notifier = Notifier(config, store, mode)
    performer = Performer(config, store, preparer, Deliverer(config, store, preparer.spool, retries, mode), retries)

    def tell_of_trouble() -> None:
        notifier.thread.wake()
        wake()  # the loop shows it at once, not when the shop is done

    performer.tell_owners = tell_of_trouble
    if not remember:
        performer.ended = deque(maxlen=0)
        performer.broken = deque(maxlen=0)
    threads = ShopThreads(config.daemon.workers, performer.work, wake)
    performer.busy = threads.busy
    heartbeat = Heartbeat(store, threads, config.daemon.beat.total_seconds())
    retention = Retention(config, store, preparer.spool, Revival(store, access))
    planner = Planner(store, mode, priority_rules(config))
    return App(config, store, performer, threads, planner, heartbeat, retention, notifier)


class Heartbeat:
    """Extends the leases of the shops at work, from a thread and a connection of its own."""

    def __init__(self, store: Store, threads: ShopThreads, every: float) -> None:
        self._store, self._threads = store, threads
        #: What the database said at the last beat; None while all is well, or nobody is at work.
        self.trouble: StoreError | None = None
        self.thread = Background("heartbeat", self._beat, store.close, every)

    def _beat(self) -> None:
        holds = self._threads.holds()
        self.trouble = self._extend(holds) if holds else None

    def _extend(self, holds: list[Hold]) -> StoreError | None:
        runs = {run.id: hold for hold in holds if (run := hold.run) is not None}
        try:
            valid_until, lost = self._store.leases.beat([hold.lease for hold in holds])
            for run_id in self._store.corridor.cancelling.wished(list(runs)):
                runs[run_id].cancelled = run_id
        except StoreError as error:
            # The leases run out by themselves if this lasts; `valid_until` then stops every shop.
            if self.trouble is None or self.trouble.message != error.message:  # told once
                say("check_failed", "warning", error=error.message, code=error.code)
            return error
        self._threads.extend(valid_until, lost)
        return None
