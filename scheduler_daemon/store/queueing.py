"""
What is due: read by the cursor `nextRunAt`, and queued by moving it where it is still what we saw.

A batch of schedules is one short transaction of four statements. Whoever else writes `nextRunAt` wins: his row does not
match, and nothing of its plan is written. The ledger's unique key refuses an occurrence that is there already.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from ..lib.clock import to_ms
from ..lib.ids import new_ulid
from ..model import Occurrence, Plan, Recurrence, Schedule, Trigger
from ..when.timetable import occurrences
from .engine import Engine
from .moments import Style, decode, encode, first_text, latest_text, style_of
from .new_runs import BATCH, add_planned, insert_runs, run_values, wake_shops
from .rows import asked_to_json
from .schedule_rows import SeenSchedule, is_active, read_row, schedule_query
from .troubles import Troubles

#: Rows read at once.
PAGE = 1000
#: Rows left out by name in one query; SQLite takes 32,766 values.
MOST_ASIDE = 30_000
#: Cursors that are no moments which may lie side by side before a check has set them aside.
STRANGE = 20
#: Occurrences ahead whose keys are asked for in one query.
AHEAD = 30
#: New rows of the ledger after which a transaction ends, so that others come to write between two of them.
MOST_ROWS = 1000

REFUSED = """
INSERT INTO {ours}scheduler_run (id, schedule_id, shop, "trigger", occurrence_key, due_at, not_before, status,
  queued_at, finished_at, report, error_code, error)
