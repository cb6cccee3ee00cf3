"""
The tables as Peewee models: the app's three, with Prisma's names, and our own (DESIGN 5).

The one place that knows the app's camelCase names. Moments of ours are integers (milliseconds UTC); the app's moments
are left as the driver gives them, because a column may hold two styles at once (`moments.py`). The models here have no
database: `bind` makes a set of them for one, so that several databases may be open in one process.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from peewee import (
    JOIN,
    SQL,
    BareField,
    BooleanField,
    Case,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
    fn,
)


class AppText(TextField):
    """
    A text that others wrote too. SQLite takes bytes in its place; what is not UTF-8 in them becomes U+FFFD.

    So a row that nobody can read fails alone, where it is looked at, and not the query that reads it among others.
    """

    def python_value(self, value: Any) -> Any:
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


class Raw:
    """A value of ours as the driver gives it: `Values` tells where a person or a broken disk put another one."""

    def python_value(self, value: Any) -> Any:
        return value


class RawText(Raw, TextField):
    """A text; SQLite takes bytes in its place."""


class RawWhole(Raw, IntegerField):
    """A whole number; SQLite takes a text, bytes or infinity in its place."""


class Session(Model):
    """The app's sessions; the shop's offline one has the id `offline_{shop}`."""

    id = AppText(primary_key=True)
    shop = AppText()
    state = AppText()
    is_online = BooleanField(column_name="isOnline")
    scope = AppText(null=True)
    expires = BareField(null=True)
    access_token = AppText(column_name="accessToken")
    refresh_token = AppText(column_name="refreshToken", null=True)
    refresh_token_expires = BareField(column_name="refreshTokenExpires", null=True)

    class Meta:
        table_name = "Session"


class ReportSchedule(Model):
    """The app's schedules."""

    id = AppText(primary_key=True)
    shop = AppText()
    name = AppText()
    report_type = AppText(column_name="reportType")
    filters = BareField(null=True)
    frequency = AppText()
    day_of_week = BareField(column_name="dayOfWeek", null=True)
    day_of_month = BareField(column_name="dayOfMonth", null=True)
    time = AppText()
    timezone = AppText()
    recipients = AppText()
    is_active = BooleanField(column_name="isActive")
    next_run_at = BareField(column_name="nextRunAt", null=True)
    last_run_at = BareField(column_name="lastRunAt", null=True)
    created_at = BareField(column_name="createdAt")
    updated_at = BareField(column_name="updatedAt")

    class Meta:
        table_name = "ReportSchedule"


class ReportHistory(Model):
    """The app's history: a table of its own, or on a database of ours a view over the ledger."""

    id = TextField(primary_key=True)
    report_schedule_id = TextField(column_name="reportScheduleId")
    shop = TextField()
    status = TextField()
    started_at = BareField(column_name="startedAt")
    completed_at = BareField(column_name="completedAt", null=True)
    record_count = RawWhole(column_name="recordCount", null=True)
    file_name = TextField(column_name="fileName", null=True)
    error = TextField(null=True)

    class Meta:
        table_name = "ReportHistory"


class Setting(Model):
    """What the database remembers of itself."""

    name = AppText(primary_key=True)
    value = AppText()

    class Meta:
        table_name = "scheduler_setting"


class OurSchedule(Model):
    """What the app's schedule has no room for."""

    schedule_id = AppText(primary_key=True)
    rule = AppText(null=True)
    options = AppText()
    rule_hash = AppText(null=True)
    mark = AppText(null=True)
    failures = RawWhole(default=0)
    paused_at = RawWhole(null=True)
    paused_reason = AppText(null=True)
    version = RawWhole(default=0)

    class Meta:
        table_name = "scheduler_schedule"


class Shop(Model):
    """A shop: what is known of it, its pause, and its lease."""

    shop = RawText(primary_key=True)
    name = RawText(null=True)
    zone = RawText(null=True)
    currency = RawText(null=True)
    plan = RawText(null=True)
    scopes = RawText(null=True)
    checked_at = RawWhole(null=True)
    paused_at = RawWhole(null=True)
    paused_reason = RawText(null=True)
    paused_by = RawText(null=True)
    holder = RawText(null=True)
    fence = RawWhole()
    beat = RawWhole()
    lease_until = RawWhole()
    next_work_at = RawWhole()

    class Meta:
        table_name = "scheduler_shop"


