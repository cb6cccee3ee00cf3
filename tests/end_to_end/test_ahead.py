"""The moments ahead and the pause of everything, at the command line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_daemon.cli import next_calendar
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import CatchUp, Recurrence, Report, RuleKind, RunStatus
from scheduler_daemon.tick import Planner
from scheduler_daemon.when.spoken import read_words
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, now, set_cursor

__all__ = ["bare", "desk", "shop"]


def ask(desk: Desk, *lines: dict[str, Any] | str, code: int = 0) -> list[dict[str, Any]]:
    """Return the answers of `reports next --json -`, which ends with the exit status *code*."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    done = desk.type("reports", "next", "--json", "-", stdin=text)
    assert done.code == code, done
    return [json.loads(line) for line in done.out.splitlines()]


def test_rules_on_standard_input_are_answered_line_by_line(desk: Desk) -> None:
    at = {"zone": "America/New_York", "from": "2026-03-07T12:00:00Z", "count": 2}
    answers = ask(
        desk,
        {"id": 7, "cron": "30 2 * * *", **at},
        {"every": "daily at 2:30", **at},
        {"frequency": "DAILY", "time": "02:30", **at},
        {"rule": {"kind": "daily", "time": "02:30"}, **at},
    )
    wanted = [("2026-03-08T02:30", "2026-03-08T07:00:00.000Z"), ("2026-03-09T02:30", "2026-03-09T06:30:00.000Z")]
    assert all([(item["key"], item["due_at"]) for item in answer["next"]] == wanted for answer in answers)
    assert [answer.get("id") for answer in answers] == [7, None, None, None]
    assert answers[0]["next"][0]["local"] == "2026-03-08T03:00:00-04:00"


@pytest.mark.parametrize(
    ("line", "code", "what"),
    [
        ("x", "usage", "is not JSON"),
        ("[]", "usage", "no JSON object"),
        ({"cron": "* * *"}, "bad_recurrence", "has 3 fields"),
        ({"cron": "0 9 31 2 *"}, "bad_recurrence", "never comes due"),
        ({"every": "monday 8 15", "zone": "Mars/Base"}, "bad_recurrence", "is not understood"),
        ({"every": "monday 8:00", "zone": "Mars/Base"}, "unknown_zone", "no time zone"),
        ({"every": "monday 8:00", "from": "soon"}, "usage", "no moment"),
        ({"every": "monday 8:00", "count": 0}, "usage", "count 0"),
        ({"every": "monday 8:00", "cron": "* * * * *"}, "usage", "needs one of"),
        ({"zone": "UTC"}, "usage", "needs one of"),
        ({"frequency": "CUSTOM"}, "bad_recurrence", "needs a rule"),
        ({"frequency": "WEEKLY", "dayOfWeek": "x"}, "bad_recurrence", "no whole number"),
        ({"rule": {"kind": "minutes", "every": 0}}, "bad_recurrence", "never comes due"),
        ({"rule": {"kind": "monthly", "day": 1, "month_days": [1, 15]}}, "bad_recurrence", "either a day or"),
        ({"rule": {"kind": "monthly", "on": "last day", "month_days": [1, 15]}}, "bad_recurrence", "no month_days"),
        ({"rule": {"kind": "daily", "month_days": [1, 15]}}, "bad_recurrence", "no month_days"),
        ({"rule": {"kind": "monthly", "month_days": [1, 32]}}, "bad_recurrence", "32 is no day"),
        ({"evry": "monday 8:00"}, "usage", "'evry' is not understood"),
        ({"every": "daily 8:00", "zone": "America/New_York", "from": "0001-01-01T00:00:00Z"}, "usage", "years go from"),
        ({"every": "every 5 minutes", "from": "9999-12-31T23:50:00Z"}, "usage", "years go from"),
        ({"every": "daily 8:00", "from": 0}, "usage", "0 is no moment"),
        ({"rule": {"kind": "once", "at": "9999-12-31T23:59"}, "zone": "America/New_York"}, "bad_recurrence", "9999"),
        ({"rule": {"kind": "minutes", "every": 5, "end": "0001-01-01"}}, "bad_recurrence", "The year 1 is too far"),
        ({"every": "once 2027-02-31 08:00"}, "bad_recurrence", "no 31 February 2027; it ends on the 28th"),
        ({"every": "monday 8:00", "zone": "Europe/Pariss"}, "unknown_zone", "Did you mean 'Europe/Paris'?"),
    ],
)
def test_a_line_that_cannot_be_answered_says_why_and_the_others_go_on(
    line: Any, code: str, what: str, desk: Desk
) -> None:
    good = {"cron": "0 9 * * 1", "from": "2026-11-23T00:00:00Z", "count": 1}
    first, second = ask(desk, line, good, code=1)
    assert (first["error"]["code"], what in first["error"]["message"]) == (code, True), first
    assert second["next"][0]["key"] == "2026-11-23T09:00"


