"""What a person asks of the ledger, on all three databases: sent again, made again, cancelled, made for the past."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.deliver import new_delivery
from scheduler_daemon.errors import LeaseLost
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.model import (
    About,
    Delivery,
    DeliveryState,
    Lease,
    Occurrence,
    Outcome,
    Period,
    Recipient,
    ReportFile,
    Run,
    RunStatus,
    Trigger,
)
from scheduler_daemon.store import Store
from scheduler_daemon.store.by_hand import LAST
from scheduler_daemon.store.new_runs import insert_runs, run_values
from tests.conftest import open_test_store
from tests.integration.test_store import queue_due
from tests.making import SHOP, make_schedule, now

A, B = (Recipient("email", f"{name}@acme.example") for name in "ab")
DONE = Outcome(RunStatus.SUCCEEDED)


def started(store: Store, **changes: object) -> tuple[Lease, Run]:
    """Queue a schedule's run and start it."""
    make_schedule(store, recipients=(A, B), **changes)
    queue_due(store)
    (lease,) = store.leases.claim(8)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    return lease, run


def published(store: Store, lease: Lease, run: Run) -> list[Delivery]:
    """Write down a file and a pending delivery for each recipient."""
    moment = now()
    period = Period("yesterday", moment - timedelta(days=1), moment, "UTC")
    about = About("T", "orders", SHOP, SHOP, period, "UTC", "EUR", moment, moment, row_count=3)
    file = ReportFile(Path("/spool/x.csv"), "x.csv", "text/csv", 3, "0" * 64, about)
    rows = [new_delivery(run, to, number) for number, to in enumerate((A, B), 1)]
    store.corridor.publish(lease, run, file, "x/x.csv", rows)
    return rows


def end(store: Store, lease: Lease, row: Delivery, state: DeliveryState) -> None:
    store.deliveries.begin(lease, row)
    store.deliveries.end(lease, row, state)


def finished(store: Store) -> Run:
    """Return a partial run: a got it, b did not."""
    lease, run = started(store)
    first, second = published(store, lease, run)
    end(store, lease, first, DeliveryState.DELIVERED)
    end(store, lease, second, DeliveryState.FAILED)
    store.corridor.finish(lease, run, Outcome(RunStatus.PARTIAL), go_on=False)
    store.corridor.leave(lease)
    return store.history.find(run.id)


def states(store: Store, run: Run) -> list[tuple[str, int, str]]:
    return [(row.recipient.address[0], row.copy, row.state.value) for row in store.history.deliveries(run.id)]


# Sent again ---------------------------------------------------------------------------------------------------------


def test_a_copy_is_a_row_of_its_own_and_the_run_goes_through_the_corridor_again(store: Store) -> None:
    run = finished(store)
    made = store.by_hand.resend(run, (B,), lambda to, copy: new_delivery(run, to, 9, copy), now())
    assert [(item.recipient, item.copy) for item in made] == [(B, 1)]
    again = store.history.find(run.id)
    assert (again.status, again.reason, again.finished_at, again.priority) == (
        *(RunStatus.QUEUED, "resend", None),
        run.priority,
    )
    assert states(store, run) == [("a", 0, "delivered"), ("b", 0, "failed"), ("b", 1, "pending")]
    (lease,) = store.leases.claim(8)
    _, taken = store.corridor.enter(lease, ())
    assert taken is not None
    assert (taken.id, taken.reason, taken.attempt) == (run.id, None, 2)
    store.corridor.finish(lease, taken, DONE, go_on=False)
    store.corridor.leave(lease)
    more = store.by_hand.resend(run, (A, B), lambda to, copy: new_delivery(run, to, 10 + copy, copy), now())
    assert [item.copy for item in more] == [1, 2]
    assert len({row.key for row in store.history.deliveries(run.id)}) == 5


def test_a_run_that_is_not_over_or_has_no_file_is_not_sent_again(store: Store) -> None:
    lease, run = started(store)
    published(store, lease, run)
    assert store.by_hand.resend(run, (B,), lambda to, copy: new_delivery(run, to, 9, copy), now()) == []
    assert [row.copy for row in store.history.deliveries(run.id)] == [0, 0]
    other = make_schedule(store, name="Never made")
    store.by_hand.backfill(other, [Occurrence("x", now())], now())
    bare = store.history.last_of(other.id)[0]
    store.by_hand.cancel(bare, ())
    assert store.by_hand.resend(bare, (B,), lambda to, copy: new_delivery(bare, to, 9, copy), now()) == []
    assert store.history.find(bare.id).status is RunStatus.SKIPPED


def test_retention_leaves_what_is_sent_again(store: Store, database_url: str) -> None:
    run = finished(store)
    with open_test_store(database_url) as other:
        other.by_hand.resend(run, (B,), lambda to, copy: new_delivery(run, to, 9, copy), now())
    assert store.pruning._remove([run.id]) == []
    assert len(store.history.deliveries(run.id)) == 3


