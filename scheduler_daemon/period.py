"""What a report is about: its period, computed half-open from the due moment in the shop's zone. Pure."""

from datetime import date, datetime, timedelta, tzinfo

from .errors import RunError, UsageError
from .instants import resolve
from .lib.words import did_you_mean
from .lib.zones import find_zone
from .model import Period, Report

DAY = timedelta(days=1)

PERIODS: dict[str, str] = {
    "today": "The due day, up to the due moment.",
    "yesterday": "The day before the due day.",
    "last_7_days": "The seven days before the due day.",
    "last_30_days": "The thirty days before the due day.",
    "this_week": "From Monday up to the due moment.",
    "last_week": "The last whole week, Monday to Sunday.",
    "month_to_date": "From the first of the month up to the due moment.",
    "last_month": "The last whole calendar month.",
    "quarter": "The last whole calendar quarter.",
    "year": "The last whole calendar year.",
    "custom": "From a first to a last day, both included.",
}

#: The period of an app's schedule that names none, by its frequency.
BY_FREQUENCY = {"HOURLY": "today", "DAILY": "yesterday", "WEEKLY": "last_week", "MONTHLY": "last_month"}


def check_period(report: Report) -> None:
    """Raise UsageError for a period that does not exist or cannot be read."""
    if report.period not in PERIODS:
        near = did_you_mean(report.period, PERIODS)
        raise UsageError(
            f"{report.period!r} is no period.{near}", code="unknown_period", hint=f"There are: {', '.join(PERIODS)}."
        )
    if report.period == "custom":
        first, last = _custom_days(report)
        if last < first:
            raise UsageError(
                f"The custom period ends on {last} before it begins on {first}.",
                code="unknown_period",
                hint="Give --from and --to, the first and the last day.",
            )


def find_period(report: Report, due_at: datetime, zone_name: str) -> Period:
    """
    Return the period of *report* for the occurrence due at *due_at* (UTC), bounded by midnights of the zone.

    "to date" periods end at the due moment itself. A late run, a retry and a re-run get the same period, because
    only *due_at* counts. Raise RunError or UsageError where the zone or the period does not exist.
    """
    check_period(report)
    try:
        zone = find_zone(zone_name)
    except KeyError:
        raise RunError(f"{zone_name!r} is no time zone.", code="unknown_zone") from None
    today = due_at.astimezone(zone).date()
    first, end = _days(report, today)
    start = midnight(first, zone)
    return Period(report.period, start, due_at if end is None else midnight(end, zone), zone_name)


def _days(report: Report, today: date) -> tuple[date, date | None]:
    """Return the first day and the first day after the period; None for "up to the due moment"."""
    monday = today - timedelta(days=today.weekday())
    first_of_month = today.replace(day=1)
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    custom = _custom_days(report) if report.period == "custom" else (today, today)
    spans: dict[str, tuple[date, date | None]] = {
        "today": (today, None),
        "yesterday": (today - DAY, today),
        "last_7_days": (today - 7 * DAY, today),
        "last_30_days": (today - 30 * DAY, today),
        "this_week": (monday, None),
        "last_week": (monday - 7 * DAY, monday),
        "month_to_date": (first_of_month, None),
        "last_month": ((first_of_month - DAY).replace(day=1), first_of_month),
        "quarter": (_months_before(quarter, 3), quarter),
        "year": (date(today.year - 1, 1, 1), date(today.year, 1, 1)),
        "custom": (custom[0], custom[1] + DAY),
    }
    return spans[report.period]


def _months_before(first: date, months: int) -> date:
    number = first.year * 12 + first.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _custom_days(report: Report) -> tuple[date, date]:
    try:
        return date.fromisoformat(report.period_from or ""), date.fromisoformat(report.period_to or "")
    except ValueError:
        raise UsageError(
            f"The custom period from {report.period_from!r} to {report.period_to!r} cannot be read.",
            code="unknown_period",
            hint="Give --from and --to as days like 2026-11-01.",
        ) from None


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of the local *day*, UTC; the first after the gap where midnight is left out."""
    found = resolve(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001 (wall time)
    return found if found is not None else midnight(day + DAY, zone)
