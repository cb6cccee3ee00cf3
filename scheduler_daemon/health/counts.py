"""What is counted and probed for the state file; by a thread of its own, for on a big table it takes 0.1 s."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..background import Background
from ..config import Config
from ..errors import StoreError
from ..lib.clock import iso, monotonic, utc_now
from ..lib.words import plural
from ..model import Pause
from ..store import SeenSchedule, Store
from ..store.invariants import MOST_SKEW_MS
from ..when.timetable import first_after, zone_of
from .problems import Problem, breach, of_database

#: Counting may cost this share of the time at most: on a big table it is done less often.
SHARE = 0.01
#: Seconds in which nothing was counted that may be made up for: what happens after a quiet while is shown at once.
SAVED = 10.0
UPCOMING = 5
#: Schedules without a next moment that are looked at.
MOST_LOOKED_AT = 50
#: Notices that were tried and wait for longer than this are a problem.
UNTOLD = timedelta(minutes=30)


@dataclass(slots=True)
class Asked:
    """What the loop says about itself when it asks for a count."""

    #: "hold", "redirect" or "live".
    delivery_mode: str = "live"
    #: Ids of schedules whose row cannot be read: they are neither due nor overdue.
    aside: tuple[str, ...] = ()
    #: Whether a slot is free for one more shop.
    slots_free: bool = True
    #: The pause of everything that holds; None while there is none.
    paused: Pause | None = None


@dataclass(slots=True)
class Counts:
    """The last numbers taken; kept while the database does not answer."""

    config: Config
    store: Store
    #: The state file's `counts`.
    numbers: dict[str, int] = field(default_factory=dict)
    #: The state file's `next`: the schedules that come due next.
    upcoming: list[dict[str, Any]] = field(default_factory=list)
    #: Invariants that do not hold.
    breaches: list[Problem] = field(default_factory=list)
    #: What the database said when it did not answer; None while all is well.
    unwell: Problem | None = None
    #: Whether they were taken anew since somebody looked.
    fresh: bool = False
    #: Whether something happened since they were taken that changes them: they are taken anew as soon as `SHARE` lets.
    stale: bool = False
    _again: float = 0.0
    #: Until when the time spent on counting is used up, monotonic.
    _spent_until: float = 0.0
    #: Ids of schedules that had no next moment, though their rule has one, when last looked at.
    _cursorless: set[str] = field(default_factory=set)
    _asked: Asked = field(default_factory=Asked)
    #: Whether they are being taken by their thread.
    _taking: bool = False
    _thread: Background | None = None

    def take_soon(self, asked: Asked) -> bool:
        """Have them taken by their thread where it is time; return at once, whether new ones come."""
        if self._taking:
            return True
        if monotonic() < self._again:
            return False
        self._asked, self._taking = asked, True
        if self._thread is None:
            self._thread = Background("counts", self._take_asked, self.store.close)
            self._thread.start()
        self._thread.wake()
        return True

    def _take_asked(self) -> None:
        try:
            self.take(utc_now(), self._asked)
        finally:
            self._taking = False

    def close(self) -> bool:
        """Take no more; return whether their thread has ended within a second."""
        if self._thread is None:
            return True
        self._thread.stop()
        return self._thread.has_ended(1.0)

    def take(self, now: datetime, asked: Asked) -> None:
        """Take them now; never raises a StoreError."""
        started = monotonic()
        self.stale = False  # before anything is read: what happens from here on sets it again
        try:
            self._take(now, asked)
            self.unwell = None
        except StoreError as error:
            self.unwell = of_database(error.code, error.message, error.hint)
            self.store.close()
        self.fresh = True
        ended = monotonic()
        self._spent_until = max(self._spent_until, started - SAVED) + (ended - started) / SHARE
        self._again = max(ended + 1.0, self._spent_until)

    def _take(self, now: datetime, asked: Asked) -> None:
        store = self.store
        earliest = store.cursors.next_due_at(asked.aside)
        late = max(0.0, (now - earliest).total_seconds()) if earliest else 0.0
        numbers = {**store.schedules.counts(), **store.history.counts(now), "oldest_overdue_s": int(late)}
        self.numbers = {"due": store.cursors.count_due(now, asked.aside), **numbers}
        self.breaches = [breach(*found) for found in self._look_for_breaches(asked)]
        self.upcoming = [_next(item) for item in store.schedules.upcoming(UPCOMING)]

    def _look_for_breaches(self, asked: Asked) -> list[tuple[str, str]]:
        daemon, found = self.config.daemon, []
        if asked.delivery_mode != "hold":
            patience = max(2 * daemon.lease, timedelta(seconds=60))
            found = self.store.invariants.breaches(
                patience, daemon.deadline, slots_free=asked.slots_free and not asked.paused
            )
            found += self._look_for_cursors(asked)
        found += self._look_at_notices()
        skew = self.store.skew_ms()
        if abs(skew) > MOST_SKEW_MS:
            ahead = "ahead of" if skew > 0 else "behind"
            found.append(("clock_skew", f"This machine's clock is {abs(skew) / 1000:.1f} s {ahead} the database's."))
        return found

    def _look_for_cursors(self, asked: Asked) -> list[tuple[str, str]]:
        """Look for schedules that lack their next moment twice in a row: the loop gives it within a second or two."""
        now = utc_now()
        seen = self.store.cursors.without_cursor(MOST_LOOKED_AT, asked.aside)
        lacking = {item.id: item for item in seen if comes(item, now)}
        lasting = sorted(self._cursorless & lacking.keys())
        self._cursorless = set(lacking)
        if not lasting:
            return []
        item = lacking[lasting[0]]
        return [("cursor_missing", f"{item.name} of {item.shop} has no next moment, though its rule has one.")]

    def _look_at_notices(self) -> list[tuple[str, str]]:
        found, settings = [], self.config.notices
        if paused := [shop for shop, _ in self.store.shops.paused_by_us()]:
            others = f" and {len(paused) - 1} more" if len(paused) > 1 else ""
            found.append(("shop_paused", f"{paused[0]}{others}: paused, because Shopify refuses its reports."))
        if untold := self.store.notices.untold(UNTOLD):
            found.append(("notices_untold", f"{plural(untold, 'notice')} of trouble cannot be sent."))
        if self.config.email is not None and not (settings.to or settings.command):
            missing = "Nobody is told of trouble where a schedule has no owner: notices.to is unset."
            found.append(("notices_unset", missing))
        return found


def comes(seen: SeenSchedule, now: datetime) -> bool:
    """Whether the rule of a schedule has another occurrence: it is neither finished nor unreadable."""
    schedule = seen.schedule
    if schedule is None or schedule.recurrence is None:
        return False
    try:
        _, zone, _ = zone_of(schedule, seen.shop_zone)
        return first_after(schedule.recurrence, zone, now) is not None
    except (KeyError, ValueError, OverflowError):
        return False


def _next(seen: SeenSchedule) -> dict[str, Any]:
    zone = (seen.schedule.zone if seen.schedule else "") or seen.shop_zone or "UTC"
    at = iso(seen.due_at) if seen.due_at else None
    return {"at": at, "shop": seen.shop, "report": seen.name, "schedule": seen.id, "zone": zone}
