"""Rows of our tables made into nouns, and nouns into JSON: the one place for both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..model import Attempt, Delivery, DeliveryState, Recipient, Report, Run, RunStatus, Trigger
from .values import Values

if TYPE_CHECKING:
    from .tables import Tables

RUN_FIELDS = (
    "id",
    "schedule_id",
    "shop",
    '"trigger"',
    "occurrence_key",
    "due_at",
    "not_before",
    "priority",
    "status",
    "reason",
    "attempt",
    "lost_leases",
    "fence",
    "queued_at",
    "started_at",
    "finished_at",
    "report",
    "period_start",
    "period_end",
    "record_count",
    "file_name",
    "file_size",
    "sha256",
    "spool_path",
    "error_code",
    "error",
)
RUN_COLUMNS = ", ".join(RUN_FIELDS)
RUN_NAMES = tuple(name.strip('"') for name in RUN_FIELDS)
#: As `delivery_query` asks for them.
DELIVERY_COLUMNS = (
    'id, run_id, channel, recipient, role, copy, "key", state, attempts, not_before, receipt, error_code, error'
)
DELIVERY_NAMES = tuple(name.strip('"') for name in DELIVERY_COLUMNS.split(", "))
#: As `select()` of the table asks for them.
ATTEMPT_COLUMNS = "run_id, number, holder, fence, started_at, finished_at, status, error_code, error, timings"
ATTEMPT_NAMES = tuple(ATTEMPT_COLUMNS.split(", "))


def run_query(tables: "Tables") -> Any:
    """Return a query for rows of `RUN_COLUMNS`, still without a condition."""
    run = tables.run
    return run.select(*(getattr(run, name) for name in RUN_NAMES))


def delivery_query(tables: "Tables", run_id: str) -> Any:
    """Return a query for the deliveries of a run, in the order of their making, for `delivery_from_row`."""
    to = tables.delivery
    columns = (to.id, to.run_id, to.channel, to.recipient, to.role, to.copy_number, to.key, to.state, to.attempts)
    more = (to.not_before, to.receipt, to.error_code, to.error)
    return to.select(*columns, *more).where(to.run_id == run_id).order_by(to.id)


def run_from_row(row: Sequence[Any]) -> Run:
    """
    Return the Run of a row of `RUN_COLUMNS`.

    Where a value cannot be read, `damage` says which, as do error code `bad_run_row` and error: whoever performs such a
    run ends it, and whoever shows it goes on with the next.
    """
    values = Values(RUN_NAMES, row)
    run = Run(
        id=values.text("id"),
        schedule_id=values.text("schedule_id"),
        shop=values.text("shop"),
        trigger=values.word("trigger", Trigger, Trigger.SCHEDULE),
        occurrence_key=values.text("occurrence_key"),
        due_at=values.moment("due_at"),
        not_before=values.moment("not_before"),
        priority=values.whole("priority"),
        status=values.word("status", RunStatus, RunStatus.FAILED),
        reason=values.text_or_none("reason"),
        attempt=values.whole("attempt"),
        lost_leases=values.whole("lost_leases"),
        fence=values.whole_or_none("fence"),
        queued_at=values.moment("queued_at"),
        started_at=values.moment_or_none("started_at"),
        finished_at=values.moment_or_none("finished_at"),
        period_start=values.moment_or_none("period_start"),
        period_end=values.moment_or_none("period_end"),
        record_count=values.whole_or_none("record_count"),
        file_name=values.text_or_none("file_name"),
        file_size=values.whole_or_none("file_size"),
        sha256=values.text_or_none("sha256"),
        spool_path=values.text_or_none("spool_path"),
        error_code=values.text_or_none("error_code"),
        error=values.text_or_none("error"),
        **_asked(values),
    )
    damage = values.sentence()
    return replace(run, damage=damage, error_code="bad_run_row", error=damage) if damage else run


def _asked(values: Values) -> dict[str, Any]:
    """Return the fields of a Run that its `report` column holds: what was asked for when it was queued."""
    try:
        data = json.loads(values.raw("report"))
        report = None if data["report"] is None else report_from_json(data["report"])
        recipients = tuple(Recipient(*item) for item in data["recipients"])
        texts = {name: data[name] for name in ("name", "owner", "zone")}
        said = (*texts.values(), *(word for item in recipients for word in (item.channel, item.address, item.role)))
        if not all(isinstance(word, str) for word in said):
            raise TypeError("text is wanted")
        return {"report": report, "recipients": recipients, "deadline": float(data["deadline"]), **texts}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        values.spoiled("report", "not what was asked for")
        return {"report": None}


def asked_to_json(
    report: Report | None, recipients: Sequence[Recipient], *, name: str, owner: str, zone: str, deadline: float
) -> str:
    """Return the text of a run's `report` column: all that later steps need, as it stands now."""
    data = {
        "report": None if report is None else report_to_json(report),
        "recipients": [[item.channel, item.address, item.role] for item in recipients],
        "name": name,
        "owner": owner,
        "zone": zone,
        "deadline": deadline,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def report_to_json(report: Report) -> dict[str, Any]:
    """Return *report* as plain data, without what stands at its default."""
    data: dict[str, Any] = {
        "type": report.type,
        "title": report.title,
        "format": report.format,
        "period": report.period,
    }
    if report.period_from:
        data["from"] = report.period_from
    if report.period_to:
        data["to"] = report.period_to
    if report.week_start:
        data["week_start"] = report.week_start
    if report.compare:
        data["compare"] = report.compare
    if report.columns:
        data["columns"] = [list(column) for column in report.columns]
    if report.filters:
        data["filters"] = dict(report.filters)
    if report.format_options:
        data["format_options"] = dict(report.format_options)
    if report.condition:
        data["condition"] = dict(report.condition)
    return data


def report_from_json(data: Mapping[str, Any]) -> Report:
    """Return the Report that `report_to_json` wrote; raise KeyError or TypeError for anything else."""
    return Report(
        type=data["type"],
        title=data["title"],
        format=data.get("format", "csv"),
        period=data.get("period", "yesterday"),
        period_from=data.get("from"),
        period_to=data.get("to"),
        week_start=data.get("week_start", ""),
        compare=data.get("compare", ""),
        columns=tuple((item[0], item[1]) for item in data.get("columns", ())),
        filters=data.get("filters", {}),
        format_options=data.get("format_options", {}),
        condition=data.get("condition", {}),
    )


def delivery_from_row(row: Sequence[Any]) -> Delivery:
    """
    Return the Delivery of a row of `delivery_query`.

    One whose state cannot be read is `unknown`: it may have gone out, and is not sent again in silence.
    """
    values = Values(DELIVERY_NAMES, row)
    made = Delivery(
        id=values.text("id"),
        run_id=values.text("run_id"),
        recipient=Recipient(values.text("channel"), values.text("recipient"), values.text("role")),
        copy=values.whole("copy"),
        key=values.text("key"),
        state=values.word("state", DeliveryState, DeliveryState.UNKNOWN),
        attempts=values.whole("attempts"),
        not_before=values.moment_or_none("not_before") if values.raw("not_before") else None,
        receipt=_object(values, "receipt"),
        error_code=values.text_or_none("error_code"),
        error=values.text_or_none("error"),
    )
    damage = values.sentence()
    return replace(made, error_code="bad_run_row", error=damage) if damage else made


def attempt_from_row(row: Sequence[Any]) -> Attempt:
    """Return the Attempt of a row of `ATTEMPT_NAMES`; its error says what of it cannot be read."""
    values = Values(ATTEMPT_NAMES, row)
    seconds = _object(values, "timings") or {}
    made = Attempt(
        run_id=values.text("run_id"),
        number=values.whole("number"),
        holder=values.text("holder"),
        fence=values.whole("fence"),
        started_at=values.moment("started_at"),
        finished_at=values.moment_or_none("finished_at"),
        status=values.text("status"),
        error_code=values.text_or_none("error_code"),
        error=values.text_or_none("error"),
        timings={name: value for name, value in seconds.items() if isinstance(value, (int, float))},
    )
    damage = values.sentence()
    return replace(made, error_code="bad_run_row", error=damage) if damage else made


def _object(values: Values, name: str) -> dict[str, Any] | None:
    """Return what the JSON of a column holds, None where it holds nothing, or no object."""
    if not values.raw(name):
        return None
    try:
        found = json.loads(values.raw(name))
    except (ValueError, TypeError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    values.spoiled(name, "no JSON object")
    return None
