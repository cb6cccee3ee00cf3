"""A row of the app's `ReportSchedule`, and ours beside it, made into a Schedule."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import recurrence
from ..errors import UsageError
from ..lib.zones import find_zone
from ..model import CatchUp, Overlap, Recipient, Report, Schedule
from ..period import BY_FREQUENCY
from .moments import decode
from .rows import moment

APP_FIELDS = (
    "id",
    "shop",
    "name",
    "reportType",
    "filters",
    "frequency",
    "dayOfWeek",
    "dayOfMonth",
    "time",
    "timezone",
    "recipients",
    "isActive",
    "nextRunAt",
    "lastRunAt",
)

SELECT = f"""
SELECT {", ".join(f's."{name}"' for name in APP_FIELDS)},
  x.rule, x.options, x.rule_hash, x.paused_at, x.paused_reason, x.version, p.zone, p.paused_at, p.paused_reason
FROM {{app}}"ReportSchedule" s
LEFT JOIN {{ours}}scheduler_schedule x ON x.schedule_id = s."id"
LEFT JOIN {{ours}}scheduler_shop p ON p.shop = s."shop\""""


@dataclass(frozen=True, slots=True)
class SeenSchedule:
    """A row of the app's table as it was read: a Schedule, or what is wrong with it."""

    #: The row's id.
    id: str
    #: Domain of its shop.
    shop: str
    #: What people call it.
    name: str
    #: `nextRunAt` exactly as the database gave it; the compare-and-set names it.
    cursor: Any
    #: `nextRunAt` as a moment, UTC; None where it is NULL or cannot be read.
    due_at: datetime | None
    #: The schedule; None where the row cannot be read.
    schedule: Schedule | None
    #: What is wrong with the row, as a sentence; empty where nothing is.
    problem: str = ""
    #: Stable code of what is wrong.
    problem_code: str = "bad_schedule_row"
    #: IANA name of the shop's zone, where it is known.
    shop_zone: str | None = None
    #: Why the shop is paused; None while it is not.
    shop_paused: str | None = None


def read_row(row: Sequence[Any], types: Mapping[str, str]) -> SeenSchedule:
    """Return what a row of `SELECT` says; *types* maps the app's report types to ours."""
    values = dict(zip(APP_FIELDS, row, strict=False))
    paused = None if row[21] is None else str(row[22] or "paused")
    seen = {"id": str(row[0]), "shop": str(row[1]), "name": str(row[2]), "cursor": row[12]}
    seen |= {"shop_zone": row[20], "shop_paused": paused}
    try:
        due_at = decode(row[12])
    except (ValueError, TypeError, OverflowError):
        problem = f"nextRunAt {row[12]!r} is no moment"
        return SeenSchedule(**seen, due_at=None, schedule=None, problem=problem)
    try:
        schedule = _schedule(values, row[14:20], due_at, types)
    except UsageError as error:
        return SeenSchedule(**seen, due_at=due_at, schedule=None, problem=error.message, problem_code=error.code)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        problem = f"its row cannot be read: {error}"
        return SeenSchedule(**seen, due_at=due_at, schedule=None, problem=problem)
    return SeenSchedule(**seen, due_at=due_at, schedule=schedule)


