"""
The app beside the daemon: it writes `nextRunAt`, and so makes occurrences; and it knows which rows there must be.

What a rule produces is found here by walking minute by minute through the zone, without the product's planner.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as dtime
from typing import Any
from zoneinfo import ZoneInfo

from .databases import Base, Sql
from .post import wall
from .world import World

MINUTE = timedelta(minutes=1)
#: Schedules of a shop whose moments are the app's own.
FOREIGN = 4
#: Schedules that one turn of the app sets at most.
BATCH = 8
OPEN = "SELECT COUNT(*) FROM {s}scheduler_run WHERE status IN ('queued', 'running')"
ZONES = ("UTC", "America/New_York", "Europe/Paris", "Australia/Lord_Howe")


@dataclass(slots=True)
class Planned:
    """A schedule of the app, and what the app did to its cursor."""

    id: str
    shop: str
    #: "foreign": its moments are the app's own; "hourly", "daily": its rule's.
    kind: str
    zone: str = "UTC"
    clock: str = "00:00"
    catch_up: str = "latest"
    #: Keys that must be there, and those that may be: the answer to the app's own write was lost.
    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    #: The earliest moments of its rule that the cursor was set to, milliseconds.
    back_to: int = 0
    maybe_back_to: int = 0
    last: int = 0


def walk(kind: str, zone: str, clock: str, start: datetime, end: datetime) -> list[tuple[str, int]]:
    """Return (key, due moment in milliseconds) of a rule in [*start*, *end*], minute by minute."""
    place = ZoneInfo(zone)
    hour, minute = int(clock[:2]), int(clock[3:])
    found: list[tuple[str, int]] = []
    if kind == "hourly":
        moment = start.replace(second=0, microsecond=0)
        while moment <= end:
            if moment >= start and moment.astimezone(place).minute == minute:
                found.append((f"{moment:%Y-%m-%dT%H:%MZ}", int(moment.timestamp() * 1000)))
            moment += MINUTE
        return found
    day = start.astimezone(place).date() - timedelta(days=2)
    last = end.astimezone(place).date()
    while day <= last:
        wanted = datetime.combine(day, dtime(hour, minute))
        due = _first_minute_at_or_after(wanted, place)
        if start <= due <= end:
            found.append((f"{wanted:%Y-%m-%dT%H:%M}", int(due.timestamp() * 1000)))
        day += timedelta(days=1)
    return found


def _first_minute_at_or_after(wanted: datetime, place: ZoneInfo) -> datetime:
    """Return the first minute (UTC) whose wall time is *wanted*, or the first behind the gap that has it."""
    # Wall time runs from the day before; the first minute that shows the wanted wall time or a later one counts.
    moment = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
    while True:
        if moment.astimezone(place).replace(tzinfo=None) >= wanted:
            return moment
        behind = wanted - moment.astimezone(place).replace(tzinfo=None)
        moment += max(MINUTE, behind - timedelta(hours=3))


class App(threading.Thread):
    """Writes due moments at about *rate* a second until told to stop."""

    def __init__(
        self, base: Base, world: World, seed: int, rate: float, *, rules: bool = True, backlog: int = 0
    ) -> None:
        super().__init__(name="app", daemon=True)
        self.base, self.world, self.rate, self.rules = base, world, rate, rules
        #: The app waits while so many runs are open (a slow machine); 0 is no limit.
        self.backlog = backlog
        #: How often a moment is written that was written before, as apps do.
        self.repeats = 0.1
        self.random = random.Random(seed)
        self.sql = Sql(base)
        self.planned: dict[str, Planned] = {}
        self.stopped = threading.Event()
        self.written = self.repeated = self.uncertain = 0
        self.trouble = ""

    # Setting up -----------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Write the sessions and the schedules."""
        for number, shop in enumerate(self.world.shops.values()):
            values = (f"offline_{shop.domain}", shop.domain, "", False, shop.token, ",".join(shop.scopes))
            columns = '"id", "shop", "state", "isOnline", "accessToken", "scope"'
            self.sql.ask(f'INSERT INTO "Session" ({columns}) VALUES (?, ?, ?, ?, ?, ?)', values)
            for part in range(FOREIGN):
                self._add(Planned(f"f{number:02}{part}", shop.domain, "foreign"), number + part)
            if self.rules:
                catch_up = ("latest", "all", "none")[number % 3]
                clock = f"00:{self.random.randrange(60):02}"
                self._add(Planned(f"h{number:02}", shop.domain, "hourly", "UTC", clock, catch_up), number)
                zone, clock = ZONES[number % 4], f"0{self.random.randrange(4)}:30"
                self._add(Planned(f"d{number:02}", shop.domain, "daily", zone, clock), number)

    def _add(self, made: Planned, number: int) -> None:
        self.planned[made.id] = made
        mails = [f"{name}@{made.shop}" for name in ("a", "b", "c")[: number % 3 + 1]]
        if number % 7 == 0:
            mails.append(f"nobody@{made.shop}")
        if number % 4 == 3:
            mails = []  # into the folder alone
        channels = '"channels": ["folder"], ' if number % 2 else ""
        frequency = {"foreign": "MONTHLY", "hourly": "HOURLY", "daily": "DAILY"}[made.kind]
        day = (datetime.now(UTC).day + 13) % 28 + 1
        stamp = "2026-01-01 00:00:00"
        columns = '"id", "shop", "name", "reportType", "frequency", "dayOfMonth", "time", "timezone", "recipients"'
        values: tuple[Any, ...] = (
            *(made.id, made.shop, f"Report {made.id}", "orders", frequency, day, made.clock, made.zone),
            "[" + ", ".join(f'"{mail}"' for mail in mails) + "]",
            *(True, stamp),
        )
        marks = ", ".join("?" * len(values))
        options = f'{{{channels}"catch_up": "{made.catch_up}", "period": "yesterday"}}'
        ours = "INSERT INTO {s}scheduler_schedule (schedule_id, options) VALUES (?, ?)"
        self.sql.ask(ours, (made.id, options))
        # Last: a daemon that sees it writes a row of ours for it where there is none.
        self.sql.ask(f'INSERT INTO "ReportSchedule" ({columns}, "isActive", "updatedAt") VALUES ({marks})', values)

    # Writing --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write until stopped; what goes wrong is kept for the oracle."""
        try:
            while not self.stopped.wait(self.random.expovariate(2 * self.rate / (BATCH + 1))):
                self._turn(self.random.randint(1, BATCH))
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def _turn(self, count: int) -> None:
        """Set the cursors of *count* schedules, of many shops at one moment."""
        if self.backlog and self.sql.ask(OPEN)[0][0] >= self.backlog:
            return
        rows = self.sql.ask('SELECT "id", "nextRunAt" FROM "ReportSchedule" WHERE "nextRunAt" IS NOT NULL')
        free = [(key, cursor) for key, cursor in rows if _ms(cursor) > wall() + 10_000]
        if not free:
            return
        # Foreign moments are what is performed: most writes go to them.
        weights = [3 if self.planned[key].kind == "foreign" else 1 for key, _ in free]
        for key, cursor in dict(self.random.choices(free, weights, k=count)).items():
            self.write(self.planned[key], cursor)

    def write(self, item: Planned, cursor: Any) -> None:
        """Set one cursor, where it is still what was seen, and note which rows that must bring."""
        at, key = self._moment(item)
        if not at:
            return
        sure = True
        try:
            sql = 'UPDATE "ReportSchedule" SET "nextRunAt" = ? WHERE "id" = ? AND "nextRunAt" = ?'
            _, count = self.sql.once(sql, (self._stored(at), item.id, cursor))
            if count != 1:
                return
        except Exception:  # cut, locked, away: it may have been written or not
            sure = False
            self.uncertain += 1
        self._note(item, at, key, sure)

    def _moment(self, item: Planned) -> tuple[int, str]:
        """Return the moment to write and its key; 0 where there is none."""
        if item.kind == "foreign":
            if item.last and self.random.random() < self.repeats:
                self.repeated += 1
                return item.last, f"at:{item.last}"
            item.last = wall() + self.random.randrange(-300, 900)
            return item.last, f"at:{item.last}"
        now = datetime.now(UTC)
        length = timedelta(hours=40) if item.kind == "hourly" else timedelta(days=45)
        known = walk(item.kind, item.zone, item.clock, now - length, now - timedelta(seconds=5))
        key, at = self.random.choice(known)
        return at, key

    def _note(self, item: Planned, at: int, key: str, sure: bool) -> None:
        self.written += 1
        if item.kind == "foreign":
            (item.sure if sure else item.maybe).add(key)
        elif sure:
            item.back_to = min(item.back_to or at, at)
        else:
            item.maybe_back_to = min(item.maybe_back_to or at, at)

    def _stored(self, at: int) -> Any:
        if self.base.kind != "sqlite":
            return datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None)
        if self.random.random() < 0.5:
            return at
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")

    def expected(self, started: int, ended: int) -> tuple[dict[tuple[str, str], int], set[tuple[str, str]]]:
        """Return the rows that must be there, (schedule, key) with its due moment, and those that may be."""
        sure: dict[tuple[str, str], int] = {}
        maybe: set[tuple[str, str]] = set()
        for item in self.planned.values():
            if item.kind == "foreign":
                sure |= {(item.id, key): int(key[3:]) for key in item.sure}
                maybe |= {(item.id, key) for key in item.maybe - item.sure}
                continue
            begin = item.back_to or started
            for key, at in _between(item, min(begin, item.maybe_back_to or begin), ended + 5_000):
                if begin <= at < ended - 5_000 and (item.back_to or at > started + 20_000):
                    sure[item.id, key] = at
                else:
                    maybe.add((item.id, key))
        return sure, maybe


def _between(item: Planned, start: int, end: int) -> list[tuple[str, int]]:
    return walk(item.kind, item.zone, item.clock, _moment(start), _moment(end))


def _moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


def _ms(value: Any) -> int:
    """Return a cursor as milliseconds, however the column holds it."""
    if isinstance(value, int):
        return value
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def wait_for_cursors(app: App, seconds: float) -> None:
    """Wait until the daemon has given every schedule its first moment; raise TimeoutError."""
    until = time.monotonic() + seconds
    while app.sql.ask('SELECT COUNT(*) FROM "ReportSchedule" WHERE "nextRunAt" IS NULL')[0][0]:
        if time.monotonic() > until:
            raise TimeoutError("some schedules got no first moment")
        time.sleep(0.1)
