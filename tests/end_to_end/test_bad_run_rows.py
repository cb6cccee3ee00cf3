"""Rows of our own tables that nobody can read, among good ones: shown, ended, and nobody else waits for them."""

from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.model import RunStatus
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.integration.test_store import queue_due
from tests.making import SHOP, make_schedule

__all__ = ["bare", "desk", "shop"]

#: What is spoiled, and what of it the sentence must name.
SPOILED: dict[str, tuple[str, Any, str]] = {
    "status": ("status", "wobbly", "status 'wobbly' is none of queued, running"),
    "trigger": ("trigger", "moon", "trigger 'moon' is none of schedule"),
    "due_at: text": ("due_at", "soon", "due_at 'soon' is no moment"),
    "due_at: absurd": ("due_at", 9 * 10**17, "due_at '900000000000000000' is no moment"),
    "due_at: before 1970": ("due_at", -(10**17), "is no moment"),
    "started_at": ("started_at", "yesterday", "started_at 'yesterday' is no moment"),
    "report: no JSON": ("report", "{nope", "report '{nope' is not what was asked for"),
    "report: a list": ("report", "[]", "report '[]' is not what was asked for"),
    "report: a part": ("report", '{"report": null, "recipients": [[1, 2]]}', "is not what was asked for"),
    "report: deep": ("report", "[" * 100_000, "is not what was asked for"),
    "report: bytes": ("report", b"\xff\xfe{}", "is not what was asked for"),
    "period: bytes": ("period_start", b"\xff", "is no moment"),
    "file_name: bytes": ("file_name", b"\xff\xfe", "is no text"),
    "reason: bytes": ("reason", b"held", "is no text"),
    "record_count": ("record_count", "lots", "record_count 'lots' is no whole number"),
}


def spoil(store: Store, schedule_id: str, column: str, value: Any) -> str:
    """Write *value* into a column of the schedule's one run; return the run's id."""
    store.engine.write(f'UPDATE {{ours}}scheduler_run SET "{column}" = ? WHERE schedule_id = ?', (value, schedule_id))
    (run,) = store.history.last_of(schedule_id)
    return run.id