def _schedule(app: dict[str, Any], ours: Sequence[Any], due_at: datetime | None, types: Mapping[str, str]) -> Schedule:
    rule, options_text, digest, paused_at, paused_reason, version = ours
    options = read_json(options_text, "options", dict) if options_text else {}
    known = {"catch_up", "overlap", "priority", "owner", "deadline", *REPORT_OPTIONS, "cc", "bcc", "channels"}
    zone = str(app["timezone"] or "")
    if zone:
        check_zone(zone)
    return Schedule(
        id=str(app["id"]),
        shop=str(app["shop"]),
        name=str(app["name"]),
        report=_report(app, options, types),
        recurrence=_recurrence(app, rule),
        zone=zone,
        recipients=_recipients(app["recipients"], options),
        active=bool(app["isActive"]),
        next_due_at=due_at,
        last_run_at=_maybe(app["lastRunAt"]),
        catch_up=CatchUp(options.get("catch_up", "latest")),
        overlap=Overlap(options.get("overlap", "queue")),
        priority=int(options.get("priority", 100)),
        owner=str(options.get("owner", "")),
        deadline=float(options.get("deadline", 0.0)),
        paused_at=moment(paused_at),
        paused_reason=str(paused_reason or ""),
        rule_hash=digest,
        version=int(version or 0),
        options={key: value for key, value in options.items() if key not in known},
    )


def _maybe(value: Any) -> datetime | None:
    try:
        return decode(value)
    except (ValueError, TypeError, OverflowError):
        return None  # the last run is for people only; it must not keep the next one from running


def _recurrence(app: dict[str, Any], rule: Any) -> Any:
    if rule:
        return recurrence.from_json(read_json(rule, "rule", dict))
    return recurrence.read_columns(str(app["frequency"]), app["dayOfWeek"], app["dayOfMonth"], str(app["time"]))


REPORT_OPTIONS = ("format", "period", "from", "to", "columns", "format_options")


def _report(app: dict[str, Any], options: Mapping[str, Any], types: Mapping[str, str]) -> Report:
    filters = read_json(app["filters"], "filters", dict) if app["filters"] not in (None, "") else {}
    period = options.get("period") or BY_FREQUENCY.get(str(app["frequency"]).upper(), "yesterday")
    return Report(
        type=types.get(str(app["reportType"]), str(app["reportType"])),
        title=str(app["name"]),
        format=str(options.get("format", "csv")),
        period=str(period),
        period_from=options.get("from"),
        period_to=options.get("to"),
        columns=tuple((str(key), title) for key, title in options.get("columns", ())),
        filters=filters,
        format_options=options.get("format_options", {}),
    )


def _recipients(text: Any, options: Mapping[str, Any]) -> tuple[Recipient, ...]:
    """Return the mail addresses of the app's column and of ours, and the other channels of ours, each once."""
    listed = read_json(text, "recipients", list) if text not in (None, "") else []
    found: dict[tuple[str, str], Recipient] = {}
    for role, addresses in (("to", listed), ("cc", options.get("cc", ())), ("bcc", options.get("bcc", ()))):
        for address in addresses:
            if not isinstance(address, str):
                raise UsageError(f"recipients holds {address!r}, which is no address", code="bad_address")
            if address.strip():
                found.setdefault(("email", address.strip().lower()), Recipient("email", address.strip(), role))
    for channel in options.get("channels", ()):
        found.setdefault((channel, channel), Recipient(str(channel), str(channel)))
    return tuple(found.values())


def read_json(value: Any, name: str, kind: type) -> Any:
    """Return *value* (JSON text, or already read by the driver) as a *kind*; raise UsageError naming the column."""
    if isinstance(value, kind):
        return value
    try:
        data = json.loads(value)
    except (ValueError, TypeError):
        raise UsageError(f"its {name} {str(value)[:80]!r} is not JSON", code="bad_schedule_row") from None
    if data is None:
        return kind()
    if not isinstance(data, kind):
        word = "list" if kind is list else "object"
        raise UsageError(f"its {name} {str(value)[:80]!r} is no JSON {word}", code="bad_schedule_row")
    return data


def check_zone(name: str) -> None:
    """Raise UsageError where *name* is no time zone."""
    try:
        find_zone(name)
    except KeyError:
        from ..lib.words import did_you_mean
        from ..lib.zones import zone_names

        near = did_you_mean(name, zone_names())
        hint = "Write an IANA name like Europe/Paris."
        raise UsageError(f"{name!r} is no time zone.{near}", code="unknown_zone", hint=hint) from None
