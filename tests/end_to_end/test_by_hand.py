"""What a person does by hand, end to end: sent again, made again, stopped, tidied; real HTTP, real mail, real files."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from scheduler_daemon.model import DeliveryState, Recipient, Report, RunStatus
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.conftest import open_test_store
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.end_to_end.test_faults import mails, with_mail
from tests.end_to_end.test_old_service import Place, place, wait_for
from tests.making import SHOP, make_schedule, now

__all__ = ["bare", "desk", "place", "shop"]

MAIL = tuple(Recipient("email", f"{name}@acme.example") for name in ("a", "b", "c"))


@pytest.fixture
def mailbox(desk: Desk) -> Iterator[Mailbox]:
    """A mail server that refuses b."""
    with Mailbox(desk.root / "mail", refuse=("b@acme.example",)) as made:
        desk.set(
            email__host="127.0.0.1", email__port=str(made.port), email__security="none", email__from="r@sched.example"
        )
        yield made


def made(desk: Desk, **changes: object) -> str:
    """Make a report that is due and run it; return the run's id."""
    with desk.store() as store:
        schedule = make_schedule(store, name="Weekly Sales", recipients=MAIL, **changes)
        desk.type("check-once")
        return store.history.last_of(schedule.id)[0].id


def letters(folder: Path, name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(f"*-{name}@acme.example.eml"))]


# Sent again ---------------------------------------------------------------------------------------------------------


@THREE
def test_resent_to_the_one_refused_address_a_partial_run_succeeds(desk: Desk, mailbox: Mailbox) -> None:
    run = made(desk)
    asked = len(desk.simulator.shop(SHOP).log)
    mailbox.refuse = ()
    done = desk.type("history", "resend", run, "--missed", "--yes", "--json")
    assert done.code == 0, done
    assert (done.data["status"], done.json["copies"]) == ("succeeded", ["b@acme.example"])
    assert mails(desk.root / "mail") == ["a@acme.example", "b@acme.example", "c@acme.example"]
    assert len(desk.simulator.shop(SHOP).log) == asked
    (mine,) = letters(desk.root / "mail", "b")
    (first,) = letters(desk.root / "mail", "a")
    one, other = message_from_bytes(first), message_from_bytes(mine)
    assert one["Message-ID"] != other["Message-ID"]
    assert one["To"] == other["To"]
    files = [next(p.get_payload(decode=True) for p in m.walk() if p.get_filename()) for m in (one, other)]
    assert files[0] == files[1]
    shown = desk.type("history", "show", run, "--json").data
    assert [(row["copy"], row["state"]) for row in shown["deliveries"]] == [
        *((0, "delivered"), (0, "failed"), (0, "delivered"), (1, "delivered"))
    ]
    assert [item["status"] for item in shown["attempts"]] == ["partial", "succeeded"]


def test_what_status_says_to_type_lists_the_partial_run_too(desk: Desk, mailbox: Mailbox) -> None:
    """A partial run counts as failed; of status failed alone there is none."""
    run = made(desk)
    (problem,) = (item for item in desk.type("status", "--json").json["problems"] if item["code"] == "reports_failed")
    words = problem["hint"].removeprefix("See: scheduler ").split()
    assert [item["id"] for item in desk.type(*words, "--json").data] == [run]
    assert desk.type("history", "list", "--status", "failed").out == "No run fits.\n"


def test_a_copy_that_fails_makes_a_succeeded_run_no_worse(desk: Desk, mailbox: Mailbox) -> None:
    mailbox.refuse = ()
    run = made(desk)
    mailbox.refuse = ("a@acme.example",)
    done = desk.type("history", "resend", run, "--to", "A@acme.example", "--yes")
    assert (done.code, done.out.splitlines()[-1].strip()) == (1, "The run is succeeded.")
    assert "a@acme.example: " in done.out
    assert "delivered: has it already, and gets it twice" in done.err
    with desk.store() as store:
        assert store.history.find(run).status is RunStatus.SUCCEEDED


@THREE
def test_a_mail_that_may_have_gone_out_is_sent_again_by_hand_and_the_person_is_told(
    desk: Desk, mailbox: Mailbox
) -> None:
    run = made(desk)
    with desk.store() as store:
        store.engine.write("UPDATE {ours}scheduler_delivery SET state = 'unknown' WHERE recipient = 'b@acme.example'")
    mailbox.refuse = ()
    asked = desk.type("history", "resend", run, "--to", "b@acme.example")
    assert asked.code == 2
    assert "b@acme.example  unknown: may have it already, and gets it twice" in asked.err
    assert "Nobody is there to confirm" in asked.err
    assert mails(desk.root / "mail") == ["a@acme.example", "c@acme.example"]
    assert desk.type("history", "resend", run, "--to", "b@acme.example", "--yes").code == 0
    with desk.store() as store:
        assert store.history.find(run).status is RunStatus.SUCCEEDED


