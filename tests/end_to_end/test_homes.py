"""Homes and folders that this user may not look into, or that do not exist: the next place counts, never a defect."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_bad_databases import AS_NOBODY, NOBODY, SQLITE, open_place
from tests.end_to_end.test_old_service import Place, place

__all__ = ["open_place", "place"]

#: A user without a name and without a home, as containers have them.
NAMELESS = 54321


@pytest.fixture
def hidden() -> Iterator[Path]:
    """A home of root's with a configuration that would be wrong, closed to others."""
    with tempfile.TemporaryDirectory(prefix="scheduler-home-") as name:
        root = Path(name)
        root.chmod(0o700)
        file = root / ".config" / "scheduler-daemon" / "config.toml"
        file.parent.mkdir(parents=True)
        for path in (file, root / "scheduler.toml"):
            path.write_text("[nonsense]\n")
        yield root


def type_as(user: int, place: Place, cwd: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as another user in the folder *cwd*, which that one need not be able to read."""
    script = f"import encodings.ascii\n{AS_NOBODY.replace(str(NOBODY), str(user))}"
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, env=place.environ, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert "defect" not in (done.stdout + done.stderr).lower()
    return done


@SQLITE
@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_a_home_that_may_not_be_read_has_no_configuration(open_place: Place, hidden: Path, variable: str) -> None:
    open_place.environ[variable] = str(hidden if variable == "HOME" else hidden / ".config")
    for words in (["config", "check"], ["check-once", "--json"], ["status"], ["doctor", "--no-network"]):
        done = type_as(NOBODY, open_place, hidden, *words)
        assert str(hidden) not in done.stdout + done.stderr, done.stdout + done.stderr
        assert (words, done.returncode) == (words, 0), done.stdout + done.stderr


@SQLITE
def test_a_configuration_that_was_named_is_told_where_it_cannot_be_read(open_place: Place, hidden: Path) -> None:
    file = hidden / "scheduler.toml"
    for words in (["--config", str(file), "check-once", "--json"], ["--config", str(file), "status", "--json"]):
        done = type_as(NOBODY, open_place, Path("/"), *words)
        error = json.loads(done.stdout)["error"]
        assert done.returncode == (3 if "status" in words else 2)
        assert str(file) in error["message"]
        assert "Permission denied" in error["message"]
        assert "--config" in error["hint"]
    open_place.environ["SCHEDULER_CONFIG"] = str(file)
    done = type_as(NOBODY, open_place, Path("/"), "check-once", "--json")
    assert (done.returncode, "Permission denied" in done.stdout) == (2, True)


@SQLITE
def test_a_user_without_a_home_needs_none(open_place: Place) -> None:
    for path in (open_place.root, *open_place.root.rglob("*")):
        os.chown(path, NAMELESS, NAMELESS)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        open_place.environ.pop(name, None)
    for words in (["config", "check"], ["check-once", "--json"], ["status"]):
        done = type_as(NAMELESS, open_place, Path("/"), *words)
        assert (words, done.returncode) == (words, 0), done.stdout + done.stderr
    open_place.environ["SCHEDULER_DATABASE__URL"] = "sqlite:~/scheduler.db"
    done = type_as(NAMELESS, open_place, Path("/"), "check-once", "--json")
    assert (done.returncode, "names a home folder that does not exist" in done.stdout) == (2, True)
