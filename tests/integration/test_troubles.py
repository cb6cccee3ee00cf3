"""Notices and pauses on each database: written with the run's end, taken by one process, told once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from scheduler_daemon.app import build
from scheduler_daemon.config import load_config
from scheduler_daemon.deliver import new_delivery
from scheduler_daemon.health.counts import Asked, Counts
from scheduler_daemon.model import (
    DeliveryState,
    Lease,
    NoticeKind,
    NoticeState,
    Outcome,
    Recipient,
    Recurrence,
    RuleKind,
    Run,
    RunStatus,
    Schedule,
    SkipReason,
    Trigger,
)
from scheduler_daemon.notices.notify import GATHER, LONGEST, due_at
from scheduler_daemon.notices.trouble import trouble_of
from scheduler_daemon.retry import RetryPolicy
from scheduler_daemon.store import Store
from scheduler_daemon.threads import Hold
from scheduler_daemon.tick import Planner
from tests.conftest import open_test_store
from tests.making import SHOP, make_schedule, make_session, now
from tests.posting import parcel

FAILED = Outcome(RunStatus.FAILED, error_code="query_refused", error="Refused.", permanent=True)
LATER = Outcome(RunStatus.FAILED, error_code="shop_unavailable", error="No answer.")
DEAD = Outcome(RunStatus.SKIPPED, SkipReason.NO_SESSION.value, "token_refused", "Shopify refused the token.")
DONE = Outcome(RunStatus.SUCCEEDED)
DIGEST = timedelta(hours=1)


def come_due(store: Store, made: Schedule) -> None:
    """Let the schedule come due, and queue what follows."""
    moment = now() - timedelta(milliseconds=5)
    store.schedules.edit(replace(store.schedules.find(made.id).schedule or made, next_due_at=moment), moment)
    Planner(store, "live").queue_due(now(), (made.shop, made.id))


def end(store: Store, made: Schedule, outcome: Outcome) -> None:
    """Let the schedule come due once, and end its run so, as the daemon does."""
    come_due(store, made)
    (lease,) = store.leases.claim(1, made.shop)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    trouble = trouble_of(run, outcome, store.troubles.of_shop(made.shop).get(run.schedule_id), now())
    token = store.sessions.mark(made.shop)
    also = trouble and partial(store.troubles.ended, lease=lease, run=run, trouble=trouble, token=token)
    store.corridor.finish(lease, run, outcome, go_on=False, also=also)
    store.corridor.leave(lease)


def run_of(store: Store, made: Schedule) -> Run:
    """Let the schedule come due; return its run, which waits."""
    come_due(store, made)
    return store.history.last_of(made.id, 1)[0]


def close(store: Store, run: Run, outcome: Outcome) -> None:
    """Write what follows where *run* ends so."""
    trouble = trouble_of(run, outcome, store.troubles.of_shop(run.shop).get(run.schedule_id), now())
    if trouble is not None:
        with store.engine.transaction():
            lease = Lease(run.shop, 0, 0.0)
            store.troubles.ended(store.engine.execute(), lease, run, trouble)


def kinds(store: Store) -> list[tuple[NoticeKind, bool]]:
    """Return what is to be told by mail, the oldest first, and whether at once."""
    return [(item.kind, item.urgent) for item in reversed(store.notices.latest()) if item.channel == "email"]


def tell(store: Store) -> int:
    """Count everything that waits as told; return how many that were."""
    told = 0
    for group in store.notices.waiting():
        taken = store.notices.take(group)
        store.notices.told([item.id for item in taken])
        told += len(taken)
    return told


def test_the_first_failure_is_told_at_once_and_a_further_one_in_the_digest(store: Store) -> None:
    made = make_schedule(store, owner="owner@acme.example")
    end(store, made, FAILED)
    end(store, made, LATER)
    assert kinds(store) == [(NoticeKind.FAILED, True), (NoticeKind.FAILED, False)]
    notice = store.notices.latest()[-1]
    assert (notice.recipient, notice.error_code, notice.error) == ("owner@acme.example", "query_refused", "Refused.")


def test_a_success_is_told_whom_the_failure_is_told_and_once(store: Store) -> None:
    told, waits, nobody = (make_schedule(store, name=name, owner=f"{name}@acme.example") for name in ("a", "b", "c"))
    end(store, told, FAILED)
    assert tell(store) == 1
    end(store, nobody, FAILED)
    (group,) = store.notices.waiting()
    store.notices.give_up([item.id for item in store.notices.take(group)])
    end(store, waits, FAILED)
    for made in (told, waits, nobody):
        end(store, made, DONE)
    failed, recovered = (NoticeKind.FAILED, True), (NoticeKind.RECOVERED, True)
    assert kinds(store) == [failed, failed, failed, recovered, recovered]
    assert [item.recipient for item in store.notices.latest(2)] == ["b@acme.example", "a@acme.example"]
    assert store.troubles.of_shop(SHOP) == {}
    end(store, told, DONE)
    assert len(kinds(store)) == 5


def test_an_older_run_that_succeeds_late_or_is_sent_again_ends_no_trouble(store: Store) -> None:
    made = make_schedule(store)
    older, younger = run_of(store, made), run_of(store, made)
    close(store, older, DONE)
    close(store, younger, FAILED)
    tell(store)
    close(store, older, DONE)
    assert kinds(store) == [(NoticeKind.FAILED, True)]
    assert store.troubles.of_shop(SHOP) == {made.id: younger.id}
    close(store, younger, DONE)  # what failed itself is sent by hand
    assert kinds(store)[1:] == [(NoticeKind.RECOVERED, True)]


def test_a_run_that_waits_for_an_hour_is_late_told_once_and_its_failure_still_at_once(store: Store) -> None:
    run = run_of(store, make_schedule(store))
    again = Outcome(RunStatus.QUEUED, error_code="throttled", error="Wait.", not_before=now() + timedelta(minutes=9))
    for hours in (0.9, 1.1, 1.2):
        close(store, replace(run, queued_at=now() - timedelta(hours=hours)), again)
    close(store, replace(run, queued_at=now() - timedelta(hours=2), trigger=Trigger.BACKFILL), again)
    assert kinds(store) == [(NoticeKind.LATE, True)]
    close(store, run, LATER)
    close(store, run, DONE)
    assert kinds(store)[1:] == [(NoticeKind.FAILED, True), (NoticeKind.RECOVERED, True)]


def test_so_many_permanent_failures_pause_the_schedule_and_are_told_and_a_success_begins_anew(store: Store) -> None:
    store.troubles.pause_after = 2
    made = make_schedule(store)
    for outcome in (FAILED, LATER, DONE, FAILED, LATER):
        end(store, made, outcome)
    assert store.schedules.find(made.id).schedule == replace(store.schedules.find(made.id).schedule, paused_at=None)
    end(store, made, FAILED)
    found = store.schedules.find(made.id).schedule
    assert found is not None
    assert found.paused_at is not None
    assert found.paused_reason.startswith("2 failures in a row")
    assert (NoticeKind.PAUSED, True) in kinds(store)
    assert store.schedules.resume(made.id)
    end(store, made, FAILED)
    assert store.schedules.find(made.id).schedule.paused_at is None, "a person's resume begins anew"  # type: ignore[union-attr]


def test_a_dead_token_pauses_the_shop_what_comes_due_is_skipped_and_a_new_token_revives_it(store: Store) -> None:
    make_session(store, SHOP, "shpat_old")
    made = make_schedule(store)
    end(store, made, DEAD)
    assert store.shops.find(SHOP).paused_reason == "Shopify refused the token."
    ((shop, by),) = store.shops.paused_by_us()
    assert (shop, by) == (SHOP, f"token_refused:{store.sessions.mark(SHOP)}")
    assert kinds(store) == [(NoticeKind.FAILED, True), (NoticeKind.SHOP_PAUSED, True)]
    come_due(store, made)
    assert [run.reason for run in store.history.latest()][:1] == ["paused"]
    assert store.leases.claim(8) == []
    tell(store)
    assert store.shops.resume(SHOP)
    assert store.shops.paused_by_us() == []
    assert kinds(store)[-1] == (NoticeKind.SHOP_RESUMED, True)


def test_what_a_person_tried_by_hand_is_not_told_but_a_dead_token_is(store: Store) -> None:
    made = make_schedule(store, next_due_at=now() + timedelta(days=1))
    for number, outcome in enumerate((FAILED, DEAD)):
        store.queueing.queue_by_hand(made, f"by-hand-{number}", now() - timedelta(milliseconds=5))
        (lease,) = store.leases.claim(1)
        _, run = store.corridor.enter(lease, ())
        assert run is not None
        assert run.trigger is Trigger.MANUAL
        trouble = trouble_of(run, outcome, None, now())
        also = trouble and partial(store.troubles.ended, lease=lease, run=run, trouble=trouble)
        store.corridor.finish(lease, run, outcome, go_on=False, also=also)
        store.corridor.leave(lease)
    assert kinds(store) == [(NoticeKind.SHOP_PAUSED, True)]


def test_a_run_that_lost_its_process_too_often_is_told(store: Store, lose_lease: Callable[[Store], None]) -> None:
    make_schedule(store)
    Planner(store, "live").queue_due(now())
    for _ in range(3):
        (lease,) = store.leases.claim(1)
        store.corridor.enter(lease, ())
        lose_lease(store)
    (lease,) = store.leases.claim(1)
    assert store.corridor.enter(lease, ())[0][0][1] is RunStatus.SKIPPED
    assert kinds(store) == [(NoticeKind.FAILED, True)]
    assert store.notices.latest()[0].error_code == "abandoned"


@pytest.fixture
def lose_lease() -> Callable[[Store], None]:
    """Return what ends the leases of a holder that is gone."""

    def lose(store: Store) -> None:
        with store.engine.transaction():
            store.engine.count("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")

    return lose


def test_a_row_that_cannot_be_read_is_told_once(store: Store) -> None:
    made = make_schedule(store)
    with store.engine.transaction():
        store.engine.count('UPDATE {app}"ReportSchedule" SET "timezone" = \'Nowhere\' WHERE "id" = ?', (made.id,))
    planner = Planner(store, "live")
    planner.check(now())
    planner.check(now())
    assert kinds(store) == [(NoticeKind.FAILED, True)]
    assert store.notices.latest()[0].error_code == "unknown_zone"


def test_notices_are_taken_by_one_process_and_come_back_when_it_is_lost(store: Store, database_url: str) -> None:
    end(store, make_schedule(store), FAILED)
    with open_test_store(database_url) as other:
        (group,) = store.notices.waiting()
        (taken,) = store.notices.take(group)
        assert taken.state is NoticeState.SENDING
        assert other.notices.take(group) == []
        assert other.notices.waiting() == []
        assert other.notices.rescue(LONGEST) == 0
        with other.engine.transaction():
            other.engine.count("UPDATE {ours}scheduler_notice SET updated_at = updated_at - 700000")
        assert other.notices.rescue(LONGEST) == 1
        (group,) = other.notices.waiting()
        (again,) = other.notices.take(group)
        assert (again.id, again.attempts) == (taken.id, 2)
        store.notices.told([taken.id])
        assert store.notices.latest()[0].state is NoticeState.SENDING, "it is no longer ours"
        other.notices.told([again.id])
        assert other.notices.latest()[0].state is NoticeState.TOLD


def test_one_person_gets_the_first_at_once_then_what_is_urgent_soon_and_the_rest_by_the_hour(store: Store) -> None:
    made = make_schedule(store)
    end(store, made, FAILED)
    (group,) = store.notices.waiting()
    assert due_at(group, DIGEST) <= group.now
    tell(store)
    end(store, made, FAILED)
    (group,) = store.notices.waiting()
    assert group.last_told_at is not None
    assert due_at(group, DIGEST) == group.last_told_at + DIGEST
    end(store, make_schedule(store, name="Another"), FAILED)
    (group,) = store.notices.waiting()
    assert due_at(group, DIGEST) == group.last_told_at + GATHER


def test_what_could_not_be_told_waits_and_is_counted(store: Store) -> None:
    made = make_schedule(store)
    end(store, made, FAILED)
    (group,) = store.notices.waiting()
    (taken,) = store.notices.take(group)
    store.notices.put_back([taken.id], timedelta(minutes=1))
    assert store.notices.waiting() == []
    upcoming = store.notices.latest()[0].not_before
    assert upcoming is not None
    assert timedelta(0) < upcoming - now() < timedelta(minutes=2)
    assert store.notices.untold(timedelta(minutes=30)) == 0
    assert store.notices.untold(timedelta(minutes=-1)) == 1
    store.notices.put_back([taken.id], timedelta(0))
    with store.engine.transaction():
        store.engine.count("UPDATE {ours}scheduler_notice SET not_before = 0")
    store.notices.take(store.notices.waiting()[0])
    store.notices.give_up([taken.id])
    assert store.notices.untold(timedelta(days=1)) == 1, "given up, and the trouble lasts"
    end(store, made, DONE)
    assert store.notices.untold(timedelta(days=1)) == 0


def test_notices_are_forgotten_once_they_were_told_are_old_and_their_trouble_is_over(store: Store) -> None:
    first, second = make_schedule(store), make_schedule(store, name="Second")
    end(store, first, FAILED)
    tell(store)
    assert store.notices.forget(now() + timedelta(hours=1)) == 0, "its end is to be told"
    end(store, first, DONE)
    end(store, second, FAILED)
    assert store.notices.forget(now() - timedelta(hours=1)) == 0
    assert store.notices.forget(now() + timedelta(hours=1)) == 1
    assert [item.kind for item in store.notices.latest()] == [NoticeKind.FAILED, NoticeKind.RECOVERED]
    tell(store)
    assert store.notices.forget(now() + timedelta(days=400)) == 2, "of trouble that lasts for ever, too"


def test_what_a_clock_wrote_that_stood_ahead_holds_no_notice_back(store: Store) -> None:
    first, second = make_schedule(store, owner="a@acme.example"), make_schedule(store, owner="b@acme.example")
    end(store, first, FAILED)
    tell(store)
    end(store, second, FAILED)
    store.notices.put_back([item.id for item in store.notices.take(store.notices.waiting()[0])], timedelta(hours=1))
    end(store, first, LATER)
    with store.engine.transaction():
        ahead = "created_at = created_at + 7200000, told_at = told_at + 7200000, not_before = not_before + 7200000"
        store.engine.count(f"UPDATE {{ours}}scheduler_notice SET {ahead}, updated_at = updated_at + 7200000")
    store.notices.rescue(LONGEST)
    due = {group.recipient: due_at(group, DIGEST) - group.now for group in store.notices.waiting()}
    assert due["b@acme.example"] <= timedelta(0)
    assert DIGEST - timedelta(minutes=1) < due["a@acme.example"] <= DIGEST


def test_a_shop_that_pauses_is_told_to_the_owners_of_all_its_reports_and_so_is_its_end(
    store: Store, tmp_path: Path
) -> None:
    for owner in ("a@acme.example", "b@acme.example", "b@acme.example"):
        make_schedule(store, owner=owner)
    make_schedule(store, owner="c@acme.example", active=False)
    performer = build(load_config(None, {"folder.path": str(tmp_path)}, {}), store, lambda: None).performer
    store.troubles.command = True
    Planner(store, "live").queue_due(now())
    (lease,) = store.leases.claim(1, SHOP)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    performer._finish(run, DEAD, Hold(lease, lease.valid_until, run=run), {}, go_on=False)
    told = [(item.kind, item.channel, item.recipient) for item in store.notices.latest() if not item.schedule_id]
    ways = [("command", ""), ("email", "b@acme.example"), ("email", "a@acme.example")]
    assert told == [(NoticeKind.SHOP_PAUSED, *way) for way in ways]
    tell(store)
    store.troubles.command = False  # as in a command, which told nobody itself
    assert store.shops.resume(SHOP)
    ended = {(item.kind, item.channel, item.recipient) for item in store.notices.latest(3)}
    assert ended == {(NoticeKind.SHOP_RESUMED, *way) for way in ways}


def test_the_delivery_states_know_no_notice() -> None:
    """Notices have an outbox of their own: `unknown` is for reports, a notice may be told twice."""
    assert "unknown" in {state.value for state in DeliveryState}
    assert "unknown" not in {state.value for state in NoticeState}


def test_a_schedule_that_lacks_its_next_moment_twice_in_a_row_is_named(store: Store, tmp_path: Path) -> None:
    make_schedule(store, name="Lacking", next_due_at=None)
    over = Recurrence(RuleKind.DAILY, time="08:00", end="2020-01-01")
    make_schedule(store, name="Finished", next_due_at=None, recurrence=over)
    counts = Counts(load_config(None, {"folder.path": str(tmp_path)}, {}), store)
    counts.take(now(), Asked("live"))
    assert counts.breaches == [], "it may be new"
    counts.take(now(), Asked("live"))
    (found,) = counts.breaches
    assert (found.code, "Lacking" in found.message, "check-once" in found.hint) == ("cursor_missing", True, True)
    Planner(store, "live").replanner.set_cursors(now())
    counts.take(now(), Asked("live"))
    assert counts.breaches == []


def publish(store: Store, made: Schedule, tmp_path: Path) -> tuple[Lease, Run]:
    """Let a run of *made* be made and delivered to its first recipient."""
    come_due(store, made)
    (lease,) = store.leases.claim(1, made.shop)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    file = parcel(tmp_path).file
    rows = [new_delivery(run, to, number) for number, to in enumerate(run.recipients)]
    store.corridor.publish(lease, run, file, "x", rows)
    store.deliveries.begin(lease, rows[0])
    store.deliveries.end(lease, rows[0], DeliveryState.DELIVERED)
    return lease, run


TWO = (Recipient("email", "a@acme.example"), Recipient("email", "b@acme.example"))
LATE = Outcome(RunStatus.FAILED, error_code="deadline_passed", error="It hung.")


def test_a_run_given_up_after_somebody_had_it_is_partial_told_and_leaves_nothing_pending(
    store: Store, tmp_path: Path
) -> None:
    lease, run = publish(store, make_schedule(store, recipients=TWO), tmp_path)
    trouble = trouble_of(run, LATE, None, now())
    assert trouble is not None
    also = partial(store.troubles.ended, lease=lease, run=run, trouble=trouble)
    assert store.corridor.surrender(lease, run, LATE, (), also)
    assert store.history.find(run.id).status is RunStatus.PARTIAL
    assert [row.state for row in store.history.deliveries(run.id)] == [DeliveryState.DELIVERED, DeliveryState.FAILED]
    assert kinds(store) == [(NoticeKind.FAILED, True)]


def test_an_attempt_that_fails_for_good_after_somebody_had_it_is_partial(store: Store, tmp_path: Path) -> None:
    lease, run = publish(store, make_schedule(store, recipients=TWO), tmp_path)
    performer = build(load_config(None, {"folder.path": str(tmp_path)}, {}), store, lambda: None).performer
    outcome = performer._failed(run, Hold(lease, lease.valid_until, run=run), LATE)
    assert (outcome.status, outcome.error_code) == (RunStatus.PARTIAL, "deadline_passed")
    assert [row.state for row in store.history.deliveries(run.id)] == [DeliveryState.DELIVERED, DeliveryState.FAILED]


def test_a_defect_in_judging_a_failure_ends_the_attempt_and_not_the_shop(store: Store, tmp_path: Path) -> None:
    make_schedule(store)
    Planner(store, "live").queue_due(now())
    (lease,) = store.leases.claim(1)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    performer = build(load_config(None, {"folder.path": str(tmp_path)}, {}), store, lambda: None).performer
    performer.retries.policy = RetryPolicy(attempts=cast(int, "three"))
    outcome = performer._perform(replace(run, damage="Its row is odd."), Hold(lease, lease.valid_until, run=run))
    assert (outcome.status, outcome.error_code) == (RunStatus.FAILED, "internal")


def test_a_removed_schedule_leaves_no_delivery_pending(store: Store, tmp_path: Path) -> None:
    lease, run = publish(store, made := make_schedule(store, recipients=TWO), tmp_path)
    again = Outcome(RunStatus.QUEUED, not_before=now() + timedelta(hours=1), counts=False)
    store.corridor.finish(lease, run, again, go_on=False)
    store.corridor.leave(lease)
    assert store.schedules.remove(made.id, now()) == 1
    assert [row.state for row in store.history.deliveries(run.id)] == [DeliveryState.DELIVERED, DeliveryState.FAILED]