def test_a_file_that_is_gone_or_changed_is_not_sent_again(desk: Desk, mailbox: Mailbox) -> None:
    run = made(desk)
    (file,) = (desk.root / "spool").glob("*/*.csv")
    file.write_bytes(file.read_bytes() + b"x")
    for _ in range(2):
        done = desk.type("history", "resend", run, "--yes", "--json")
        assert (done.code, done.json["error"]["code"]) == (1, "spool_missing")
        assert f"scheduler history rerun {run}" in done.json["error"]["hint"]
        shutil.rmtree(desk.root / "spool", ignore_errors=True)
    with desk.store() as store:
        assert store.history.find(run).status is RunStatus.PARTIAL


def test_a_file_that_vanishes_while_its_copy_waits_is_not_made_anew(desk: Desk, mailbox: Mailbox) -> None:
    from scheduler_daemon.deliver import new_delivery

    run = made(desk)
    asked = len(desk.simulator.shop(SHOP).log)
    with desk.store() as store:
        found = store.history.find(run)
        store.by_hand.resend(found, MAIL[:2], lambda to, copy: new_delivery(found, to, copy, copy), now())
    shutil.rmtree(desk.root / "spool")
    desk.type("check-once")
    with desk.store() as store:
        after = store.history.find(run)
        copies = [(row.state, row.error_code) for row in store.history.deliveries(run) if row.copy]
    assert (after.status, after.sha256) == (RunStatus.PARTIAL, found.sha256)
    assert copies == [(DeliveryState.FAILED, "spool_missing")] * 2
    assert len(desk.simulator.shop(SHOP).log) == asked


def test_in_redirect_no_copy_leaves_for_its_recipient(desk: Desk, mailbox: Mailbox) -> None:
    run = made(desk)
    desk.set(delivery__mode="redirect", delivery__redirect_to="me@acme.example")
    assert desk.type("history", "resend", run, "--yes").code == 0
    assert mails(desk.root / "mail") == ["a@acme.example", "c@acme.example", "me@acme.example"]
    with desk.store() as store:
        assert store.history.find(run).status is RunStatus.PARTIAL
    desk.set(delivery__mode="hold")
    assert desk.type("history", "resend", run, "--yes", "--json").json["error"]["code"] == "delivery_held"


def test_a_copy_tells_owners_of_no_new_trouble_and_of_the_end_of_the_old(desk: Desk, mailbox: Mailbox) -> None:
    run = made(desk)
    desk.set(notices__to="ops@acme.example")

    def told() -> list[str]:
        with desk.store() as store:
            return [item.kind.value for item in store.notices.latest() if item.channel == "email"]

    assert told() == ["failed"]
    assert desk.type("history", "resend", run, "--missed", "--yes").code == 1
    assert desk.type("reports", "run", "weekly-sales", "--send-to", "a@acme.example").code == 0
    with desk.store() as store:
        assert store.troubles.of_shop(SHOP) != {}
    assert told() == ["failed"]
    mailbox.refuse = ()
    assert desk.type("history", "resend", run, "--missed", "--yes").code == 0
    with desk.store() as store:
        assert store.troubles.of_shop(SHOP) == {}


# Made again ---------------------------------------------------------------------------------------------------------


@THREE
def test_a_rerun_has_the_same_period_and_fresh_data(desk: Desk, mailbox: Mailbox) -> None:
    run = made(desk, next_due_at=now() - timedelta(days=3))
    with desk.store() as store:
        old = store.history.find(run)
        cursor = store.schedules.find(old.schedule_id).due_at
    done = desk.type("history", "rerun", run, "--to", "c@acme.example", "--json")
    assert done.code == 0, done
    assert done.data["run"] != run
    assert [row["recipient"] for row in done.data["deliveries"]] == ["c@acme.example"]
    with desk.store() as store:
        new = store.history.find(done.data["run"])
        assert (new.period_start, new.period_end, new.due_at) == (old.period_start, old.period_end, old.due_at)
        assert (new.trigger.value, new.occurrence_key) == ("manual", f"rerun:{run}:1")
        assert store.schedules.find(old.schedule_id).due_at == cursor


