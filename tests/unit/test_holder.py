"""Whether the process of a lease's holder is gone: said only where its pid is one of ours."""

import os
import subprocess

import pytest

from scheduler_daemon.store.holder import is_gone, new_holder


def of_pid(pid: int) -> str:
    """Return the name of a process *pid* of this host as a holder."""
    host, _, mark = new_holder().rsplit(":", 2)
    return f"{host}:{pid}:{mark}"


@pytest.fixture
def gone() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_a_process_that_lives_is_not_gone_and_one_that_ended_is(gone: int) -> None:
    assert not is_gone(new_holder())
    assert not is_gone(of_pid(1))  # another user's, where we are not root
    assert is_gone(of_pid(gone))
    assert new_holder() != new_holder()


def test_of_another_host_boot_or_namespace_nothing_is_said(gone: int) -> None:
    host, pid, mark = of_pid(gone).rsplit(":", 2)
    other = "0" if mark[0] != "0" else "1"
    for holder in (f"{host}x:{pid}:{mark}", f"{host}:{pid}:{other}{mark[1:]}", f"{host}:{pid}:{mark[:8]}"):
        assert not is_gone(holder)


@pytest.mark.parametrize("holder", ["", "x", ":", "::", "a:b:c", "h:{pid}", f"h:{10**30}:{'0' * 16}"])
def test_a_name_that_is_none_is_not_gone(holder: str) -> None:
    assert not is_gone(holder.format(pid=os.getpid()))
