"""
When the daemon checks: aligned moments in UTC, driven by the `schedule` library.

The library compares naive local time, so on a host that is not on UTC it would stand still for an hour in autumn, and
a job that raises would keep the others from running. So the process runs on UTC, each job arms itself anew for its next
aligned moment, and each ticked function has its own fault barrier (DESIGN 6).
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from .errors import UsageError
from .lib.clock import from_ms, to_ms
from .lib.words import parse_length, say_length
from .lib.zones import find_zone, host_zone
from .model import Recurrence, RuleKind
from .when.timetable import first_after


class CheckTimes:
    """
    The moments at which checks are made: every so long, aligned; or by cron text in a zone, else in the host's.

    Raise UsageError `unknown_zone` where cron text is to be read in the host's zone and TZ names none.
    """

    def __init__(self, text: str, zone_name: str = "") -> None:
        self.text = text
        self.rule: Recurrence | None = None
        self.length = timedelta(minutes=5)
        # Asked even where it is not needed: later this process runs on UTC, and a reload may need it.
        host = host_zone()
        self.zone: tzinfo = find_zone(zone_name) if zone_name else host.zone
        try:
            self.length = parse_length(text)
        except ValueError:
            self.rule = Recurrence(RuleKind.CRON, cron=text)
            if host.unknown and not zone_name:
                message = f"{host.unknown!r} (in the environment's TZ) is no time zone, and check_every is read in it."
                hint = "Correct TZ, or set daemon.timezone."
                raise UsageError(message, code="unknown_zone", hint=hint) from None

    def after(self, now: datetime) -> datetime:
        """Return the next check's moment after *now*, UTC."""
        if self.rule is not None:
            found = first_after(self.rule, self.zone, now)
            return found.due_at if found else now + timedelta(days=1)
        step = max(1, int(self.length.total_seconds() * 1000))
        return from_ms((to_ms(now) // step + 1) * step)

    def interval(self, now: datetime) -> timedelta:
        """Return the length between the next two checks."""
        first = self.after(now)
        return self.after(first) - first

    def sentence(self) -> str:
        """Return how often checks are made, for the log: ``every 5 minutes``."""
        if self.rule is not None:
            return f"by cron text {self.text}"
        minutes = self.length.total_seconds() / 60
        if minutes >= 1 and minutes == int(minutes):
            return "every minute" if minutes == 1 else f"every {int(minutes)} minutes"
        return f"every {say_length(self.length)}"


class Ticker:
    """Runs a check at each of its times, through the `schedule` library."""

    def __init__(self, times: CheckTimes, check: Callable[[], None]) -> None:
        os.environ["TZ"] = "UTC"
        time.tzset()
        import schedule

        self._library = schedule
        self._scheduler = schedule.Scheduler()
        self.times = times
        self._check = check

    def arm(self, at: datetime) -> None:
        """Make the next check at *at* (UTC)."""
        self._scheduler.clear()
        job = self._scheduler.every(1).weeks.do(self._tick)
        job.next_run = at.astimezone(UTC).replace(tzinfo=None)

    def _tick(self) -> Any:
        try:
            self._check()
        finally:
            self.arm(self.times.after(datetime.now(UTC)))
        return None

    def run_pending(self) -> None:
        """Make the check if its moment has come."""
        self._scheduler.run_pending()

    def next_at(self) -> datetime:
        """Return when the next check is made, UTC."""
        found = self._scheduler.next_run
        return found.replace(tzinfo=UTC) if found else datetime.now(UTC)
