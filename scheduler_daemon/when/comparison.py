"""
What a report's totals are compared with: the period before its own, or the same one a year before. Pure.

Made of the run's own period, so that a late run, a retry and a re-run compare with the same span.
"""

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from ..errors import UsageError
from ..lib.words import did_you_mean
from ..model import Period, Report
from .instants import resolve
from .period import ALIASES, DAY, known_zone, midnight, months_before

INSTANT = timedelta(microseconds=1)

COMPARISONS: dict[str, str] = {
    "previous_period": "The period before, as far as its own goes; up to the same time of day where it is not over.",
    "year_before": "The same dates a year before; weeks lie 52 weeks before, so that the same days of the week meet.",
}
#: How a person says that nothing is compared; a report's own word for it is the empty one.
NONE = "none"

#: How many months back the same period lies, and by how many the last one begins before; weeks and days go by days.
MONTHS = {"month_to_date": 1, "last_month": 1, "quarter_to_date": 3, "last_quarter": 3}
MONTHS |= {"year_to_date": 12, "last_year": 12}
DAYS = {"today": 1, "yesterday": 1, "last_7_days": 7, "last_30_days": 30, "this_week": 7, "last_week": 7}


def read_comparison(word: str) -> str:
    """Return a report's own word for what a person, or a row that one wrote, says: nothing for "none"."""
    found = word.strip()
    return "" if found == NONE else found


def check_comparison(report: Report) -> None:
    """Raise UsageError `unknown_comparison` for a comparison that does not exist."""
    if report.compare and report.compare not in COMPARISONS:
        words = (*COMPARISONS, NONE)
        near = did_you_mean(report.compare, words)
        hint = f"There are: {', '.join(words)}."
        raise UsageError(f"{report.compare!r} is no comparison.{near}", code="unknown_comparison", hint=hint)


def find_comparison(report: Report, period: Period) -> Period | None:
    """
    Return what a report about *period* is compared with, None where with nothing.

    Raise UsageError `unknown_comparison` where the word does not exist, or the calendar ends before it (year 1).
    """
    check_comparison(report)
    if not report.compare:
        return None
    try:
        return previous_period(period) if report.compare == "previous_period" else year_before(period)
    except (ValueError, OverflowError):
        first = period.start.astimezone(known_zone(period.zone))
        message = f"Nothing lies before a period that begins on {first.date()} to compare it with."
        raise UsageError(message, code="unknown_comparison", hint="Choose a later period, or --compare none.") from None


def previous_period(period: Period) -> Period:
    """
    Return the period before, as far as *period* itself goes: the week before a week, the same days of the month before.

    A day that the month before does not have is its last one. What has no name of the calendar ends where *period*
    begins: a custom one is as many days before, since the last success just as long before.
    """
    name = ALIASES.get(period.name, period.name)
    if name in MONTHS:
        return _shifted(period, months=MONTHS[name])
    if name in DAYS:
        return _shifted(period, days=DAYS[name])
    if name == "custom":
        return _shifted(period, days=_length(period))
    return replace(period, start=period.start - (period.end - period.start), end=period.start)


def year_before(period: Period) -> Period:
    """
    Return the same period a year before: the same dates, 29 February as the 28th.

    Weeks lie 52 weeks before, so that the same days of the week are compared.
    """
    if period.name in ("this_week", "last_week"):
        return _shifted(period, days=52 * 7)
    return _shifted(period, months=12)


def _length(period: Period) -> int:
    zone = known_zone(period.zone)
    return (period.end.astimezone(zone).date() - period.start.astimezone(zone).date()).days


def _shifted(period: Period, *, months: int = 0, days: int = 0) -> Period:
    """Return *period* moved back: bounds that are beginnings of days stay such, others keep their time of day."""
    zone = known_zone(period.zone)
    start = _back(period.start, zone, months, days)
    first, after = (bound.astimezone(zone).date() for bound in (period.start, period.end))
    whole_months = after.day == 1 and ALIASES.get(period.name, period.name) in MONTHS
    if whole_months or not _begins_day(period.end, zone):
        end = _back(period.end, zone, months, days)
    else:  # the last day is moved, not the one behind it: the end behind 28 February may be the 29th
        end = midnight(months_before(after - DAY, months) - timedelta(days=days) + DAY, zone)
    if end <= start and first < after:  # both bounds fell on one day: 29 February, or one that a zone left out
        start = _back(period.start, zone, months, days + 1)
    return replace(period, start=start, end=max(start, end))


def _begins_day(bound: datetime, zone: tzinfo) -> bool:
    return (bound - INSTANT).astimezone(zone).date() < bound.astimezone(zone).date()


def _back(bound: datetime, zone: tzinfo, months: int, days: int) -> datetime:
    local = bound.astimezone(zone)
    day = months_before(local.date(), months) - timedelta(days=days)
    if _begins_day(bound, zone):
        return midnight(day, zone)
    wall = local.replace(tzinfo=None)
    found = resolve(wall.replace(year=day.year, month=day.month, day=day.day, fold=0), zone)
    return found if found is not None else midnight(day, zone)
