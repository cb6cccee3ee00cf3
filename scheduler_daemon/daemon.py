"""
The loop: checks at their times, reports at their moments, signals, drain.

Between checks the loop asks two cheap questions (earliest cursor, earliest waiting work) every `daemon.peek` and
sleeps to the moment itself. Signal handlers and threads only end its sleep; all else happens here, in the main thread,
for which only a second stop does not wait.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .app import App
from .barrier import Barrier
from .errors import SchedulerError, in_full
from .health.counts import Asked, Counts
from .health.lifesigns import LifeSigns
from .health.snapshot import Observer, Tick
from .health.statefile import StateFile
from .lib.clock import monotonic, utc_now
from .logs import say
from .look import Look
from .loop_clock import CheckTimes, Ticker
from .stop import drain, leave, leave_at_once
from .systemd import notify
from .threads import MOST_LEAKED
from .wakeup import Wakeup

#: Seconds between two tries while the database does not answer.
PATIENCE = 2.0
#: A wall clock that drifts from the monotonic one by more than this, in seconds, jumped.
JUMP = 2.0
#: Seconds beyond its deadline after which a thread is given up on: it looks at the deadline at every page and row.
HUNG = 90.0


@dataclass(slots=True)
class Daemon:
    """The long-lived process started by `scheduler run`."""

    app: App
    state: StateFile
    wakeup: Wakeup
    #: Reads the configuration again and takes it; raises ConfigError where it cannot be taken.
    reload: Callable[[], None]
    tick: Tick = field(default_factory=Tick)
    _signs: LifeSigns = field(init=False)
    _look: Look = field(init=False)
    _barrier: Barrier = field(init=False)
    _ticker: Ticker = field(init=False)
    _stopping: bool = False
    _exit: int = 0
    #: `ShopThreads.taken` when the state was last shown.
    _shown: int = 0
    #: The wall clock minus the monotonic one.
    _offset: float = 0.0

    def run(self) -> int:
        """Run until a signal; return the exit status."""
        say("daemon_starting", database=self.app.store.target.shown, delivery=self.app.mode)
        config, started = self.app.config, utc_now()
        observer = Observer("daemon", started, Counts(config, self.app.store))
        self._signs = LifeSigns(self.app.store, self.state, observer, config.daemon.workers)
        self._look = Look(self.app, self.tick, self._signs)
        self.wakeup.catch_signals(leave_at_once)
        times = CheckTimes(config.daemon.check_every, config.daemon.timezone)
        self._ticker = Ticker(times, self._check)
        self._ticker.arm(started + config.daemon.start_delay)
        self._barrier = Barrier(self.app, self.tick, self._signs, monotonic())
        self._offset = utc_now().timestamp() - monotonic()
        self.app.heartbeat.thread.start()
        self.app.notifier.thread.start()
        self.tick.waits_for = "the first check"
        self._barrier.guarded(self._signs.replace_predecessors)
        self._barrier.guarded(lambda: self._signs.note_node(self.tick, self.app.mode))
        self._show(force=True)
        say("daemon_started", every=times.sentence(), database=self.app.store.target.shown, delivery=self.app.mode)
        notify("READY=1", f"STATUS=delivery {self.app.mode}, checks {times.sentence()}")
        while not self._stopping:
            self._turn()
        return self._drain()

    # The loop -------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._watch_clock()
        self._ticker.run_pending()
        self._guard()
        self._give_up_hung()
        soon = utc_now() + timedelta(seconds=PATIENCE)
        upcoming = self._barrier.guarded(self._look_around)
        if upcoming is None:  # told; what it waited for before is not so any more
            self._look.note("another try, after an error", soon)
        self._show()
        now = utc_now()
        wait = min(((upcoming or soon) - now).total_seconds(), (self._ticker.next_at() - now).total_seconds())
        # Both moments may have been computed before the clock was set back by hours: no sleep outlasts a peek.
        self._sleep(min(wait, self.app.config.daemon.peek.total_seconds()))

    def _look_around(self) -> datetime:
        again = self._look.look()
        self._barrier.see_recovery()
        return again

    def _check(self) -> None:
        """One check, with its own fault barrier."""
        started = monotonic()
        say("check_started")
        self.tick.number += 1
        if self._barrier.guarded(self._check_now):
            self.tick.took_ms = int((monotonic() - started) * 1000)
            self._barrier.well()

    def _check_now(self) -> bool:
        now = utc_now()
        self.app.take_mode()
        self._look.take_pace()
        found = self.app.check(now)
        for shop in sorted(found.shops & self.app.threads.busy()):
            say("shop_busy", shop=shop)
        self._look.find_pause()
        self._look.start_shops()
        self._barrier.note_good()
        self.app.retention.start(now)
        return True

    def _guard(self) -> None:
        """Check now when the last good check is older than 1.5 intervals, whatever the wall clock says."""
        interval = self._ticker.times.interval(utc_now()).total_seconds()
        if self.tick.number and monotonic() - self._barrier.last_good > 1.5 * interval:
            self._barrier.last_good = monotonic()
            self._check()

    def _give_up_hung(self) -> None:
        """Free the slots of threads that hang beyond their deadline; with too many of them, leave for a fresh start."""
        threads, late = self.app.threads, monotonic() - HUNG
        for hold in threads.holds():
            if hold.deadline < late:
                say("thread_leaked", "error", shop=hold.lease.shop, step=hold.step, leaked=threads.leaked + 1)
                self.app.performer.give_up(hold)
                threads.abandon(hold)
        if threads.leaked > MOST_LEAKED and not self._stopping:
            say("daemon_worn", "error", leaked=threads.leaked)
            self._stopping, self._exit = True, 1

    def _watch_clock(self) -> None:
        offset = utc_now().timestamp() - monotonic()
        if abs(offset - self._offset) > JUMP:
            say("clock_jumped", "warning", seconds=round(offset - self._offset, 1))
            self._ticker.arm(utc_now())
        self._offset = offset

    def _show(self, *, force: bool = False) -> None:
        threads = self.app.threads
        # A thread that goes on with the next shop wakes nobody: under load the loop would be woken all the time.
        self._signs.dirty |= threads.taken != self._shown
        self._shown = threads.taken
        self.tick.next_at, self.tick.leaked = self._ticker.next_at(), threads.leaked
        self.tick.beat_error = self.app.heartbeat.trouble
        self.tick.asked = Asked(
            self.app.mode, tuple(self.app.planner.planning.aside), threads.free() > 0, self._look.pause
        )
        self._barrier.guarded(lambda: self._signs.show(self.tick, self.app.threads.holds(), force=force))

    # Signals --------------------------------------------------------------------------------------------------------

    def _sleep(self, seconds: float) -> None:
        came = self.wakeup.sleep(seconds)
        if came is not None:
            self._signs.changed()
            for number in came:
                self._take_signal(number)

    def _take_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._stopping:
                leave_at_once()
            self._stopping = True
        elif self._stopping:
            return  # a stop is no time for new work
        elif number == signal.SIGUSR1:
            say("check_triggered")
            self._check()
        elif number == signal.SIGHUP:
            self._reload()

    def _reload(self) -> None:
        daemon = self.app.config.daemon
        try:
            self.reload()
            self._ticker.times = CheckTimes(daemon.check_every, daemon.timezone)
        except SchedulerError as error:
            self.tick.refused = in_full(error)
            say("config_refused", "error", error=self.tick.refused)
            return
        self.tick.refused = ""
        self._ticker.arm(self._ticker.times.after(utc_now()))

    # Stop -----------------------------------------------------------------------------------------------------------

    def _drain(self) -> int:
        """Stop; return the exit status."""
        left = drain(self.app, self._sleep, self._show)
        self._signs.farewell(self.tick)
        say("daemon_stopped", unfinished=sorted(hold.lease.shop for hold in left))
        # A thread that does not listen must not hold the process.
        if left or self.app.threads.leaked or not (self._signs.observer.counts.close() and self.app.close()):
            leave(self._exit)
        return self._exit
