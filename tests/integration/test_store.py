"""The store on SQLite and on PostgreSQL: the same promises on both."""

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.deliver import new_delivery
from scheduler_daemon.errors import LeaseLost, StoreError
from scheduler_daemon.model import Outcome, Recipient, Recurrence, Report, RuleKind, RunStatus
from scheduler_daemon.priority import Rules
from scheduler_daemon.store import Store, schedules
from scheduler_daemon.tick import Planner
from scheduler_daemon.when import timetable
from tests.conftest import open_test_store
from tests.making import SHOP, make_schedule, make_session, now

DONE = Outcome(RunStatus.SUCCEEDED)


def queue_due(store: Store) -> int:
    """Queue everything due, as a tick does."""
    moment = now()
    due = store.cursors.due(moment)
    plans = [(seen, timetable.plan(seen.schedule, moment, shop_zone=seen.shop_zone)) for seen in due if seen.schedule]
    return store.queueing.queue(plans, moment)


def test_a_database_of_our_own_is_live_and_has_the_apps_tables(store: Store) -> None:
    assert store.own
    assert store.mode == "live"
    assert store.engine.read('SELECT COUNT(*) FROM {app}"ReportHistory"')[0][0] == 0


def test_a_due_schedule_is_queued_once_and_its_cursor_moves(store: Store) -> None:
    made = make_schedule(store)
    assert queue_due(store) == 1
    assert queue_due(store) == 0
    cursor = store.schedules.find(made.id).due_at
    assert cursor is not None
    assert cursor > now()
    (run,) = store.history.latest()
    assert (run.status, run.schedule_id) == (RunStatus.QUEUED, made.id)
    assert run.report == made.report


def test_a_cursor_that_somebody_else_moved_wins(store: Store) -> None:
    made = make_schedule(store)
    moment = now()
    (seen,) = store.cursors.due(moment)
    assert seen.schedule is not None
    plan = timetable.plan(seen.schedule, moment)
    store.schedules.edit(replace(seen.schedule, next_due_at=moment + timedelta(hours=1)), moment)
    assert store.queueing.queue([(seen, plan)], moment) == 0
    assert store.history.latest() == []
    assert store.schedules.find(made.id).due_at == moment + timedelta(hours=1)


def test_two_daemons_that_plan_the_same_occurrence_make_one_run(store: Store) -> None:
    make_schedule(store)
    moment = now()
    (seen,) = store.cursors.due(moment)
    assert seen.schedule is not None
    plan = timetable.plan(seen.schedule, moment)
    assert store.queueing.queue([(seen, plan)], moment) == 1
    assert store.queueing.queue([(seen, plan)], moment) == 0
    assert len(store.history.latest()) == 1


def test_a_shop_is_claimed_by_one_holder_only(store: Store, database_url: str) -> None:
    make_schedule(store)
    queue_due(store)
    with open_test_store(database_url) as other:
        (lease,) = store.leases.claim(8)
        assert other.leases.claim(8) == []
        assert other.leases.held_elsewhere() == {SHOP: store.holder}
        assert store.leases.release(lease)
        assert len(other.leases.claim(8)) == 1


def test_a_run_goes_from_queued_to_succeeded_with_its_attempt(store: Store) -> None:
    make_schedule(store)
    make_schedule(store, name="Second")
    queue_due(store)
    (lease,) = store.leases.claim(8)
    _, first = store.corridor.enter(lease, ())
    assert first is not None
    second = store.corridor.finish(lease, first, DONE, go_on=True)
    assert second is not None
    assert second.id != first.id
    assert store.corridor.finish(lease, second, DONE, go_on=True) is None
    assert store.corridor.leave(lease, [first.schedule_id])
    assert {run.status for run in store.history.latest()} == {RunStatus.SUCCEEDED}
    (attempt,) = store.history.attempts(first.id)
    assert (attempt.number, attempt.status, attempt.holder) == (1, "succeeded", store.holder)
    seen = store.schedules.find(first.schedule_id).schedule
    assert seen is not None
    assert seen.last_run_at is not None
    rows = store.engine.read('SELECT "status" FROM {app}"ReportHistory"')
    assert {row[0] for row in rows} == {"SUCCESS"}