VALUES (?, ?, ?, 'schedule', ?, ?, ?, 'failed', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""


class Queueing:
    """Reads due schedules and writes their runs."""

    def __init__(self, engine: Engine, style: Style, types: Mapping[str, str], troubles: Troubles) -> None:
        self.engine = engine
        self.troubles = troubles
        self.style = style
        self.types = dict(types)
        self.row = engine.tables.report_schedule
        fn = engine.tables.fn
        self._frequency = fn.UPPER(fn.TRIM(self.row.frequency))
        #: Active and of a type of ours.
        self.ours = is_active(self.row) & self.row.report_type.in_(list(self.types))

    # Reading --------------------------------------------------------------------------------------------------------

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

    def next_due_at(self, aside: Iterable[str] = (), since: datetime | None = None) -> datetime | None:
        """Return the earliest cursor (from *since* on) of an active schedule of ours, UTC; None where there is none."""
        cursor = self.row.next_run_at
        stretches = [cursor < "", cursor >= ""] if self.engine.is_sqlite else [cursor.is_null(False)]
        if since is not None:
            stretches = [part & (cursor >= bound) for part, bound in zip(stretches, self._bounds(since), strict=True)]
        found: list[datetime] = []
        for stretch in stretches:
            query = self.row.select(cursor).where(self.ours, stretch, *self._without(aside))
            values = self.engine.fetch(query.order_by(cursor).limit(STRANGE))
            # One that holds no moment is passed over: `strange` finds those behind now, `due` those before.
            found += [moment for (value,) in values if (moment := _moment(value)) is not None][:1]
        return min(found, default=None)

    def strange(self, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """
        Return schedules of ours whose cursor is no moment and sorts behind all moments, a few at a time.

        Microseconds, "soon", infinity: such a cursor never comes due, so nobody else would find it.
        """
        cursor = self.row.next_run_at
        stretches = [cursor < "", cursor >= ""] if self.engine.is_sqlite else [cursor.is_null(False)]
        seen: list[SeenSchedule] = []
        for stretch in stretches:
            seen += self._read(self._query(aside).where(stretch).order_by(cursor.desc()).limit(STRANGE))
        return [item for item in seen if item.due_at is None]

    def without_cursor(self, limit: int = PAGE, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """
        Return active schedules of ours whose `nextRunAt` is NULL: they get their first occurrence after now.

        Without those that can have none (`CUSTOM` without a rule: the app sets their moments). Of these there may be
        thousands, and each look of the loop would have to name them all to leave them out.
        """
        # A list of those with a rule and no join: over 10,000 such rows a third of the time on SQLite, a fifth on the
        # servers.
        ours = self.engine.tables.schedule
        with_rule = ours.select(ours.schedule_id).where(ours.rule.is_null(False), ours.rule != "")
        can = (self._frequency != "CUSTOM") | self.row.id.in_(with_rule)
        return self._read(self._query(aside).where(self.row.next_run_at.is_null(), can).limit(limit))

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

    def first_free(self, schedule_id: str, rule: Recurrence, zone: tzinfo, after: datetime) -> Occurrence | None:
        """
        Return the first occurrence of *rule* after *after* (UTC) of which the ledger has no row yet; None for none.

        After an edit of the zone a wall time that has its row lies ahead again, and the ledger would refuse it.
        """
        upcoming, run = occurrences(rule, zone, after), self.engine.tables.run
        mine = (run.schedule_id == schedule_id) & (run.trigger == Trigger.SCHEDULE.value)
        while part := list(islice(upcoming, AHEAD)):
            keys = run.select(run.occurrence_key).where(mine, run.occurrence_key.in_([item.key for item in part]))
            known = {str(row[0]) for row in self.engine.fetch(keys)}
            free = next((item for item in part if item.key not in known), None)
            if free is not None:
                return free
        return None

    def unfinished(self, schedule_id: str) -> bool:
        """Whether a run of the schedule is queued or running (overlap); what is made for the past stops nothing."""
        run = self.engine.tables.run
        query = run.select(run.id).where(run.schedule_id == schedule_id, run.finished_at.is_null())
        query = query.where(run.trigger != Trigger.BACKFILL.value)
        return bool(self.engine.fetch(query.limit(1)))

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

    # Writing --------------------------------------------------------------------------------------------------------

    def queue(self, plans: Sequence[tuple[SeenSchedule, Plan]], now: datetime) -> int:
        """Write what *plans* say, each only if its cursor is still what was seen; return the number of queued runs."""
        queued = 0
        for batch in _batches(plans):
            with self.engine.transaction():
                moved = self._move(batch)
                kept = [plan for seen, plan in batch if seen.id in moved]
                queued += add_planned(self.engine, kept, to_ms(now))
                self._remember_rules(kept)
        return queued

    def queue_by_hand(self, schedule: Schedule, name: str, now: datetime) -> None:
        """Queue a run of *schedule* for now, trigger `manual`, key *name*; one of that name is not made twice."""
        at = to_ms(now)
        with self.engine.transaction():
            insert_runs(self.engine, run_values(schedule, Occurrence(name, now), at, Trigger.MANUAL))
            wake_shops(self.engine, {schedule.shop: at})

    def refuse(self, seen: SeenSchedule, now: datetime) -> bool:
        """Write a failed run for a schedule row that cannot be read, once for each of its cursors; True when new."""
        # A key of its own: when the row is corrected, the occurrence itself can still run.
        key = f"refused:{to_ms(seen.due_at)}" if seen.due_at else f"refused:{seen.cursor}"[:64]
        due_at = to_ms(seen.due_at) if seen.due_at else to_ms(now)
        asked = asked_to_json(None, (), name=seen.name, owner="", zone="", deadline=0.0)
        at = to_ms(now)
        error = (seen.problem_code, f"Schedule {seen.name} ({seen.id}): {seen.problem}.".replace("..", "."))
        run_id = new_ulid(at)
        values = (run_id, seen.id, seen.shop, key, due_at, due_at, at, at, asked, *error)
        run = self.engine.tables.run
        known = run.select(run.id).where(run.schedule_id == seen.id, run.occurrence_key == key).limit(1)
        with self.engine.transaction():
            if self.engine.fetch(known):
                return False
            self.engine.write(REFUSED, values)
            self.troubles.note_failure(self.engine.execute(), seen.shop, seen.id, seen.name, "", run_id, error)
        return True

    def _move(self, batch: Sequence[tuple[SeenSchedule, Plan]]) -> set[str]:
        """Move the cursors that are still what was seen, in one statement; return the ids of those rows."""
        if not self.engine.dialect.returning:
            return self._move_in_steps(batch)
        lite = self.engine.is_sqlite
        first = "(?, ?, ?, ?)" if lite else "(?::text, ?::timestamp, ?::timestamp, ?::boolean)"
        rows = ", ".join([first] + ["(?, ?, ?, ?)"] * (len(batch) - 1))
        active = 's."isActive" = 1' if lite else 's."isActive"'
        sql = f"""
        UPDATE {{app}}"ReportSchedule" AS s SET "nextRunAt" = v.column2, "isActive" = v.column4
        FROM (VALUES {rows}) AS v
        WHERE s."id" = v.column1 AND s."nextRunAt" {self.engine.dialect.same} v.column3 AND {active} RETURNING "id\""""
        values: list[Any] = []
        for seen, plan in sorted(batch, key=lambda pair: pair[0].id):
            style = style_of(seen.cursor, self.style)
            values += [seen.id, encode(plan.next_due_at, style), seen.cursor, not plan.over]
        return {str(row[0]) for row in self.engine.write(sql, values)}

    def _move_in_steps(self, batch: Sequence[tuple[SeenSchedule, Plan]]) -> set[str]:
        """Move the cursors where an UPDATE returns no rows: lock, compare, then change those that match."""
        row = self.row
        ids = [seen.id for seen, _ in batch]
        locked = row.select(row.id, row.next_run_at).where(row.id.in_(ids), is_active(row))
        found: dict[str, Any] = dict(self.engine.fetch(locked.order_by(row.id).for_update()))
        moved = set()
        for seen, plan in batch:
            if seen.id in found and found[seen.id] == seen.cursor:
                cursor = encode(plan.next_due_at, style_of(seen.cursor, self.style))
                self.engine.change(row.update(next_run_at=cursor, is_active=not plan.over).where(row.id == seen.id))
                moved.add(seen.id)
        return moved

    def _remember_rules(self, plans: Sequence[Plan]) -> None:
        changed = [plan for plan in plans if plan.rule_hash and plan.rule_hash != plan.schedule.rule_hash]
        if not changed:
            return
        rows = ", ".join(["(?, '{}', ?)"] * len(changed))
        sql = f"""
        INSERT INTO {{ours}}scheduler_schedule (schedule_id, options, rule_hash) VALUES {rows}
        ON CONFLICT (schedule_id) DO UPDATE SET rule_hash = excluded.rule_hash"""
        values = [value for plan in changed for value in (plan.schedule.id, plan.rule_hash)]
        self.engine.write(sql, values)


def _batches(plans: Sequence[tuple[SeenSchedule, Plan]]) -> Iterator[list[tuple[SeenSchedule, Plan]]]:
    """Yield *plans* in transactions: at most `BATCH` schedules, and no more after `MOST_ROWS` new rows."""
    batch: list[tuple[SeenSchedule, Plan]] = []
    rows = 0
    for seen, plan in plans:
        batch.append((seen, plan))
        rows += len(plan.to_run) + len(plan.skipped)
        if len(batch) == BATCH or rows >= MOST_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _moment(value: Any) -> datetime | None:
    try:
        return decode(value)
    except (ValueError, TypeError, OverflowError):
        return None
