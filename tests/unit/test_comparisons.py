"""What a report is compared with, and how the difference is said: spans, percentages, and what has none."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduler_daemon.changes import amount_with_unit, change_of, change_of_rows, compared_span, in_brackets
from scheduler_daemon.errors import UsageError
from scheduler_daemon.lib.figures import change, money
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import Column, ColumnKind, Compared, Period, Report, Table
from scheduler_daemon.prepare import check_report
from scheduler_daemon.store.rows import report_from_json, report_to_json
from scheduler_daemon.tablefile import HEADER, Tally, header_to_json, open_table
from scheduler_daemon.when.comparison import COMPARISONS, find_comparison, read_comparison
from scheduler_daemon.when.period import find_period
from tests.posting import ABOUT, COLUMNS
from tests.unit.calendars import moments, zones

TO_DATE = ("today", "this_week", "month_to_date", "quarter_to_date", "year_to_date")
(NET,) = COLUMNS
BEFORE = Period("last_week", ABOUT.period.start - timedelta(days=7), ABOUT.period.start, "Europe/Paris")
COMPARED = Compared("previous_period", BEFORE, 4, {"net": "7000.00"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def compared(report: Report, due_at: datetime, zone: str, mark: datetime | None = None) -> tuple[Period, Period]:
    period = find_period(report, due_at, zone, mark=mark)
    found = find_comparison(report, period)
    assert found is not None
    return period, found


# The span -----------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(TO_DATE), word=st.sampled_from(sorted(COMPARISONS)), due_at=moments(), zone=zones())
def test_what_is_not_over_is_compared_up_to_the_same_time_of_day(
    name: str, word: str, due_at: datetime, zone: str
) -> None:
    period, found = compared(Report("orders", "x", period=name, compare=word), due_at, zone)
    local = find_zone(zone)
    wall, other = (bound.astimezone(local).replace(tzinfo=None) for bound in (due_at, found.end))
    there = other.replace(hour=wall.hour, minute=wall.minute, second=wall.second, microsecond=wall.microsecond)
    # At midnight a day is over, and it is whole days that are compared; a wall time in a gap comes at its end.
    assume((due_at - timedelta(microseconds=1)).astimezone(local).date() == due_at.astimezone(local).date())
    assume(there.replace(tzinfo=local).astimezone(UTC).astimezone(local).replace(tzinfo=None) == there)
    assert other.time() == wall.time()
    assert found.start <= found.end <= period.end
    assert found.start < period.start


@pytest.mark.parametrize(
    ("due", "mark", "start"),
    [
        ("2026-11-23T08:00", "2026-11-22T08:00", "2026-11-21T08:00"),
        # Over the night of a change: just as long, 23 hours, and up to the same 09:00 of Paris.
        ("2026-03-29T07:00", "2026-03-28T08:00", "2026-03-27T09:00"),
    ],
)
def test_since_the_last_success_is_compared_with_as_long_before(due: str, mark: str, start: str) -> None:
    report = Report("orders", "x", period="since_last_success", compare="previous_period")
    period, found = compared(report, at(due), "Europe/Paris", at(mark))
    assert (found.start, found.end) == (at(start), period.start)
    paris = find_zone("Europe/Paris")
    assert found.end.astimezone(paris).time() == period.end.astimezone(paris).time()


def test_a_custom_period_is_compared_with_whole_days_over_a_change() -> None:
    report = Report("orders", "x", period="custom", period_from="2026-10-26", period_to="2026-11-01")
    _, found = compared(replace(report, compare="previous_period"), at("2026-11-23T08:00"), "Europe/Paris")
    assert (found.start, found.end) == (at("2026-10-18T22:00"), at("2026-10-25T23:00"))  # 169 hours
    _, year = compared(replace(report, compare="year_before"), at("2026-11-23T08:00"), "Europe/Paris")
    assert (year.start, year.end) == (at("2025-10-25T22:00"), at("2025-11-01T23:00"))


def test_no_span_is_empty_because_a_day_is_missing() -> None:
    """Apia had no 30 December 2011, and no year before 2028 has its 29 February."""
    for word, due in (("previous_period", "2011-12-31T18:00"), ("year_before", "2012-12-30T18:00")):
        _, found = compared(Report("orders", "x", period="yesterday", compare=word), at(due), "Pacific/Apia")
        assert (found.start, found.end) == (at("2011-12-29T10:00"), at("2011-12-30T10:00")), word
    report = Report("orders", "x", period="since_last_success", compare="year_before")
    for mark, due, start in (
        ("2028-02-28T09:00", "2028-02-29T09:00", "2027-02-27T09:00"),
        ("2028-02-28T23:30", "2028-02-29T00:30", "2027-02-27T23:30"),
    ):
        _, found = compared(report, at(due), "UTC", at(mark))
        assert (found.start, found.end) == (at(start), at(due.replace("2028-02-29", "2027-02-28")))


def test_a_first_half_hour_that_a_zone_left_out_stays_empty() -> None:
    """Santiago went from midnight to 01:00 on 6 September 2026: nothing can be sold there before 00:30."""
    report = Report("orders", "x", period="today", compare="previous_period")
    period, found = compared(report, at("2026-09-07T03:30"), "America/Santiago")
    assert period.end - period.start == timedelta(minutes=30)
    assert found.start == found.end == at("2026-09-06T04:00")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("previous_perod", "'previous_perod' is no comparison. Did you mean 'previous_period'?"),
        ("last_year", "'last_year' is no comparison."),
        ("year-before", "'year-before' is no comparison. Did you mean 'year_before'?"),
    ],
)
def test_a_word_that_is_no_comparison_is_named_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_report(Report("orders", "x", compare=word))
    assert (caught.value.code, caught.value.exit_code) == ("unknown_comparison", 2)
    assert caught.value.message.startswith(said)
    assert caught.value.hint == "There are: previous_period, year_before, none."


def test_nothing_lies_before_the_first_year() -> None:
    period = Period("custom", datetime(1, 2, 1, tzinfo=UTC), datetime(1, 2, 3, tzinfo=UTC), "UTC")
    with pytest.raises(UsageError, match="begins on 0001-02-01") as caught:
        find_comparison(Report("orders", "x", compare="year_before"), period)
    assert caught.value.code == "unknown_comparison"


def test_none_is_nothing_and_a_run_remembers_what_was_asked_for() -> None:
    assert [read_comparison(word) for word in ("none", " none ", "", "year_before")] == ["", "", "", "year_before"]
    report = Report("orders", "x", compare="year_before")
    assert report_from_json(report_to_json(report)) == report
    assert "compare" not in report_to_json(Report("orders", "x"))
    assert find_comparison(Report("orders", "x"), BEFORE) is None


# In words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ("1234.00", "1098.75", "up 12.3 % from 1,098.75"),
        ("1098.75", "1234", "down 11.0 % from 1,234.00"),
        ("100", "100.00", "unchanged"),
        ("0", "0.00", "unchanged"),
        ("5", "0", "up from 0.00"),
        ("-5", "0", "down from 0.00"),
        ("0", "20", "down 100.0 % from 20.00"),
        # The sign makes a percentage nonsense: the two amounts alone.
        ("-5", "20", "down from 20.00"),
        ("20", "-5", "up from -5.00"),
        ("-20", "-5", "down from -5.00"),
        # Half up, and no more than a tenth.
        ("1000.5", "1000", "up 0.1 % from 1,000.00"),
        ("999.5", "1000", "down 0.1 % from 1,000.00"),
        ("1000.49", "1000", "up less than 0.1 % from 1,000.00"),
        ("1012.5", "1000", "up 1.3 % from 1,000.00"),
        ("3", "1", "up 200.0 % from 1.00"),
        ("1000000", "0.01", "up 9,999,999,900.0 % from 0.01"),
        (
            "12345678901234567890123456789012345.67",
            "12345678901234567890123456789012345.66",
            "up less than 0.1 % from ",
        ),
    ],
)
def test_a_change_is_said_plainly(now: str, before: str, said: str) -> None:
    made = change(now, before, lambda text: money(text, "EUR"))
    assert made == said or (said.endswith("from ") and made == f"{said}{money(before, 'EUR')}")


@settings(max_examples=300, deadline=None)
@given(now=st.decimals(0, 10**40, places=2), before=st.decimals("0.01", 10**40, places=2))
def test_a_percentage_is_exact_to_the_tenth(now: object, before: object) -> None:
    """Compared with whole fractions: no binary float, and no digit lost however long the amounts."""
    new, old = Fraction(str(now)), Fraction(str(before))
    tenths = (abs(new - old) * 1000 / old * 2 + 1) // 2
    made = change(str(now), str(before))
    if new == old:
        assert made == "unchanged"
    elif tenths == 0:
        assert made.split(" % ")[0].split(" ", 1)[1] == "less than 0.1"
    else:
        assert made.split()[0] == ("up" if new > old else "down")
        assert made.split()[1].replace(",", "") == f"{tenths // 10}.{tenths % 10}"


def test_each_total_has_its_change_and_what_is_not_compared_has_none() -> None:
    about = replace(ABOUT, row_count=5, compared=COMPARED)
    assert change_of(about, NET) == "up 20.2 % from 7,000.00"
    assert change_of_rows(about) == "up 25.0 % from 4"
    assert compared_span(about) == "9 to 15 Nov 2026"
    assert in_brackets(change_of(about, NET), about) == "(up 20.2 % from 7,000.00, 9 to 15 Nov 2026)"
    assert change_of(about, Column("gross", "Gross", ColumnKind.MONEY, True)) == ""
    assert (change_of(ABOUT, NET), change_of_rows(ABOUT), compared_span(ABOUT)) == ("", "", "")
    assert in_brackets("", ABOUT) == ""
    yen = Column("net", "Net sales", ColumnKind.MONEY, True, "JPY")
    assert amount_with_unit(yen, "7000") == "7,000 JPY"
    assert amount_with_unit(Column("units", "Units", ColumnKind.INTEGER, True), "7000") == "7,000"


# On disk ------------------------------------------------------------------------------------------------------------


def test_what_is_compared_comes_back_from_the_spool_and_an_older_header_is_read(tmp_path: Path) -> None:
    about = replace(ABOUT, compared=COMPARED)
    (tmp_path / HEADER).write_text(header_to_json(Table(COLUMNS, (), about)), encoding="utf-8")
    assert open_table(tmp_path).about == about
    data = json.loads((tmp_path / HEADER).read_text(encoding="utf-8"))
    del data["about"]["compared"]
    (tmp_path / HEADER).write_text(json.dumps(data), encoding="utf-8")
    assert open_table(tmp_path).about == ABOUT


def test_rows_are_counted_and_summed_as_they_pass() -> None:
    tally = Tally((Column("name", "Name"), NET))
    passing = tally.passing(iter([["a", "0.10"], ["b", None], ["c", "0.20"]]))
    assert (next(passing), tally.row_count, tally.totals) == (["a", "0.10"], 1, {"net": "0.10"})
    assert ([row[0] for row in passing], tally.row_count, tally.totals) == (["b", "c"], 3, {"net": "0.30"})


def test_a_sum_keeps_every_cent_however_long_it_is() -> None:
    """28 digits, the usual context of decimals, would round each of these sums."""
    tally = Tally((NET,))
    cells = ["9999999999999999999999999999.99", "0.02", "-9999999999999999999999999999.98", "1e-30"]
    seen = [tally.totals["net"] for _ in tally.passing([[cell] for cell in cells])]
    long = "10000000000000000000000000000.01"
    assert seen == ["9999999999999999999999999999.99", long, "0.03", "0.030000000000000000000000000001"]
