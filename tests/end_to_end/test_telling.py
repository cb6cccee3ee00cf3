"""What commands tell a person: who ran, in any locale, on a terminal and off it."""

import signal
import subprocess
import sys
import time

import pexpect
import pytest

from scheduler_daemon.model import Recipient, RunStatus
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, now

__all__ = ["bare", "desk", "shop"]

NAME = "Été 売上, \x1b[31mrot\x1b[0m"


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1", "C.UTF-8"])
def test_names_are_told_in_any_locale_and_steer_no_terminal(locale: str, desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name=NAME)
    environ = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = desk.spawn("reports", "list", **environ)
    assert (done.code, done.err) == (0, "")
    assert "Été 売上, \\x1b[31mrot\\x1b[0m" in done.out
    assert "\x1b" not in done.out
    assert desk.spawn("reports", "list", "--json", **environ).data[0]["name"] == NAME
    assert desk.spawn("check-once", **environ).code == 0


def test_check_once_on_hold_says_what_is_due_that_nothing_was_sent_and_what_to_do(desk: Desk) -> None:
    with desk.store() as store:
        store.remember_mode("hold")
        nothing = desk.type("check-once")
        assert nothing.out.splitlines()[-1].startswith("Delivery is on hold: nothing is due, nothing was sent.")
        for number in range(22):
            make_schedule(store, name=f"Report {number}")
        held = desk.type("check-once")
        assert (held.code, store.history.latest()) == (0, [])
    lines = held.out.splitlines()
    assert sum("  Report " in line for line in lines) == 20
    assert lines[-2] == "and 2 more, see: scheduler check-once --dry-run"
    assert lines[-1] == "Delivery is on hold: 22 reports due, nothing was sent. Next: scheduler go-live"
    assert desk.type("check-once", "--json").data == []


def test_status_names_schedules_of_types_that_are_not_ours(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store)
        assert desk.type("check-once").code == 0
        assert "foreign" not in desk.type("status").out
        for _ in range(3):
            row, made = store.engine.tables.report_schedule, make_schedule(store)
            store.engine.change(row.update(report_type="theirs").where(row.id == made.id))
        assert desk.type("check-once").code == 0
    assert "foreign  3 schedules of other types, left alone" in desk.type("status").out.splitlines()


# What ran -----------------------------------------------------------------------------------------------------------


def test_check_once_says_who_ran_with_file_and_recipients(desk: Desk, shop: SimShop) -> None:
    with Mailbox(desk.root / "mail", refuse=("b@acme.example",)) as mailbox, desk.store() as store:
        desk.set(
            email__host="127.0.0.1", email__port=str(mailbox.port), email__security="none", email__from="r@a.example"
        )
        mails = tuple(Recipient("email", f"{name}@acme.example") for name in ("a", "b"))
        make_schedule(store, name="Good", recipients=(mails[0], Recipient("folder", "folder")))
        make_schedule(store, name="Half one", recipients=mails)
        make_schedule(store, name="Alone", shop="other.myshopify.com")
        done = desk.type("check-once")
        assert done.code == 1
        lines = done.out.splitlines()
        (good,) = [line for line in lines if "  Good " in line]
        (half,) = [line for line in lines if "  Half one " in line]
        (alone,) = [line for line in lines if "  Alone " in line]
        assert " rows  csv   delivered to 1 " in good
        assert half.index("PARTIAL smtp_refused") == alone.index("SKIPPED no_session") == good.index("  Good ") + 12
        below = lines[lines.index(good) + 1]
        assert below.split(" -> ")[1].startswith("a@acme.example, ")
        assert below.endswith(f"reports/test/{below.split(' -> ')[0].strip().replace('orders-yesterday', 'good')}")
        assert any(line.strip().startswith("failed: b@acme.example: ") for line in lines)
        assert lines[-1].startswith("Next: ")
        assert desk.type("check-once").code == 0


