"""Signals and surroundings: stops at every moment, a configuration read again, a poor locale, a reader that is gone."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.health.statefile import judge
from scheduler_daemon.model import DeliveryState, Run, RunStatus
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.test_faults import MAIL, with_mail
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, now
from tests.posting import Talk

__all__ = ["place"]

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def ready(place: Place) -> dict[str, Any]:
    """Wait for the first good check; return the state."""
    return wait_for(lambda: place.state() if (place.state().get("tick") or {}).get("last_good_at") else None)


def at_work(store: Store) -> Run:
    """Wait for a run at work; return it."""
    found = wait_for(lambda: [run for run in store.history.latest() if run.status is RunStatus.RUNNING])
    run: Run = found[0]
    return run


@pytest.mark.parametrize(
    ("database_url", "number"),
    [("sqlite", signal.SIGTERM), ("postgres", signal.SIGINT)],
    indirect=["database_url"],
)
def test_a_stop_during_the_fetch_gives_the_run_back_and_another_daemon_takes_it(place: Place, number: int) -> None:
    place.environ |= {"SCHEDULER_DAEMON__DRAIN": "500ms"}
    with open_test_store(place.url) as store:
        make_schedule(store)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 15}])
        first = place.start()
        run = at_work(store)
        ready(place)
        first.send_signal(number)
        place.simulator.shop(SHOP).bad_days.clear()
        assert first.wait(10) == 0
        assert place.state()["isRunning"] is False
        (given_back,) = store.history.latest()
        assert (given_back.id, given_back.status, given_back.error_code) == (run.id, RunStatus.QUEUED, "interrupted")
        assert store.history.failed_attempts(run.id) == 0
        assert store.leases.held_elsewhere() == {}
        # No wait for the end of a lease of 60 s: the next daemon takes it at once.
        place.start("second.log")
        wait_for(lambda: store.history.latest()[0].status is RunStatus.SUCCEEDED, 10)
        (run,) = store.history.latest()
        assert run.lost_leases == 0
    assert len(list((place.root / "reports").rglob("*.csv"))) == 1


@SQLITE
def test_a_second_signal_leaves_at_once_and_the_run_is_taken_up_when_its_lease_ends(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__LEASE": "2s", "SCHEDULER_DAEMON__BEAT": "500ms"}
    with open_test_store(place.url, lease=2) as store:
        make_schedule(store)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 15}])
        process = place.start()
        at_work(store)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: "daemon_stopping" in place.log())
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 1
        assert "daemon_leaves" in place.log()
        assert place.run("status").returncode == 2
        place.simulator.shop(SHOP).bad_days.clear()
        place.start("second.log")
        wait_for(lambda: store.history.latest()[0].status is RunStatus.SUCCEEDED)
        assert store.history.latest()[0].lost_leases == 1


def blocks(pid: int, number: int) -> bool:
    """Whether a process holds a signal back (proc(5), SigBlk); False before it does, and once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    mask = next(line.split()[1] for line in lines if line.startswith("SigBlk:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@SQLITE
@pytest.mark.parametrize("locale", ["C.UTF-8", "en_US.ISO-8859-1"])
def test_signals_before_the_daemon_listens_lead_to_a_check_and_end_nothing(place: Place, locale: str) -> None:
    place.environ |= {"SCHEDULER_DAEMON__START_DELAY": "10m", "LC_ALL": locale}
    process = place.start()
    wait_for(lambda: blocks(process.pid, signal.SIGUSR1))
    for number in (signal.SIGHUP, signal.SIGUSR1):
        process.send_signal(number)
    state = ready(place)
    assert (state["isRunning"], state["tick"]["number"]) == (True, 1)
    assert "check_triggered" in place.log()
    assert not blocks(process.pid, signal.SIGUSR1)


@SQLITE
def test_a_stop_before_the_daemon_listens_ends_it(place: Place) -> None:
    process = place.start()
    wait_for(lambda: blocks(process.pid, signal.SIGUSR1))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in (0, -signal.SIGTERM)


@SQLITE
def test_a_second_signal_ends_a_daemon_that_waits_for_the_databases_lock(place: Place) -> None:
    process = place.start()
    ready(place)
    with closing(sqlite3.connect(place.root / "scheduler.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            process.send_signal(number)
            if number == signal.SIGUSR1:
                wait_for(lambda: "check_triggered" in place.log())
            time.sleep(0.1)
        # The lock is kept all the while: what ended it was the signal, in the midst of the check.
        assert process.wait(3) == 1
        assert "daemon_leaves" in place.log()
        assert "daemon_stopping" not in place.log()
        assert "check_failed" not in place.log()


@SQLITE
def test_a_stop_is_no_time_for_new_work(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 2.5}])
        process = place.start()
        at_work(store)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: "daemon_stopping" in place.log())
        late = make_schedule(store, name="Too late", shop=OTHER)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
        runs = {run.schedule_id: run for run in store.history.latest()}
    assert late.id not in runs
    assert [run.status for run in runs.values()] == [RunStatus.SUCCEEDED]


@pytest.fixture
def written(place: Place) -> Path:
    """A configuration file in place of the environment's folder."""
    path = place.root / ".config" / "scheduler-daemon" / "config.toml"
    path.parent.mkdir(parents=True)
    del place.environ["SCHEDULER_FOLDER__PATH"]
    path.write_text(f'[folder]\npath = "{place.root}/first"\n')
    return path


def refused(place: Place, said: str) -> dict[str, str] | None:
    """Return the state file's problem of a configuration that is refused because of *said*."""
    found = [item for item in place.state().get("problems") or () if item["code"] == "config_refused"]
    return found[0] if found and said in found[0]["message"] else None


@SQLITE
def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(place: Place, written: Path) -> None:
    good = written.read_bytes()
    broken: list[tuple[bytes | None, str]] = [
        (b"[folder\n", "TOML"),
        (b'[folder]\npath = "\xff\xfe"\n', "UTF-8"),
        (b'[folder]\npath = "/x"\n[retry]\nattempts = 0\n', "retry.attempts"),
        (b'[folder]\npaht = "/x"\n', "Did you mean 'path'"),
        (None, str(written)),
    ]
    with open_test_store(place.url) as store:
        process = place.start()
        ready(place)
        for number, (content, said) in enumerate(broken, 1):
            written.unlink() if content is None else written.write_bytes(content)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda number=number: place.log().count('"config_refused"') == number or process.poll(), 10)
            assert process.poll() is None, content
            line = [json.loads(line) for line in place.log().splitlines() if '"config_refused"' in line][-1]
            assert said in line["error"]
            problem = wait_for(lambda said=said: refused(place, said), 10)
            assert "goes on with the old one" in problem["message"]
            assert "systemctl reload" in problem["hint"]
            status = place.run("status")
            assert status.returncode == 1
            assert "WARNING - The configuration was changed but is refused" in status.stdout
            assert json.loads(place.run("status", "--json").stdout)["problems"][0]["code"] == "config_refused"
        make_schedule(store)
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED])
        assert len(list((place.root / "first").rglob("*.csv"))) == 1
        written.write_bytes(good.replace(b"first", b"second"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: '"config_reloaded"' in place.log())
        wait_for(lambda: not refused(place, ""), 10)
        make_schedule(store, name="After")
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED] * 2)
    assert len(list((place.root / "second").rglob("*.csv"))) == 1
    assert "Traceback" not in place.log()


