"""
The loop: checks at their times, reports at their moments, signals, drain.

Between checks the loop asks two cheap questions (earliest cursor, earliest waiting work) every `daemon.peek` and
sleeps to the moment itself. Signal handlers write one byte into a pipe; all else happens here, in the main thread.
"""

import os
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import __version__
from .app import App
from .errors import SchedulerError, StoreError
from .lib.clock import iso, monotonic, to_ms, utc_now
from .logs import say
from .loop_clock import CheckTimes, Ticker
from .snapshot import Observer, Tick, boot_id
from .statefile import StateFile
from .systemd import notify, watchdog_seconds
from .tick import start_shops, tell

#: Seconds between two tries while the database does not answer.
PATIENCE = 2.0
#: The state file is written at least this often, and at most once a second.
WRITE_EVERY = 10.0
#: A wall clock that drifts from the monotonic one by more than this jumped.
JUMP = 2.0


@dataclass(slots=True)
class Daemon:
    """The long-lived process started by `scheduler run`."""

    app: App
    state: StateFile
    reload: Callable[[], None]
    tick: Tick = field(default_factory=Tick)
    _signals: list[int] = field(default_factory=list)
    _stopping: bool = False
    _pipe: tuple[int, int] = (-1, -1)
    _written: float = 0.0
    _dirty: bool = True
    _last_good: float = 0.0
    _fed: float = 0.0
    _ticker: Any = None
    _observer: Any = None
    _offset: float = 0.0

    def run(self) -> int:
        """Run until a signal; return the exit status."""
        say("daemon_starting")
        config = self.app.config
        times = CheckTimes(config.daemon.check_every, config.daemon.timezone)
        started = utc_now()
        self._observer = Observer(config, self.app.store, "daemon", self.app.mode, started)
        self._catch_signals()
        self._ticker = Ticker(times, self._check)
        self._ticker.arm(started + config.daemon.start_delay)
        self._last_good = monotonic()
        self._offset = utc_now().timestamp() - monotonic()
        self.app.heartbeat.start()
        self._observer.count(started, force=True)
        self._write_state(force=True)
        self._note_node()
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
        upcoming = self._peek()
        self._write_state()
        self._feed_watchdog()
        now = utc_now()
        wait = min((upcoming - now).total_seconds(), (self._ticker.next_at() - now).total_seconds())
        self._sleep(max(0.0, wait))

    def _check(self) -> None:
        """One check; whatever goes wrong is told, and the loop goes on."""
        started, now = monotonic(), utc_now()
        say("check_started")
        self.tick.number += 1
        try:
            self.app.planner.set_cursors(now, again=True)
            self.app.planner.find_edits(now)
            found = self.app.planner.queue_due(now)
            tell(found, self.app.mode)
            self.app.store.leases.mend()
            self._start_shops()
            self._note_node()
        except SchedulerError as error:
            self._unwell(error)
        except Exception as error:  # a defect must not end the loop
            self._unwell(SchedulerError(f"{type(error).__name__}: {error}"))
        else:
            self._well(now, started)

    def _well(self, now: datetime, started: float) -> None:
        if self.tick.last_error is not None:
            say("database_back")
        self.tick.last_error = None
        self.tick.last_good_at = now
        self.tick.took_ms = int((monotonic() - started) * 1000)
        self._last_good = monotonic()
        self._dirty = True

    def _unwell(self, error: SchedulerError) -> None:
        if self.tick.last_error is None or self.tick.last_error["message"] != error.message:
            say("check_failed", "error", error=error.message, code=error.code)
        at = iso(utc_now())
        self.tick.last_error = {"code": error.code, "message": error.message, "hint": error.hint, "at": at}
        self._dirty = True
        self.app.store.close()

    def _guard(self) -> None:
        """Check now when the last good check is older than 1.5 intervals, whatever the wall clock says."""
        interval = self._ticker.times.interval(utc_now()).total_seconds()
        if self.tick.number and monotonic() - self._last_good > 1.5 * interval:
            self._last_good = monotonic()
            self._check()

    def _peek(self) -> datetime:
        """Queue and start what has come due; return when to look again."""
        now = utc_now()
        soon = now + self.app.config.daemon.peek
        if self.tick.number == 0:
            return soon
        try:
            waits = self._wake_due(now)
            work = self.app.store.leases.next_work_at() if self.app.threads.free() else None
            if work is not None and work <= utc_now():
                self._start_shops()
                work = None
        except StoreError as error:
            self._unwell(error)
            return now + timedelta(seconds=PATIENCE)
        if self.tick.last_error is not None:
            self._well(now, monotonic())
        self.tick.waits_for = waits[1]
        moments = [moment for moment in (waits[0], work, soon) if moment is not None]
        return min(moments)

    def _wake_due(self, now: datetime) -> tuple[datetime | None, str]:
        planner = self.app.planner
        if self.app.config.daemon.wake == "check" or self.app.mode == "hold":
            return None, "the next check"
        planner.set_cursors(now)
        due = self.app.store.queueing.next_due_at(planner.aside)
        if due is None:
            return None, "a schedule"
        if due <= now:
            if planner.queue_due(now).queued:
                self._dirty = True
            due = self.app.store.queueing.next_due_at(planner.aside)
        return due, "a report that comes due" if due else "a schedule"

    def _start_shops(self) -> None:
        threads = self.app.threads
        while threads.free() and start_shops(self.app.store, threads):
            self._dirty = True
        self.app.performer.others_wait = threads.free() == 0

    def _watch_clock(self) -> None:
        offset = utc_now().timestamp() - monotonic()
        if abs(offset - self._offset) > JUMP:
            say("clock_jumped", "warning", seconds=round(offset - self._offset, 1))
            self._ticker.arm(utc_now())
        self._offset = offset

    # Signals and sleep ----------------------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)

    def wake(self) -> None:
        """End the loop's sleep; from any thread."""
        if self._pipe[1] >= 0:
            try:
                os.write(self._pipe[1], b"\0")
            except BlockingIOError:
                return  # the pipe is full of wake-ups already

    def _sleep(self, seconds: float) -> None:
        ready, _, _ = select.select([self._pipe[0]], [], [], seconds)
        if not ready:
            return
        self._dirty = True
        for number in os.read(self._pipe[0], 4096):
            self._take_signal(number)

    def _take_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._stopping:
                say("daemon_leaves", "warning")
                os._exit(1)
            self._stopping = True
        elif number == signal.SIGUSR1:
            say("check_triggered")
            self._check()
        elif number == signal.SIGHUP:
            try:
                self.reload()
            except SchedulerError as error:
                say("config_refused", "error", error=error.message)
            else:
                say("config_reloaded")

    # Stop -----------------------------------------------------------------------------------------------------------

    def _drain(self) -> int:
        """Let running reports finish up to `daemon.drain`, then give the shops back; return the exit status."""
        drain = self.app.config.daemon.drain.total_seconds()
        say("daemon_stopping")
        notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((drain + 10) * 1_000_000)}")
        self.app.performer.draining = True
        self.app.store.engine.wait_for_locks(min(1.0, drain / 4))
        until = monotonic() + drain
        self._wait_for_threads(until)
        self.app.threads.abort()
        self._wait_for_threads(until + min(2.0, drain))
        left = self.app.threads.busy()
        self._farewell()
        say("daemon_stopped", unfinished=sorted(left))
        if left:
            os._exit(0)  # a thread that does not listen must not hold the process; its lease ends by itself
        self.app.close()
        return 0

    def _wait_for_threads(self, until: float) -> None:
        while self.app.threads.busy() and monotonic() < until:
            self._sleep(min(0.2, max(0.0, until - monotonic())))
            self._write_state()

    def _farewell(self) -> None:
        state = self._observer.state(utc_now(), self.tick, [], self.app.config.daemon.workers)
        try:
            self.state.write({**state, "isRunning": False})
            self.app.store.notebook.forget_node()
        except (OSError, StoreError) as error:
            say("state_unwritable", "warning", error=str(error))

    # Telling --------------------------------------------------------------------------------------------------------

    def _write_state(self, *, force: bool = False) -> None:
        since = monotonic() - self._written
        if not force and not (self._dirty and since >= 1.0) and since < WRITE_EVERY:
            return
        now = utc_now()
        self._observer.count(now)
        self.tick.next_at = self._ticker.next_at()
        state = self._observer.state(now, self.tick, self.app.threads.holds(), self.app.config.daemon.workers)
        self._written = monotonic()
        self._dirty = False
        try:
            self.state.write(state)
        except OSError as error:
            say("state_unwritable", "warning", error=error.strerror or str(error))

    def _feed_watchdog(self) -> None:
        every = watchdog_seconds()
        if every and monotonic() - self._fed >= every:
            self._fed = monotonic()
            notify("WATCHDOG=1")

    def _note_node(self) -> None:
        store = self.app.store
        try:
            store.notebook.note_node(
                {
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "boot_id": boot_id(),
                    "version": __version__,
                    "mode": self.app.mode,
                    "started_at": to_ms(self._observer.started_at),
                    "last_good_at": to_ms(self.tick.last_good_at) if self.tick.last_good_at else None,
                    "skew_ms": store.skew_ms(),
                    "snapshot": None,
                }
            )
        except StoreError as error:
            say("check_failed", "warning", error=error.message)
