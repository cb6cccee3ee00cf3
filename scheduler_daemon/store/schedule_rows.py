"""A row of the app's `ReportSchedule`, and ours beside it, made into a Schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..lib.descriptors import is_limit
from ..model import CatchUp, Overlap, Recipient, Report, Schedule
from ..when import recurrence
from ..when.comparison import read_comparison
from ..when.period import BY_FREQUENCY
from .moments import decode
from .row_checks import MOST_SHOWN, bad, check_options, check_shop, check_shop_zone, check_zone, read_json
from .values import read_moment

if TYPE_CHECKING:
    from .tables import Tables

#: The options of `scheduler_schedule` that have a field of their own; others are kept as they are.
KNOWN_OPTIONS = frozenset(
    {
        *("format", "period", "from", "to", "compare", "columns", "format_options"),
        *("catch_up", "catch_up_window", "overlap", "jitter", "priority", "owner", "deadline", "week_start"),
        *("cc", "bcc", "channels", "condition"),
    }
)

#: What is read of the app's row.
APP_FIELDS = (
    *("id", "shop", "name", "report_type", "filters", "frequency", "day_of_week", "day_of_month", "time", "timezone"),
    *("recipients", "is_active", "next_run_at", "last_run_at"),
)


def is_active(app: Any) -> Any:
    """Return the condition "the app's switch is on"; as `= true`, because a bare column uses no index (DESIGN 9)."""
    return app.is_active == True  # noqa: E712 (SQL)


def schedule_query(tables: "Tables") -> Any:
    """Return a query for schedules with what is ours of them and their shops, for `read_row`; no condition yet."""
    app, ours, shop = tables.report_schedule, tables.schedule, tables.shop
    of_shop = (shop.zone.alias("shop_zone"), shop.paused_at.alias("shop_paused_at"))
    return (
        app.select(
            *(app._meta.fields[name] for name in APP_FIELDS),
            *(ours.rule, ours.options, ours.rule_hash, ours.paused_at, ours.paused_reason, ours.version),
            *of_shop,
            shop.paused_reason.alias("shop_paused_reason"),
        )
        .join(ours, tables.join.LEFT_OUTER, on=(ours.schedule_id == app.id))
        .join(shop, tables.join.LEFT_OUTER, on=(shop.shop == app.shop))
    )


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


def read_row(row: Mapping[str, Any], types: Mapping[str, str]) -> SeenSchedule:
    """Return what a row of `schedule_query` says; *types* maps the app's report types to ours."""
    paused = None if row["shop_paused_at"] is None else str(row["shop_paused_reason"] or "paused")
    seen = {"id": str(row["id"]), "shop": str(row["shop"]), "name": str(row["name"]), "cursor": row["next_run_at"]}
    seen |= {"shop_zone": str(row["shop_zone"]) if row["shop_zone"] else None, "shop_paused": paused}
    try:
        due_at = decode(row["next_run_at"])
    except (ValueError, TypeError, OverflowError):
        problem = f"nextRunAt {row['next_run_at']!r} is no moment"
        return SeenSchedule(**seen, due_at=None, schedule=None, problem=problem)
    try:
        schedule = _schedule(row, due_at, types)
    except UsageError as error:
        return SeenSchedule(**seen, due_at=due_at, schedule=None, problem=error.message, problem_code=error.code)
    except Exception as error:  # whatever stands in one row must not keep the others from running
        if is_limit(error):
            raise  # zone data that cannot be opened now is no fault of the row's
        problem = f"its row cannot be read: {str(error)[:MOST_SHOWN]}"
        return SeenSchedule(**seen, due_at=due_at, schedule=None, problem=problem)
    return SeenSchedule(**seen, due_at=due_at, schedule=schedule)


def _schedule(row: Mapping[str, Any], due_at: datetime | None, types: Mapping[str, str]) -> Schedule:
    options = read_json(row["options"], "options", dict) if row["options"] else {}
    check_options(options)
    check_shop(str(row["shop"]))
    zone = str(row["timezone"] or "")
    if zone:
        check_zone(zone)
    elif row["shop_zone"]:
        check_shop_zone(str(row["shop_zone"]))
    return Schedule(
        id=str(row["id"]),
        shop=str(row["shop"]),
        name=str(row["name"]),
        report=_report(row, options, types),
        recurrence=_recurrence(row),
        zone=zone,
        recipients=_recipients(row["recipients"], options),
        active=bool(row["is_active"]),
        next_due_at=due_at,
        last_run_at=_maybe(row["last_run_at"]),
        catch_up=CatchUp(options.get("catch_up", "latest")),
        catch_up_window=float(options.get("catch_up_window") or 0.0),
        jitter=float(options.get("jitter") or 0.0),
        overlap=Overlap(options.get("overlap", "queue")),
        priority=int(options.get("priority", 100)),
        owner=str(options.get("owner", "")),
        deadline=float(options.get("deadline", 0.0)),
        paused_at=_paused_at(row["paused_at"]),
        paused_reason=str(row["paused_reason"] or ""),
        rule_hash=row["rule_hash"],
        version=row["version"] if isinstance(row["version"], int) else 0,
        options={key: value for key, value in options.items() if key not in KNOWN_OPTIONS},
    )


def _paused_at(value: Any) -> datetime | None:
    found = read_moment(value)
    if value is not None and found is None:
        raise bad(f"its paused_at {str(value)[:MOST_SHOWN]!r} is no moment")
    return found


def _maybe(value: Any) -> datetime | None:
    try:
        return decode(value)
    except (ValueError, TypeError, OverflowError):
        return None  # the last run is for people only; it must not keep the next one from running


def _recurrence(row: Mapping[str, Any]) -> Any:
    if row["rule"]:
        return recurrence.from_json(read_json(row["rule"], "rule", dict))
    return recurrence.read_columns(str(row["frequency"]), row["day_of_week"], row["day_of_month"], str(row["time"]))


def _report(row: Mapping[str, Any], options: Mapping[str, Any], types: Mapping[str, str]) -> Report:
    filters = read_json(row["filters"], "filters", dict) if row["filters"] not in (None, "") else {}
    period = options.get("period") or BY_FREQUENCY.get(str(row["frequency"]).upper(), "yesterday")
    return Report(
        type=types.get(str(row["report_type"]), str(row["report_type"])),
        title=str(row["name"]),
        format=str(options.get("format", "csv")),
        period=str(period),
        period_from=options.get("from"),
        period_to=options.get("to"),
        week_start=str(options.get("week_start") or ""),
        compare=read_comparison(str(options.get("compare") or "")),
        columns=tuple((str(key), title) for key, title in options.get("columns", ())),
        filters=filters,
        format_options=options.get("format_options", {}),
        condition=options.get("condition") or {},
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