@THREE
def test_an_unfinished_run_is_neither_made_nor_sent_again(desk: Desk, mailbox: Mailbox) -> None:
    with desk.store() as store:
        schedule = make_schedule(store, recipients=MAIL)
        store.queueing.queue_by_hand(schedule, "manual:x", now() + timedelta(hours=1))
        (run,) = store.history.last_of(schedule.id)
    for word in (["resend", "--yes"], ["rerun"]):
        done = desk.type("history", *word, run.id, "--json")
        assert (done.code, done.json["error"]["code"]) == (1, "run_unfinished")
        assert f"history cancel {run.id}" in done.json["error"]["hint"]
    assert desk.type("history", "cancel", run.id).out == f"Cancelled {run.name}, run {run.id}: skipped\n"
    again = desk.type("history", "cancel", run.id, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "run_finished")
    # What was cancelled before it had a file can be made, and not sent.
    refused = desk.type("history", "resend", run.id, "--yes", "--json").json["error"]
    assert (refused["code"], "never had a file" in refused["message"]) == ("spool_missing", True)
    mailbox.refuse = ()
    assert desk.type("history", "rerun", run.id).code == 0


@THREE
def test_the_same_key_gives_the_same_run_and_says_so(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    first = desk.type("reports", "run", "weekly-sales", "--key", "order-4711", "--json")
    second = desk.type("reports", "run", "weekly-sales", "--key", "order-4711", "--json")
    assert (first.data["run"], first.json["repeated"]) == (second.data["run"], False)
    assert (second.code, second.json["repeated"]) == (0, True)
    assert "the key was used before" in desk.type("reports", "run", "weekly-sales", "--key", "order-4711").out
    assert len(desk.type("history", "list", "--json").data) == 1


@THREE
def test_a_test_send_goes_to_one_address_and_says_that_it_is_one(desk: Desk, mailbox: Mailbox) -> None:
    with desk.store() as store:
        schedule = make_schedule(store, name="Weekly Sales", recipients=(*MAIL, Recipient("folder", "folder")))
        cursor = store.schedules.find(schedule.id).due_at
    done = desk.type("reports", "run", "weekly-sales", "--send-to", "me@acme.example", "--json")
    assert done.code == 0, done
    assert mails(desk.root / "mail") == ["me@acme.example"]
    assert not (desk.root / "reports").exists()
    (mail,) = letters(desk.root / "mail", "me")
    assert message_from_bytes(mail)["Subject"].startswith("[Test] Weekly Sales, ")
    with desk.store() as store:
        (run,) = store.history.last_of(schedule.id)
        assert (run.trigger.value, run.occurrence_key[:5]) == ("manual", "test:")
        assert store.schedules.find(schedule.id).due_at == cursor


# Stopped ------------------------------------------------------------------------------------------------------------


def test_a_running_run_is_cancelled_from_another_process(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__LEASE": "9s", "SCHEDULER_DAEMON__BEAT": "200ms"}
    with Mailbox(place.root / "mail") as mailbox:
        with_mail(place, mailbox)
        place.start()
        wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
        with open_test_store(place.url) as store:
            with place.simulator.shop(SHOP).lock:  # the shop does not answer until it is let go
                slow = make_schedule(store, name="Slow", recipients=MAIL)
                make_schedule(store, name="Next", recipients=MAIL[:1], next_due_at=now())
                run = wait_for(lambda: next((r for r in store.history.last_of(slow.id) if r.attempt), None))
                words = place.command("history", "cancel", run.id, "--json")
                cancel = subprocess.Popen(words, env=place.environ, stdout=subprocess.PIPE)
                wait_for(lambda: store.history.find(run.id).reason == "cancelled")
                time.sleep(2)  # ten heartbeats
            said = cancel.communicate(timeout=30)[0]
            assert (cancel.returncode, json.loads(said)["cancelled"]) == (0, True)
            after = store.history.find(run.id)
            assert (after.status, after.reason, after.error_code) == (RunStatus.SKIPPED, "cancelled", "cancelled")
            assert store.history.deliveries(run.id) == []
            wait_for(lambda: [r for r in store.history.latest() if r.name == "Next" and r.status.final])
    assert mails(place.root / "mail") == ["a@acme.example"]


def test_a_copy_asked_for_beside_a_daemon_is_sent_once(place: Place) -> None:
    with Mailbox(place.root / "mail", refuse=("b@acme.example",)) as mailbox:
        with_mail(place, mailbox)
        with open_test_store(place.url) as store:
            schedule = make_schedule(store, recipients=MAIL)
            assert place.run("check-once").returncode == 1
            (run,) = store.history.last_of(schedule.id)
            mailbox.refuse = ()
            place.start()
            wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
            done: subprocess.CompletedProcess[str] = place.run("history", "resend", run.id, "--missed", "--yes")
            assert done.returncode == 0, done
            assert store.history.find(run.id).status is RunStatus.SUCCEEDED
    assert sorted(mails(place.root / "mail")) == ["a@acme.example", "b@acme.example", "c@acme.example"]


# Tidied -------------------------------------------------------------------------------------------------------------


@THREE
def test_prune_counts_asks_and_removes_rows_and_files(desk: Desk) -> None:
    with desk.store() as store:
        schedule = make_schedule(store, name="Weekly Sales")
        for number in range(3):
            assert desk.type("reports", "run", "weekly-sales", "--key", str(number)).code == 0
        old = store.history.last_of(schedule.id)[1:]
        for run in old:
            store.engine.write(
                "UPDATE {ours}scheduler_run SET finished_at = finished_at - ? WHERE id = ?", (100 * 86_400_000, run.id)
            )
    assert desk.type("history", "prune", "--older-than", "90d", "--dry-run", "--json").data["runs"] == 2
    refused = desk.type("history", "prune", "--older-than", "90d")
    assert (refused.code, "2 runs ended more than 90 d ago" in refused.err) == (2, True)
    assert len(list((desk.root / "spool").iterdir())) == 3
    done = desk.type("history", "prune", "--older-than", "90d", "--yes", "--json")
    assert (done.code, done.data["runs"]) == (0, 2)
    assert len(desk.type("history", "list", "--json").data) == 1
    assert len(list((desk.root / "spool").iterdir())) == 1
    assert desk.type("history", "prune").out.startswith("Removed 0 runs")


@pytest.mark.parametrize("text", ["soon", "90", "1m", "-5d"])
def test_prune_refuses_a_length_that_is_none(text: str, desk: Desk) -> None:
    done = desk.type("history", "prune", f"--older-than={text}", "--yes", "--json")
    assert (done.code, text in done.json["error"]["message"]) == (2, True)


@THREE
def test_a_rerun_since_the_last_success_is_about_what_the_old_run_was(desk: Desk) -> None:
    with desk.store() as store:
        report = Report("orders", "Since", "csv", "since_last_success")
        schedule = make_schedule(store, name="Since", report=report, next_due_at=now() - timedelta(hours=3))
    assert desk.type("check-once").code == 0
    with desk.store() as store:
        (old,) = store.history.last_of(schedule.id)
        mark = store.schedules.mark(schedule.id)
    assert mark == old.due_at
    done = desk.type("history", "rerun", old.id, "--json")
    assert done.code == 0, done
    with desk.store() as store:
        new = store.history.find(done.data["run"])
        assert (new.period_start, new.period_end) == (old.period_start, old.period_end)
        assert store.schedules.mark(schedule.id) == mark


def test_nothing_is_made_by_hand_while_everything_is_paused(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    run = desk.type("reports", "run", "weekly-sales", "--json").data["run"]
    desk.type("pause", "--note", "moving")
    for words in (["reports", "run", "weekly-sales"], ["history", "rerun", run], ["history", "resend", run, "--yes"]):
        done = desk.type(*words, "--json")
        assert (done.code, done.json["error"]["code"]) == (2, "paused")
        assert done.json["error"]["hint"] == "Let everything go on: scheduler resume"
    assert desk.type("check-once", "--dry-run", "--json").json["paused"] is True
    assert "moving" in desk.type("check-once", "--dry-run").out


def test_a_check_whose_time_is_over_names_what_was_not_done(desk: Desk) -> None:
    """
    A monitor that reads JSON saw the finished runs only, and exit status 4.

    The command itself ended when the shop had answered: here never, within the bound of `spawn`.
    """
    with desk.store() as store:
        due = make_schedule(store, name="Weekly Sales")
        desk.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 90}])
        done = desk.spawn("check-once", "--timeout", "1s", "--json", SCHEDULER_SHOPIFY__TIMEOUT="5m")
        (run,) = store.history.last_of(due.id)
        assert (done.code, done.json["exit_code"], done.data) == (4, 4, [])
        assert (run.status, run.error_code) == (RunStatus.QUEUED, "interrupted")
        assert store.leases.held_elsewhere() == {}
        assert done.json["unfinished"] == [
            {"run": run.id, "schedule": due.id, "report": "Weekly Sales", "shop": SHOP},
        ]