class Run(Model):
    """The ledger: one row for each occurrence."""

    id = RawText(primary_key=True)
    schedule_id = RawText()
    shop = RawText()
    trigger = RawText()
    occurrence_key = RawText()
    due_at = RawWhole()
    not_before = RawWhole()
    priority = RawWhole(default=100)
    status = RawText()
    reason = RawText(null=True)
    attempt = RawWhole(default=0)
    lost_leases = RawWhole(default=0)
    fence = RawWhole(null=True)
    queued_at = RawWhole()
    started_at = RawWhole(null=True)
    finished_at = RawWhole(null=True)
    report = RawText()
    period_start = RawWhole(null=True)
    period_end = RawWhole(null=True)
    record_count = RawWhole(null=True)
    file_name = RawText(null=True)
    file_size = RawWhole(null=True)
    sha256 = RawText(null=True)
    spool_path = RawText(null=True)
    error_code = RawText(null=True)
    error = RawText(null=True)

    class Meta:
        table_name = "scheduler_run"


class Attempt(Model):
    """The tries of a run."""

    run_id = RawText()
    number = RawWhole()
    holder = RawText()
    fence = RawWhole()
    started_at = RawWhole()
    finished_at = RawWhole(null=True)
    status = RawText()
    error_code = RawText(null=True)
    error = RawText(null=True)
    timings = RawText(null=True)

    class Meta:
        table_name = "scheduler_attempt"
        primary_key = CompositeKey("run_id", "number")


class Node(Model):
    """One row for each daemon."""

    node = AppText(primary_key=True)
    host = AppText()
    pid = RawWhole()
    boot_id = AppText(null=True)
    version = AppText()
    mode = AppText()
    started_at = RawWhole()
    last_good_at = RawWhole(null=True)
    skew_ms = RawWhole(null=True)
    snapshot = AppText(null=True)

    class Meta:
        table_name = "scheduler_node"


class Delivery(Model):
    """The outbox: one row for each recipient of a run."""

    id = RawText(primary_key=True)
    run_id = RawText()
    channel = RawText()
    recipient = RawText()
    role = RawText()
    copy_number = RawWhole(column_name="copy")
    key = RawText()
    state = RawText()
    attempts = RawWhole()
    not_before = RawWhole()
    receipt = RawText(null=True)
    error_code = RawText(null=True)
    error = RawText(null=True)
    updated_at = RawWhole()

    class Meta:
        table_name = "scheduler_delivery"


class Notice(Model):
    """What owners are told: an outbox of its own."""

    id = AppText(primary_key=True)
    kind = AppText()
    channel = AppText()
    recipient = AppText()
    shop = AppText()
    schedule_id = AppText()
    name = AppText()
    urgent = RawWhole()
    is_open = RawWhole()
    run_id = AppText(null=True)
    error_code = AppText(null=True)
    error = AppText(null=True)
    state = AppText()
    holder = AppText(null=True)
    attempts = RawWhole()
    not_before = RawWhole()
    created_at = RawWhole()
    updated_at = RawWhole()
    told_at = RawWhole(null=True)

    class Meta:
        table_name = "scheduler_notice"


@dataclass(frozen=True, slots=True)
class Tables:
    """The models of one open database."""

    #: The app's.
    session: Any
    report_schedule: Any
    report_history: Any
    #: Ours.
    setting: Any
    schedule: Any
    shop: Any
    run: Any
    attempt: Any
    node: Any
    delivery: Any
    notice: Any
    #: The builder's own words, so that nobody else imports peewee before a driver is chosen (DESIGN 9).
    fn: ClassVar[Any] = fn
    sql: ClassVar[Any] = SQL
    join: ClassVar[Any] = JOIN
    case: ClassVar[Any] = Case


def bind(database: Any, *, apps: str | None, ours: str | None) -> Tables:
    """Return the models bound to *database*; *apps* and *ours* are schemas, None where an engine has none."""

    def bound(model: Any, schema: str | None) -> Any:
        meta = {"database": database, "schema": schema, "table_name": model._meta.table_name}
        return type(model.__name__, (model,), {"Meta": type("Meta", (), meta), "__module__": __name__})

    return Tables(
        *(bound(model, apps) for model in (Session, ReportSchedule, ReportHistory)),
        *(bound(model, ours) for model in (Setting, OurSchedule, Shop, Run, Attempt, Node, Delivery, Notice)),
    )
