"""The daemon as a process, and what happens to it: killed, doubled, stopped, late, refused."""

import itertools
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_daemon.model import DeliveryState, Recipient, RunStatus
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.conftest import open_test_store
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, now

__all__ = ["place"]

MAIL = tuple(Recipient("email", f"{name}@acme.example") for name in ("a", "b", "c"))


def with_mail(place: Place, mailbox: Mailbox) -> None:
    place.environ |= {
        "SCHEDULER_EMAIL__HOST": "127.0.0.1",
        "SCHEDULER_EMAIL__PORT": str(mailbox.port),
        "SCHEDULER_EMAIL__SECURITY": "none",
        "SCHEDULER_EMAIL__FROM": "reports@sched.example",
    }


def mails(folder: Path) -> list[str]:
    return sorted(path.stem.split("-", 1)[1] for path in folder.glob("*.eml")) if folder.exists() else []


def test_a_report_starts_at_its_moment_and_not_at_the_check(place: Place) -> None:
    place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    with open_test_store(place.url) as store:
        due = now() + timedelta(seconds=2)
        make_schedule(store, next_due_at=due)
        run = wait_for(lambda: next((r for r in store.history.latest() if r.status.final), None))
    assert run.status is RunStatus.SUCCEEDED
    assert run.started_at is not None
    assert timedelta(0) <= run.started_at - run.due_at < timedelta(seconds=1)


def test_one_refused_address_of_three_makes_the_run_partial(place: Place) -> None:
    with Mailbox(place.root / "mail", refuse=("b@acme.example",)) as mailbox:
        with_mail(place, mailbox)
        with open_test_store(place.url) as store:
            make_schedule(store, recipients=MAIL)
            done = place.run("check-once", "--json")
            (run,) = store.history.latest()
            states = {row.recipient.address[0]: row.state for row in store.history.deliveries(run.id)}
    assert (done.returncode, run.status, run.error_code) == (1, RunStatus.PARTIAL, "smtp_refused")
    assert run.error is not None
    assert run.error.startswith("2 of 3 delivered.")
    assert states == {"a": DeliveryState.DELIVERED, "b": DeliveryState.FAILED, "c": DeliveryState.DELIVERED}
    assert mails(place.root / "mail") == ["a@acme.example", "c@acme.example"]


def test_a_mail_server_that_is_down_is_tried_again_and_shopify_is_not_asked_twice(place: Place) -> None:
    with Mailbox(place.root / "mail") as mailbox:
        with_mail(place, mailbox)
        place.environ["SCHEDULER_EMAIL__PORT"] = "1"
        with open_test_store(place.url) as store:
            make_schedule(store, recipients=MAIL[:1])
            assert place.run("check-once").returncode == 1
            (run,) = store.history.latest()
            assert (run.status, run.error_code) == (RunStatus.QUEUED, "smtp_unavailable")
            asked = len(place.simulator.shop(SHOP).log)
            place.environ["SCHEDULER_EMAIL__PORT"] = str(mailbox.port)
            wait_for(lambda: now() > store.history.latest()[0].not_before)
            assert place.run("check-once").returncode == 0
            (run,) = store.history.latest()
            assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
        assert len(place.simulator.shop(SHOP).log) == asked
    assert mails(place.root / "mail") == ["a@acme.example"]


def test_a_daemon_killed_in_the_middle_is_taken_over_and_nothing_is_doubled(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__LEASE": "2s", "SCHEDULER_DAEMON__BEAT": "500ms"}
    with open_test_store(place.url, lease=2) as store:
        for number in range(4):
            make_schedule(store, name=f"Report {number}")
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 20}])
        first = place.start()
        wait_for(lambda: any(run.status is RunStatus.RUNNING for run in store.history.latest()))
        first.send_signal(signal.SIGKILL)
        first.wait()
        place.simulator.shop(SHOP).bad_days.clear()
        place.start("second.log")
        wait_for(lambda: all(run.status is RunStatus.SUCCEEDED for run in store.history.latest()))
        runs = store.history.latest()
        assert len(runs) == 4
        assert sum(run.lost_leases for run in runs) == 1
    assert len(list((place.root / "reports").rglob("*.csv"))) == 4


def test_a_delivery_that_was_being_sent_when_the_process_died_is_unknown(place: Place) -> None:
    with open_test_store(place.url, lease=0.05) as store, Mailbox(place.root / "mail") as mailbox:
        with_mail(place, mailbox)
        make_schedule(store, recipients=MAIL[:2])
        place.run("check-once", SCHEDULER_EMAIL__PORT="1")
        (run,) = store.history.latest()
        # The moment between "sending" and the answer, as a kill leaves it.
        store.engine.write("UPDATE {ours}scheduler_run SET status = 'running', fence = 0")
        first = store.history.deliveries(run.id)[0]
        store.engine.write("UPDATE {ours}scheduler_delivery SET state = 'sending' WHERE id = ?", (first.id,))
        store.engine.write("UPDATE {ours}scheduler_delivery SET not_before = 0")
        store.engine.write("UPDATE {ours}scheduler_shop SET next_work_at = 0")
        place.run("check-once")
        (run,) = store.history.latest()
        states = [row.state for row in store.history.deliveries(run.id)]
    assert states == [DeliveryState.UNKNOWN, DeliveryState.DELIVERED]
    assert run.status is RunStatus.PARTIAL
    assert mails(place.root / "mail") == ["b@acme.example"]


