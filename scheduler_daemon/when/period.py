"""
What a report is about: its period, half-open, computed from the due moment in the report's zone. Pure.

Periods of the same name tile: one ends at the very moment at which the next begins, also over a clock change, whose
two days have their 23 or 25 hours. A late run, a retry and a re-run get the same period: only the due moment counts.
"""

import calendar
from datetime import date, datetime, time, timedelta, tzinfo

from ..errors import RunError, UsageError
from ..lib.words import did_you_mean
from ..lib.zones import find_zone
from ..model import Period, Report
from .instants import resolve
from .rule_parts import read_date, read_weekday
from .rule_text import DAYS

DAY = timedelta(days=1)

PERIODS: dict[str, str] = {
    "today": "The due day, up to the due moment.",
    "yesterday": "The day before the due day.",
    "last_7_days": "The seven days before the due day.",
    "last_30_days": "The thirty days before the due day.",
    "this_week": "From the week's first day up to the due moment.",
    "last_week": "The last whole week.",
    "month_to_date": "From the first of the month up to the due moment.",
    "last_month": "The last whole calendar month.",
    "quarter_to_date": "From the first of the quarter up to the due moment.",
    "last_quarter": "The last whole calendar quarter.",
    "year_to_date": "From the first of January up to the due moment.",
    "last_year": "The last whole calendar year.",
    "since_last_success": "From where the last scheduled run that succeeded ended, up to the due moment.",
    "custom": "From a first to a last day, both included.",
}
#: Older names that stay.
ALIASES = {"quarter": "last_quarter", "year": "last_year"}

#: The period of an app's schedule that names none, by its frequency.
BY_FREQUENCY = {"HOURLY": "today", "DAILY": "yesterday", "WEEKLY": "last_week", "MONTHLY": "last_month"}


def check_period(report: Report) -> None:
    """Raise UsageError for a period that does not exist or cannot be read."""
    if report.period not in PERIODS and report.period not in ALIASES:
        near = did_you_mean(report.period, PERIODS)
        raise UsageError(
            f"{report.period!r} is no period.{near}", code="unknown_period", hint=f"There are: {', '.join(PERIODS)}."
        )
    if report.week_start:
        read_week_start(report.week_start)
    if report.period == "custom":
        first, last = _custom_days(report)
        if last < first:
            raise UsageError(
                f"The custom period ends on {last} before it begins on {first}.",
                code="unknown_period",
                hint="Give --from and --to-day, the first and the last day.",
            )


def read_week_start(name: str) -> str:
    """Return a week's first day by its whole name, small letters; raise UsageError."""
    try:
        return DAYS[read_weekday(name)].lower()
    except UsageError as error:
        hint = "A week begins on monday, tuesday, wednesday, thursday, friday, saturday or sunday."
        raise UsageError(error.message, code=error.code, hint=hint) from None


def find_period(
    report: Report, due_at: datetime, zone_name: str, *, week_start: str = "monday", mark: datetime | None = None
) -> Period:
    """
    Return the period of *report* for the occurrence due at *due_at* (UTC), bounded by midnights of the zone.

    "to date" periods end at the due moment itself. *week_start* counts where the report has none of its own; *mark* is
    where the last success ended ("since_last_success"): the first time, and where it lies behind the due moment, the
    day before it is taken. Raise RunError or UsageError where the zone or the period does not exist.
    """
    check_period(report)
    zone = known_zone(zone_name)
    if report.period == "since_last_success":
        start = mark if mark is not None and mark < due_at else _day_before(due_at, zone)
        return Period(report.period, start, due_at, zone_name)
    first_weekday = (read_weekday(report.week_start or week_start) - 1) % 7
    first, end = _days(report, due_at.astimezone(zone).date(), first_weekday)
    start, end_at = midnight(first, zone), due_at if end is None else midnight(end, zone)
    if start == end_at and end is not None:  # the zone left that day out (Apia, 30 December 2011): the one before it
        start = midnight(first - DAY, zone)
    return Period(report.period, start, end_at, zone_name)


def known_zone(name: str) -> tzinfo:
    """Return the zone *name*; raise RunError `unknown_zone`."""
    try:
        return find_zone(name)
    except KeyError:
        raise RunError(f"{name!r} is no time zone.", code="unknown_zone") from None


def _day_before(due_at: datetime, zone: tzinfo) -> datetime:
    wall = due_at.astimezone(zone).replace(tzinfo=None) - DAY
    found = resolve(wall, zone)
    return found if found is not None and found < due_at else due_at - DAY


def _days(report: Report, today: date, first_weekday: int) -> tuple[date, date | None]:
    """Return the first day and the first day after the period; None for "up to the due moment"."""
    week = today - timedelta(days=(today.weekday() - first_weekday) % 7)
    month = today.replace(day=1)
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    year = date(today.year, 1, 1)
    if report.period == "custom":
        first, last = _custom_days(report)
        return first, last + DAY
    spans: dict[str, tuple[date, date | None]] = {
        "today": (today, None),
        "yesterday": (today - DAY, today),
        "last_7_days": (today - 7 * DAY, today),
        "last_30_days": (today - 30 * DAY, today),
        "this_week": (week, None),
        "last_week": (week - 7 * DAY, week),
        "month_to_date": (month, None),
        "last_month": (months_before(month, 1), month),
        "quarter_to_date": (quarter, None),
        "last_quarter": (months_before(quarter, 3), quarter),
        "year_to_date": (year, None),
        "last_year": (months_before(year, 12), year),
    }
    return spans[ALIASES.get(report.period, report.period)]


def _custom_days(report: Report) -> tuple[date, date]:
    if not report.period_from and not report.period_to:
        hint = "Give --from and --to-day as days like 2026-11-01."
        raise UsageError("A custom period needs its first and its last day.", code="unknown_period", hint=hint)
    named = f"The custom period from {report.period_from!r} to {report.period_to!r}"
    try:
        first, last = (date.fromisoformat(read_date(day or "")) for day in (report.period_from, report.period_to))
    except UsageError as error:
        hint = "Give --from and --to-day as days like 2026-11-01."
        said = f"{named} cannot be read: {error.message}"
        raise UsageError(said, code="unknown_period", hint=hint) from None
    return first, last


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of the local *day*, UTC; the first after the gap where midnight is left out."""
    found = resolve(datetime.combine(day, time()), zone)
    return found if found is not None else midnight(day + DAY, zone)


def months_before(day: date, months: int) -> date:
    """Return the same day of the month *months* before, or that month's last day where it is shorter."""
    number = day.year * 12 + day.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