def test_the_years_of_a_calendar_end_without_a_defect(desk: Desk) -> None:
    last = {"from": "9998-12-30T00:00:00Z", "count": 10_000}
    answers = ask(
        desk,
        {"rule": {"kind": "daily", "every": 366}, "count": 10_000},
        {"every": "every 5 minutes", "zone": "Pacific/Kiritimati", **last},
        {"every": "hourly :15", **last},
        {"cron": "0 9 * * *", "zone": "America/New_York", **last},
    )
    assert all("error" not in answer for answer in answers)
    assert [len(answer["next"]) > 0 for answer in answers] == [True] * 4


def test_several_days_of_a_month_that_clamp_to_one_day_come_due_once(desk: Desk) -> None:
    rule = {"kind": "monthly", "month_days": [31, 15, 30], "time": "08:00"}
    (answer,) = ask(desk, {"rule": rule, "from": "2026-02-01T00:00:00Z", "count": 5})
    assert [item["key"][5:10] for item in answer["next"]] == ["02-15", "02-28", "03-15", "03-30", "03-31"]


def test_the_next_moments_of_a_report_say_each_clock_change(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", recurrence=read_words("monday 8:00"), zone="Europe/Paris")
    done = desk.type("reports", "next", "weekly-sales", "-n", "60")
    assert done.out.splitlines()[0] == "Every Monday at 08:00, Europe/Paris"
    told = [line for line in done.out.splitlines() if line.startswith("-- ")]
    assert 2 <= len(told) <= 3
    assert any("the clocks go forward by 1 h, to 03:00 CEST (UTC+0200)" in line for line in told)
    data = desk.type("reports", "next", "weekly-sales", "-n", "60", "--json")
    assert sum(len(item["clock_changes"]) for item in data.data) == len(told)
    assert data.json["rule"] == "Every Monday at 08:00"


def test_the_calendar_of_the_coming_day_shows_the_crowd(desk: Desk) -> None:
    soon = now() + timedelta(hours=2)
    clock = f"{soon:%H:%M}"
    with desk.store() as store:
        for number in range(12):
            make_schedule(store, name=f"R{number}", recurrence=Recurrence(RuleKind.DAILY, time=clock), zone="UTC")
        paused = make_schedule(store, name="Resting", recurrence=Recurrence(RuleKind.DAILY, time=clock), zone="UTC")
        store.schedules.pause(paused.id, "x", now())
    done = desk.type("reports", "next", "--all", "--zone", "UTC")
    assert f"most at {clock}: 12" in done.out
    assert "12 runs in the coming day; left out (off, paused or unreadable): 1 schedule" in done.out
    data = desk.type("reports", "next", "--all", "--json")
    assert (len(data.data), {item["shop"] for item in data.data}) == (12, {SHOP})
    assert sum(hour["runs"] for hour in data.json["hours"]) == 12
    assert max(hour["busiest"]["runs"] for hour in data.json["hours"] if hour["busiest"]) == 12


def test_what_comes_due_all_the_time_does_not_hide_the_crowd(desk: Desk) -> None:
    soon = now() + timedelta(hours=2)
    soon += timedelta(minutes=soon.minute % 5 == 0)  # none of the five-minutely runs falls into its minute
    clock = f"{soon:%H:%M}"
    rules = [Recurrence(RuleKind.MINUTES, every=5), Recurrence(RuleKind.HOURLY, minute=soon.minute)]
    with desk.store() as store:
        for number in range(12):
            make_schedule(store, name=f"R{number}", recurrence=Recurrence(RuleKind.DAILY, time=clock), zone="UTC")
        for number, rule in enumerate(rules):
            make_schedule(store, name=f"Dense{number}", recurrence=rule, zone="UTC")
    lines = desk.type("reports", "next", "--all", "--zone", "UTC").out.splitlines()
    hours = [line for line in lines if "frequent" in line]
    (crowd,) = [line for line in hours if "#" in line]
    assert f"      12  {'#' * 40}  most at {clock}: 13  + 13 frequent" in crowd
    assert len(hours) >= 24
    rows = [line for line in lines if "rs_" in line]
    assert len(rows) == 14
    assert rows[-2].startswith("12 times an hour")
    assert rows[-1].startswith("once an hour")
    assert "324 runs in the coming day" in lines
    assert len(desk.type("reports", "next", "--all", "--json").data) == 324


def test_the_calendar_fits_a_narrow_terminal_and_says_that_everything_is_paused(desk: Desk) -> None:
    clock = f"{now() + timedelta(hours=2):%H:%M}"
    with desk.store() as store:
        for number in range(12):
            name = f"Sales of everything that is red, number {number}"
            make_schedule(store, name=name, recurrence=Recurrence(RuleKind.DAILY, time=clock), zone="UTC")
    desk.type("pause", "--until", "36h", "--note", "moving")
    with desk.monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.setattr(next_calendar, "is_terminal", lambda: True)
        narrow = desk.type("reports", "next", "--all", "--zone", "UTC").out
    assert "Sales of everything that is red, number 3" in desk.type("reports", "next", "--all").out
    lines = narrow.splitlines()
    assert max(len(line) for line in lines if not line.startswith("All reports are paused")) <= 80
    assert sum("  Sales of e" in line for line in lines) == 12
    assert "All reports are paused until" in narrow
    assert desk.type("reports", "next", "--all", "--json").json["paused"]["note"] == "moving"


def test_doctor_proposes_jitter_for_a_crowd(desk: Desk) -> None:
    desk.set(daemon__workers="1")
    clock = f"{now() + timedelta(hours=2):%H:%M}"
    with desk.store() as store:
        made = [
            make_schedule(store, name=f"R{n}", recurrence=Recurrence(RuleKind.DAILY, time=clock), zone="UTC")
            for n in range(11)
        ]
    found = [item for item in desk.type("doctor", "--no-network", "--json").data if item["check"] == "crowd"]
    assert [(item["level"], "11 reports fall into" in item["message"]) for item in found] == [("warning", True)]
    assert "--jitter" in found[0]["hint"]
    for one in made:
        assert desk.type("reports", "edit", one.id, "--jitter", "20m").code == 0
    assert not [item for item in desk.type("doctor", "--no-network", "--json").data if item["check"] == "crowd"]


def test_policies_are_set_shown_and_taken_back(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    words = ("--catch-up-window", "12h", "--jitter", "10m", "--period", "last_week")
    assert desk.type("reports", "edit", "weekly-sales", *words).code == 0
    weeks = "last_week, weeks begin on {}".format
    assert weeks("Monday") in desk.type("reports", "show", "weekly-sales").out
    (desk.root / "scheduler.toml").write_text(f'[reports.week_start_of]\n"{SHOP}" = "saturday"\n')
    assert weeks("Saturday") in desk.type("reports", "show", "weekly-sales").out
    assert desk.type("reports", "edit", "weekly-sales", "--week-start", "Sunday").code == 0
    assert weeks("Sunday") in desk.type("reports", "show", "weekly-sales").out
    assert (
        "catch-up latest up to 12 h back, overlap queue, priority 100, jitter 10 min"
        in desk.type("reports", "show", "weekly-sales").out
    )
    with desk.store() as store:
        seen = store.schedules.find("Weekly Sales").schedule
        assert seen is not None
        assert (seen.catch_up_window, seen.jitter, seen.report.week_start) == (43200.0, 600.0, "sunday")
    assert desk.type("reports", "edit", "weekly-sales", "--jitter", "0s").code == 0
    shown = desk.type("reports", "show", "weekly-sales", "--json").data
    assert (shown["jitter"], shown["rule"]) == (0.0, {"kind": "daily", "time": "08:00"})


# A pause of everything ----------------------------------------------------------------------------------------------


@THREE
def test_a_pause_of_everything_is_said_everywhere_and_skips_what_comes_due(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Weekly Sales", next_due_at=now() + timedelta(hours=1))
        other = make_schedule(store, name="Resting")
        store.schedules.pause(other.id, "by hand", now())
    done = desk.type("pause", "--until", "2h", "--note", "moving house")
    assert done.out.startswith("All reports are paused until ")
    assert "(moving house), in 2 h" in done.out
    due = now() - timedelta(seconds=1)
    with desk.store() as store:
        seen = store.schedules.find(made.id).schedule
        assert seen is not None
        set_cursor(store, due)
    assert "check-once would skip them" in desk.type("check-once", "--dry-run").out
    checked = desk.type("check-once")
    assert (checked.code, "All reports are paused until" in checked.out) == (0, True)
    with desk.store() as store:
        assert {(run.name, run.status, run.reason) for run in store.history.latest()} == {
            ("Weekly Sales", RunStatus.SKIPPED, "paused"),
            ("Resting", RunStatus.SKIPPED, "paused"),
        }
    said = {item["code"]: item for item in desk.type("reports", "why", "weekly-sales", "--json").data}
    assert "all reports are paused since" in said["all_paused"]["text"]
    state = desk.type("status", "--json").json
    assert (state["paused"]["note"], state["status"]) == ("moving house", "WARNING")
    assert {problem["code"] for problem in state["problems"]} >= {"paused"}
    assert desk.type("resume").out.startswith("Resumed")
    assert desk.type("resume").out == "Was not paused.\n"
    with desk.store() as store:
        resting = store.schedules.find(other.id).schedule
        assert resting is not None
        assert resting.paused_at is not None


@THREE
def test_what_is_queued_waits_for_the_end_of_the_pause(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Weekly Sales")
        store.queueing.queue_by_hand(made, "manual:x", now())
    desk.type("pause", "--until", f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d %H:%M}", "--zone", "Asia/Tokyo")
    desk.type("check-once")
    with desk.store() as store:
        assert {run.status for run in store.history.latest() if run.occurrence_key == "manual:x"} == {RunStatus.QUEUED}
    desk.type("resume")
    desk.type("check-once")
    with desk.store() as store:
        (run,) = [run for run in store.history.latest() if run.occurrence_key == "manual:x"]
        assert run.status is RunStatus.SUCCEEDED, run


@THREE
def test_resuming_a_report_writes_down_what_came_due_while_no_daemon_looked(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(
            store, name="Weekly Sales", recurrence=Recurrence(RuleKind.HOURLY), next_due_at=last_hour(3), zone="UTC"
        )
        store.schedules.pause(made.id, "x", now())
    assert desk.type("reports", "resume", "weekly-sales").code == 0
    with desk.store() as store:
        assert [run.reason for run in store.history.latest()] == ["paused"] * 4
        cursor = store.schedules.find(made.id).due_at
        assert cursor is not None
        assert cursor > now()


def test_resuming_a_shop_writes_down_what_came_due_while_no_daemon_looked(desk: Desk) -> None:
    with desk.store() as store:
        rule = Recurrence(RuleKind.HOURLY)
        make_schedule(store, recurrence=rule, next_due_at=last_hour(3), zone="UTC", catch_up=CatchUp.ALL)
        store.shops.pause(SHOP, "x", now())
    assert desk.type("shops", "resume", SHOP).out == f"Resumed {SHOP}\n"
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        assert [run.reason for run in store.history.latest()] == ["paused"] * 4


def test_a_report_that_was_over_goes_on_with_its_new_rule_but_one_switched_off_stays_off(desk: Desk) -> None:
    with desk.store() as store:
        once = Recurrence(RuleKind.ONCE, at="2020-01-01T09:00")
        over = make_schedule(store, name="Over", recurrence=once, next_due_at=None, active=False)
        off = make_schedule(store, name="Off", next_due_at=None, active=False)
    for name in ("Over", "Off"):
        assert desk.type("reports", "edit", name, "--every", "daily at 17:00").code == 0
    with desk.store() as store:
        found = {made.id: store.schedules.find(made.id).schedule for made in (over, off)}
    assert [schedule is not None and schedule.active for schedule in found.values()] == [True, False]


@THREE
def test_an_edit_writes_down_what_had_come_due_and_runs_none_of_it(desk: Desk) -> None:
    with desk.store() as store:
        rule = Recurrence(RuleKind.HOURLY)
        make_schedule(store, name="Weekly Sales", recurrence=rule, next_due_at=last_hour(3), zone="UTC")
    refused = desk.type("reports", "edit", "weekly-sales", "--every", "every 0 minutes")
    with desk.store() as store:
        assert (refused.code, store.history.latest()) == (2, [])
    done = desk.type("reports", "edit", "weekly-sales", "--every", "every 2 hours")
    assert "Note     4 occurrences that had come due and not begun will not run" in done.out
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        assert [(run.status, run.reason) for run in store.history.latest()] == [(RunStatus.SKIPPED, "misfired")] * 4
        assert {run.due_at for run in store.history.latest()} == {last_hour(back) for back in range(4)}
        cursor = store.schedules.find("Weekly Sales").due_at
        assert cursor is not None
        assert cursor > now()
    assert "will not run" not in desk.type("reports", "edit", "weekly-sales", "--zone", "Asia/Tokyo").out


@THREE
def test_a_wall_time_that_lies_ahead_again_in_another_zone_comes_due_there(desk: Desk) -> None:
    tokyo = now().astimezone(find_zone("Asia/Tokyo")).replace(second=0, microsecond=0) - timedelta(minutes=1)
    with desk.store() as store:
        rule = Recurrence(RuleKind.DAILY, time=f"{tokyo:%H:%M}")
        due_at = tokyo.astimezone(UTC)
        make_schedule(store, name="Weekly Sales", recurrence=rule, zone="Asia/Tokyo", next_due_at=due_at)
    assert desk.type("reports", "edit", "weekly-sales", "--zone", "UTC").code == 0
    with desk.store() as store:
        ahead = tokyo.replace(tzinfo=UTC)
        assert store.schedules.find("Weekly Sales").due_at == ahead
        assert Planner(store, "live").queue_due(ahead).queued == 1
        rows = {(run.occurrence_key, run.status) for run in store.history.latest()}
        assert rows == {
            (f"at:{int(due_at.timestamp()) * 1000}", RunStatus.SKIPPED),
            (f"{tokyo:%Y-%m-%dT%H:%M}", RunStatus.QUEUED),
        }


def ran_in_tokyo(desk: Desk) -> datetime:
    """Store "Weekly Sales", daily, which has just run in Tokyo; return its wall time as an instant of UTC, ahead."""
    tokyo = now().astimezone(find_zone("Asia/Tokyo")).replace(second=0, microsecond=0) - timedelta(minutes=1)
    with desk.store() as store:
        rule, due_at = Recurrence(RuleKind.DAILY, time=f"{tokyo:%H:%M}"), tokyo.astimezone(UTC)
        make_schedule(store, name="Weekly Sales", recurrence=rule, zone="Asia/Tokyo", next_due_at=due_at)
        assert Planner(store, "live").check(now()).queued == 1
    return tokyo.replace(tzinfo=UTC)


def ahead_of(desk: Desk) -> datetime:
    """Return the cursor, after all that say what comes next have been found to name it."""
    with desk.store() as store:
        cursor = store.schedules.find("Weekly Sales").due_at
    assert cursor is not None
    told = desk.type("reports", "next", "weekly-sales", "-n", "1", "--json").data
    assert datetime.fromisoformat(told[0]["due_at"]) == cursor
    day = desk.type("reports", "next", "--all", "--json").data
    assert [datetime.fromisoformat(item["due_at"]) for item in day] == ([cursor] if within_a_day(cursor) else [])
    return cursor


def within_a_day(moment: datetime) -> bool:
    return moment <= now() + timedelta(days=1)


def test_after_an_edit_of_the_zone_what_has_run_is_not_said_to_come_again(desk: Desk) -> None:
    ran = ran_in_tokyo(desk)
    done = desk.type("reports", "edit", "weekly-sales", "--zone", "UTC")
    assert f"next: {ran + timedelta(days=1):%a %d %b %Y %H:%M} UTC" in done.out
    assert ahead_of(desk) == ran + timedelta(days=1)


@THREE
def test_after_the_app_changed_the_zone_the_next_moment_is_one_that_runs(desk: Desk) -> None:
    ran = ran_in_tokyo(desk)
    with desk.store() as store:
        store.engine.write("""UPDATE {app}"ReportSchedule" SET "timezone" = 'UTC'""")
        Planner(store, "live").check(now())
        assert store.schedules.find("Weekly Sales").due_at == ran + timedelta(days=1)
        set_cursor(store, None)
        Planner(store, "live").check(now())
    assert ahead_of(desk) == ran + timedelta(days=1)


def test_an_edit_to_a_one_off_that_has_run_is_refused_with_the_reason(desk: Desk) -> None:
    ran = ran_in_tokyo(desk)
    once = desk.type("reports", "edit", "weekly-sales", "--zone", "UTC", "--every", f"once {ran:%Y-%m-%d %H:%M}")
    assert (once.code, "has its row in the history already" in once.err) == (2, True), once


def test_a_moment_that_the_app_set_is_the_first_that_is_told(desk: Desk) -> None:
    moment = now() + timedelta(hours=1, seconds=17)
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", next_due_at=moment)
    told = desk.type("reports", "next", "weekly-sales", "-n", "2", "--json").data
    assert told[0]["key"] == f"at:{int(moment.timestamp() * 1000)}"
    assert datetime.fromisoformat(told[1]["due_at"]) > moment
    assert desk.type("reports", "next", "--all", "--json").data[0]["key"] == told[0]["key"]


@THREE
def test_what_had_come_due_when_the_app_changed_the_rule_leaves_a_row(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", recurrence=Recurrence(RuleKind.HOURLY), next_due_at=None, zone="UTC")
        Planner(store, "live").check(last_hour(0) - timedelta(minutes=5))
        store.engine.write("UPDATE {ours}scheduler_schedule SET rule = NULL")
        store.engine.write("""UPDATE {app}"ReportSchedule" SET "frequency" = 'DAILY'""")
        assert Planner(store, "live").check(now()).queued == 0
        assert [(run.status, run.reason, run.due_at) for run in store.history.latest()] == [
            (RunStatus.SKIPPED, "misfired", last_hour(0))
        ]


def test_a_check_says_when_more_is_due_than_it_takes_in(desk: Desk) -> None:
    with desk.store() as store:
        rule = Recurrence(RuleKind.MINUTES, every=10)
        make_schedule(store, name="Fresh", recurrence=rule, next_due_at=last_hour(24 * 3), zone="UTC")
    said = "1 report missed more than one check takes in; the next check goes on."
    assert said in desk.type("check-once").out
    assert said not in desk.type("check-once").out


def last_hour(back: int) -> datetime:
    return now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)


@THREE
def test_a_report_since_the_last_success_goes_on_where_it_ended(desk: Desk) -> None:
    first = last_hour(2)
    with desk.store() as store:
        report = Report("orders", "Fresh", "csv", "since_last_success")
        rule = Recurrence(RuleKind.HOURLY)
        fields = {"report": report, "recurrence": rule, "next_due_at": first, "zone": "UTC", "catch_up": CatchUp.ALL}
        made = make_schedule(store, name="Fresh", **fields)
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        runs = sorted(store.history.latest(), key=lambda run: run.due_at)
        assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 3
        assert [(run.period_start, run.period_end) for run in runs] == [
            (first - timedelta(days=1), first),
            (first, first + timedelta(hours=1)),
            (first + timedelta(hours=1), first + timedelta(hours=2)),
        ]
        assert store.schedules.mark(made.id) == first + timedelta(hours=2)
    assert desk.type("reports", "run", "fresh").code == 0
    with desk.store() as store:
        assert store.schedules.mark(made.id) == first + timedelta(hours=2)
