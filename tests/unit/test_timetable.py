"""When: occurrences across clock changes, plans, periods."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_daemon.errors import UsageError
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import CatchUp, Overlap, Recurrence, Report, RuleKind, Schedule
from scheduler_daemon.retry import RetryPolicy, next_attempt_at
from scheduler_daemon.when.period import PERIODS, find_period
from scheduler_daemon.when.recurrence import from_json, rule_hash, sentence, to_json
from scheduler_daemon.when.spoken import read_words
from scheduler_daemon.when.timetable import occurrences, plan

NEW_YORK = find_zone("America/New_York")
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Havana",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def take(rule: Recurrence, zone: str, after: str, count: int) -> list[tuple[str, str]]:
    found = islice(occurrences(rule, find_zone(zone), at(after)), count)
    return [(item.key, f"{item.due_at:%m-%dT%H:%M}") for item in found]


def test_a_repeated_hour_does_not_double_a_daily_report() -> None:
    rule = Recurrence(RuleKind.DAILY, time="01:30")
    assert take(rule, "America/New_York", "2026-11-01T00:00", 2) == [
        ("2026-11-01T01:30", "11-01T05:30"),
        ("2026-11-02T01:30", "11-02T06:30"),
    ]


def test_a_missing_hour_runs_at_the_first_moment_after_the_gap() -> None:
    rule = Recurrence(RuleKind.DAILY, time="02:30")
    assert take(rule, "America/New_York", "2026-03-08T00:00", 2) == [
        ("2026-03-08T02:30", "03-08T07:00"),
        ("2026-03-09T02:30", "03-09T06:30"),
    ]


def test_a_range_of_one_value_is_that_value_whatever_its_step() -> None:
    rule = Recurrence(RuleKind.CRON, cron="30 5-5/2 * * *")
    assert [key for key, _ in take(rule, "Europe/Paris", "2026-06-01T00:00", 2)] == [
        "2026-06-01T05:30",
        "2026-06-02T05:30",
    ]


def test_an_elapsed_rule_runs_in_both_copies_of_a_repeated_hour() -> None:
    rule = Recurrence(RuleKind.CRON, cron="30 * * * *")
    keys = [key for key, _ in take(rule, "America/New_York", "2026-11-01T04:40", 3)]
    assert keys == ["2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-01T07:30Z"]


def test_a_half_hour_change_does_not_lose_an_elapsed_run() -> None:
    rule = Recurrence(RuleKind.CRON, cron="0 * * * *")
    found = take(rule, "Australia/Lord_Howe", "2026-04-04T13:00", 4)
    moments = [at(f"2026-{text}") for _, text in found]
    assert max(b - a for a, b in pairwise(moments)) <= timedelta(minutes=90)


def test_day_31_is_the_last_day_of_a_short_month() -> None:
    rule = Recurrence(RuleKind.MONTHLY, day=31, time="08:00")
    assert [key for key, _ in take(rule, "UTC", "2027-01-30T00:00", 3)] == [
        "2027-01-31T08:00",
        "2027-02-28T08:00",
        "2027-03-31T08:00",
    ]


def test_a_local_day_that_a_zone_left_out_has_no_occurrence() -> None:
    rule = Recurrence(RuleKind.DAILY, time="12:00")
    keys = [key for key, _ in take(rule, "Pacific/Apia", "2011-12-29T00:00", 3)]
    assert keys == ["2011-12-29T12:00", "2011-12-31T12:00", "2012-01-01T12:00"]


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 95).map(lambda n: f"{n // 4:02}:{n % 4 * 15:02}"),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 (made aware below)
)
def test_a_daily_rule_runs_once_per_local_day_in_order(zone: str, minute: str, start: datetime) -> None:
    rule = Recurrence(RuleKind.DAILY, time=minute)
    found = list(islice(occurrences(rule, find_zone(zone), start.replace(tzinfo=UTC)), 400))
    days = [item.key[:10] for item in found]
    assert len(set(days)) == 400
    assert days == sorted(days)
    assert all(a.due_at < b.due_at for a, b in pairwise(found))


def schedule(cursor: str, **changes: object) -> Schedule:
    rule = Recurrence(RuleKind.DAILY, time="08:00")
    fields = {"recurrence": rule, "zone": "Europe/Paris", "recipients": (), "next_due_at": at(cursor), **changes}
    return Schedule("s", "a.myshopify.com", "S", Report("orders", "S"), **fields)  # type: ignore[arg-type]


def test_after_an_outage_the_latest_runs_and_each_other_is_coalesced() -> None:
    made = plan(schedule("2026-11-20T07:00"), at("2026-11-23T12:00"))
    assert [item.key for item in made.to_run] == ["2026-11-23T08:00"]
    assert [(item.key, reason) for item, reason in made.skipped] == [
        (f"2026-11-{day}T08:00", "coalesced") for day in (20, 21, 22)
    ]
    assert made.next_due_at == at("2026-11-24T07:00")


def test_the_other_policies_for_missed_time() -> None:
    late = at("2026-11-23T12:00")
    every = plan(schedule("2026-11-21T07:00", catch_up=CatchUp.ALL), late)
    assert (len(every.to_run), every.skipped) == (3, ())
    none = plan(schedule("2026-11-21T07:00", catch_up=CatchUp.NONE), late)
    assert (none.to_run, {reason for _, reason in none.skipped}) == ((), {"misfired"})
    busy = plan(schedule("2026-11-23T07:00", overlap=Overlap.SKIP), late, unfinished=True)
    assert [reason for _, reason in busy.skipped] == ["overlapped"]
    paused = plan(schedule("2026-11-23T07:00", paused_at=late), late)
    assert [reason for _, reason in paused.skipped] == ["paused"]


def test_a_moment_that_the_rule_does_not_produce_runs_once() -> None:
    made = plan(schedule("2026-11-23T09:17"), at("2026-11-23T09:18"))
    assert [item.key for item in made.to_run] == [f"at:{int(at('2026-11-23T09:17').timestamp() * 1000)}"]
    assert made.next_due_at == at("2026-11-24T07:00")


def test_an_edited_rule_is_planned_from_now_on_and_never_for_the_past() -> None:
    cursor = at("2026-11-23T07:00")
    old = rule_hash(Recurrence(RuleKind.DAILY, time="08:00"), "Europe/Paris")
    stamp = f"{old}:{int(cursor.timestamp() * 1000)}"
    made = plan(
        schedule("2026-11-23T07:00", recurrence=Recurrence(RuleKind.DAILY, time="18:00"), rule_hash=stamp),
        at("2026-11-23T07:01"),
    )
    assert (made.to_run, made.next_due_at) == ((), at("2026-11-23T17:00"))
    assert [(item.due_at, reason) for item, reason in made.skipped] == [(cursor, "misfired")]


def test_a_cursor_that_is_not_set_fires_nothing() -> None:
    made = plan(schedule("2026-11-23T07:00", next_due_at=None), at("2026-11-23T12:00"))
    assert (made.to_run, made.next_due_at) == ((), at("2026-11-24T07:00"))


def test_a_one_off_is_over_when_it_ran() -> None:
    rule = Recurrence(RuleKind.ONCE, at="2026-11-23T08:00")
    made = plan(schedule("2026-11-23T07:00", recurrence=rule), at("2026-11-23T07:00"))
    assert (len(made.to_run), made.over, made.next_due_at) == (1, True, None)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("today", "2026-11-22T23:00", "2026-11-23T09:00"),
        ("yesterday", "2026-11-21T23:00", "2026-11-22T23:00"),
        ("last_7_days", "2026-11-15T23:00", "2026-11-22T23:00"),
        ("last_30_days", "2026-10-23T22:00", "2026-11-22T23:00"),
        ("this_week", "2026-11-22T23:00", "2026-11-23T09:00"),
        ("last_week", "2026-11-15T23:00", "2026-11-22T23:00"),
        ("month_to_date", "2026-10-31T23:00", "2026-11-23T09:00"),
        ("last_month", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("quarter", "2026-06-30T22:00", "2026-09-30T22:00"),
        ("year", "2024-12-31T23:00", "2025-12-31T23:00"),
    ],
)
def test_a_period_is_bounded_by_midnights_of_the_zone(name: str, start: str, end: str) -> None:
    found = find_period(Report("orders", "x", period=name), at("2026-11-23T09:00"), "Europe/Paris")
    assert (found.start, found.end) == (at(start), at(end))


def test_yesterday_has_25_hours_after_the_autumn_change() -> None:
    found = find_period(Report("orders", "x", period="yesterday"), at("2026-10-26T08:00"), "Europe/Paris")
    assert found.end - found.start == timedelta(hours=25)


def test_every_period_is_known_or_refused() -> None:
    custom = Report("orders", "x", period="custom", period_from="2026-11-01", period_to="2026-11-03")
    assert find_period(custom, at("2026-11-23T09:00"), "UTC").end == at("2026-11-04T00:00")
    with pytest.raises(UsageError, match="Did you mean 'last_week'"):
        find_period(Report("orders", "x", period="last_weak"), at("2026-11-23T09:00"), "UTC")
    assert "last_week" in PERIODS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("monday 08:00", "Every Monday at 08:00"),
        ("daily 7:30", "Every day at 07:30"),
        ("every weekday at 8:30", "Every weekday at 08:30"),
        ("mon, wed and fri 09:00", "Every Monday, Wednesday and Friday at 09:00"),
        ("monthly 31 06:00", "Every month on day 31 (or the month's last day) at 06:00"),
        ("hourly :15", "Every hour at :15"),
        ("once 2026-12-24 08:00", "Once, on 2026-12-24 at 08:00"),
        ("*/15 8-18 * * 1-5", "Every 15 minutes from 08:00 to 18:45 on weekdays (cron */15 8-18 * * 1-5)"),
    ],
)
def test_a_recurrence_is_read_as_people_write_it_and_said_back(words: str, said: str) -> None:
    rule = read_words(words)
    assert sentence(rule) == said
    assert from_json(to_json(rule)) == rule


@pytest.mark.parametrize("words", ["", "someday 08:00", "monday 25:00", "* * * *", "monthly 32 08:00", "once soon"])
def test_a_recurrence_that_cannot_be_read_is_refused(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_words(words)
    assert caught.value.code == "bad_recurrence"
    assert "monday 08:00" in caught.value.hint


def test_a_retry_waits_with_jitter_below_its_cap_and_ends() -> None:
    policy = RetryPolicy(attempts=4, base=timedelta(seconds=10), cap=timedelta(seconds=15))
    moment = at("2026-11-23T08:00")
    waits = [next_attempt_at(policy, failed=n, now=moment, chance=0.999, retryable=True) for n in (1, 2, 3, 4)]
    seconds = [None if wait is None else round((wait - moment).total_seconds()) for wait in waits]
    assert seconds == [10, 15, 15, None]
    assert next_attempt_at(policy, failed=1, now=moment, chance=0.5, retryable=False) is None
    for absurd in (1e20, float("inf")):
        cut = next_attempt_at(policy, failed=1, now=moment, chance=0.0, retryable=True, retry_after=absurd)
        assert cut == moment + policy.cap
    asked = next_attempt_at(policy, failed=1, now=moment, chance=0.0, retryable=True, retry_after=7200)
    assert asked == moment + timedelta(seconds=15)