def test_a_thread_gives_its_shop_back_and_takes_the_one_that_waits_longest_in_one_commit(store: Store) -> None:
    for minutes, shop in enumerate(("second.myshopify.com", "first.myshopify.com", SHOP)):
        make_schedule(store, shop=shop, next_due_at=now() - timedelta(minutes=minutes + 1))
        queue_due(store)
    (lease,) = store.leases.claim(1, SHOP)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    store.corridor.finish(lease, run, DONE, go_on=True)
    entry = store.corridor.pass_on(lease, [run.schedule_id], {"first.myshopify.com"}, ())
    assert entry is not None, "the shop that is busy here is not asked for"
    assert (entry.lease.shop, entry.adopted) == ("second.myshopify.com", ())
    assert entry.run is not None
    assert entry.run.status is RunStatus.RUNNING
    assert store.leases.holds(entry.lease, store.engine.execute())
    assert not store.leases.holds(lease, store.engine.execute())
    store.corridor.finish(entry.lease, entry.run, DONE, go_on=True)
    (other,) = store.leases.claim(8)
    assert other.shop == "first.myshopify.com"
    assert store.corridor.pass_on(entry.lease, [entry.run.schedule_id], (), ()) is None
    assert all(store.schedules.find(item.schedule_id).schedule.last_run_at for item in (run, entry.run))


def test_a_waiting_retry_holds_nothing_and_keeps_its_run(store: Store) -> None:
    make_schedule(store)
    queue_due(store)
    (lease,) = store.leases.claim(8)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    later = now() + timedelta(hours=1)
    store.corridor.finish(lease, run, Outcome(RunStatus.QUEUED, not_before=later, error_code="timeout"), go_on=True)
    store.corridor.leave(lease)
    assert store.leases.claim(8) == []
    assert store.leases.next_work_at() == later
    assert store.history.failed_attempts(run.id) == 1


def test_a_stale_holders_result_is_refused_and_the_run_is_made_again(store: Store, database_url: str) -> None:
    make_schedule(store)
    queue_due(store)
    with open_test_store(database_url, lease=0.01) as stale:
        (old,) = stale.leases.claim(8)
        _, run = stale.corridor.enter(old, ())
        assert run is not None
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0")
        (lease,) = store.leases.claim(8)
        assert lease.fence == old.fence + 1
        adopted, again = store.corridor.enter(lease, ("folder",))
        assert adopted == [(run.id, RunStatus.QUEUED)]
        with pytest.raises(LeaseLost):
            stale.corridor.finish(old, run, DONE, go_on=True)
        assert again is not None
        assert (again.id, again.attempt, again.lost_leases) == (run.id, 2, 1)
        store.corridor.finish(lease, again, DONE, go_on=False)
        assert [attempt.status for attempt in store.history.attempts(run.id)] == ["lost", "succeeded"]


def test_a_run_that_kills_its_process_three_times_is_quarantined(store: Store) -> None:
    make_schedule(store)
    queue_due(store)
    for _ in range(3):
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")
        (lease,) = store.leases.claim(8)
        store.corridor.enter(lease, ())
    store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")
    (lease,) = store.leases.claim(8)
    assert store.corridor.enter(lease, ())[0][0][1] is RunStatus.SKIPPED
    (run,) = store.history.latest()
    assert (run.reason, run.error_code) == ("quarantined", "abandoned")


def test_a_beat_extends_what_is_ours_and_names_what_is_lost(store: Store) -> None:
    make_schedule(store)
    queue_due(store)
    (lease,) = store.leases.claim(8)
    assert store.leases.beat([lease])[1] == []
    store.engine.write("UPDATE {ours}scheduler_shop SET fence = fence + 1")
    assert store.leases.beat([lease])[1] == [lease]


def test_a_row_that_cannot_be_read_fails_once_and_the_others_go_on(store: Store) -> None:
    make_schedule(store)
    bad = make_schedule(store, name="Bad")
    store.engine.write('UPDATE {app}"ReportSchedule" SET "recipients" = ? WHERE "id" = ?', ("not json", bad.id))
    seen = {item.name: item for item in store.cursors.due(now())}
    assert seen["Bad"].schedule is None
    assert "not json" in seen["Bad"].problem
    assert store.queueing.refuse(seen["Bad"], now())
    assert not store.queueing.refuse(seen["Bad"], now())
    assert seen["Orders yesterday"].schedule is not None
    (run,) = store.history.latest()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "bad_schedule_row")


def test_a_row_that_could_not_be_refused_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with open_test_store(f"sqlite://{path}") as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        bad = make_schedule(store, name="Bad")
        store.engine.write('UPDATE "ReportSchedule" SET "recipients" = ?', ("not json",))
        store.engine.wait_for_locks(0.1)
        planner = Planner(store, "live")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            planner.queue_due(now())
        other.execute("ROLLBACK")
        assert planner.queue_due(now()).refused == 1
        assert [run.error_code for run in store.history.last_of(bad.id)] == ["bad_schedule_row"]