def test_a_run_that_loses_its_process_while_it_is_sent_again_is_no_worse_than_before(store: Store) -> None:
    run = finished(store)
    store.by_hand.resend(run, (B,), lambda to, copy: new_delivery(run, to, 9, copy), now())
    for _ in range(4):
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")
        (lease,) = store.leases.claim(8)
        adopted, _ = store.corridor.enter(lease, ())
    assert adopted == [(run.id, RunStatus.PARTIAL)]
    after = store.history.find(run.id)
    assert (after.status, after.reason, after.lost_leases) == (RunStatus.PARTIAL, None, 3)
    assert states(store, run)[-1] == ("b", 1, "failed")


# Made again ---------------------------------------------------------------------------------------------------------


def test_a_rerun_is_a_new_manual_run_about_the_same_moment(store: Store) -> None:
    old = finished(store)
    cursor = store.schedules.find(old.schedule_id).due_at
    keys = [store.by_hand.rerun(old, recipients, now()) for recipients in (old.recipients, (A,))]
    assert keys == [f"rerun:{old.id}:1", f"rerun:{old.id}:2"]
    first, second = (store.history.by_key(old.schedule_id, Trigger.MANUAL, key) for key in keys)
    assert first is not None
    assert second is not None
    assert (first.report, first.due_at, first.zone, first.recipients) == (
        *(old.report, old.due_at, old.zone),
        old.recipients,
    )
    assert second.recipients == (A,)
    assert store.schedules.find(old.schedule_id).due_at == cursor
    assert store.history.find(old.id).status is RunStatus.PARTIAL


def test_a_backfill_makes_each_occurrence_once_and_behind_all_else(store: Store) -> None:
    schedule = make_schedule(store, priority=1000)
    span = [Occurrence(f"2026-11-0{day}T08:00", now() - timedelta(days=day)) for day in (3, 2, 1)]
    store.by_hand.backfill(schedule, span[:2], now())
    store.by_hand.backfill(schedule, span, now())
    assert not store.queueing.unfinished(schedule.id)
    queue_due(store)
    runs = store.history.last_of(schedule.id, 10)
    assert [run.trigger for run in runs].count(Trigger.BACKFILL) == 3
    assert {run.priority for run in runs if run.trigger is Trigger.BACKFILL} == {LAST}
    assert all(run.not_before >= run.queued_at for run in runs if run.trigger is Trigger.BACKFILL)
    (lease,) = store.leases.claim(8)
    _, first = store.corridor.enter(lease, ())
    assert first is not None
    assert first.trigger is Trigger.SCHEDULE
    following = store.corridor.finish(lease, first, DONE, go_on=True)
    assert following is not None
    assert following.occurrence_key == "2026-11-03T08:00"


# Cancelled ----------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_cancelled_at_once(store: Store) -> None:
    schedule = make_schedule(store)
    queue_due(store)
    (run,) = store.history.last_of(schedule.id)
    assert store.by_hand.cancel(run, ()) is RunStatus.SKIPPED
    after = store.history.find(run.id)
    assert (after.reason, after.error_code, after.finished_at is not None) == ("cancelled", "cancelled", True)
    (lease,) = store.leases.claim(8)
    assert store.corridor.enter(lease, ()) == ([], None)
    assert store.by_hand.cancel(run, ()) is RunStatus.SKIPPED


def test_what_is_final_is_never_cancelled(store: Store) -> None:
    run = finished(store)
    assert store.by_hand.cancel(run, ()) is RunStatus.PARTIAL
    assert store.history.find(run.id).reason is None


def test_the_wish_to_cancel_a_running_run_is_seen_by_its_holder_only(store: Store, database_url: str) -> None:
    lease, run = started(store)
    with open_test_store(database_url) as other:
        assert other.by_hand.cancel(run, ()) is RunStatus.RUNNING
    assert store.corridor.cancelling.wished([run.id, "else"]) == [run.id]
    assert store.corridor.cancelling.wished([]) == []
    # It ended well before the wish was seen.
    store.corridor.finish(lease, run, DONE, go_on=False)
    assert (store.history.find(run.id).status, store.history.find(run.id).reason) == (RunStatus.SUCCEEDED, None)


def test_a_run_that_would_be_tried_again_ends_where_its_cancel_is_wished(store: Store) -> None:
    lease, run = started(store)
    first, _ = published(store, lease, run)
    end(store, lease, first, DeliveryState.DELIVERED)
    store.by_hand.cancel(run, ())
    store.corridor.finish(lease, run, Outcome(RunStatus.QUEUED, not_before=now()), go_on=False)
    after = store.history.find(run.id)
    # One has it: "skipped" would be a lie.
    assert (after.status, after.error) == (RunStatus.PARTIAL, "1 of 2 delivered. A person cancelled it.")
    assert states(store, run) == [("a", 0, "delivered"), ("b", 0, "failed")]
    assert [item.status for item in store.history.attempts(run.id)] == ["retry"]


