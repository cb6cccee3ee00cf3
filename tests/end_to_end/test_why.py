"""`reports why`: a sentence for each case, through real rows, in the zone of the report and never in UTC."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_daemon.channels import IDEMPOTENT
from scheduler_daemon.cli.why.hints import HINTS
from scheduler_daemon.health.statefile import StateFile
from scheduler_daemon.lib.clock import iso
from scheduler_daemon.model import (
    CatchUp,
    Occurrence,
    Outcome,
    Overlap,
    Plan,
    Recipient,
    Recurrence,
    Report,
    RuleKind,
    RunStatus,
    Schedule,
    SkipReason,
)
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.simulator.mailbox import Mailbox
from scheduler_daemon.store import Store, read_url
from tests.conftest import open_test_store
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.end_to_end.test_old_service import wait_for
from tests.making import SHOP, make_schedule, now, set_cursor

__all__ = ["bare", "desk", "shop"]

LATER = timedelta(hours=5)
ZONE = "Asia/Tokyo"
MAIL = Recipient("email", "a@acme.example")


@pytest.fixture
def store(desk: Desk) -> Iterator[Store]:
    with desk.store() as opened:
        yield opened


def why(desk: Desk, schedule: Schedule) -> dict[str, dict[str, Any]]:
    """Return what is said, by case; each moment must be the report's local time."""
    done = desk.type("reports", "why", schedule.id, "--json")
    assert done.code == 0, done
    said = {item["code"]: item for item in done.data}
    assert not [item for item in said.values() if " UTC" in item["text"]], said
    shown = desk.type("reports", "why", schedule.id).out
    assert all(item["text"][:25] in shown for item in done.data)
    assert all(f"    -> {item['hint']}" in shown for item in done.data if item["hint"])
    return said


def tokyo(store: Store, **changes: Any) -> Schedule:
    return make_schedule(store, zone=ZONE, name="Weekly Sales", **changes)


@contextmanager
def daemon(desk: Desk, **changes: Any) -> Iterator[StateFile]:
    """A state file as a daemon writes it, held as a daemon holds it."""
    at = datetime.now(UTC)
    state: dict[str, Any] = {
        "schema": 1,
        "mode": "daemon",
        "isRunning": True,
        "pid": 4711,
        "version": "0.1.0",
        "database": read_url(desk.url).shown,
        "started_at": iso(at),
        "tick": {"number": 1, "last_good_at": iso(at), "next_at": iso(at + timedelta(minutes=3))},
        "running": [],
        "delivery_mode": "live",
        "slots": {"total": 8, "free": 8},
        "problems": [],
        "last_error": None,
    }
    file = StateFile(desk.root / "state" / "state.json")
    file.lock()
    file.write(state | changes)
    try:
        yield file
    finally:
        file.unlock()


# What keeps it from running -----------------------------------------------------------------------------------------


