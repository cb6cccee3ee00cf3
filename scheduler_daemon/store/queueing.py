"""
What is due: read by the cursor `nextRunAt`, and queued by moving it where it is still what we saw.

A batch of schedules is one short transaction of four statements. Whoever else writes `nextRunAt` wins: his row does not
match, and nothing of its plan is written. The ledger's unique key refuses an occurrence that is there already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..lib.clock import from_ms, to_ms
from ..lib.ids import new_ulid
from ..model import Occurrence, Plan, RunStatus, SkipReason, Trigger
from .engine import Engine
from .moments import Style, decode, encode, latest_text, style_of
from .rows import asked_to_json
from .schedule_rows import SELECT, SeenSchedule, read_row

#: Schedules moved in one transaction; a batch must not hold SQLite's lock for long.
BATCH = 200
#: Rows read at once.
PAGE = 1000


class Queueing:
    """Reads due schedules and writes their runs."""

    def __init__(self, engine: Engine, style: Style, types: Mapping[str, str]) -> None:
        self.engine = engine
        self.style = style
        self.types = dict(types)
        marks = ", ".join("?" * len(self.types))
        active = 's."isActive" = 1' if engine.is_sqlite else 's."isActive"'
        self._ours = f'{active} AND s."reportType" IN ({marks})'

    # Reading --------------------------------------------------------------------------------------------------------

    def due(self, now: datetime, limit: int = PAGE, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """
        Return up to *limit* active schedules of our types whose cursor is not after *now*, the earliest first.

        On SQLite a column may hold integers and texts side by side; each style is its own stretch of the index, so both
        are asked for. Rows in *aside* (ids) are left out.
        """
        out = list(aside)
        rows: list[Sequence[Any]] = []
        for condition, values in self._not_after(now):
            rest = f' AND s."id" NOT IN ({", ".join("?" * len(out))})' if out else ""
            sql = f'{SELECT} WHERE {self._ours} AND {condition}{rest} ORDER BY s."nextRunAt" LIMIT ?'
            rows += self.engine.read(sql, (*self.types, *values, *out, limit))
        seen = [read_row(row, self.types) for row in rows]
        return [item for item in seen if item.due_at is None or item.due_at <= now][:limit]

    def _not_after(self, now: datetime) -> list[tuple[str, tuple[Any, ...]]]:
        if not self.engine.is_sqlite:
            return [('s."nextRunAt" <= ?', (encode(now, Style.NATIVE),))]
        texts = ('s."nextRunAt" >= \'\' AND s."nextRunAt" <= ?', (latest_text(now),))
        return [('s."nextRunAt" <= ?', (to_ms(now),)), texts]

    def next_due_at(self, aside: Iterable[str] = ()) -> datetime | None:
        """Return the earliest cursor of an active schedule of ours, UTC; None where there is none."""
        out = list(aside)
        rest = f' AND s."id" NOT IN ({", ".join("?" * len(out))})' if out else ""
        found = []
        stretches = (
            ("s.\"nextRunAt\" < ''", "s.\"nextRunAt\" >= ''")
            if self.engine.is_sqlite
            else ('s."nextRunAt" IS NOT NULL',)
        )
        for stretch in stretches:
            sql = f"""SELECT s."nextRunAt" FROM {{app}}"ReportSchedule" s
            WHERE {self._ours} AND {stretch}{rest} ORDER BY s."nextRunAt" LIMIT 1"""
            found += [_moment_or_now(row[0]) for row in self.engine.read(sql, (*self.types, *out))]
        return min(found, default=None)

    def without_cursor(self, limit: int = PAGE, aside: Iterable[str] = ()) -> list[SeenSchedule]:
        """Return active schedules of ours whose `nextRunAt` is NULL: they get their first occurrence after now."""
        out = list(aside)
        rest = f' AND s."id" NOT IN ({", ".join("?" * len(out))})' if out else ""
        sql = f'{SELECT} WHERE {self._ours} AND s."nextRunAt" IS NULL{rest} LIMIT ?'
        return [read_row(row, self.types) for row in self.engine.read(sql, (*self.types, *out, limit))]

    def slice(self, after_id: str, limit: int) -> list[SeenSchedule]:
        """Return active schedules of ours by id behind *after_id*: the search for edited rules goes round in slices."""
        sql = f'{SELECT} WHERE {self._ours} AND s."id" > ? AND s."nextRunAt" IS NOT NULL ORDER BY s."id" LIMIT ?'
        return [read_row(row, self.types) for row in self.engine.read(sql, (*self.types, after_id, limit))]

    def unfinished(self, schedule_id: str) -> bool:
        """Whether a run of the schedule is queued or running (overlap)."""
        sql = """SELECT 1 FROM {ours}scheduler_run WHERE schedule_id = ? AND finished_at IS NULL LIMIT 1"""
        return bool(self.engine.read(sql, (schedule_id,)))

    # Writing --------------------------------------------------------------------------------------------------------

    def queue(self, plans: Sequence[tuple[SeenSchedule, Plan]], now: datetime) -> int:
        """Write what *plans* say, each only if its cursor is still what was seen; return the number of queued runs."""
        queued = 0
        for start in range(0, len(plans), BATCH):
            batch = plans[start : start + BATCH]
            with self.engine.transaction():
                moved = self._move(batch)
                kept = [plan for seen, plan in batch if seen.id in moved]
                queued += self._add_runs(kept, now)
                self._remember_rules(kept)
        return queued

    def refuse(self, seen: SeenSchedule, now: datetime) -> bool:
        """Write a failed run for a schedule row that cannot be read, once for each of its cursors; True when new."""
        key = f"at:{to_ms(seen.due_at)}" if seen.due_at else f"at:{seen.cursor}"[:64]
        due_at = to_ms(seen.due_at) if seen.due_at else to_ms(now)
        asked = asked_to_json(None, (), name=seen.name, owner="", zone="", deadline=0.0)
        sql = """
        INSERT INTO {ours}scheduler_run (id, schedule_id, shop, "trigger", occurrence_key, due_at, not_before, status,
          queued_at, finished_at, report, error_code, error)
        VALUES (?, ?, ?, 'schedule', ?, ?, ?, 'failed', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
        at = to_ms(now)
        error = (seen.problem_code, f"Schedule {seen.name} ({seen.id}): {seen.problem}.".replace("..", "."))
        with self.engine.transaction():
            values = (new_ulid(at), seen.id, seen.shop, key, due_at, due_at, at, at, asked, *error)
            return self.engine.count(sql, values) == 1

    def _move(self, batch: Sequence[tuple[SeenSchedule, Plan]]) -> set[str]:
        lite = self.engine.is_sqlite
        first = "(?, ?, ?, ?)" if lite else "(?::text, ?::timestamp, ?::timestamp, ?::boolean)"
        rows = ", ".join([first] + ["(?, ?, ?, ?)"] * (len(batch) - 1))
        same = "IS" if lite else "IS NOT DISTINCT FROM"
        sql = f"""
        UPDATE {{app}}"ReportSchedule" AS s SET "nextRunAt" = v.column2, "isActive" = v.column4
        FROM (VALUES {rows}) AS v
        WHERE s."id" = v.column1 AND s."nextRunAt" {same} v.column3 AND {self._active()} RETURNING "id\""""
        values: list[Any] = []
        for seen, plan in sorted(batch, key=lambda pair: pair[0].id):
            style = style_of(seen.cursor, self.style)
            values += [seen.id, encode(plan.next_due_at, style), seen.cursor, not plan.over]
        return {str(row[0]) for row in self.engine.write(sql, values)}

    def _active(self) -> str:
        return 's."isActive" = 1' if self.engine.is_sqlite else 's."isActive"'

    def _add_runs(self, plans: Sequence[Plan], now: datetime) -> int:
        at = to_ms(now)
        values: list[Any] = []
        count = 0
        shops: dict[str, int] = {}
        for plan in plans:
            for occurrence in plan.to_run:
                values += run_values(plan, occurrence, at, Trigger.SCHEDULE, None)
                earliest = to_ms(occurrence.due_at)
                shops[plan.schedule.shop] = min(earliest, shops.get(plan.schedule.shop, earliest))
                count += 1
            for occurrence, reason in plan.skipped:
                values += run_values(plan, occurrence, at, Trigger.SCHEDULE, reason)
        insert_runs(self.engine, values)
        wake_shops(self.engine, shops)
        return count

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


def _moment_or_now(value: Any) -> datetime:
    try:
        return decode(value) or from_ms(0)
    except (ValueError, TypeError, OverflowError):
        return from_ms(0)  # unreadable: due at once, so that the tick finds it and sets it aside


RUN_INSERT = """
INSERT INTO {ours}scheduler_run (id, schedule_id, shop, "trigger", occurrence_key, due_at, not_before, priority, status,
  reason, queued_at, finished_at, report, error) VALUES """
RUN_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

SKIP_SENTENCES = {
    SkipReason.MISFIRED: "It was missed, and the schedule does not catch up.",
    SkipReason.COALESCED: "A later occurrence ran in its place.",
    SkipReason.OVERLAPPED: "The schedule's last run was still unfinished.",
    SkipReason.PAUSED: "The schedule was paused.",
}


def run_values(plan: Plan, occurrence: Occurrence, at: int, trigger: Trigger, reason: str | None) -> list[Any]:
    """Return the values of one new row of the ledger, for `insert_runs`."""
    schedule = plan.schedule
    status = RunStatus.QUEUED if reason is None else RunStatus.SKIPPED
    error = None if reason is None else SKIP_SENTENCES.get(SkipReason(reason))
    due_at = to_ms(occurrence.due_at)
    asked = asked_to_json(
        schedule.report,
        schedule.recipients,
        name=schedule.name,
        owner=schedule.owner,
        zone=schedule.zone,
        deadline=schedule.deadline,
    )
    identity = [new_ulid(at), schedule.id, schedule.shop, trigger.value, occurrence.key, due_at, due_at]
    return [*identity, schedule.priority, status.value, reason, at, None if reason is None else at, asked, error]


def insert_runs(engine: Engine, values: Sequence[Any]) -> None:
    """Insert rows of the ledger, many in a statement; an occurrence that is there already stays as it is."""
    width = RUN_VALUES.count("?")
    for start in range(0, len(values), width * BATCH):
        part = values[start : start + width * BATCH]
        rows = ", ".join([RUN_VALUES] * (len(part) // width))
        engine.write(f"{RUN_INSERT}{rows} ON CONFLICT DO NOTHING", part)


def wake_shops(engine: Engine, shops: Mapping[str, int]) -> None:
    """Say that *shops* have work from a moment (milliseconds) on; a shop's row is made when first needed."""
    if not shops:
        return
    least = "MIN" if engine.is_sqlite else "LEAST"
    rows = ", ".join(["(?, ?)"] * len(shops))
    sql = f"""
    INSERT INTO {{ours}}scheduler_shop (shop, next_work_at) VALUES {rows}
    ON CONFLICT (shop) DO UPDATE SET next_work_at = {least}(scheduler_shop.next_work_at, excluded.next_work_at)"""
    # In order, so that two daemons that queue at the same moment cannot lock each other out.
    engine.write(sql, [value for pair in sorted(shops.items()) for value in pair])
