"""The README, the example and the units stay true to the code."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from scheduler_daemon.cli.main import COMMANDS, program
from scheduler_daemon.config.example import example
from tests.house.blocks import ROOT, between, blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mark", blocks())
def test_the_readme_says_what_the_code_says(mark: str) -> None:
    assert between(README, mark) == blocks()[mark], "run: python -m tests.house.blocks"


def test_the_readme_lists_every_command() -> None:
    assert set(re.findall(r"^\| `scheduler ([\w-]+)`", between(README, "commands"), re.MULTILINE)) == set(COMMANDS)


def test_the_readme_names_options_that_exist() -> None:
    rows = re.findall(r"^\| `scheduler ([\w-]+)` \| (.*) \|$", between(README, "commands"), re.MULTILINE)
    for name, text in rows:
        command = program.get_command(click.Context(program), name)
        assert command is not None
        known = {option for item in command.params for option in item.opts}
        assert set(re.findall(r"`(--[\w-]+)`", text)) <= known, name
        if isinstance(command, click.Group) and (listed := re.search(r"`([a-z ]+)`", text)):
            assert set(listed[1].split()) <= set(command.list_commands(click.Context(command))), name


def test_the_readme_gives_each_exit_status_as_the_command_does() -> None:
    rows = re.findall(r"^\| `scheduler ([\w-]+)` \| .*; exit (0 .*) \|$", between(README, "commands"), re.MULTILINE)
    assert {"run", "check-once", "status"} <= {name for name, _ in rows}
    for name, text in rows:
        command = program.get_command(click.Context(program), name)
        assert command is not None
        told = re.search(r"Exit status[^:]*: (0 .*?)\.", " ".join((command.help or "").split()))
        assert told, name
        assert told[1] == text, name


def test_the_example_file_is_what_the_code_says() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == example()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in (ROOT / "systemd").iterdir():
        text = unit.read_text(encoding="utf-8").replace("/opt/scheduler-daemon/.venv/bin/scheduler", "/bin/true")
        (tmp_path / unit.name).write_text(text.replace("User=scheduler", "User=root").replace("Group=scheduler", ""))
    units = sorted(str(path) for path in tmp_path.glob("scheduler*"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "scheduler" in line]
    assert (done.returncode, ours) == (0, [])
