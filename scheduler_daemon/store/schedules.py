"""Schedules for people: listed, added, edited, paused, resumed, removed, counted."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .. import recurrence
from ..errors import UsageError
from ..lib.clock import to_ms
from ..model import Plan, Recurrence, RuleKind, Schedule
from .engine import Engine
from .moments import Style, encode, style_of
from .schedule_rows import SELECT, SeenSchedule, read_row

#: The app's word for each of our kinds; what its columns cannot say is `CUSTOM` with a rule of ours.
FREQUENCIES = {
    RuleKind.HOURLY: "HOURLY",
    RuleKind.DAILY: "DAILY",
    RuleKind.WEEKLY: "WEEKLY",
    RuleKind.MONTHLY: "MONTHLY",
}
#: A count stops here (DESIGN 9).
COUNTED = 10_000


class Schedules:
    """The rows of `ReportSchedule` and `scheduler_schedule`, apart from the cursor's own moves."""

    def __init__(self, engine: Engine, style: Style, types: Mapping[str, str]) -> None:
        self.engine = engine
        self.style = style
        self.types = dict(types)

    def all(self, *, shop: str = "", limit: int = 10_000) -> list[SeenSchedule]:
        """Return the schedules of our types, also those whose row cannot be read, by shop and name."""
        where, values = self._where(shop)
        sql = f'{SELECT} WHERE {where} ORDER BY s."shop", s."name", s."id" LIMIT ?'
        return [read_row(row, self.types) for row in self.engine.read(sql, (*values, limit))]

    def _where(self, shop: str) -> tuple[str, list[Any]]:
        marks = ", ".join("?" * len(self.types))
        where = f's."reportType" IN ({marks})'
        return (f'{where} AND s."shop" = ?', [*self.types, shop]) if shop else (where, list(self.types))

    def find(self, wanted: str) -> SeenSchedule:
        """Return the schedule with this id, beginning of an id, or name; raise UsageError `unknown_schedule`."""
        sql = f'{SELECT} WHERE s."id" = ? OR s."id" LIKE ? OR LOWER(s."name") = ? ORDER BY s."id" LIMIT 3'
        rows = self.engine.read(sql, (wanted, f"{wanted}%", wanted.lower()))
        exact = [row for row in rows if row[0] == wanted]
        chosen = exact or rows
        if len(chosen) == 1:
            return read_row(chosen[0], self.types)
        if not chosen:
            hint = "List them with: scheduler reports list"
            raise UsageError(f"There is no schedule {wanted!r}.", code="unknown_schedule", hint=hint)
        listed = ", ".join(f"{row[0]} ({row[1]})" for row in chosen)
        raise UsageError(
            f"{wanted!r} fits several schedules: {listed}.", code="unknown_schedule", hint="Give the whole id."
        )

    def add(self, schedule: Schedule, now: datetime) -> None:
        """Write a new schedule, its cursor included."""
        with self.engine.transaction():
            values = {**self._app_values(schedule), "id": schedule.id, "createdAt": encode(now, self.style)}
            values |= {"updatedAt": encode(now, self.style), "isActive": schedule.active}
            values["nextRunAt"] = encode(schedule.next_due_at, self.style)
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" * len(values))
            self.engine.write(f'INSERT INTO {{app}}"ReportSchedule" ({names}) VALUES ({marks})', tuple(values.values()))
            self._write_ours(schedule)

    def edit(self, schedule: Schedule, now: datetime) -> None:
        """Write an edited schedule with its new cursor; raise UsageError where somebody else edited it meanwhile."""
        with self.engine.transaction():
            sql = "SELECT version FROM {ours}scheduler_schedule WHERE schedule_id = ?"
            rows = self.engine.write(sql, (schedule.id,))
            if rows and rows[0][0] != schedule.version:
                raise UsageError(f"Schedule {schedule.name} was edited by somebody else meanwhile.", hint="Try again.")
            values = {**self._app_values(schedule), "updatedAt": encode(now, self.style)}
            values |= {"nextRunAt": encode(schedule.next_due_at, self.style), "isActive": schedule.active}
            sets = ", ".join(f'"{name}" = ?' for name in values)
            self.engine.write(
                f'UPDATE {{app}}"ReportSchedule" SET {sets} WHERE "id" = ?', (*values.values(), schedule.id)
            )
            self._write_ours(schedule)

    def _app_values(self, schedule: Schedule) -> dict[str, Any]:
        rule = schedule.recurrence or Recurrence(RuleKind.DAILY)
        app_types = {ours: app for app, ours in self.types.items()}
        mails = [item.address for item in schedule.recipients if item.channel == "email" and item.role == "to"]
        fits = rule.kind is not RuleKind.WEEKLY or len(rule.days) == 1
        return {
            "shop": schedule.shop,
            "name": schedule.name,
            "reportType": app_types.get(schedule.report.type, schedule.report.type),
            "filters": json.dumps(dict(schedule.report.filters), ensure_ascii=False)
            if schedule.report.filters
            else None,
            "frequency": FREQUENCIES.get(rule.kind, "CUSTOM") if fits else "CUSTOM",
            "dayOfWeek": rule.days[0] if rule.kind is RuleKind.WEEKLY and rule.days else None,
            "dayOfMonth": rule.day if rule.kind is RuleKind.MONTHLY else None,
            "time": f"00:{rule.minute:02}" if rule.kind is RuleKind.HOURLY else rule.time,
            "timezone": schedule.zone,
            "recipients": json.dumps(mails, ensure_ascii=False),
        }

    def _write_ours(self, schedule: Schedule) -> None:
        rule = None if schedule.recurrence is None else json.dumps(recurrence.to_json(schedule.recurrence))
        sql = """
        INSERT INTO {ours}scheduler_schedule (schedule_id, rule, options, rule_hash, version) VALUES (?, ?, ?, ?, 1)
        ON CONFLICT (schedule_id) DO UPDATE SET rule = excluded.rule, options = excluded.options,
          rule_hash = excluded.rule_hash, version = scheduler_schedule.version + 1"""
        options = json.dumps(options_to_json(schedule), ensure_ascii=False)
        self.engine.write(sql, (schedule.id, rule, options, schedule.rule_hash))

    def move(self, seen: SeenSchedule, plan: Plan) -> bool:
        """Set the cursor as *plan* says, where it is still what was seen; nothing is queued."""
        style = style_of(seen.cursor, self.style)
        same = "IS" if self.engine.is_sqlite else "IS NOT DISTINCT FROM"
        sql = f'UPDATE {{app}}"ReportSchedule" SET "nextRunAt" = ? WHERE "id" = ? AND "nextRunAt" {same} ?'
        with self.engine.transaction():
            return self.engine.count(sql, (encode(plan.next_due_at, style), seen.id, seen.cursor)) == 1

    def pause(self, schedule_id: str, reason: str, now: datetime) -> bool:
        """Pause a schedule; its occurrences become rows `skipped / paused`. False where it was paused already."""
        sql = """
        INSERT INTO {ours}scheduler_schedule (schedule_id, options, paused_at, paused_reason) VALUES (?, '{}', ?, ?)
        ON CONFLICT (schedule_id) DO UPDATE SET paused_at = excluded.paused_at, paused_reason = excluded.paused_reason
        WHERE scheduler_schedule.paused_at IS NULL"""
        with self.engine.transaction():
            return self.engine.count(sql, (schedule_id, to_ms(now), reason)) == 1

    def resume(self, schedule_id: str) -> bool:
        """Let a schedule go on; False where it was not paused."""
        sql = """UPDATE {ours}scheduler_schedule SET paused_at = NULL, paused_reason = NULL
        WHERE schedule_id = ? AND paused_at IS NOT NULL"""
        with self.engine.transaction():
            return self.engine.count(sql, (schedule_id,)) == 1

    def switch(self, schedule_id: str, on: bool) -> None:
        """Turn the app's switch `isActive`."""
        self.engine.write('UPDATE {app}"ReportSchedule" SET "isActive" = ? WHERE "id" = ?', (on, schedule_id))

    def remove(self, schedule_id: str, now: datetime) -> int:
        """Remove a schedule; its queued runs are cancelled, its history stays. Return the number cancelled."""
        cancel = """UPDATE {ours}scheduler_run SET status = 'skipped', reason = 'cancelled', error_code = 'cancelled',
        error = 'The schedule was removed.', finished_at = ? WHERE schedule_id = ? AND status = 'queued'"""
        with self.engine.transaction():
            cancelled = self.engine.count(cancel, (to_ms(now), schedule_id))
            self.engine.write('DELETE FROM {app}"ReportSchedule" WHERE "id" = ?', (schedule_id,))
            self.engine.write("DELETE FROM {ours}scheduler_schedule WHERE schedule_id = ?", (schedule_id,))
        return cancelled

    def counts(self) -> dict[str, int]:
        """Return how many active schedules are ours ("reports") and how many are of no type of ours ("foreign")."""
        active = '"isActive" = 1' if self.engine.is_sqlite else '"isActive"'
        marks = ", ".join("?" * len(self.types))
        found = {}
        for name, word in (("reports", "IN"), ("foreign", "NOT IN")):
            where = f'{active} AND "reportType" {word} ({marks})'
            sql = f'SELECT 1 FROM {{app}}"ReportSchedule" WHERE {where} LIMIT {COUNTED}'
            found[name] = int(self.engine.read(f"SELECT COUNT(*) FROM ({sql}) c", tuple(self.types))[0][0])
        return found

    def upcoming(self, limit: int) -> list[SeenSchedule]:
        """Return the next *limit* schedules by cursor."""
        active = 's."isActive" = 1' if self.engine.is_sqlite else 's."isActive"'
        where, values = self._where("")
        sql = f'{SELECT} WHERE {active} AND {where} AND s."nextRunAt" IS NOT NULL ORDER BY s."nextRunAt" LIMIT ?'
        return [read_row(row, self.types) for row in self.engine.read(sql, (*values, limit))]


def options_to_json(schedule: Schedule) -> dict[str, Any]:
    """Return what of *schedule* the app's table has no room for, without what stands at its default."""
    report = schedule.report
    options: dict[str, Any] = dict(schedule.options)
    options |= {"format": report.format, "period": report.period}
    extra = {
        "from": report.period_from,
        "to": report.period_to,
        "columns": [list(column) for column in report.columns],
        "format_options": dict(report.format_options),
        "owner": schedule.owner,
        "deadline": schedule.deadline,
        "cc": [item.address for item in schedule.recipients if item.role == "cc"],
        "bcc": [item.address for item in schedule.recipients if item.role == "bcc"],
        "channels": [item.channel for item in schedule.recipients if item.channel != "email"],
    }
    options |= {key: value for key, value in extra.items() if value}
    for key, value, default in (
        ("catch_up", schedule.catch_up.value, "latest"),
        ("overlap", schedule.overlap.value, "queue"),
        ("priority", schedule.priority, 100),
    ):
        if value != default:
            options[key] = value
    return options
