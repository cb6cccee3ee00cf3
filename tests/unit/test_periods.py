"""What a report is about: periods that tile, weeks that begin where they are told, comparisons."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_daemon.errors import UsageError
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import Period, Report
from scheduler_daemon.when.comparison import previous_period, year_before
from scheduler_daemon.when.period import ALIASES, PERIODS, find_period, midnight
from tests.unit.calendars import moments, zones

TILING = ("yesterday", "last_week", "last_month", "last_quarter", "last_year")
OPEN = {"today": "yesterday", "this_week": "last_week", "month_to_date": "last_month"}
OPEN |= {"quarter_to_date": "last_quarter", "year_to_date": "last_year"}
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def period(name: str, due_at: datetime, zone: str, week_start: str = "monday") -> Period:
    return find_period(Report("orders", "x", period=name), due_at, zone, week_start=week_start)


def test_the_day_before_a_day_that_the_zone_left_out_is_nobodys_gap() -> None:
    """Apia had no 30 December 2011: what is due on the 31st is about the 29th."""
    found = period("yesterday", at("2011-12-30T18:00"), "Pacific/Apia")
    assert (found.start, found.end) == (at("2011-12-29T10:00"), at("2011-12-30T10:00"))


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(TILING),
    due_at=moments(),
    zone=zones(),
    week_start=st.sampled_from(WEEKDAYS),
    far=st.integers(1, 400),
)
def test_periods_tile_without_gap_or_overlap(name: str, due_at: datetime, zone: str, week_start: str, far: int) -> None:
    """Whatever two moments ask: their periods are the same, or side by side with whole periods between."""
    first = period(name, due_at, zone, week_start)
    assert first.start < first.end <= due_at
    last = period(name, due_at + timedelta(days=far), zone, week_start)
    while first.end < last.end:  # the next period is asked for when the one before has ended
        following = period(name, midnight(_day_behind(name, first, zone), find_zone(zone)), zone, week_start)
        assert following.start == first.end
        first = following
    assert first == last


def _day_behind(name: str, found: Period, zone: str) -> date:
    """Return the first day behind the period that comes after *found*."""
    day = found.end.astimezone(find_zone(zone)).date()
    if name == "yesterday":
        return day + timedelta(days=1)
    if name == "last_week":
        return day + timedelta(days=7)
    months = {"last_month": 1, "last_quarter": 3, "last_year": 12}[name]
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(OPEN)), due_at=moments(), zone=zones(), week_start=st.sampled_from(WEEKDAYS))
def test_a_period_to_date_begins_where_the_last_whole_one_ended(
    name: str, due_at: datetime, zone: str, week_start: str
) -> None:
    made, whole = period(name, due_at, zone, week_start), period(OPEN[name], due_at, zone, week_start)
    assert (made.start, made.end) == (whole.end, due_at)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(set(PERIODS) - {"custom"})), due_at=moments(), zone=zones())
def test_a_comparison_lies_before_and_is_about_as_long(name: str, due_at: datetime, zone: str) -> None:
    made = period(name, due_at, zone)
    before, year = previous_period(made), year_before(made)
    assert before.start < made.start
    assert before.end <= made.end
    assert timedelta(days=363) <= made.start - year.start <= timedelta(days=367)
    if name in TILING:
        assert year.start < year.end
        assert before.end == made.start


def test_the_two_days_of_a_change_have_23_and_25_hours() -> None:
    spring, autumn = (
        period("yesterday", at(text), "Europe/Paris") for text in ("2026-03-30T08:00", "2026-10-26T08:00")
    )
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)
    half = period("yesterday", at("2026-04-06T08:00"), "Australia/Lord_Howe")
    assert half.end - half.start == timedelta(hours=24, minutes=30)


@pytest.mark.parametrize(
    ("name", "before", "year"),
    [
        ("yesterday", ("2027-03-29", "2027-03-30"), ("2026-03-30", "2026-03-31")),
        ("last_7_days", ("2027-03-17", "2027-03-24"), ("2026-03-24", "2026-03-31")),
        ("last_week", ("2027-03-15", "2027-03-22"), ("2026-03-23", "2026-03-30")),
        ("last_month", ("2027-01-01", "2027-02-01"), ("2026-02-01", "2026-03-01")),
        ("month_to_date", ("2027-02-01", "2027-02-28T07:00"), ("2026-03-01", "2026-03-31T07:00")),
        ("last_quarter", ("2026-07-01", "2026-10-01"), ("2025-10-01", "2026-01-01")),
        ("year_to_date", ("2026-01-01", "2026-03-31T07:00"), ("2026-01-01", "2026-03-31T07:00")),
        ("last_year", ("2025-01-01", "2026-01-01"), ("2025-01-01", "2026-01-01")),
        ("since_last_success", ("2027-03-29T07:00", "2027-03-30T07:00"), ("2026-03-30T07:00", "2026-03-31T07:00")),
    ],
)
def test_what_a_period_is_compared_with(name: str, before: tuple[str, str], year: tuple[str, str]) -> None:
    made = period(name, at("2027-03-31T07:00"), "UTC")
    for found, wanted in ((previous_period(made), before), (year_before(made), year)):
        assert (found.start, found.end) == (at(wanted[0]), at(wanted[1]))


@pytest.mark.parametrize(
    ("name", "due_at", "before", "year"),
    [
        # 28 February behind it the 29th: the end is not moved to the 28th as well, which left nothing.
        ("yesterday", "2028-02-29T07:00", ("2028-02-27", "2028-02-28"), ("2027-02-28", "2027-03-01")),
        ("yesterday", "2028-03-01T07:00", ("2028-02-28", "2028-02-29"), ("2027-02-28", "2027-03-01")),
        ("last_7_days", "2028-02-29T07:00", ("2028-02-15", "2028-02-22"), ("2027-02-22", "2027-03-01")),
        # Seven days stay seven where the year before had a 29 February; a whole month has it.
        ("last_7_days", "2029-03-01T07:00", ("2029-02-15", "2029-02-22"), ("2028-02-22", "2028-02-29")),
        ("last_month", "2029-03-01T07:00", ("2029-01-01", "2029-02-01"), ("2028-02-01", "2028-03-01")),
        # 1 to 30 March, due at midnight: all of February, and not all but its last day.
        ("month_to_date", "2027-03-31T00:00", ("2027-02-01", "2027-03-01"), ("2026-03-01", "2026-03-31")),
        # Week 53.
        ("last_week", "2027-01-05T07:00", ("2026-12-21", "2026-12-28"), ("2025-12-29", "2026-01-05")),
    ],
)
def test_a_comparison_around_the_end_of_february_loses_no_day(
    name: str, due_at: str, before: tuple[str, str], year: tuple[str, str]
) -> None:
    made = period(name, at(due_at), "UTC")
    for found, wanted in ((previous_period(made), before), (year_before(made), year)):
        assert (found.start, found.end) == (at(wanted[0]), at(wanted[1]))


def test_a_custom_period_is_compared_with_as_many_days_before() -> None:
    report = Report("orders", "x", period="custom", period_from="2026-10-20", period_to="2026-10-29")
    made = find_period(report, at("2026-11-23T09:00"), "Europe/Paris")
    before = previous_period(made)
    assert (before.start, before.end) == (at("2026-10-09T22:00"), made.start)


def test_since_the_last_success_goes_on_where_it_ended() -> None:
    report, due_at = Report("orders", "x", period="since_last_success"), at("2026-11-23T08:00")
    mark = at("2026-11-20T08:00")
    assert find_period(report, due_at, "Europe/Paris", mark=mark).start == mark
    assert find_period(report, due_at, "Europe/Paris").start == at("2026-11-22T08:00")
    assert find_period(report, due_at, "Europe/Paris", mark=due_at).start == at("2026-11-22T08:00")


def test_a_week_begins_where_the_report_says_else_where_it_is_told() -> None:
    due_at = at("2026-11-25T09:00")  # a Wednesday
    assert period("this_week", due_at, "UTC", "sunday").start == at("2026-11-22T00:00")
    own = Report("orders", "x", period="last_week", week_start="saturday")
    assert find_period(own, due_at, "UTC", week_start="sunday").end == at("2026-11-21T00:00")
    with pytest.raises(UsageError, match="no day of the week"):
        find_period(Report("orders", "x", period="last_week", week_start="funday"), due_at, "UTC")


def test_the_older_names_stay() -> None:
    for old, name in ALIASES.items():
        mine, other = (period(word, at("2026-11-23T09:00"), "Europe/Paris") for word in (old, name))
        assert (mine.start, mine.end) == (other.start, other.end)
