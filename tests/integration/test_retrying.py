"""Another try or the end, on each database: never past the next occurrence, and throttling counts for nothing."""

from datetime import timedelta

import pytest

from scheduler_daemon.config import load_config
from scheduler_daemon.deliver import new_delivery
from scheduler_daemon.errors import DeliveryError, SourceError, Throttled
from scheduler_daemon.model import Recipient, Run, RunStatus, Schedule, Trigger
from scheduler_daemon.retry import RetryPolicy
from scheduler_daemon.retrying import OVERTAKEN, Retries
from scheduler_daemon.store import Store
from scheduler_daemon.tick import Planner
from tests.making import make_schedule, now, set_cursor

DOWN = SourceError("No answer.", code="shop_unavailable", retryable=True)
BUSY = DeliveryError("Busy.", code="smtp_unavailable", retryable=True)
OWN = Recipient("email", "a@acme.example")


@pytest.fixture
def made(store: Store) -> Schedule:
    return make_schedule(store)


@pytest.fixture
def run(store: Store, made: Schedule) -> Run:
    return come_due(store, made)


def come_due(store: Store, made: Schedule) -> Run:
    """Let the schedule come due; return its run, whose next occurrence is far ahead."""
    set_cursor(store, now() - timedelta(milliseconds=5), made.id)
    Planner(store, "live").queue_due(now(), (made.shop, made.id))
    set_cursor(store, now() + timedelta(days=1), made.id)
    return store.history.last_of(made.id, 1)[0]


def retries(store: Store, attempts: int = 5, **options: str) -> Retries:
    set_to = {name.replace("__", "."): value for name, value in options.items()}
    return Retries(load_config(None, set_to, {}), store, RetryPolicy(attempts, timedelta(seconds=30)))


def test_what_fails_for_a_while_is_tried_again(store: Store, run: Run) -> None:
    outcome = retries(store).after(run, DOWN)
    assert (outcome.status, outcome.error, outcome.counts) == (RunStatus.QUEUED, "No answer.", True)
    again, said = retries(store).deliver_again(run, new_delivery(run, OWN, 1), BUSY)
    assert (again is not None, said) == (True, "Busy.")


def test_neither_a_fetch_nor_a_delivery_is_tried_again_past_the_next_occurrence(
    store: Store, made: Schedule, run: Run
) -> None:
    set_cursor(store, now() + timedelta(milliseconds=900), made.id)  # the shortest wait is a second
    outcome = retries(store).after(run, DOWN)
    assert (outcome.status, outcome.error) == (RunStatus.FAILED, f"No answer. {OVERTAKEN}")
    delivery = new_delivery(run, OWN, 1)
    assert retries(store).deliver_again(run, delivery, BUSY) == (None, f"Busy. {OVERTAKEN}")
    copy = new_delivery(run, OWN, 1, copy=1)
    assert retries(store).deliver_again(run, copy, BUSY)[0] is not None, "a person asked for it"
    allowed = retries(store, retry__past_next="true")
    assert allowed.after(run, DOWN).status is RunStatus.QUEUED
    assert allowed.deliver_again(run, delivery, BUSY)[0] is not None


def test_an_occurrence_that_came_while_the_run_was_at_work_is_the_next_one(
    store: Store, made: Schedule, run: Run
) -> None:
    row = store.engine.tables.run
    store.engine.change(row.update(queued_at=row.queued_at - 60_000, due_at=row.due_at - 60_000))
    run = store.history.find(run.id)
    younger = come_due(store, made)
    assert retries(store).after(run, DOWN).status is RunStatus.FAILED
    store.engine.change(row.update(status="skipped", reason="overlapped").where(row.id == younger.id))
    assert retries(store).after(run, DOWN).status is RunStatus.QUEUED, "nobody else makes this report"


def test_occurrences_that_are_caught_up_together_do_not_end_each_others_tries(
    store: Store, made: Schedule, run: Run
) -> None:
    row = store.engine.tables.run
    store.engine.change(row.update(due_at=row.due_at - 3_600_000).where(row.id == run.id))
    come_due(store, made)
    store.engine.change(row.update(due_at=row.due_at - 60_000).where(row.id != run.id))
    assert retries(store).after(store.history.find(run.id), DOWN).status is RunStatus.QUEUED


def test_throttling_counts_for_nothing_and_ends_with_the_next_occurrence(
    store: Store, made: Schedule, run: Run
) -> None:
    throttled = Throttled("Wait.", retry_after=5.0)
    once = retries(store, 1)
    assert once.after(run, DOWN).status is RunStatus.FAILED
    outcome = once.after(run, throttled)
    assert (outcome.status, outcome.counts) == (RunStatus.QUEUED, False)
    set_cursor(store, now() + timedelta(seconds=4), made.id)
    assert once.after(run, throttled).status is RunStatus.FAILED


def test_what_a_person_asked_for_knows_no_next_occurrence(store: Store, made: Schedule) -> None:
    store.queueing.queue_by_hand(made, "by-hand", now())
    asked = store.history.last_of(made.id, 1)[0]
    set_cursor(store, now(), made.id)
    assert asked.trigger is Trigger.MANUAL
    assert retries(store).after(asked, DOWN).status is RunStatus.QUEUED
