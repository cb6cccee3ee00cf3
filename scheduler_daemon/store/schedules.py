"""Schedules for people: listed, added, edited, paused, resumed, removed, counted."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import UsageError
from ..lib.clock import to_ms
from ..model import Recurrence, RuleKind, RunStatus, Schedule, SkipReason
from ..when import recurrence
from .cancelling import CLOSE_PENDING
from .engine import Engine
from .leases import lock_shops
from .moments import Style, encode
from .row_checks import MOST_SHOWN, bad
from .schedule_rows import SeenSchedule, is_active, read_row, schedule_query
from .values import read_moment

#: The app's word for each of our kinds; what its columns cannot say is `CUSTOM` with a rule of ours.
FREQUENCIES = {
    RuleKind.HOURLY: "HOURLY",
    RuleKind.DAILY: "DAILY",
    RuleKind.WEEKLY: "WEEKLY",
    RuleKind.MONTHLY: "MONTHLY",
}
REMOVED = "The schedule was removed."
#: A count stops here (DESIGN 9).
COUNTED = 10_000
#: Of what comes next, so many rows that cannot be read are passed over: their cursor stays in the past.
PASSED_OVER = 50


class Schedules:
    """The rows of `ReportSchedule` and `scheduler_schedule`, apart from the cursor's own moves."""

    def __init__(self, engine: Engine, style: Style, types: Mapping[str, str]) -> None:
        self.engine = engine
        self.style = style
        self.types = dict(types)
        self.app, self.ours = engine.tables.report_schedule, engine.tables.schedule
        self._of_our_types = self.app.report_type.in_(list(self.types))
        self._active = is_active(self.app)

    def all(self, *, shop: str = "", limit: int = 10_000, after: str = "") -> list[SeenSchedule]:
        """Return the schedules of our types, also those whose row cannot be read, by shop and name."""
        query = schedule_query(self.engine.tables).where(self._of_our_types)
        if shop:
            query = query.where(self.app.shop == shop)
        if after:
            return self._read(query.where(self.app.id > after).order_by(self.app.id).limit(limit))
        return self._read(query.order_by(self.app.shop, self.app.name, self.app.id).limit(limit))

    def owners(self, shop: str) -> set[str]:
        """Return the owners of the shop's active schedules that can be read; "" stands for those without one."""
        query = schedule_query(self.engine.tables).where(self._of_our_types, self._active, self.app.shop == shop)
        return {seen.schedule.owner for seen in self._read(query) if seen.schedule is not None}

    def _read(self, query: Any) -> list[SeenSchedule]:
        return [read_row(row, self.types) for row in self.engine.fetch_named(query)]

    def find(self, wanted: str) -> SeenSchedule:
        """Return the schedule with this id, beginning of an id, or name; raise UsageError `unknown_schedule`."""
        app = self.app
        fits = (
            (app.id == wanted) | app.id.startswith(wanted) | (self.engine.tables.fn.LOWER(app.name) == wanted.lower())
        )
        rows = self._read(schedule_query(self.engine.tables).where(fits).order_by(app.id).limit(20))
        exact = [item for item in rows if item.id == wanted]
        chosen = exact or rows
        if len(chosen) == 1:
            return chosen[0]
        if not chosen:
            hint = "List them with: scheduler reports list"
            raise UsageError(f"There is no schedule {wanted!r}.", code="unknown_schedule", hint=hint)
        listed = ", ".join(f"{item.id} ({item.shop})" for item in chosen[:5])
        raise UsageError(
            f"{wanted!r} fits several schedules: {listed}.", code="unknown_schedule", hint="Give the whole id."
        )

    def add(self, schedule: Schedule, now: datetime) -> None:
        """Write a new schedule, its cursor included."""
        at = encode(now, self.style)
        values = {**self._app_values(schedule), "id": schedule.id, "created_at": at, "updated_at": at}
        with self.engine.transaction():
            self.engine.change(self.app.insert(values))
            self._write_ours(schedule)

    def edit(self, schedule: Schedule, now: datetime) -> None:
        """Write an edited schedule with its new cursor; raise UsageError where somebody else edited it meanwhile."""
        with self.engine.transaction():
            lock_shops(self.engine, [schedule.shop])
            query = self.ours.select(self.ours.version).where(self.ours.schedule_id == schedule.id)
            rows = self.engine.fetch(query)
            if rows and rows[0][0] != schedule.version:
                raise UsageError(f"Schedule {schedule.name} was edited by somebody else meanwhile.", hint="Try again.")
            values = {**self._app_values(schedule), "updated_at": encode(now, self.style)}
            self.engine.change(self.app.update(values).where(self.app.id == schedule.id))
            self._write_ours(schedule)

    def _app_values(self, schedule: Schedule) -> dict[str, Any]:
        rule = schedule.recurrence or Recurrence(RuleKind.DAILY)
        app_types = {ours: app for app, ours in self.types.items()}
        mails = [item.address for item in schedule.recipients if item.channel == "email" and item.role == "to"]
        columns = _columns(rule)
        filters = dict(schedule.report.filters)
        return {
            "shop": schedule.shop,
            "name": schedule.name,
            "report_type": app_types.get(schedule.report.type, schedule.report.type),
            "filters": json.dumps(filters, ensure_ascii=False) if filters else None,
            **columns,
            "timezone": schedule.zone,
            "recipients": json.dumps(mails, ensure_ascii=False),
            "is_active": schedule.active,
            "next_run_at": encode(schedule.next_due_at, self.style),
        }

    def _write_ours(self, schedule: Schedule) -> None:
        rule = None if schedule.recurrence is None else json.dumps(recurrence.to_json(schedule.recurrence))
        ours = self.ours
        options = json.dumps(options_to_json(schedule), ensure_ascii=False)
        values = {"rule": rule, "options": options, "rule_hash": schedule.rule_hash}
        change = ours.update({**values, "version": ours.version + 1}).where(ours.schedule_id == schedule.id)
        if self.engine.change(change) == 0:
            self.engine.change(ours.insert({**values, "schedule_id": schedule.id, "version": 1}))

    def pause(self, schedule_id: str, reason: str, now: datetime) -> bool:
        """Pause a schedule; its occurrences become rows `skipped / paused`. False where it was paused already."""
        ours = self.ours
        with self.engine.transaction():
            self.engine.change(ours.insert(schedule_id=schedule_id, options="{}").on_conflict_ignore())
            query = ours.update(paused_at=to_ms(now), paused_reason=reason)
            return self.engine.change(query.where(ours.schedule_id == schedule_id, ours.paused_at.is_null())) == 1

    def resume(self, schedule_id: str) -> bool:
        """Let a schedule go on; False where it was not paused."""
        ours = self.ours
        query = ours.update(paused_at=None, paused_reason=None, failures=0)
        return self.engine.change(query.where(ours.schedule_id == schedule_id, ours.paused_at.is_null(False))) == 1

    def mark(self, schedule_id: str) -> datetime | None:
        """
        Return where the period of the last scheduled run that succeeded ended, UTC; None before the first.

        Raise UsageError where what stands there is no moment.
        """
        rows = self.engine.fetch(self.ours.select(self.ours.mark).where(self.ours.schedule_id == schedule_id))
        if not rows or not rows[0][0]:
            return None
        text = str(rows[0][0])
        found = read_moment(int(text)) if text.isdecimal() else None
        if found is None:
            # Taken for none it would begin the period elsewhere, and rows would be sent again or never.
            raise bad(f"its mark {text[:MOST_SHOWN]!r} is no moment")
        return found

    def switch(self, schedule_id: str, on: bool) -> None:
        """Turn the app's switch `isActive`."""
        self.engine.change(self.app.update(is_active=on).where(self.app.id == schedule_id))

    def remove(self, schedule_id: str, now: datetime) -> int:
        """Remove a schedule; its queued runs are cancelled, its history stays. Return the number cancelled."""
        run = self.engine.tables.run
        cancel = run.update(
            status=RunStatus.SKIPPED.value,
            reason=SkipReason.CANCELLED.value,
            error_code="cancelled",
            error=REMOVED,
            finished_at=to_ms(now),
        )
        waiting = RunStatus.QUEUED.value
        with self.engine.transaction():
            lock_shops(self.engine, self._shop_of(schedule_id))
            ids = self.engine.fetch(run.select(run.id).where(run.schedule_id == schedule_id, run.status == waiting))
            names = [row[0] for row in ids]
            cancelled = self.engine.change(cancel.where(run.id.in_(names), run.status == waiting)) if names else 0
            for name in names:
                self.engine.count(CLOSE_PENDING, ("cancelled", REMOVED, name))
            self.engine.change(self.app.delete().where(self.app.id == schedule_id))
            self.engine.change(self.ours.delete().where(self.ours.schedule_id == schedule_id))
        return cancelled

    def _shop_of(self, schedule_id: str) -> list[str]:
        return [row[0] for row in self.engine.fetch(self.app.select(self.app.shop).where(self.app.id == schedule_id))]

    def counts(self) -> dict[str, int]:
        """
        Return how many active schedules are ours ("reports") and how many are of no type of ours ("foreign").

        Counted up to `COUNTED`, in one pass over the table: no index of the app's has the type, and the one of
        `isActive` leads MariaDB to each row on its own, which takes ten times as long.
        """
        tables = self.engine.tables
        asks = {"reports": self._of_our_types, "foreign": ~self._of_our_types}
        sums = [tables.fn.SUM(tables.case(None, [(self._active & where, 1)], 0)) for where in asks.values()]
        (found,) = self.engine.fetch(self.app.select(*sums))
        return {name: min(int(number or 0), COUNTED) for name, number in zip(asks, found, strict=True)}

    def upcoming(self, limit: int) -> list[SeenSchedule]:
        """
        Return the next *limit* schedules that can be read, by cursor.

        On SQLite each style of moments is its own stretch of the index, and all integers come before all texts.
        """
        cursor = self.app.next_run_at
        stretches = [cursor < "", cursor >= ""] if self.engine.is_sqlite else [cursor.is_null(False)]
        seen: list[tuple[datetime, SeenSchedule]] = []
        for stretch in stretches:
            query = schedule_query(self.engine.tables).where(self._active, self._of_our_types, stretch)
            rows = self._read(query.order_by(cursor).limit(limit + PASSED_OVER))
            seen += [(row.due_at, row) for row in rows if row.schedule is not None and row.due_at is not None]
        return [row for _, row in sorted(seen, key=lambda pair: pair[0])[:limit]]


def _columns(rule: Recurrence) -> dict[str, Any]:
    """Return the app's columns for *rule*; its frequency is `CUSTOM` where they would mean something else."""
    frequency = FREQUENCIES.get(rule.kind, "CUSTOM")
    day_of_week = rule.days[0] if rule.kind is RuleKind.WEEKLY and rule.days else None
    day_of_month = rule.day if rule.kind is RuleKind.MONTHLY else None
    time = f"00:{rule.minute:02}" if rule.kind is RuleKind.HOURLY else rule.time
    if recurrence.read_columns(frequency, day_of_week, day_of_month, time) != rule:
        frequency = "CUSTOM"
    return {"frequency": frequency, "day_of_week": day_of_week, "day_of_month": day_of_month, "time": time}


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
        "condition": dict(report.condition),
        "owner": schedule.owner,
        "deadline": schedule.deadline,
        "catch_up_window": schedule.catch_up_window,
        "jitter": schedule.jitter,
        "week_start": report.week_start,
        "compare": report.compare,
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
