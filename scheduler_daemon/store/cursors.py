"""What is due, what comes next, what has no moment: read by the cursor `nextRunAt`, each from its index."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from ..lib.clock import to_ms
from .engine import Engine
from .moments import Style, decode, encode, first_text, latest_text
from .schedule_rows import SeenSchedule, is_active, read_row, schedule_query
from .standing import Standing

#: Rows read at once.
PAGE = 1000
#: Rows left out by name in one query; SQLite takes 32,766 values.
MOST_ASIDE = 30_000
#: Cursors that are no moments which may lie side by side before a check has set them aside.
STRANGE = 20


class Cursors:
    """Reads schedules by their cursor; only active ones of types of ours, where nothing else is said."""

    def __init__(self, engine: Engine, types: Mapping[str, str]) -> None:
        self.engine = engine
        self.types = dict(types)
        self.row = engine.tables.report_schedule
        self._standing = Standing(engine)
        fn = engine.tables.fn
        self._frequency = fn.UPPER(fn.TRIM(self.row.frequency))
        #: Active and of a type of ours.
        self.ours = is_active(self.row) & self.row.report_type.in_(list(self.types))

    def due(
        self,
        now: datetime,
        limit: int = PAGE,
        aside: Iterable[str] = (),
        only: tuple[str, str] = ("", ""),
        *,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> list[SeenSchedule]:
        """
        Return up to *limit* active schedules of our types whose cursor is not after *now*, the earliest first.

        Rows in *aside* (ids) are left out; *only* limits it to a shop and a schedule id; *since* (inclusive) and
        *before* (exclusive) to what is on time and what is late. Of what is late the latest come first: who missed
        little is not kept waiting by who missed much.
        """
        cursor, conditions = self.row.next_run_at, self.not_after(now)
        if since is not None:
            conditions = [due & (cursor >= bound) for due, bound in zip(conditions, self._bounds(since), strict=True)]
        if before is not None:
            conditions = [due & (cursor < bound) for due, bound in zip(conditions, self._bounds(before), strict=True)]
        order = cursor if before is None else cursor.desc()
        seen: list[SeenSchedule] = []
        for condition in conditions:
            query = self._query(aside).where(condition, *self._limited(only)).order_by(order).limit(limit)
            seen += self._read(query)
        return [item for item in seen if item.due_at is None or item.due_at <= now][:limit]

    def not_after(self, now: datetime) -> list[Any]:
        """
        Return the conditions that together say "the cursor is not after *now*".

        On SQLite a column may hold integers and texts side by side; each style is its own stretch of the index, so
        each is asked for.
        """
        cursor = self.row.next_run_at
        if not self.engine.is_sqlite:
            return [cursor <= encode(now, Style.NATIVE)]
        return [cursor <= to_ms(now), (cursor >= "") & (cursor <= latest_text(now))]

    def _bounds(self, moment: datetime) -> list[Any]:
        """Return *moment* in each style of `not_after`; a text is that of its second."""
        if not self.engine.is_sqlite:
            return [encode(moment, Style.NATIVE)]
        return [to_ms(moment), first_text(moment)]

    def _stretches(self) -> list[Any]:
        """Return the stretches of the index that hold cursors: on SQLite its integers, and its texts."""
        cursor = self.row.next_run_at
        return [cursor < "", cursor >= ""] if self.engine.is_sqlite else [cursor.is_null(False)]

    def next_due_at(self, aside: Iterable[str] = (), since: datetime | None = None) -> datetime | None:
        """Return the earliest cursor (from *since* on) of an active schedule of ours, UTC; None where there is none."""
        cursor, stretches = self.row.next_run_at, self._stretches()
        if since is not None:
            stretches = [part & (cursor >= bound) for part, bound in zip(stretches, self._bounds(since), strict=True)]
        out = self._without(aside)
        found: list[datetime] = []
        for number, stretch in enumerate(stretches):
            query = partial(self._cursors, stretch, out)
            usual = since is None and not out
            values = self._standing.fetch(f"earliest {number}", query) if usual else self.engine.fetch(query())
            # One that holds no moment is passed over: `strange` finds those behind now, `due` those before.
            found += [moment for (value,) in values if (moment := _moment(value)) is not None][:1]
        return min(found, default=None)

    def _cursors(self, stretch: Any, out: Sequence[Any]) -> Any:
        """Return the query for the earliest cursors of a stretch of the index, a few."""
        cursor = self.row.next_run_at
        return self.row.select(cursor).where(self.ours, stretch, *out).order_by(cursor).limit(STRANGE)

    def strange(self, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """
        Return schedules of ours whose cursor is no moment and sorts behind all moments, a few at a time.

        Microseconds, "soon", infinity: such a cursor never comes due, so nobody else would find it.
        """
        seen: list[SeenSchedule] = []
        for stretch in self._stretches():
            query = self._query(aside).where(stretch).order_by(self.row.next_run_at.desc())
            seen += self._read(query.limit(STRANGE))
        return [item for item in seen if item.due_at is None]

    def without_cursor(self, limit: int = PAGE, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """
        Return active schedules of ours whose `nextRunAt` is NULL: they get their first occurrence after now.

        Without those that can have none (`CUSTOM` without a rule: the app sets their moments). Of these there may be
        thousands, and each look of the loop would have to name them all to leave them out.
        """
        if not self._standing.fetch("cursorless", self._one_without_cursor):
            return []
        return self._read(self._query(aside).where(self._lacks_cursor()).limit(limit))

    def _one_without_cursor(self) -> Any:
        return self.row.select(self.row.id).where(self.ours, self._lacks_cursor()).limit(1)

    def _lacks_cursor(self) -> Any:
        """Return the condition "its cursor is NULL, and it can have one"."""
        # A list of those with a rule and no join: over 10,000 such rows a third of the time on SQLite, a fifth on the
        # servers.
        ours = self.engine.tables.schedule
        with_rule = ours.select(ours.schedule_id).where(ours.rule.is_null(False), ours.rule != "")
        can = (self._frequency != "CUSTOM") | self.row.id.in_(with_rule)
        return self.row.next_run_at.is_null() & can

    def slice(self, after_id: str, limit: int) -> list[SeenSchedule]:
        """
        Return schedules by id behind *after_id*, of any type and switch: the search for edited rules goes round.

        What is not ours is left out by whoever asks: with these conditions SQLite would walk its index of cursors and
        sort the whole table (230 ms for 100,000 rows).
        """
        query = schedule_query(self.engine.tables).where(self.row.id > after_id)
        return self._read(query.order_by(self.row.id).limit(limit))

    def count_due(self, now: datetime, aside: Iterable[str] = ()) -> int:
        """Return how many active schedules of ours are due and not queued, without *aside*, counted up to `PAGE`."""
        ids = self.row.select(self.row.id).where(self.ours, *self._without(aside))
        return sum(self.engine.tally(ids.where(condition), PAGE) for condition in self.not_after(now))

    def cursor_of(self, schedule_id: str) -> datetime | None:
        """Return a schedule's cursor, UTC; None where it has none or the schedule is gone."""
        rows = self.engine.fetch(self.row.select(self.row.next_run_at).where(self.row.id == schedule_id))
        return _moment(rows[0][0]) if rows else None

    def _query(self, aside: Iterable[str]) -> Any:
        return schedule_query(self.engine.tables).where(self.ours, *self._without(aside))

    def _limited(self, only: tuple[str, str]) -> list[Any]:
        shop, schedule_id = only
        named = [self.row.shop == shop] if shop else []
        return [*named, self.row.id == schedule_id] if schedule_id else named

    def _without(self, aside: Iterable[str]) -> list[Any]:
        out = list(islice(aside, MOST_ASIDE))
        return [self.row.id.not_in(out)] if out else []

    def _read(self, query: Any) -> list[SeenSchedule]:
        return [read_row(row, self.types) for row in self.engine.fetch_named(query)]


def _moment(value: Any) -> datetime | None:
    try:
        return decode(value)
    except (ValueError, TypeError, OverflowError):
        return None
