"""Commands whose input or output is closed, full or gone: no trace, the right exit status, nothing else in the file."""

import shlex
import subprocess
import sys

import pytest

from tests.end_to_end.desk import Desk, Done, bare, desk, shop

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