def test_an_occurrence_missed_by_an_outage_is_coalesced_into_the_latest(store: Store) -> None:
    moment = now()
    rule = Recurrence(RuleKind.HOURLY, minute=0)
    past = (moment - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    make_schedule(store, recurrence=rule, zone="UTC", next_due_at=past)
    assert queue_due(store) == 1
    runs = store.history.latest()
    assert [run.status for run in runs].count(RunStatus.QUEUED) == 1
    assert {run.reason for run in runs if run.status is RunStatus.SKIPPED} == {"coalesced"}
    assert len(runs) >= 3


def test_a_session_is_read_back_and_its_token_does_not_show(store: Store) -> None:
    make_session(store, SHOP, "shpat_secret_0123")
    found = store.sessions.need(SHOP)
    assert found.token.reveal() == "shpat_secret_0123"
    assert "shpat" not in repr(found)


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    with open_test_store(database_url) as made:
        insert = "INSERT INTO {ours}scheduler_migration (name, applied) VALUES ('9999_future', '2030-01-01')"
        made.engine.write(insert)
    with pytest.raises(StoreError) as caught:
        open_test_store(database_url)
    assert caught.value.code == "database_newer"


def test_a_wait_written_by_a_clock_that_was_ahead_is_pulled_back_to_its_cap(store: Store) -> None:
    make_schedule(store)
    queue_due(store)
    (lease,) = store.leases.claim(8)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    ahead = Outcome(RunStatus.QUEUED, not_before=now() + timedelta(hours=2))
    store.corridor.finish(lease, run, ahead, go_on=False)
    store.corridor.leave(lease)
    assert store.mending.shorten_waits(timedelta(hours=3)) == 0
    assert store.mending.shorten_waits(timedelta(minutes=30)) == 1
    (waiting,) = store.history.latest()
    assert waiting.not_before <= now() + timedelta(minutes=30)
    upcoming = store.leases.next_work_at()
    assert upcoming is not None
    assert upcoming <= now() + timedelta(minutes=30)


def breaches(store: Store) -> list[str]:
    found = store.invariants.breaches(timedelta(seconds=60), timedelta(minutes=30), slots_free=True)
    return [code for code, _ in found]


def test_the_invariants_hold_while_work_is_done_and_say_which_is_breached(store: Store) -> None:
    make_schedule(store, recipients=(Recipient("email", "a@acme.example"),))
    queue_due(store)
    assert breaches(store) == []
    (lease,) = store.leases.claim(8)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    delivery = new_delivery(run, run.recipients[0], 1)
    insert = store.engine.tables.delivery.insert
    values: dict[str, object] = {
        "id": delivery.id,
        "run_id": run.id,
        "channel": "email",
        "recipient": "a@acme.example",
        "role": "to",
    }
    values |= {"copy_number": 0, "key": delivery.key, "state": "sending", "attempts": 1}
    store.engine.change(insert({**values, "not_before": 0, "updated_at": 1}))
    assert breaches(store) == ["outbox_stuck"]
    store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 1, next_work_at = 1")
    assert breaches(store) == ["work_unowned", "run_unowned", "outbox_stuck"]
    found = store.invariants.breaches(timedelta(seconds=60), timedelta(minutes=30), slots_free=False)
    assert [code for code, _ in found] == ["run_unowned", "outbox_stuck"]


def test_a_lease_written_by_a_clock_that_was_ahead_does_not_lock_its_shop_for_hours(store: Store) -> None:
    make_schedule(store)
    queue_due(store)
    (lease,) = store.leases.claim(8)
    assert store.mending.shorten_leases(timedelta(seconds=1)) == 0
    store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = {now} + 7200000")
    assert store.mending.shorten_leases(timedelta(milliseconds=1)) == 1
    time.sleep(0.05)
    (again,) = store.leases.claim(8)
    assert again.fence > lease.fence


def test_the_runs_of_a_shop_start_by_priority_then_by_their_moment(store: Store) -> None:
    make_schedule(store, name="Ordinary", next_due_at=now() - timedelta(seconds=5))
    make_schedule(store, name="Ruled", report=Report("sales-by-product", "Ruled"))
    make_schedule(store, name="Own", priority=10)
    Planner(store, "live", Rules({"sales-by-product": 50})).check(now())
    (lease,) = store.leases.claim(1)
    _, run = store.corridor.enter(lease, ())
    order = []
    while run is not None:
        order.append(run.name)
        run = store.corridor.finish(lease, run, Outcome(RunStatus.SUCCEEDED), go_on=True)
    assert order == ["Own", "Ruled", "Ordinary"]


def test_thousands_of_schedules_that_can_have_no_cursor_are_not_looked_at(store: Store) -> None:
    """Rows whose moments the app sets have NULL for ever: a look reads none of them, and remembers none."""
    row, ours = store.engine.tables.report_schedule, store.engine.tables.schedule
    wanted = {make_schedule(store, name=name, next_due_at=None).id for name in ("Daily", "Another")}
    cron = make_schedule(store, name="Cron", recurrence=Recurrence(RuleKind.CRON, cron="0 8 * * 1"), next_due_at=None)
    wanted.add(cron.id)
    (pattern,) = store.engine.fetch_named(row.select().where(row.id == cron.id))
    assert pattern["frequency"] == "CUSTOM"
    words = ("CUSTOM", "custom", " Custom ")
    with store.engine.transaction():
        for start in range(0, 2500, 500):
            numbers = range(start, start + 500)
            made = [pattern | {"id": f"c{n}", "frequency": words[n % 3], "next_run_at": None} for n in numbers]
            store.engine.change(row.insert_many(made))
        # What is ours of them has no rule.
        for number, rule in ((1, None), (2, "")):
            store.engine.change(ours.insert(schedule_id=f"c{number}", options="{}", rule=rule))
    assert {seen.id for seen in store.cursors.without_cursor()} == wanted
    planner = Planner(store, "live")
    assert planner.replanner.set_cursors(now()) == len(wanted)
    assert planner.replanner.set_cursors(now()) == 0
    assert store.cursors.without_cursor() == []
    assert planner.replanner.settled == set()


def test_the_mark_moves_with_a_scheduled_success_only_and_never_back(store: Store) -> None:
    report = replace(make_schedule(store, name="Other").report, period="since_last_success")
    made = make_schedule(store, name="Fresh", report=report, priority=1, options={})
    queue_due(store)
    assert store.schedules.mark(made.id) is None
    (lease,) = store.leases.claim(8)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    assert run.schedule_id == made.id
    assert store.corridor.finish(lease, run, DONE, go_on=False) is None
    assert store.schedules.mark(made.id) == run.due_at
    seen = store.schedules.find(made.id).schedule
    assert seen is not None
    store.queueing.queue_by_hand(seen, "manual:x", now() - timedelta(seconds=1))
    store.corridor.leave(lease)
    (lease,) = store.leases.claim(8)
    _, again = store.corridor.enter(lease, ())
    while again is not None:
        again = store.corridor.finish(lease, again, DONE, go_on=True)
    assert store.schedules.mark(made.id) == run.due_at


def test_a_wait_for_jitter_is_no_retry_and_is_not_shortened(store: Store) -> None:
    made = make_schedule(store, jitter=7200.0)
    moment = now()
    (seen,) = store.cursors.due(moment)
    assert seen.schedule is not None
    later = moment + timedelta(hours=2)
    plan = timetable.plan(seen.schedule, moment)
    plan = replace(plan, to_run=(replace(plan.to_run[0], not_before=later),))
    assert store.queueing.queue([(seen, plan)], moment) == 1
    assert store.mending.shorten_waits(timedelta(minutes=30)) == 0
    assert store.history.counts(moment)["retrying"] == 0
    (run,) = store.history.last_of(made.id)
    assert run.not_before == later
    assert store.leases.next_work_at() == later


def test_pauses_are_remembered_by_the_database(store: Store) -> None:
    moment = now()
    assert store.pauses.current(moment) is None
    begun = store.pauses.begin(moment, moment + timedelta(hours=1), "moving")
    assert store.pauses.current(moment + timedelta(minutes=59)) == begun
    assert store.pauses.current(moment + timedelta(hours=1)) is None
    longer = store.pauses.begin(moment + timedelta(minutes=10), None, "still moving")
    assert (longer.since, longer.until) == (begun.since, None)
    assert store.pauses.all() == (longer,)
    assert store.pauses.end(moment + timedelta(hours=2)) == longer
    assert store.pauses.end(moment + timedelta(hours=2)) is None
    assert store.pauses.all()[0].until == moment + timedelta(hours=2)


def test_a_thread_that_ends_closes_its_connection(store: Store) -> None:
    """psycopg warns of one that is left open; each warning fails the tests."""
    opened: list[Any] = []

    def ask() -> None:
        store.leases.next_work_at()
        opened.append(store.engine.database.connection())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    with pytest.raises(Exception, match=r"(?i)close|^\(0, ''\)"):
        opened[0].cursor().execute("SELECT 1")
    assert store.leases.next_work_at() is None


def test_active_schedules_are_counted_up_to_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.schedules.counts() == {"reports": 0, "foreign": 0}
    for number in range(7):
        made = make_schedule(store, name=f"R{number}", active=number != 3)
        if number > 4:
            row = store.engine.tables.report_schedule
            store.engine.change(row.update(report_type="inventory").where(row.id == made.id))
    assert store.schedules.counts() == {"reports": 4, "foreign": 2}
    monkeypatch.setattr(schedules, "COUNTED", 3)
    assert store.schedules.counts() == {"reports": 3, "foreign": 2}
