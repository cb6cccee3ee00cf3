"""New rows of the ledger, and the waking of the shops they belong to: constant SQL, many rows in a statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..lib.clock import to_ms
from ..lib.ids import new_ulid
from ..model import Occurrence, Plan, RunStatus, Schedule, SkipReason, Trigger
from .engine import Engine
from .rows import asked_to_json

#: Rows in one statement; a batch must not hold SQLite's lock for long.
BATCH = 200

INSERT = """
INSERT INTO {ours}scheduler_run (id, schedule_id, shop, "trigger", occurrence_key, due_at, not_before, priority, status,
  reason, queued_at, finished_at, report, error) VALUES """
VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
WIDTH = VALUES.count("?")

SKIP_SENTENCES = {
    SkipReason.MISFIRED: "It was missed, and the schedule does not catch up that far.",
    SkipReason.COALESCED: "A later occurrence ran in its place.",
    SkipReason.OVERLAPPED: "The schedule's last run was still unfinished.",
    SkipReason.PAUSED: "The schedule or its shop was paused.",
}


def new_row(
    *,
    schedule_id: str,
    shop: str,
    trigger: Trigger,
    occurrence_key: str,
    due_at: datetime,
    not_before: datetime,
    priority: int,
    at: int,
    report: str,
    reason: str | None = None,
) -> list[Any]:
    """Return the values of `INSERT` for a row queued at *at* (milliseconds); with *reason* it is skipped at once."""
    status = RunStatus.QUEUED if reason is None else RunStatus.SKIPPED
    error = None if reason is None else SKIP_SENTENCES.get(SkipReason(reason))
    identity = [new_ulid(at), schedule_id, shop, trigger.value, occurrence_key, to_ms(due_at), to_ms(not_before)]
    finished_at = None if reason is None else at
    return [*identity, priority, status.value, reason, at, finished_at, report, error]


def run_values(
    schedule: Schedule, occurrence: Occurrence, at: int, trigger: Trigger, reason: str | None = None
) -> list[Any]:
    """Return the values of the new row of an occurrence, as `new_row` does."""
    asked = asked_to_json(
        schedule.report,
        schedule.recipients,
        name=schedule.name,
        owner=schedule.owner,
        zone=schedule.zone,
        deadline=schedule.deadline,
    )
    return new_row(
        schedule_id=schedule.id,
        shop=schedule.shop,
        trigger=trigger,
        occurrence_key=occurrence.key,
        due_at=occurrence.due_at,
        not_before=occurrence.not_before or occurrence.due_at,
        priority=schedule.priority + occurrence.behind,
        at=at,
        report=asked,
        reason=reason,
    )


def insert_runs(engine: Engine, values: Sequence[Any]) -> None:
    """Insert rows; an occurrence that is there already stays as it is."""
    for start in range(0, len(values), WIDTH * BATCH):
        part = values[start : start + WIDTH * BATCH]
        rows = ", ".join([VALUES] * (len(part) // WIDTH))
        engine.write(f"{INSERT}{rows} ON CONFLICT DO NOTHING", part)


def wake_shops(engine: Engine, shops: Mapping[str, int]) -> None:
    """Say that *shops* have work from a moment (milliseconds) on; a shop's row is made when first needed."""
    if not shops:
        return
    rows = ", ".join(["(?, ?)"] * len(shops))
    sql = f"""
    INSERT INTO {{ours}}scheduler_shop (shop, next_work_at) VALUES {rows} ON CONFLICT (shop) DO UPDATE
    SET next_work_at = {engine.dialect.least}(scheduler_shop.next_work_at, excluded.next_work_at)"""
    # In order, so that two daemons that make the rows of new shops cannot lock each other out.
    engine.write(sql, [value for pair in sorted(shops.items()) for value in pair])


def add_planned(engine: Engine, plans: Sequence[Plan], at: int) -> int:
    """Write the runs and skips of *plans* and wake their shops; return the number of queued runs."""
    values: list[Any] = []
    count = 0
    shops: dict[str, int] = {}
    for plan in plans:
        schedule = plan.schedule
        for occurrence in plan.to_run:
            values += run_values(schedule, occurrence, at, Trigger.SCHEDULE)
            earliest = to_ms(occurrence.not_before or occurrence.due_at)
            shops[schedule.shop] = min(earliest, shops.get(schedule.shop, earliest))
            count += 1
        for occurrence, reason in plan.skipped:
            values += run_values(schedule, occurrence, at, Trigger.SCHEDULE, reason)
    insert_runs(engine, values)
    wake_shops(engine, shops)
    return count
