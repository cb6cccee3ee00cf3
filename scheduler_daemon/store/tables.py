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
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
    fn,
)


class AppText(TextField):
    """
    A text that the app wrote. SQLite takes bytes in its place; what is not UTF-8 in them becomes U+FFFD.

    So a row that nobody can read fails alone, where it is looked at, and not the query that reads it among others.
    """

    def python_value(self, value: Any) -> Any:
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


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
    record_count = IntegerField(column_name="recordCount", null=True)
    file_name = TextField(column_name="fileName", null=True)
    error = TextField(null=True)

    class Meta:
        table_name = "ReportHistory"


class Setting(Model):
    """What the database remembers of itself."""

    name = CharField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "scheduler_setting"


class OurSchedule(Model):
    """What the app's schedule has no room for."""

    schedule_id = CharField(primary_key=True)
    rule = TextField(null=True)
    options = TextField()
    rule_hash = CharField(null=True)
    mark = CharField(null=True)
    failures = IntegerField(default=0)
    paused_at = BigIntegerField(null=True)
    paused_reason = TextField(null=True)
    version = IntegerField(default=0)

    class Meta:
        table_name = "scheduler_schedule"


class Shop(Model):
    """A shop: what is known of it, its pause, and its lease."""

    shop = CharField(primary_key=True)
    name = TextField(null=True)
    zone = CharField(null=True)
    currency = CharField(null=True)
    plan = CharField(null=True)
    scopes = TextField(null=True)
    checked_at = BigIntegerField(null=True)
    paused_at = BigIntegerField(null=True)
    paused_reason = TextField(null=True)
    paused_by = CharField(null=True)
    holder = CharField(null=True)
    fence = BigIntegerField()
    beat = BigIntegerField()
    lease_until = BigIntegerField()
    next_work_at = BigIntegerField()

    class Meta:
        table_name = "scheduler_shop"


class Run(Model):
    """The ledger: one row for each occurrence."""

    id = CharField(primary_key=True)
    schedule_id = CharField()
    shop = CharField()
    trigger = CharField()
    occurrence_key = CharField()
    due_at = BigIntegerField()
    not_before = BigIntegerField()
    priority = IntegerField(default=100)
    status = CharField()
    reason = CharField(null=True)
    attempt = IntegerField(default=0)
    lost_leases = IntegerField(default=0)
    fence = BigIntegerField(null=True)
    queued_at = BigIntegerField()
    started_at = BigIntegerField(null=True)
    finished_at = BigIntegerField(null=True)
    report = TextField()
    period_start = BigIntegerField(null=True)
    period_end = BigIntegerField(null=True)
    record_count = BigIntegerField(null=True)
    file_name = TextField(null=True)
    file_size = BigIntegerField(null=True)
    sha256 = CharField(null=True)
    spool_path = TextField(null=True)
    error_code = CharField(null=True)
    error = TextField(null=True)

    class Meta:
        table_name = "scheduler_run"


class Attempt(Model):
    """The tries of a run."""

    run_id = CharField()
    number = IntegerField()
    holder = CharField()
    fence = BigIntegerField()
    started_at = BigIntegerField()
    finished_at = BigIntegerField(null=True)
    status = CharField()
    error_code = CharField(null=True)
    error = TextField(null=True)
    timings = TextField(null=True)

    class Meta:
        table_name = "scheduler_attempt"
        primary_key = CompositeKey("run_id", "number")


class Node(Model):
    """One row for each daemon."""

    node = CharField(primary_key=True)
    host = CharField()
    pid = IntegerField()
    boot_id = CharField(null=True)
    version = CharField()
    mode = CharField()
    started_at = BigIntegerField()
    last_good_at = BigIntegerField(null=True)
    skew_ms = BigIntegerField(null=True)
    snapshot = TextField(null=True)

    class Meta:
        table_name = "scheduler_node"


class Delivery(Model):
    """The outbox: one row for each recipient of a run."""

    id = CharField(primary_key=True)
    run_id = CharField()
    channel = CharField()
    recipient = CharField()
    role = CharField()
    copy_number = IntegerField(column_name="copy")
    key = CharField()
    state = CharField()
    attempts = IntegerField()
    not_before = BigIntegerField()
    receipt = TextField(null=True)
    error_code = CharField(null=True)
    error = TextField(null=True)
    updated_at = BigIntegerField()

    class Meta:
        table_name = "scheduler_delivery"


class Notice(Model):
    """What owners are told: an outbox of its own."""

    id = CharField(primary_key=True)
    kind = CharField()
    channel = CharField()
    recipient = CharField()
    shop = CharField()
    schedule_id = CharField()
    name = TextField()
    urgent = IntegerField()
    is_open = IntegerField()
    run_id = CharField(null=True)
    error_code = CharField(null=True)
    error = TextField(null=True)
    state = CharField()
    holder = CharField(null=True)
    attempts = IntegerField()
    not_before = BigIntegerField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    told_at = BigIntegerField(null=True)

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


def bind(database: Any, *, apps: str | None, ours: str | None) -> Tables:
    """Return the models bound to *database*; *apps* and *ours* are schemas, None where an engine has none."""

    def bound(model: Any, schema: str | None) -> Any:
        meta = {"database": database, "schema": schema, "table_name": model._meta.table_name}
        return type(model.__name__, (model,), {"Meta": type("Meta", (), meta), "__module__": __name__})

    return Tables(
        *(bound(model, apps) for model in (Session, ReportSchedule, ReportHistory)),
        *(bound(model, ours) for model in (Setting, OurSchedule, Shop, Run, Attempt, Node, Delivery, Notice)),
    )