@SQLITE
def test_sigusr1_checks_now(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__WAKE": "check", "SCHEDULER_DAEMON__CHECK_EVERY": "0 9 * * *"}
    with open_test_store(place.url) as store:
        process = place.start()
        ready(place)
        make_schedule(store)
        time.sleep(0.5)
        assert store.history.latest() == []
        for _ in range(20):
            process.send_signal(signal.SIGUSR1)
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED])
        assert process.poll() is None


class KillingMail(Talk):
    """A mail server that kills the sender when a mail is whole, before it answers."""

    victim: "subprocess.Popen[bytes] | None" = None

    def answer(self, verb: str, usual: str) -> str | None:
        if verb == "." and self.victim is not None:
            self.victim.kill()
            self.victim.wait()
            self.victim = None
            return None
        return super().answer(verb, usual)


@SQLITE
def test_a_daemon_killed_while_a_mail_was_being_taken_sends_no_second_one(place: Place) -> None:
    place.environ |= {"SCHEDULER_DAEMON__LEASE": "2s", "SCHEDULER_DAEMON__BEAT": "500ms"}
    with KillingMail() as server, open_test_store(place.url, lease=2) as store:
        with_mail(place, server)  # type: ignore[arg-type]
        make_schedule(store, recipients=MAIL)
        server.victim = place.start()
        wait_for(lambda: server.mails and server.victim is None)
        place.start("second.log")
        run = wait_for(lambda: next((run for run in store.history.latest() if run.status.final), None))
        states = [row.state for row in store.history.deliveries(run.id)]
    assert states == [DeliveryState.UNKNOWN, DeliveryState.DELIVERED, DeliveryState.DELIVERED]
    assert (run.status, run.error_code, run.lost_leases) == (RunStatus.PARTIAL, "smtp_unknown", 1)
    to = [part.split(b"\r\n", 1)[0] for lines in server.heard for part in lines if part.upper().startswith(b"RCPT")]
    assert [address.split(b"<")[1].split(b"@")[0] for address in to] == [b"a", b"b", b"c"]
    assert len(server.mails) == 3