def test_a_run_by_hand_is_told_in_three_lines(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", next_due_at=None)
    done = desk.type("reports", "run", "Weekly Sales")
    assert done.code == 0
    made, sent, period = done.out.splitlines()
    assert made.startswith("OK       ")
    assert " rows, weekly-sales-" in made
    assert sent.startswith(f"OK       delivered to {desk.root}/reports/test/weekly-sales-")
    assert period.startswith("Period   ")
    assert "Europe/Paris" in period
    assert "EUR" in period


def test_a_run_by_hand_does_not_leave_while_delivery_is_on_hold_or_wait_for_a_paused_shop(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", next_due_at=None)
        desk.type("shops", "pause", SHOP, "--note", "moving")
        done = desk.type("reports", "run", "weekly-sales")
        assert (done.code, "is paused (moving)" in done.err) == (2, True)
        desk.type("go-live", "--hold")
        held = desk.type("reports", "run", "weekly-sales", "--json")
        assert (held.code, held.json["error"]["code"]) == (2, "delivery_held")
        assert store.history.latest() == []


def test_a_check_says_what_it_skipped(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
        desk.type("shops", "pause", SHOP, "--note", "moving")
        done = desk.type("check-once")
        assert (done.code, "Skipped 1 occurrence: the report, its shop or everything was paused." in done.out) == (
            0,
            True,
        )
        make_schedule(store, name="Monthly Sales")
        assert desk.type("check-once", "--json").json["skipped"] == {"paused": 1}


def test_a_refused_token_is_not_stored_and_the_old_one_stands(desk: Desk, shop: SimShop) -> None:
    done = desk.type("shops", "add", SHOP, "--token-file", "-", stdin="shpat_wrong0000\n")
    assert (done.code, "not stored" in done.err, "shpat_wrong" in done.err) == (1, True, False)
    assert desk.type("shops", "check", SHOP).code == 0
    assert desk.type("shops", "add", SHOP, "--token-file", "-", stdin=f"{shop.token}\n").code == 0


# On a terminal ------------------------------------------------------------------------------------------------------


def on_terminal(desk: Desk, *words: str, **environ: str) -> str:
    shown = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environ}
    start = ["-m", "scheduler_daemon", *words]
    child = pexpect.spawn(
        sys.executable, start, env=desk.environ | shown, encoding="utf-8", timeout=60, dimensions=(24, 120)
    )
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


def test_progress_is_shown_on_a_terminal_only(desk: Desk, shop: SimShop) -> None:
    with desk.store() as store:
        for _ in range(3):
            make_schedule(store, name="Weekly Sales", next_due_at=now())
    shop.script([{"fault": "slow", "seconds": 1.0}] * 2)
    shown = on_terminal(desk, "check-once", "--report", store_id(desk, 0))
    assert "test  Weekly Sales  fetching" in shown
    assert "[Scheduler] Executing report: Weekly Sales" in shown
    shop.script([{"fault": "slow", "seconds": 1.0}])
    plain = on_terminal(desk, "reports", "run", store_id(desk, 1), NO_COLOR="1", LC_ALL="C")
    assert "test  Weekly Sales  fetching" in plain
    assert "\x1b[3" not in plain
    piped = desk.spawn("reports", "run", store_id(desk, 2))
    assert ("fetching" in piped.out + piped.err, "\x1b" in piped.out + piped.err) == (False, False)


def store_id(desk: Desk, number: int) -> str:
    with desk.store() as store:
        return sorted(item.id for item in store.schedules.all())[number]


def test_marks_stand_for_statuses_where_they_can_be_shown(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Good")
        make_schedule(store, name="Alone", shop="other.myshopify.com")
    desk.type("check-once")
    marked = on_terminal(desk, "history", "list")
    assert "✓ succeeded" in marked
    assert "– skipped (no_session)" in marked
    assert "1 succeeded, 1 skipped" in marked
    for environ in ({"NO_COLOR": "1"}, {"LC_ALL": "C"}, {"TERM": "dumb"}):
        plain = on_terminal(desk, "history", "list", **environ)
        assert not set("✓✗–\x1b") & set(plain), environ
        assert "succeeded" in plain
    assert not set("✓✗–\x1b") & set(desk.type("history", "list").out)


def test_ctrl_c_gives_the_report_back_and_counts_no_attempt(desk: Desk, shop: SimShop) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
        shop.script([{"fault": "slow", "seconds": 3.0}])
        start = [sys.executable, "-m", "scheduler_daemon", "check-once"]
        process = subprocess.Popen(start, env=desk.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + 30
        while not any(run.status is RunStatus.RUNNING for run in store.history.latest()):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"go back to the queue" in err
        assert b"Traceback" not in err
        (run,) = store.history.latest()
        assert (run.status, run.error_code) == (RunStatus.QUEUED, "interrupted")
    assert desk.type("check-once").code == 0


def test_moments_are_local_to_the_report(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Tokyo", zone="Asia/Tokyo")
    desk.type("check-once")
    row = next(line for line in desk.type("history", "list").out.splitlines() if "Tokyo" in line)
    assert " JST " in row
    assert " JST " in desk.type("reports", "list").out
    shown = desk.type("history", "show", row.split()[0]).out
    assert shown.count(" JST") >= 5
    assert " UTC" not in shown
    assert made.id in shown