def test_held(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    desk.type("go-live", "--hold")
    said = why(desk, made)
    assert "delivery is on hold" in said["held"]["text"]
    assert "scheduler go-live" in said["held"]["hint"]
    assert "due_no_daemon" not in said


def test_redirected(desk: Desk, store: Store) -> None:
    made = tokyo(store, recipients=(MAIL,), next_due_at=now() + LATER)
    desk.set(
        delivery__mode="redirect", delivery__redirect_to="me@test.example", email__host="h", email__from="r@a.example"
    )
    assert "Its mail goes to me@test.example and to none of its 1 recipient" in why(desk, made)["redirected"]["text"]


def test_switched_off(desk: Desk, store: Store) -> None:
    made = tokyo(store, active=False)
    assert "switched off in the app (isActive)" in why(desk, made)["switched_off"]["text"]


def test_a_one_off_that_is_over(desk: Desk, store: Store) -> None:
    local = (now() - timedelta(minutes=1)).astimezone(UTC) + timedelta(hours=9)
    made = tokyo(
        store,
        recurrence=Recurrence(RuleKind.ONCE, at=f"{local:%Y-%m-%dT%H:%M}"),
        next_due_at=(now() - timedelta(minutes=1)).replace(second=0, microsecond=0),
    )
    assert desk.type("check-once").code == 0
    said = why(desk, made)
    assert f"It is over: it was to run once, on {local:%Y-%m-%d at %H:%M}" in said["over"]["text"]
    assert "succeeded" in said


def test_paused(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() + LATER)
    desk.type("reports", "pause", made.id, "--note", "until the fair")
    said = why(desk, made)
    assert "paused since " in said["paused"]["text"]
    assert "JST (until the fair)" in said["paused"]["text"]
    assert said["paused"]["hint"] == f"scheduler reports resume {made.id}"


@THREE
def test_paused_shop(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() + LATER)
    desk.type("shops", "pause", SHOP, "--note", "moving")
    assert f"its shop {SHOP} is paused (moving)" in why(desk, made)["shop_paused"]["text"]
    store.queueing.queue_by_hand(made, "manual:x", now())
    said = why(desk, made)["waits_shop_paused"]
    assert ("its shop is paused (moving)" in said["text"], said["hint"]) == (True, f"scheduler shops resume {SHOP}")


@THREE
def test_no_session(desk: Desk, store: Store) -> None:
    made = tokyo(store, shop="other.myshopify.com")
    assert "has no offline session" in why(desk, made)["no_session"]["text"]
    assert desk.type("check-once").code == 1
    said = why(desk, made)["skipped_no_session"]
    assert "skipped, because the shop had no usable offline session" in said["text"]
    assert "scheduler shops add other.myshopify.com" in said["text"] + str(said["hint"])


def test_foreign_type(desk: Desk, store: Store) -> None:
    made = tokyo(store, report=Report("inventory", "Weekly Sales"))
    said = why(desk, made)["foreign"]
    assert "its type 'inventory' is mapped to none of ours" in said["text"]
    assert "[types]" in said["hint"]


@THREE
def test_unreadable_row(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    store.engine.write('UPDATE {app}"ReportSchedule" SET "recipients" = ? WHERE "id" = ?', ("{oops", made.id))
    said = why(desk, made)
    assert "will not run: its recipients '{oops' is not JSON" in said["bad_schedule_row"]["text"]
    desk.type("check-once")
    assert "failed (bad_schedule_row)" in why(desk, made)["failed"]["text"]


def test_no_rule_and_no_moment(desk: Desk, store: Store) -> None:
    made = tokyo(store, recurrence=None, next_due_at=None)
    store.engine.write('UPDATE {app}"ReportSchedule" SET "frequency" = ? WHERE "id" = ?', ("CUSTOM", made.id))
    assert "it has no rule, and the app has set no moment" in why(desk, made)["no_rule"]["text"]


def test_no_moment_yet(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=None)
    said = why(desk, made)["no_moment_no_daemon"]
    assert "the next check sets it" in said["text"]
    assert "no daemon has run here yet" in said["text"]
    with daemon(desk):
        assert set(why(desk, made)) == {"rule", "no_moment"}


@pytest.mark.parametrize(
    ("changes", "environ", "code"),
    [
        ({"recipients": ()}, {}, "no_recipients"),
        ({"recipients": (MAIL,)}, {}, "channel_not_configured"),
    ],
)
def test_what_will_fail(changes: Any, environ: Any, code: str, desk: Desk, store: Store) -> None:
    del desk.environ["SCHEDULER_FOLDER__PATH"]
    made = tokyo(store, next_due_at=now() + LATER, **changes)
    assert "will fail" in why(desk, made)[code]["text"]


def test_a_scope_that_is_missing(desk: Desk, store: Store) -> None:
    store.shops.learn(replace(store.shops.find(SHOP), scopes=("read_products",)))
    made = tokyo(store, next_due_at=now() + LATER)
    assert "lacks read_orders" in why(desk, made)["scope_missing"]["text"]


def test_a_column_s_scope_is_asked_for_when_the_report_is_made_and_not_only_when_it_runs(
    desk: Desk, store: Store
) -> None:
    add = ("reports", "add", "--shop", SHOP, "--type", "orders", "--every", "daily 07:30", "--name")
    with_customer = ("--columns", "name,customer,email")
    shop = store.shops.find(SHOP)
    store.shops.learn(replace(shop, scopes=("read_orders",)))
    for words in ((*add, "New", *with_customer), ("reports", "edit", "Plain", *with_customer)):
        if words[1] == "edit":
            assert desk.type(*add, "Plain", "--columns", "name,total").code == 0
        done = desk.type(*words)
        assert (done.code, f"The token of {SHOP} lacks access: read_customers" in done.err) == (2, True), done.err
        assert "customer, email" in done.err
        assert f"scheduler shops check {SHOP}" in done.err
    assert [seen.name for seen in store.schedules.all()] == ["Plain"]
    # The right to write contains that to read; what is not known may be there.
    for number, scopes in enumerate((("write_orders", "write_customers"), None)):
        store.shops.learn(replace(shop, scopes=scopes))
        assert desk.type(*add, f"New {number}", *with_customer).code == 0
    # What it lacks already does not stop another change, and `why` foretells it.
    store.shops.learn(replace(shop, scopes=("read_orders",)))
    assert desk.type("reports", "edit", "New 1", "--every", "daily 08:00").code == 0
    made = next(seen.schedule for seen in store.schedules.all() if seen.name == "New 1")
    assert made is not None
    assert "lacks read_customers" in why(desk, made)["scope_missing"]["text"]


# When it runs -------------------------------------------------------------------------------------------------------


def test_next(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() + LATER)
    local = (now() + LATER) + timedelta(hours=9)
    with daemon(desk):
        said = why(desk, made)
    assert set(said) == {"rule", "next"}
    assert said["rule"]["text"] == f"Weekly Sales of {SHOP}: every day at 08:00, Asia/Tokyo."
    assert said["next"]["text"].startswith(f"Next: {local:%a %d %b}")
    assert " JST, in 5 h" in said["next"]["text"] or " JST, in 4 h" in said["next"]["text"]
    assert "no_daemon" in why(desk, made)


def test_due_and_no_daemon(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() - timedelta(minutes=20))
    said = why(desk, made)["due_no_daemon"]
    assert "It is due since " in said["text"]
    assert "JST (20 min) and not queued yet: no daemon has run here yet." in said["text"]
    assert said["hint"] == "Start it: scheduler run. Or by hand: scheduler check-once"
    with daemon(desk):
        pass
    assert "no daemon is running here" in why(desk, made)["due_no_daemon"]["text"]
    with daemon(desk, database="sqlite:/elsewhere.db"):
        assert "works on another database (sqlite:/elsewhere.db)" in why(desk, made)["due_no_daemon"]["text"]
    old = iso(datetime.now(UTC) - timedelta(hours=2))
    with daemon(desk, tick={"last_good_at": old}, last_error={"message": "The database is locked."}):
        text = why(desk, made)["due_no_daemon"]["text"]
    assert "the daemon (pid 4711) is not well: The last good check was 2 h ago" in text
    assert "its last error: The database is locked." in text


@THREE
def test_due_and_a_daemon(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    with daemon(desk):
        assert "takes it within a second" in why(desk, made)["due"]["text"]
    with daemon(desk, delivery_mode="hold"):
        assert "still works in the mode hold" in why(desk, made)["due_daemon_holds"]["text"]
    set_cursor(store, now() - timedelta(minutes=10))
    with daemon(desk):
        assert "though the daemon (pid 4711) is well" in why(desk, made)["due_not_taken"]["text"]
    desk.set(daemon__wake="check")
    with daemon(desk):
        said = why(desk, made)["due_next_check"]["text"]
    assert "at checks only (daemon.wake), the next is at " in said
    assert said.endswith(" JST.")


# What happens now ---------------------------------------------------------------------------------------------------


def test_running_and_queued_behind_it(desk: Desk, store: Store, shop: SimShop) -> None:
    first = tokyo(store, priority=1)
    second = make_schedule(store, name="Orders", zone=ZONE)
    shop.script([{"fault": "slow", "seconds": 20.0}])
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler_daemon", "run"], env=desk.environ, stderr=subprocess.DEVNULL
    )
    try:
        file = StateFile(desk.root / "state" / "state.json")
        wait_for(lambda: file.path.exists() and any(item["step"] == "fetch" for item in file.read()["running"]))
        said = why(desk, first)["running"]["text"]
        assert "runs now: fetching, since " in said
        assert " JST (" in said
        waits = why(desk, second)["waits_shop_busy"]["text"]
        assert "queued; the shop is busy with Weekly Sales (fetching, since " in waits
        process.kill()
        process.wait()
        # Its lease lives, its process does not: nothing runs, and nobody is busy.
        takeover = "a peer or the next check takes it over at "
        said = why(desk, first)["lost"]["text"]
        assert (" is gone from this machine; " in said, takeover in said) == (True, True), said
        said = why(desk, second)["waits_shop_busy"]["text"]
        assert ("queued; the shop's last process, " in said, takeover in said) == (True, True), said
        checked = desk.type("check-once")
        assert (checked.code, "is being worked on" in checked.out) == (1, False)
        assert f"{SHOP} was being worked on by " in checked.out
        assert takeover in checked.out
        until = datetime.fromisoformat(desk.type("check-once", "--json").json["lost"][SHOP])
        assert now() < until <= now() + timedelta(seconds=60)
        assert "process lost, taken over at " in desk.type("shops", "list").out
    finally:
        process.kill()
        process.wait()


@THREE
def test_busy_on_another_holder_running_there_and_lost(desk: Desk, store: Store) -> None:
    first, second = tokyo(store), tokyo(store)
    store.queueing.queue_by_hand(first, "manual:1", now() - timedelta(seconds=1))
    with open_test_store(desk.url) as other:
        (lease,) = other.leases.claim(1)
        assert f"the shop is being worked on by {other.holder}" in why(desk, first)["waits_shop_busy"]["text"]
        _, run = other.corridor.enter(lease, IDEMPOTENT)
        assert run is not None
        store.queueing.queue_by_hand(second, "manual:2", now())
        assert f"runs now, by {other.holder}, since " in why(desk, first)["running"]["text"]
        assert f"the shop is being worked on by {other.holder}" in why(desk, second)["waits_shop_busy"]["text"]
        # Its lease ends now, not by the clock: on a busy machine a short one would end before the commands above.
        store.engine.write("UPDATE {ours}scheduler_shop SET lease_until = 0")
        assert not store.leases.held_elsewhere()
        assert "was running when its process was lost" in why(desk, first)["lost"]["text"]


@THREE
def test_queued(desk: Desk, store: Store) -> None:
    first, second = tokyo(store), tokyo(store)
    for number, item in enumerate((first, second)):
        store.queueing.queue_by_hand(item, "manual:x", now() - timedelta(seconds=2 - number))
    assert "queued; no daemon has run here yet" in why(desk, first)["waits_no_daemon"]["text"]
    with daemon(desk):
        assert "asked for by hand: queued; the daemon takes it" in why(desk, first)["waits"]["text"]
        assert "queued; 1 report of the shop come first" in why(desk, second)["waits_behind"]["text"]
    with daemon(desk, slots={"total": 8, "free": 0}):
        assert "all 8 slots are taken by other shops" in why(desk, first)["waits_slots"]["text"]


def test_waits_for_a_retry(desk: Desk, store: Store, shop: SimShop) -> None:
    made = tokyo(store)
    desk.set(retry__base="10m")
    shop.script([{"fault": "500"}] * 5)  # the client itself asks four times
    assert desk.type("check-once").code == 1
    (run,) = store.history.latest()
    with daemon(desk):
        said = why(desk, made)["retrying"]
    assert "attempt 1 failed (shop_unavailable), next try " in said["text"]
    assert f"{run.not_before + timedelta(hours=9):%H:%M} JST (in " in said["text"]
    assert "it has 5 in all" in said["text"]
    assert "scheduler shops check " in said["text"]
    assert "if a daemon runs by then: " in why(desk, made)["retrying"]["text"]


@THREE
def test_sending(desk: Desk, store: Store) -> None:
    made = tokyo(store, recipients=(Recipient("folder", "folder"), MAIL))
    desk.set(
        email__host="127.0.0.1", email__port="1", email__security="none", email__from="r@a.example", retry__base="10m"
    )
    assert desk.type("check-once").code == 1
    said = why(desk, made)["sending"]["text"]
    assert "sending: 1 of 2 delivered, next try " in said
    assert " JST (in " in said
    assert "127.0.0.1 does not answer" in said


@THREE
def test_interrupted(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    close(
        store,
        made,
        Outcome(RunStatus.QUEUED, error_code="interrupted", error="Stopped.", not_before=now(), counts=False),
    )
    assert (
        "interrupted by a stop, nothing is lost; no daemon has run here yet" in why(desk, made)["interrupted"]["text"]
    )


# What happened ------------------------------------------------------------------------------------------------------


def close(store: Store, schedule: Schedule, outcome: Outcome, name: str = "manual:x") -> None:
    """Let a run of *schedule* end as *outcome* says, through the corridor."""
    store.queueing.queue_by_hand(schedule, name, now() - timedelta(seconds=1))
    (lease,) = store.leases.claim(1)
    _, run = store.corridor.enter(lease, IDEMPOTENT)
    assert run is not None
    store.corridor.finish(lease, run, outcome, go_on=False)
    store.corridor.leave(lease, [schedule.id])


def test_succeeded_on_time_and_late(desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() - timedelta(minutes=20), recurrence=None)
    assert desk.type("check-once").code == 0
    said = why(desk, made)["succeeded"]["text"]
    assert "JST: succeeded, " in said
    assert f"delivered to {desk.root}/reports/test/weekly-sales-" in said
    assert "It began 20 min late, because no scheduler looked before " in said
    on_time = make_schedule(store, name="Orders", zone=ZONE)
    assert desk.type("check-once").code == 0
    assert "late" not in why(desk, on_time)["succeeded"]["text"]


@THREE
def test_partial(desk: Desk, store: Store) -> None:
    with Mailbox(desk.root / "mail", refuse=("a@acme.example",)) as mailbox:
        desk.set(
            email__host="127.0.0.1", email__port=str(mailbox.port), email__security="none", email__from="r@a.example"
        )
        made = tokyo(store, recipients=(MAIL, Recipient("email", "b@acme.example")))
        assert desk.type("check-once").code == 1
    said = why(desk, made)["partial"]
    assert "partial, 1 of 2 delivered. a@acme.example: " in said["text"]
    assert f"scheduler reports edit {made.id} --to" in said["hint"]


@pytest.mark.parametrize("reason", list(SkipReason))
def test_skipped_for_each_reason(reason: SkipReason, desk: Desk, store: Store) -> None:
    made = tokyo(store, next_due_at=now() - timedelta(hours=1))
    (seen,) = store.schedules.all()
    due = now() - timedelta(hours=1)
    plan = Plan(made, skipped=((Occurrence("2026-01-01T08:00", due), reason.value),), next_due_at=now() + LATER)
    store.queueing.queue([(seen, plan)], now())
    said = why(desk, made)[f"skipped_{reason.value}"]
    assert " JST: skipped, because " in said["text"]
    assert "None" not in said["text"]


@THREE
def test_skips_as_the_planner_makes_them(desk: Desk, store: Store) -> None:
    daily, due = Recurrence(RuleKind.DAILY, time="08:00"), now().astimezone(UTC).replace(hour=23, minute=0, second=0)
    due = due.replace(microsecond=0) - timedelta(days=3)
    missed = tokyo(store, recurrence=daily, next_due_at=due, catch_up=CatchUp.NONE)
    several = tokyo(store, recurrence=daily, next_due_at=due)
    paused = tokyo(store, recurrence=daily, next_due_at=due)
    overlapping = tokyo(store, recurrence=daily, next_due_at=due, overlap=Overlap.SKIP)
    store.queueing.queue_by_hand(overlapping, "manual:x", now() + LATER)
    desk.type("reports", "pause", paused.id)
    desk.type("check-once")
    assert "skipped_misfired" in why(desk, missed)
    assert {"skipped_coalesced", "succeeded"} <= set(why(desk, several))
    assert "skipped_paused" in why(desk, paused)
    assert "skipped_overlapped" in why(desk, overlapping)


def test_failed_with_each_code_says_what_to_do(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    for code in HINTS:
        close(store, made, Outcome(RunStatus.FAILED, error_code=code, error="It went wrong."), f"manual:{code}")
    said = desk.type("reports", "why", made.id, "--runs", "200", "--json").data
    failed = {item["text"].partition("failed (")[2].partition(")")[0]: item["hint"] for item in said if item["run"]}
    assert set(failed) == set(HINTS)
    assert [code for code, hint in failed.items() if not hint or "{" in hint] == []


def test_a_hint_that_the_error_has_already_is_not_said_twice(desk: Desk, store: Store) -> None:
    made = tokyo(store)
    error = f"Shopify refused the token. Store a new token: scheduler shops add {SHOP}"
    close(store, made, Outcome(RunStatus.FAILED, error_code="token_refused", error=error))
    said = why(desk, made)["failed"]
    assert ("scheduler shops add" in said["text"], said["hint"]) == (True, None)


def test_every_code_of_a_run_has_a_hint() -> None:
    from scheduler_daemon.errors import CODES

    of_commands = {
        "usage", "config_invalid", "unknown_shop", "unknown_comparison",
        "unknown_schedule", "unknown_run", "already_running", "delivery_held",
        "reports_failed", "reports_late", "overdue",
        "database_newer", "database_foreign", "database_owner", "database_network",
        "database_outdated", "notices_unset", "notices_untold", "command_failed", "cursor_missing", "shop_paused",
        "work_unowned", "run_finished", "run_unfinished",
        "run_unowned", "outbox_stuck", "clock_skew", "threads_leaked", "paused",
        "config_refused", "state_lost", "state_unwritable",
    }  # fmt: skip
    assert set(CODES) - set(HINTS) - of_commands == set()


def test_nothing_is_said_about_a_report_that_is_not_there(desk: Desk) -> None:
    assert json.loads(desk.type("reports", "why", "none", "--json").out)["error"]["code"] == "unknown_schedule"
