"""A process that may open no more files says so, with the way out, whatever it was about to open."""

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.health.problems import of_database, problems
from tests.conftest import open_test_store
from tests.end_to_end.desk import ROOT
from tests.end_to_end.test_old_service import Place, place, wait_for
from tests.making import make_schedule

__all__ = ["place"]

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

#: What a child does: it takes every descriptor that its small limit allows, leaves *left* of them, and then asks.
CHILD = """
import json, os, resource, sys, threading

from scheduler_daemon.errors import SchedulerError

def asks_a_database(url):
    from tests.conftest import open_test_store
    store = open_test_store(url)
    store.shops.find("test.myshopify.com")
    return lambda: in_a_thread(lambda: store.shops.find("test.myshopify.com"))

def in_a_thread(do):
    raised = []
    def run():
        try:
            do()
        except Exception as error:
            raised.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]

def asks_a_shop(url):
    from scheduler_daemon.lib.http import open_http
    from scheduler_daemon.lib import http_limit
    from scheduler_daemon.shopify.wire import post
    http = open_http()
    return lambda: post(http, url, shop="test.myshopify.com", timeout=5.0, json={})

def asks_a_mail_server(url):
    from scheduler_daemon.channels.email import Options
    from scheduler_daemon.channels.smtp import connect
    host, port, security = url.split(":")
    options = Options(**{"host": host, "port": int(port), "security": security, "from": "r@sched.example"})
    return lambda: connect(options)

what, url, left = sys.argv[1:]
ask = globals()[what](url)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for _ in range(int(left)):
    os.close(held.pop())
told = {}
try:
    ask()
except SchedulerError as error:
    told = {"code": error.code, "message": error.message, "hint": error.hint, "retryable": error.retryable}
for descriptor in held:
    os.close(descriptor)
print(json.dumps(told))
"""


def ask(what: str, url: str, left: int) -> dict[str, Any]:
    """Return the error of a child that asks with *left* descriptors."""
    words = [sys.executable, "-c", CHILD, what, url, str(left)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def names_the_limit(told: dict[str, Any]) -> None:
    assert told["code"] == "too_many_files", told
    assert told["retryable"]
    assert "its limit is 64" in told["message"]
    assert "LimitNOFILE=" in told["hint"]
    assert "ulimit -n" in told["hint"]
    assert "does not answer" not in told["message"]


@pytest.mark.parametrize("left", [0, 1])
def test_a_database_is_not_blamed_for_the_limit_of_the_process(database_url: str, left: int) -> None:
    with open_test_store(database_url):
        pass
    if left and not database_url.startswith("sqlite"):
        pytest.skip("one descriptor is all that a connection to a server needs")
    names_the_limit(ask("asks_a_database", database_url, left))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://shop.invalid/"])
def test_a_shop_is_not_blamed_for_it(url: str) -> None:
    names_the_limit(ask("asks_a_shop", url, 0))


@pytest.mark.parametrize("server", ["127.0.0.1:9:none", "mail.invalid:25:starttls", "localhost:9:tls"])
def test_a_mail_server_is_not_blamed_for_it(server: str) -> None:
    names_the_limit(ask("asks_a_mail_server", server, 0))


def test_whoever_does_not_answer_is_still_told_so() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    told = [
        ask("asks_a_shop", f"http://127.0.0.1:{port}/", 30),
        ask("asks_a_mail_server", f"127.0.0.1:{port}:none", 30),
    ]
    assert [item["code"] for item in told] == ["shop_unavailable", "smtp_unavailable"]


@SQLITE
def test_a_command_with_too_few_files_says_what_it_lacks(place: Place) -> None:
    """Whichever step takes the last one: the command ends well, or says the limit and the way out, never a trace."""
    with open_test_store(place.url) as store:
        schedule = make_schedule(store)
    codes = []
    for most in (5, 8, 9, 10, 11, 12, 24):

        def limit(most: int = most) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

        words = place.command("reports", "run", schedule.id)
        done = subprocess.run(
            words, env=place.environ, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=60
        )
        codes.append(done.returncode)
        if done.returncode:
            said = done.stdout + done.stderr
            assert "Traceback" not in said, (most, said)
            assert "LimitNOFILE=" in said, (most, said)
    assert {0, 1, 3} == set(codes), codes


@SQLITE
@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_daemon_names_its_limit_and_goes_on_when_there_is_room_again(place: Place, more: int) -> None:
    """No row is called unreadable because its zone's data could not be opened, and no run fails for good."""
    place.environ |= {"SCHEDULER_DAEMON__LEASE": "2s", "SCHEDULER_DAEMON__BEAT": "500ms"}
    process = place.start()
    wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
    used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + more, used + 4096))
    with open_test_store(place.url, lease=2) as store:
        make_schedule(store)
        wait_for(lambda: "too_many_files" in place.log())
        wait_for(lambda: "state_unwritable" in place.log())
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1024, used + 4096))
        wait_for(lambda: [run.status.value for run in store.history.latest()] == ["succeeded"])
    assert "Traceback" not in place.log()
    assert "schedule_refused" not in place.log()
    assert process.poll() is None


def test_status_calls_the_limit_a_limit_and_not_a_database_that_does_not_answer() -> None:
    found = problems(mode="live", counts={}, breaches=(), unwell=of_database("too_many_files", "It is full.", "Do it."))
    assert [item["code"] for item in found] == ["too_many_files"]
