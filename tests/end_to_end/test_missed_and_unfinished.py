"""What becomes of an occurrence that was missed, or whose report is still being made, on all three databases."""

from datetime import timedelta

from scheduler_daemon.model import CatchUp, Overlap, Recurrence, RuleKind, Run, RunStatus, Schedule
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, now, set_cursor

__all__ = ["bare", "desk", "place", "shop"]


def of(store: Store, schedule: Schedule) -> list[Run]:
    """Return the runs of a schedule, the earliest moment first."""
    return sorted(store.history.last_of(schedule.id, 20), key=lambda run: run.due_at)


def told(runs: list[Run]) -> list[str]:
    """Return what became of each run: its reason where it was skipped, else its status."""
    return [run.reason or run.status.value for run in runs]


@THREE
def test_what_was_missed_is_caught_up_as_each_schedule_says(desk: Desk) -> None:
    newest = now().replace(second=0, microsecond=0) - timedelta(minutes=30)
    rule = Recurrence(RuleKind.HOURLY, minute=newest.minute)
    window = {"catch_up_window": 120 * 60.0}
    kinds = {
        "latest": {"catch_up": CatchUp.LATEST},
        "all": {"catch_up": CatchUp.ALL},
        "none": {"catch_up": CatchUp.NONE},
        "latest within": {"catch_up": CatchUp.LATEST, **window},
        "all within": {"catch_up": CatchUp.ALL, **window},
    }
    oldest = newest - timedelta(hours=4)
    with desk.store() as store:
        made = {
            name: make_schedule(store, name=name, recurrence=rule, zone="UTC", next_due_at=oldest, **fields)
            for name, fields in kinds.items()
        }
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        runs = {name: of(store, schedule) for name, schedule in made.items()}
        cursors = {store.schedules.find(schedule.id).due_at for schedule in made.values()}
    moments = [oldest + timedelta(hours=number) for number in range(5)]
    assert [[run.due_at for run in each] for each in runs.values()] == [moments] * 5
    assert {name: told(each) for name, each in runs.items()} == {
        "latest": [*["coalesced"] * 4, "succeeded"],
        "all": ["succeeded"] * 5,
        "none": ["misfired"] * 5,
        "latest within": [*["misfired"] * 3, "coalesced", "succeeded"],
        "all within": [*["misfired"] * 3, *["succeeded"] * 2],
    }
    begun = [run.started_at for run in runs["all"] if run.started_at is not None]
    assert begun == sorted(begun)
    assert cursors == {newest + timedelta(hours=1)}


def test_what_comes_due_while_its_last_report_is_being_made_waits_or_is_skipped(place: Place) -> None:
    shops = [place.simulator.shop(name) for name in (SHOP, OTHER)]
    with open_test_store(place.url) as store:
        waits = make_schedule(store, name="Waits", overlap=Overlap.QUEUE)
        skips = make_schedule(store, name="Skips", overlap=Overlap.SKIP, shop=OTHER)
        with shops[0].lock, shops[1].lock:  # neither answers until it is let go: no time is too short, none wasted
            place.start()
            wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.RUNNING] * 2)
            set_cursor(store, now())
            wait_for(lambda: len(store.history.latest()) == 4)
            assert told(of(store, waits)) == ["running", "queued"]
            assert told(of(store, skips)) == ["running", "overlapped"]
        wait_for(lambda: all(run.status.final for run in store.history.latest()))
        first, second = of(store, waits)
        assert told([first, second]) == ["succeeded"] * 2
        assert first.started_at is not None
        assert first.finished_at is not None
        assert second.started_at is not None
        assert first.started_at < second.queued_at < first.finished_at <= second.started_at
        done, skipped = of(store, skips)
        assert skipped.finished_at is not None
        assert done.finished_at is not None
        assert (skipped.started_at, skipped.attempt, skipped.finished_at < done.finished_at) == (None, 0, True)
        # Nothing is unfinished any more.
        set_cursor(store, now())
        wait_for(lambda: told(of(store, skips)) == ["succeeded", "overlapped", "succeeded"])
        assert len({run.occurrence_key for run in of(store, skips)}) == 3
