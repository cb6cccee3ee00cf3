"""Commands whose input or output is closed, full or gone: no trace, the right exit status, nothing else in the file."""

import shlex
import subprocess
import sys

import pytest

from tests.end_to_end.desk import Desk, Done, bare, desk, shop
from tests.making import make_schedule

__all__ = ["bare", "desk", "shop"]


def through_shell(desk: Desk, command: str) -> Done:
    """Run *command* as a shell does that closes or turns streams: ``{scheduler} status >&-``."""
    words = command.format(scheduler=f"{shlex.quote(sys.executable)} -m scheduler_daemon")
    done = subprocess.run(
        ["sh", "-c", words], env=desk.environ, cwd=desk.root, capture_output=True, check=False, timeout=60
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["reports types", "shops list", "check-once"])
def test_a_closed_stream_is_the_null_device(desk: Desk, command: str, closed: str) -> None:
    done = through_shell(desk, f"{{scheduler}} {command} {closed}")
    assert done.code == 0
    assert "Error" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["shops add x1.myshopify.com", "reports add", "shops remove test.myshopify.com"])
def test_who_asks_finds_nobody_behind_a_closed_input(desk: Desk, command: str) -> None:
    closed = through_shell(desk, f"{{scheduler}} {command} <&-")
    empty = through_shell(desk, f"{{scheduler}} {command} </dev/null")
    assert (closed.code, closed.err) == (2, empty.err)


@pytest.mark.parametrize("command", ["reports types", "shops list --json"])
def test_an_output_that_takes_nothing_more_is_an_error_with_our_status(desk: Desk, command: str) -> None:
    done = through_shell(desk, f"{{scheduler}} {command} >/dev/full")
    assert done.code == 1
    assert "Exception ignored" not in done.err
    assert through_shell(desk, f"{{scheduler}} {command} >/dev/full 2>/dev/full").code == 1


def test_reports_are_made_although_nothing_more_can_be_said(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store)
        done = through_shell(desk, "{scheduler} check-once 2>/dev/full")
        assert (done.code, len(store.history.latest())) == (0, 1)
        assert "orders" in done.out.lower()


@pytest.mark.parametrize("command", ["history list", "history list --json", "reports types", "config example", "-h"])
def test_a_reader_that_went_away_is_no_error(desk: Desk, command: str) -> None:
    # The reader is gone before anything is written: it closes its end at once, and the writer starts after that.
    done = through_shell(desk, f"({{{{ sleep 0.3; {{scheduler}} {command}; echo $? >&2; }}}} | true)")
    assert done.err.splitlines() == ["0"]


def test_what_a_reader_does_not_read_is_done_all_the_same_and_the_status_says_how_it_went(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, shop="other.myshopify.com")  # which has no session
        done = through_shell(desk, "({{ sleep 0.3; {scheduler} check-once 2>/dev/null; echo $? >&2; }} | true)")
        assert done.err.splitlines() == ["1"]
        assert [run.reason for run in store.history.latest()] == ["no_session"]


@pytest.mark.parametrize("command", ["yes '{{{{}}}}' | {scheduler} reports next -", "{scheduler} status --watch"])
def test_what_has_no_end_ends_when_nobody_reads_it(desk: Desk, command: str) -> None:
    assert through_shell(desk, command.replace("{{{{}}}}", "{{}}") + " 2>/dev/null | head -1").code == 0