def test_a_stop_lets_a_running_report_finish(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store)
        make_schedule(store, name="Second")
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 1.5}])
        process = place.start()
        wait_for(lambda: any(run.status is RunStatus.RUNNING for run in store.history.latest()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert sorted(run.status for run in store.history.latest()) == [RunStatus.QUEUED, RunStatus.SUCCEEDED]
        assert store.leases.held_elsewhere() == {}


def test_a_stop_gives_back_what_is_not_done_in_time(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__DRAIN": "500ms", "SCHEDULER_SHOPIFY__TIMEOUT": "1s"}
    with open_test_store(place.url) as store:
        make_schedule(store)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 3}] * 20)
        process = place.start()
        wait_for(lambda: any(run.status is RunStatus.RUNNING for run in store.history.latest()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        place.simulator.shop(SHOP).bad_days.clear()
        # The thread hung in its request; all the same a peer goes on at once, and the attempt did not count.
        done = place.run("check-once")
        (run,) = store.history.latest()
        assert (done.returncode, run.status, run.lost_leases) == (0, RunStatus.SUCCEEDED, 0)
        assert [attempt.status for attempt in store.history.attempts(run.id)] == ["waited", "succeeded"]


def test_two_daemons_on_one_database_share_the_work(place: Place) -> None:
    with open_test_store(place.url) as store:
        place.start()
        place.environ["SCHEDULER_STATE__FILE"] = str(place.root / "other.json")
        place.start("other.log")
        wait_for(lambda: (place.root / "other.json").exists() and place.state().get("isRunning"))
        for number in range(20):
            make_schedule(store, name=f"Report {number}", shop=(SHOP, OTHER)[number % 2])
        wait_for(lambda: store.history.counts(now())["succeeded_24h"] == 20, 60)
        runs = store.history.latest()
        assert len(runs) == 20
        assert {run.attempt for run in runs} == {1}
        for shop in (SHOP, OTHER):
            spans = sorted((run.started_at, run.finished_at) for run in runs if run.shop == shop)
            assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


def test_a_row_that_cannot_be_read_is_told_and_the_others_go_on(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store, name="Good")
        bad = make_schedule(store, name="Bad")
        store.engine.write('UPDATE {app}"ReportSchedule" SET "timezone" = ? WHERE "id" = ?', ("Europe/Pariss", bad.id))
        done = place.run("check-once", "--json")
        assert done.returncode == 1
        runs = {run.name: run for run in store.history.latest()}
    assert runs["Good"].status is RunStatus.SUCCEEDED
    assert (runs["Bad"].status, runs["Bad"].error_code) == (RunStatus.FAILED, "unknown_zone")
    assert "Did you mean 'Europe/Paris'" in (runs["Bad"].error or "")


def test_no_secret_is_in_anything_that_a_run_wrote(place: Place) -> None:
    secrets = [place.simulator.shop(shop).token for shop in (SHOP, OTHER)]
    with Mailbox(place.root / "mail") as mailbox:
        with_mail(place, mailbox)
        place.environ |= {"SCHEDULER_EMAIL__USERNAME": "u", "SCHEDULER_EMAIL__PASSWORD": "canary-password"}
        with open_test_store(place.url) as store:
            make_schedule(store, recipients=MAIL[:1])
            make_schedule(store, shop=OTHER, name="Fails")
            place.simulator.shop(OTHER).state = "401"
            process = place.start()
            wait_for(lambda: len([run for run in store.history.latest() if run.status.final]) == 2)
            listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            outputs = [place.run(*words) for words in (["status"], ["config", "show"], ["history", "list", "--json"])]
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    written = listed + "".join(done.stdout + done.stderr for done in outputs)
    for path in place.root.rglob("*"):
        # The database holds the tokens, as the app stores them there.
        if path.is_file() and not path.name.startswith("scheduler.db"):
            written += path.read_bytes().decode("utf-8", errors="replace")
    for secret in [*secrets, "canary-password"]:
        assert secret not in written


def test_first_contact_with_an_apps_database_sends_nothing(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store)
        store.remember_mode("hold")
        done = place.run("check-once")
        assert "delivery_held" in done.stderr
        assert store.history.latest() == []
        assert place.run("status").returncode == 1
        assert place.run("go-live", "--yes").returncode == 0
        assert place.run("check-once").returncode == 0
        assert len(store.history.latest()) == 1


@pytest.mark.parametrize(
    "bad", ["SCHEDULER_DAEMON__CHECK_EVERY=soon", "SCHEDULER_DEMON__X=1", "SCHEDULER_DAEMON__BEAT=15"]
)
def test_a_wrong_configuration_prevents_the_start(place: Place, bad: str) -> None:
    name, _, value = bad.partition("=")
    done = place.run("run", **{name: value})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert name.removeprefix("SCHEDULER_").lower().split("__")[0] in done.stderr
