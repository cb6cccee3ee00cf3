"""What is removed and what stays: old and surplus rows, old and surplus files, never what is unfinished."""

import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler_daemon.app import build
from scheduler_daemon.config import load_config
from scheduler_daemon.errors import RunError
from scheduler_daemon.model import Occurrence, Outcome, RunStatus, Schedule, Trigger
from scheduler_daemon.spool import Spool
from scheduler_daemon.store import Store
from scheduler_daemon.store.new_runs import insert_runs, run_values
from tests.making import make_schedule, now


def finished(store: Store, schedule: Schedule, days_ago: int) -> None:
    """Write a run that ended *days_ago* days ago."""
    moment = now() - timedelta(days=days_ago)
    at = int(moment.timestamp() * 1000)
    values = run_values(schedule, Occurrence(f"day-{days_ago}", moment), at, Trigger.SCHEDULE, "coalesced")
    with store.engine.transaction():
        insert_runs(store.engine, values)


def keys(store: Store) -> list[str]:
    return sorted(run.occurrence_key for run in store.history.latest())


def test_rows_go_by_age_and_the_unfinished_stay(store: Store) -> None:
    schedule = make_schedule(store, next_due_at=now() + timedelta(days=1))
    for days in (1, 5, 9, 13):
        finished(store, schedule, days)
    store.queueing.queue_by_hand(schedule, "manual:old", now() - timedelta(days=30))
    assert len(store.pruning.older_than(now() - timedelta(days=7), limit=1)) == 1
    assert keys(store) == ["day-1", "day-5", "day-9", "manual:old"]
    assert len(store.pruning.older_than(now() - timedelta(days=7))) == 1
    assert store.pruning.older_than(now() - timedelta(days=7)) == []
    assert keys(store) == ["day-1", "day-5", "manual:old"]


def test_rows_go_by_number_for_each_schedule(store: Store) -> None:
    one = make_schedule(store, name="One", next_due_at=now() + timedelta(days=1))
    two = make_schedule(store, name="Two", next_due_at=now() + timedelta(days=1))
    for days in (1, 2, 3, 4):
        finished(store, one, days)
    finished(store, two, 20)
    assert len(store.pruning.beyond(2)) == 2
    assert [run.occurrence_key for run in store.history.last_of(one.id)] == ["day-1", "day-2"]
    assert [run.occurrence_key for run in store.history.last_of(two.id)] == ["day-20"]


def test_a_removed_run_takes_its_attempts_along(store: Store) -> None:
    schedule = make_schedule(store)
    store.queueing.queue_by_hand(schedule, "manual:x", now() - timedelta(seconds=1))
    (lease,) = store.leases.claim(1)
    _, run = store.corridor.enter(lease, ())
    assert run is not None
    store.corridor.finish(lease, run, Outcome(RunStatus.SUCCEEDED), go_on=False)
    assert len(store.history.attempts(run.id)) == 1
    assert store.pruning.older_than(now() + timedelta(minutes=1)) == [run.id]
    assert store.history.attempts(run.id) == []


def folder(root: Path, name: str, size: int, days_ago: float) -> None:
    made = root / name
    made.mkdir(parents=True)
    (made / "report.csv").write_bytes(b"x" * size)
    moment = now().timestamp() - days_ago * 86400
    os.utime(made, (moment, moment))


def test_files_go_by_age_and_by_quota_but_not_those_still_to_be_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name, days in (("OLD", 9), ("OPEN", 9), ("THIRD", 3), ("SECOND", 2), ("FIRST", 1)):
        folder(tmp_path, name, 1000, days)
    assert spool.sweep(timedelta(days=7), now(), lambda: {"OPEN"}) == 1
    assert spool.sweep(timedelta(days=7), now(), lambda: {"OPEN"}, quota=2500) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FIRST", "OPEN"]
    spool.require_space(1, quota=2500)
    assert spool.sweep(timedelta(days=7), now(), lambda: {"OPEN", "FIRST"}, quota=1500) == 0
    with pytest.raises(RunError) as told:
        spool.require_space(1, quota=1500)
    assert (told.value.code, told.value.retryable) == ("spool_full", True)


def test_files_of_finished_runs_make_room_when_the_quota_is_met(store: Store, tmp_path: Path) -> None:
    """Not at the next look at the spool, minutes later: by then the tries of what came due are used up."""
    options = {"spool.dir": str(tmp_path / "spool"), "folder.path": str(tmp_path), "spool.quota": "1500B"}
    preparer = build(load_config(None, options, {}), store, lambda: None).performer.preparer
    for name in ("OLD", "NEW"):
        folder(preparer.spool.root, name, 1000, 0.1)
    assert preparer.spool.sweep(timedelta(days=7), now(), lambda: {"OLD", "NEW"}) == 0
    preparer._require_space()
    assert len(list(preparer.spool.root.iterdir())) == 1


def test_room_is_not_made_of_what_an_attempt_may_still_be_at(store: Store, tmp_path: Path) -> None:
    options = {"spool.dir": str(tmp_path / "spool"), "folder.path": str(tmp_path), "spool.quota": "8KB"}
    config = load_config(None, options | {"daemon.deadline": "3h"}, {})
    preparer = build(config, store, lambda: None).performer.preparer
    folder(preparer.spool.root, "OLD", 6000, 0.1)
    making = preparer.spool.root / "NEW" / ".making-x"
    folder(making.parent, making.name, 3000, 2 / 24)
    os.utime(making / "report.csv", (making.stat().st_mtime,) * 2)
    assert preparer.spool.sweep(timedelta(days=7), now(), lambda: {"OLD", "NEW"}, attempt=timedelta(hours=3)) == 0
    preparer._require_space()
    assert [path.name for path in preparer.spool.root.rglob("*")] == ["NEW", ".making-x", "report.csv"]


def test_a_quota_of_nothing_is_read_as_text_too() -> None:
    assert load_config(None, {"spool.quota": "0"}, {}).spool.quota == 0


def test_a_sweep_goes_on_where_another_daemon_removes_the_folders_under_it(tmp_path: Path) -> None:
    """Daemons that share a spool sweep it at the same time; found by the long run of faults."""
    spool, over = Spool(tmp_path), threading.Event()

    def vanish() -> None:
        while not over.is_set():
            for number in range(50):
                folder = tmp_path / f"RUN{number}" / ".making-1"
                folder.mkdir(parents=True, exist_ok=True)
            for number in range(50):
                shutil.rmtree(tmp_path / f"RUN{number}", ignore_errors=True)

    other = threading.Thread(target=vanish)
    other.start()
    try:
        for _ in range(100):
            spool.sweep(timedelta(days=1), datetime.now(UTC), set)
    finally:
        over.set()
        other.join()
