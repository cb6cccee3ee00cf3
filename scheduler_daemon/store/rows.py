"""Rows of our tables made into nouns, and nouns into JSON: the one place for both."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..lib.clock import from_ms
from ..model import Delivery, DeliveryState, Recipient, Report, Run, RunStatus, Trigger

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
#: As `delivery_query` asks for them.
DELIVERY_COLUMNS = (
    'id, run_id, channel, recipient, role, copy, "key", state, attempts, not_before, receipt, error_code, error'
)


def run_query(tables: "Tables") -> Any:
    """Return a query for rows of `RUN_COLUMNS`, still without a condition."""
    run = tables.run
    return run.select(*(getattr(run, name.strip('"')) for name in RUN_FIELDS))


def delivery_query(tables: "Tables", run_id: str) -> Any:
    """Return a query for the deliveries of a run, in the order of their making, for `delivery_from_row`."""
    to = tables.delivery
    columns = (to.id, to.run_id, to.channel, to.recipient, to.role, to.copy_number, to.key, to.state, to.attempts)
    more = (to.not_before, to.receipt, to.error_code, to.error)
    return to.select(*columns, *more).where(to.run_id == run_id).order_by(to.id)


def moment(value: int | None) -> datetime | None:
    """Return the moment of a column of ours, or None for NULL."""
    return None if value is None else from_ms(value)


def run_from_row(row: Sequence[Any]) -> Run:
    """Return the Run of a row of `RUN_COLUMNS`; an unreadable report becomes None."""
    asked = read_asked(row[16])
    return Run(
        id=row[0],
        schedule_id=row[1],
        shop=row[2],
        trigger=Trigger(row[3]),
        occurrence_key=row[4],
        due_at=from_ms(row[5]),
        not_before=from_ms(row[6]),
        priority=row[7],
        status=RunStatus(row[8]),
        reason=row[9],
        attempt=row[10],
        lost_leases=row[11],
        fence=row[12],
        queued_at=from_ms(row[13]),
        started_at=moment(row[14]),
        finished_at=moment(row[15]),
        period_start=moment(row[17]),
        period_end=moment(row[18]),
        record_count=row[19],
        file_name=row[20],
        file_size=row[21],
        sha256=row[22],
        spool_path=row[23],
        error_code=row[24],
        error=row[25],
        **asked,
    )


def read_asked(text: str) -> dict[str, Any]:
    """Return the fields of a Run that its `report` column holds: what was asked for when it was queued."""
    try:
        data = json.loads(text)
        report = None if data["report"] is None else report_from_json(data["report"])
    except (ValueError, KeyError, TypeError):
        return {"report": None}
    return {
        "report": report,
        "recipients": tuple(Recipient(*item) for item in data["recipients"]),
        "name": data["name"],
        "owner": data["owner"],
        "zone": data["zone"],
        "deadline": data["deadline"],
    }


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
        columns=tuple((item[0], item[1]) for item in data.get("columns", ())),
        filters=data.get("filters", {}),
        format_options=data.get("format_options", {}),
        condition=data.get("condition", {}),
    )


def delivery_from_row(row: Sequence[Any]) -> Delivery:
    """Return the Delivery of a row of `delivery_query`."""
    return Delivery(
        id=row[0],
        run_id=row[1],
        recipient=Recipient(row[2], row[3], row[4]),
        copy=row[5],
        key=row[6],
        state=DeliveryState(row[7]),
        attempts=row[8],
        not_before=from_ms(row[9]) if row[9] else None,
        receipt=json.loads(row[10]) if row[10] else None,
        error_code=row[11],
        error=row[12],
    )
