"""The plan for one due schedule: catch-up, pauses, jitter, order, new zone data."""

import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_daemon.model import CatchUp, Overlap, Pause, Recurrence, Report, RuleKind, Schedule
from scheduler_daemon.when import timetable
from scheduler_daemon.when.timetable import BEHIND, MOST_AT_ONCE, is_stale, mark_of, plan

HOURLY = Recurrence(RuleKind.HOURLY)
DAILY = Recurrence(RuleKind.DAILY, time="08:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(cursor: str, **changes: object) -> Schedule:
    fields: dict[str, Any] = {
        "recurrence": DAILY,
        "zone": "Europe/Paris",
        "recipients": (),
        "next_due_at": at(cursor),
        **changes,
    }
    report = fields.pop("report", Report("orders", "S"))
    return Schedule("s", "a.myshopify.com", "S", report, **fields)


NOON = at("2026-11-23T12:00")


@pytest.mark.parametrize("policy", list(CatchUp))
def test_what_is_older_than_the_window_is_misfired_whatever_the_policy(policy: CatchUp) -> None:
    made = plan(schedule("2026-11-18T07:00", catch_up=policy, catch_up_window=50 * 3600.0), NOON)
    reasons = {item.key[8:10]: reason for item, reason in made.skipped}
    assert {day: reasons[day] for day in ("18", "19", "20", "21")} == dict.fromkeys(
        ("18", "19", "20", "21"), "misfired"
    )
    runs = [item.key[8:10] for item in made.to_run]
    assert (runs, reasons.get("22")) == {
        CatchUp.ALL: (["22", "23"], None),
        CatchUp.LATEST: (["23"], "coalesced"),
        CatchUp.NONE: ([], "misfired"),
    }[policy]


def test_what_is_caught_up_waits_behind_what_is_on_time() -> None:
    late = plan(schedule("2026-11-22T07:00", catch_up=CatchUp.ALL), NOON)
    assert [item.behind for item in late.to_run] == [BEHIND, BEHIND]
    assert [item.behind for item in plan(schedule("2026-11-23T07:00"), at("2026-11-23T07:00:03")).to_run] == [0]
    incremental = replace(schedule("2026-11-22T07:00"), report=Report("orders", "S", period="since_last_success"))
    assert [item.behind for item in plan(incremental, NOON).to_run] == [0]


def test_a_pause_of_everything_skips_what_came_due_in_it_and_nothing_else() -> None:
    over = Pause(at("2026-11-20T12:00"), at("2026-11-22T12:00"))
    made = plan(schedule("2026-11-20T07:00", catch_up=CatchUp.ALL), NOON, pauses=(over,))
    assert [item.key[8:10] for item in made.to_run] == ["20", "23"]
    assert [(item.key[8:10], reason) for item, reason in made.skipped] == [("21", "paused"), ("22", "paused")]
    still = Pause(at("2026-11-23T11:00"))
    made = plan(schedule("2026-11-22T07:00", catch_up=CatchUp.ALL), NOON, pauses=(still,))
    assert (made.to_run, {reason for _, reason in made.skipped}) == ((), {"paused"})


@settings(max_examples=100, deadline=None)
@given(jitter=st.floats(0.5, 86400), every=st.integers(1, 300), name=st.text(max_size=8), late=st.integers(0, 100))
def test_jitter_is_always_the_same_and_never_reaches_the_next_moment(
    jitter: float, every: int, name: str, late: int
) -> None:
    rule = Recurrence(RuleKind.MINUTES, every=every)
    cursor = timetable.first_after(rule, UTC, NOON)
    assert cursor is not None
    one = replace(schedule("2026-11-23T07:00"), id=name, recurrence=rule, zone="UTC", jitter=jitter)
    one = replace(one, next_due_at=cursor.due_at, catch_up=CatchUp.ALL)
    made = plan(one, cursor.due_at + timedelta(minutes=late))
    assert plan(one, cursor.due_at + timedelta(minutes=late)) == made
    for item in made.to_run:
        assert item.not_before is not None
        wait = item.not_before - item.due_at
        assert (
            timedelta(0) <= wait < min(timedelta(seconds=jitter), timedelta(minutes=every)) + timedelta(milliseconds=1)
        )
        assert wait < timedelta(minutes=every)


def test_jitter_spreads_a_crowd_evenly() -> None:
    waits = []
    for number in range(2000):
        (item,) = plan(
            replace(schedule("2026-11-23T07:00", jitter=600.0), id=f"s{number}"), at("2026-11-23T07:00")
        ).to_run
        assert item.not_before is not None
        waits.append((item.not_before - item.due_at).total_seconds())
    tenths = [sum(60 * tenth <= wait < 60 * (tenth + 1) for wait in waits) for tenth in range(10)]
    assert min(tenths) > 140
    assert max(tenths) < 260


def test_a_moment_that_the_app_wrote_has_no_jitter() -> None:
    (item,) = plan(schedule("2026-11-23T09:17", jitter=600.0), at("2026-11-23T09:18")).to_run
    assert item.not_before is None


@pytest.mark.parametrize("policy", list(CatchUp))
def test_a_long_outage_is_planned_in_batches_and_nothing_is_lost(policy: CatchUp) -> None:
    one = schedule("2026-09-01T00:00", recurrence=HOURLY, catch_up=policy)
    keys: set[str] = set()
    ran: set[str] = set()
    rounds = 0
    now = at("2026-11-23T12:00:05")
    while one.next_due_at is not None and one.next_due_at <= now:
        made = plan(one, now)
        assert len(made.to_run) + len(made.skipped) <= MOST_AT_ONCE + 1
        # What is on time is planned in the first round already; later ones meet it again, as the ledger would.
        assert "2026-11-23T12:00Z" in [item.key for item in made.to_run]
        keys |= {item.key for item in made.to_run} | {item.key for item, _ in made.skipped}
        ran |= {item.key for item in made.to_run}
        one, rounds = replace(one, next_due_at=made.next_due_at), rounds + 1
    hours = int((NOON - at("2026-09-01T00:00")) / timedelta(hours=1)) + 1
    assert (len(keys), len(ran)) == (hours, hours if policy is CatchUp.ALL else 1)
    assert rounds == -(-hours // MOST_AT_ONCE)


def test_of_a_backlog_the_latest_runs_at_once_although_it_is_late() -> None:
    one = schedule("2026-01-01T07:00", recurrence=Recurrence(RuleKind.DAILY, time="08:00", also=("08:05",)))
    first = plan(replace(one, next_due_at=at("2026-01-01T07:00")), at("2026-11-23T20:00"))
    assert [item.key for item in first.to_run] == ["2026-11-23T08:05"]
    assert first.next_due_at == at("2026-05-31T06:00")


@pytest.mark.parametrize("needs", [{"period": "since_last_success"}, {"condition": {"above": {"total": "1"}}}])
def test_a_report_that_needs_the_run_before_catches_up_in_order(needs: Any) -> None:
    one = schedule("2026-09-01T00:00", recurrence=HOURLY, catch_up=CatchUp.ALL, report=Report("orders", "S", **needs))
    made = plan(one, NOON)
    due = [item.due_at for item in made.to_run]
    assert (len(due), due, {item.behind for item in made.to_run}) == (MOST_AT_ONCE, sorted(due), {0})
    assert due[-1] < NOON - timedelta(days=30)


def test_a_report_that_skips_overlaps_catches_up_one_run() -> None:
    made = plan(schedule("2026-11-18T07:00", catch_up=CatchUp.ALL, overlap=Overlap.SKIP), NOON)
    assert [item.key for item in made.to_run] == ["2026-11-23T08:00"]
    assert {reason for _, reason in made.skipped} == {"coalesced"}
    waits = plan(schedule("2026-11-18T07:00", catch_up=CatchUp.ALL, overlap=Overlap.SKIP), NOON, unfinished=True)
    assert (waits.to_run, {reason for _, reason in waits.skipped}) == ((), {"overlapped"})


def test_wall_times_of_one_gap_that_fill_a_batch_are_all_planned() -> None:
    rule = Recurrence(RuleKind.CRON, cron="* 2 * * *")  # sixty wall times that the spring night leaves out
    one = schedule("2026-03-08T07:00", recurrence=rule, zone="America/New_York", catch_up=CatchUp.ALL)
    made = plan(one, at("2026-03-08T07:00"))
    assert len(made.to_run) == 60
    assert {item.due_at for item in made.to_run} == {at("2026-03-08T07:00")}


# New zone data ------------------------------------------------------------------------------------------------------


def cursor_of(zone: tzinfo) -> Schedule:
    """Return a daily schedule whose cursor was computed with *zone* as its data was."""
    upcoming = timetable.first_after(DAILY, zone, NOON)
    assert upcoming is not None
    mark = mark_of(DAILY, "Europe/Paris", upcoming)
    return replace(schedule("2026-11-23T07:00"), next_due_at=upcoming.due_at, rule_hash=mark)


@pytest.mark.parametrize(
    ("was", "keeps_its_moment"), [("Europe/Paris", True), ("Europe/Athens", False), ("Etc/GMT", False)]
)
def test_new_zone_data_moves_the_next_moment_and_nothing_fires(was: str, keeps_its_moment: bool) -> None:
    one = cursor_of(zoneinfo.ZoneInfo(was))
    assert is_stale(one, None) is not keeps_its_moment
    if keeps_its_moment:
        return
    made = plan(one, NOON)
    assert (made.to_run, made.skipped, made.next_due_at) == ((), (), at("2026-11-24T07:00"))
    assert not is_stale(replace(one, next_due_at=made.next_due_at, rule_hash=made.rule_hash), None)


def test_a_moment_that_new_zone_data_moved_into_the_past_runs_under_its_own_key() -> None:
    one = cursor_of(zoneinfo.ZoneInfo("Etc/GMT"))  # due 08:00 UTC by the old data, 07:00 by the new
    made = plan(one, at("2026-11-24T07:30"))
    assert [item.key for item in made.to_run] == ["2026-11-24T08:00"]
    assert made.next_due_at == at("2026-11-25T07:00")


def test_a_mark_of_an_older_version_is_still_read() -> None:
    one = cursor_of(zoneinfo.ZoneInfo("Europe/Paris"))
    assert one.rule_hash is not None
    old = replace(one, rule_hash=one.rule_hash.rsplit(":", 2)[0])
    assert old.rule_hash is not None
    assert old.rule_hash.count(":") == 1
    assert not is_stale(old, None)
    assert is_stale(replace(old, recurrence=HOURLY), None)