@SQLITE
def test_a_poor_locale_and_a_zone_far_away_change_nothing(place: Place) -> None:
    place.environ |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TZ": "America/New_York"}
    with open_test_store(place.url) as store:
        made = make_schedule(store, name="Été 🫖")
        process = place.start()
        state = ready(place)
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED])
        seen = store.schedules.find(made.id)
        # 08:00 in Paris, not where the machine thinks it is.
        assert seen.due_at is not None
        assert seen.due_at.hour in (6, 7)
        outputs = [place.run(*words) for words in (["history", "list"], ["reports", "list"], ["status"])]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    for done in outputs:
        assert "Traceback" not in done.stderr
    assert "Été" in outputs[0].stdout
    assert state["tick"]["last_good_at"].endswith("Z")
    (file,) = (place.root / "reports").rglob("*.csv")
    assert "été" in file.name
    assert "Été" in place.log()


@SQLITE
def test_a_reader_that_has_seen_enough_is_no_error(place: Place) -> None:
    with open_test_store(place.url) as store:
        for number in range(30):
            make_schedule(store, name=f"Report {number}", next_due_at=now() + timedelta(hours=1))
    place.run("check-once")
    for words in (["status"], ["reports", "list"], ["config", "example"]):
        reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        reader.wait()
        assert reader.stdin is not None
        done = subprocess.run(
            place.command(*words),
            env=place.environ,
            stdout=reader.stdin,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        reader.stdin.close()
        assert (words, done.stderr) == (words, "")


@SQLITE
def test_a_log_whose_reader_is_gone_does_not_stop_the_daemon(place: Place) -> None:
    with open_test_store(place.url) as store:
        reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        reader.wait()
        process = subprocess.Popen(
            place.command("run"), env=place.environ, stdout=reader.stdin, stderr=reader.stdin, stdin=subprocess.DEVNULL
        )
        place.processes.append(process)
        assert reader.stdin is not None
        reader.stdin.close()
        ready(place)
        make_schedule(store)
        wait_for(lambda: [run.status for run in store.history.latest()] == [RunStatus.SUCCEEDED])
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@SQLITE
def test_a_daemon_that_checks_daily_is_stale_only_when_its_loop_hangs(place: Place) -> None:
    place.environ["SCHEDULER_DAEMON__CHECK_EVERY"] = "0 9 * * *"
    place.start()
    state = ready(place)
    last, most = datetime.fromisoformat(state["tick"]["last_good_at"]), timedelta(minutes=15)
    tomorrow = datetime.fromisoformat(state["tick"]["next_at"])
    for later, written, code in (
        (last + timedelta(minutes=20), timedelta(seconds=10), 0),
        (last + timedelta(minutes=20), timedelta(seconds=31), 1),
        (last + timedelta(minutes=20), timedelta(seconds=-31), 1),
        (last + timedelta(minutes=20), timedelta(minutes=16), 2),
        (tomorrow + timedelta(minutes=16), timedelta(seconds=10), 2),
        (last - timedelta(minutes=16), timedelta(minutes=-16), 2),
    ):
        shown = {**state, "written_at": (later - written).isoformat()}
        assert judge(shown, later, most, locked=True).code == code


@SQLITE
def test_a_state_folder_made_anew_has_one_daemon_again(place: Place) -> None:
    folder = place.root / "state"
    place.environ |= {"SCHEDULER_STATE__FILE": str(folder / "state.json"), "SCHEDULER_DAEMON__CHECK_EVERY": "1s"}
    process = place.start()
    wait_for((folder / "state.json").exists)
    folder.rename(place.root / "gone")
    wait_for((folder / "state.json").exists)
    assert "state_retaken" in place.log()
    second = place.run("run")
    assert (second.returncode, f"pid {process.pid}" in second.stderr) == (4, True)
    assert place.run("status").returncode == 0


@SQLITE
def test_a_state_file_that_went_to_another_daemon_stays_its_own(place: Place) -> None:
    folder = place.root / "state"
    place.environ |= {"SCHEDULER_STATE__FILE": str(folder / "state.json"), "SCHEDULER_DAEMON__CHECK_EVERY": "1s"}
    first = place.start()
    wait_for((folder / "state.json").exists)
    first.send_signal(signal.SIGSTOP)
    folder.rename(place.root / "gone")
    second = place.start("second.log")
    wait_for((folder / "state.json").exists)
    first.send_signal(signal.SIGCONT)
    wait_for(lambda: "state_lost" in place.log())
    checks = place.log().count("check_started")
    wait_for(lambda: place.log().count("check_started") > checks + 2)
    assert place.log().count("state_lost") == 1
    assert json.loads((folder / "state.json").read_text())["pid"] == second.pid
    # The state file is the other's: of this one the database tells.
    wait_for(lambda: "This daemon goes on without a state file" in place.run("status", "--database").stdout)
    shown = place.run("status", "--database")
    assert (shown.returncode, "give each its own state.file" in shown.stdout) == (1, True)
    (found,) = [
        item for item in json.loads(place.run("doctor", "--no-network", "--json").stdout)["data"] if item["code"]
    ]
    assert f"pid {first.pid} on " in found["message"]
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    assert json.loads((folder / "state.json").read_text())["isRunning"] is True


#: How many connections of this database wait for a table that is locked.
BLOCKED = {
    "postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": """SELECT COUNT(*) FROM information_schema.processlist
    WHERE db = DATABASE() AND state LIKE 'Waiting for table%'""",
}
LOCK = {
    "postgres": "LOCK TABLE {ours}scheduler_notice IN ACCESS EXCLUSIVE MODE",
    "mysql": "LOCK TABLES {ours}scheduler_notice WRITE",
}


@pytest.mark.parametrize("database_url", ["postgres", "mariadb"], indirect=True)
def test_a_stop_while_a_thread_waits_for_the_database_is_no_crash(place: Place) -> None:
    """The interpreter closes that thread's connection as it ends, and breaks off with SIGABRT where it still reads."""
    process = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    with open_test_store(place.url) as other, open_test_store(place.url) as look, other.engine.transaction():
        other.engine.write(LOCK[other.engine.kind])
        # They are counted for a hundredth of the time at most: on a busy machine the next time may be a minute away.
        wait_for(lambda: look.engine.read(BLOCKED[look.engine.kind])[0][0], 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        other.engine.write("UNLOCK TABLES" if other.engine.kind == "mysql" else "SELECT 1")
    assert "Fatal" not in place.log()
    assert '"daemon_stopped"' in place.log()