@pytest.mark.parametrize(("column", "value", "said"), SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_run_is_shown_as_one_and_the_others_go_on(desk: Desk, column: str, value: Any, said: str) -> None:
    with desk.store() as store:
        bad, good = make_schedule(store, name="Bad"), make_schedule(store, name="Good")
        queue_due(store)
        run_id = spoil(store, bad.id, column, value)

    listed = desk.type("history", "list")
    assert listed.code == 0, listed.err
    assert run_id[-8:] in listed.out
    assert "bad_run_row" in listed.out
    assert "Good" in listed.out
    rows = {row["id"]: row for row in desk.type("history", "list", "--json").data}
    assert len(rows) == 2
    assert rows[run_id]["error_code"] == "bad_run_row"
    assert said in rows[run_id]["error"]
    for words in (["history", "show", run_id], ["reports", "why", bad.id]):
        done = desk.type(*words)
        assert (done.code, said in done.out) == (0, True), done.out + done.err
        assert desk.type(*words, "--json").code == 0

    done = desk.type("check-once")
    assert done.code in (0, 1), done.err
    with desk.store() as store:
        assert [run.status for run in store.history.last_of(good.id)] == [RunStatus.SUCCEEDED]
        (run,) = store.history.last_of(bad.id)
        if column in ("started_at", "record_count", "file_name", "reason"):
            return  # the attempt wrote a new one, or ended it
        assert (run.status, run.error_code) == (RunStatus.FAILED, "bad_run_row")
        assert "status" in column or "bad_run_row" in done.out


@pytest.mark.parametrize("value", ["later", 10**15, 4 * 10**18], ids=["text", "year 33658", "far"])
def test_a_run_that_waits_for_no_moment_holds_up_nobody(desk: Desk, value: Any) -> None:
    with desk.store() as store:
        bad, good = make_schedule(store, name="Bad"), make_schedule(store, name="Good")
        queue_due(store)
        spoil(store, bad.id, "not_before", value)
    desk.set(retry__cap="2s", retry__base="1s")
    for _ in range(2):
        assert "A defect" not in desk.type("check-once").err
    with desk.store() as store:
        assert [run.status for run in store.history.last_of(good.id)] == [RunStatus.SUCCEEDED]
        (run,) = store.history.last_of(bad.id)
        assert run.damage == ""
        assert store.leases.held_elsewhere() == {}
        upcoming = store.leases.next_work_at()
        assert run.status is RunStatus.SUCCEEDED or upcoming is not None


def test_texts_that_are_no_utf_8_spoil_no_list(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Good")
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        for table, column in (("run", "error"), ("attempt", "error"), ("delivery", "error"), ("shop", "name")):
            store.engine.write(f"UPDATE scheduler_{table} SET {column} = CAST(x'fffe41' AS TEXT)")
        (run,) = store.history.last_of(made.id)
    for words in (["history", "list"], ["history", "show", run.id], ["shops", "list"], ["reports", "why", made.id]):
        done = desk.type(*words)
        assert (done.code, "internal" in done.err) == (0, False), done.err


def test_spoiled_attempts_and_deliveries_are_shown(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Good")
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        (run,) = store.history.last_of(made.id)
        store.engine.write("UPDATE scheduler_attempt SET timings = 'fast', started_at = 'noon'")
        store.engine.write("UPDATE scheduler_delivery SET receipt = '[', state = 'gone'")
    shown = desk.type("history", "show", run.id)
    assert shown.code == 0
    assert "timings 'fast' is no JSON object" in shown.out
    assert "state 'gone' is none of pending" in shown.out
    (delivery,) = desk.type("history", "show", run.id, "--json").data["deliveries"]
    assert (delivery["state"], delivery["receipt"]) == ("unknown", None)
    assert desk.type("reports", "why", made.id).code == 0


def test_a_run_that_a_lost_process_left_and_that_is_spoiled_is_taken_back(tmp_path: Path) -> None:
    with open_test_store(f"sqlite://{tmp_path / 's.db'}", lease=0.1) as store:
        made = make_schedule(store)
        queue_due(store)
        (lease,) = store.leases.claim(1)
        _, run = store.corridor.enter(lease, ())
        assert run is not None
        spoil(store, made.id, "trigger", "moon")
        store.engine.write("UPDATE {ours}scheduler_run SET lost_leases = 2")
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0, next_work_at = 0")
        (lease,) = store.leases.claim(1)
        adopted, _ = store.corridor.enter(lease, ())
        assert adopted == [(run.id, RunStatus.SKIPPED)]


def test_a_shop_of_no_zone_fails_the_reports_that_need_it_and_says_how_to_mend_it(desk: Desk) -> None:
    with desk.store() as store:
        bad, good = make_schedule(store, name="Bad", zone=""), make_schedule(store, name="Good", zone="Asia/Tokyo")
        store.engine.write("UPDATE scheduler_shop SET zone = 'Mars/Base'")
    done = desk.type("check-once")
    assert (done.code, "its shop's zone 'Mars/Base'" in done.out) == (1, True), done.out + done.err
    assert f"scheduler shops check {SHOP}" in done.out
    assert f"scheduler shops check {SHOP}" in desk.type("reports", "why", bad.id).out
    with desk.store() as store:
        assert store.history.last_of(bad.id)[0].error_code == "bad_shop_row"
        assert store.history.last_of(good.id)[0].status is RunStatus.SUCCEEDED
    assert desk.type("shops", "check", SHOP).code == 0
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        assert store.history.last_of(bad.id)[0].status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("column", ["scopes", "checked_at"])
def test_what_is_known_of_a_shop_and_cannot_be_read_is_unknown_and_told_once(desk: Desk, column: str) -> None:
    with desk.store() as store:
        schedules = [make_schedule(store, name=name, zone="") for name in ("One", "Two")]
        store.engine.write(f"UPDATE scheduler_shop SET {column} = ?", ("{read_orders",))
    done = desk.type("check-once")
    assert done.code == 0, done.err
    assert done.err.count("{read_orders") == 1
    assert '"shop_unreadable"' in done.err
    with desk.store() as store:
        runs = [store.history.last_of(made.id)[0].status for made in schedules]
    assert runs == [RunStatus.SUCCEEDED] * 2
    assert desk.type("shops", "list").code == 0
    assert desk.type("shops", "check", SHOP).code == 0
    with desk.store() as store:
        assert "read_orders" in (store.shops.find(SHOP).scopes or ())