def test_a_wish_outlives_its_holder(store: Store, database_url: str) -> None:
    with open_test_store(database_url, lease=0.01) as lost:
        _, run = started(lost)
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = {now} + 60000")
        assert store.by_hand.cancel(run, ()) is RunStatus.RUNNING
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")
        (lease,) = store.leases.claim(8)
        assert store.corridor.enter(lease, ()) == ([(run.id, RunStatus.SKIPPED)], None)
    assert store.history.find(run.id).reason == "cancelled"


def test_a_run_whose_holder_is_lost_is_cancelled_at_once_and_its_fence_is_raised(
    store: Store, database_url: str
) -> None:
    with open_test_store(database_url, lease=0.01) as lost:
        lease, run = started(lost)
        first, _ = published(lost, lease, run)
        lost.deliveries.begin(lease, first)
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0")
        assert store.by_hand.cancel(run, ()) is RunStatus.FAILED
        assert lost.leases.beat([lease])[1] == [lease]
    # What was being sent may have gone out.
    assert states(store, run) == [("a", 0, "unknown"), ("b", 0, "failed")]
    assert [item.status for item in store.history.attempts(run.id)] == ["lost"]


# Judged -------------------------------------------------------------------------------------------------------------


def test_who_was_not_told_after_all_is_told_by_a_later_occurrence(store: Store) -> None:
    """Those between were skipped, because the first was still to be sent; then it reached nobody."""
    lease, first = started(store)
    store.judgements.note(lease, first, {"met": True})
    schedule = store.schedules.find(first.schedule_id).schedule
    assert schedule is not None
    later = first.due_at + timedelta(days=1)
    values = run_values(schedule, Occurrence("later", later), to_ms(later), Trigger.SCHEDULE, "condition")
    with store.engine.transaction():
        insert_runs(store.engine, values)
        text = store.engine.read("SELECT report FROM {ours}scheduler_run WHERE id = ?", (first.id,))[0][0]
        store.engine.count("UPDATE {ours}scheduler_run SET report = ? WHERE status = 'skipped'", (text,))
    following = replace(first, due_at=later + timedelta(days=1))
    assert store.judgements.before(following) == {"met": True}, "it may still be sent"
    store.corridor.finish(lease, first, Outcome(RunStatus.FAILED), go_on=False)
    assert store.judgements.before(following) == {"met": False}


def test_what_was_judged_is_found_by_the_next_occurrence_whatever_became_of_it(store: Store) -> None:
    lease, run = started(store)
    assert store.judgements.before(run) is None
    store.judgements.note(lease, run, {"met": False, "totals": {"net": "12.50"}})
    store.corridor.finish(lease, run, Outcome(RunStatus.SKIPPED, "condition"), go_on=False)
    found = store.history.find(run.id)
    assert (found.report, found.recipients) == (run.report, run.recipients)
    following = replace(run, due_at=run.due_at + timedelta(days=2))
    assert store.judgements.before(following) == {"met": False, "totals": {"net": "12.50"}}
    assert store.judgements.before(replace(following, schedule_id="another")) is None
    # Whoever is told once was not told where it reached nobody.
    store.engine.write("UPDATE {ours}scheduler_run SET status = 'failed', report = replace(report, 'false', 'true')")
    assert store.judgements.before(following) == {"met": False, "totals": {"net": "12.50"}}
    store.engine.write("UPDATE {ours}scheduler_run SET status = 'succeeded', reason = NULL")
    assert store.judgements.before(following) == {"met": True, "totals": {"net": "12.50"}}
    # One between that was never judged changes nothing; neither does one asked for by hand.
    schedule = store.schedules.find(run.schedule_id).schedule
    assert schedule is not None
    store.by_hand.backfill(schedule, [Occurrence("x", run.due_at + timedelta(days=1))], now())
    assert store.judgements.before(following) == {"met": True, "totals": {"net": "12.50"}}
    store.engine.write("UPDATE {ours}scheduler_run SET \"trigger\" = 'manual' WHERE id = ?", (run.id,))
    assert store.judgements.before(following) is None


def test_a_stale_holder_judges_nothing(store: Store) -> None:
    lease, run = started(store)
    store.engine.write("UPDATE {ours}scheduler_shop SET fence = fence + 1")
    with pytest.raises(LeaseLost):
        store.judgements.note(lease, run, {"met": True, "totals": {}})
    assert store.judgements.before(replace(run, due_at=now() + timedelta(days=1))) is None
