"""The README, the example and the house rules stay true to the code."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from scheduler_daemon.cli.main import COMMANDS, program
from scheduler_daemon.config.example import example
from tests.house.blocks import ROOT, between, blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "scheduler_daemon"

FLOORS = (
    ("lib",),
    ("model", "errors"),
    ("when", "condition", "retry", "tablefile", "priority", "verdict", "changes"),
    ("shopify", "simulator", "systemd", "logs", "config_light", "renderers", "channels", "spool", "threads", "trail"),
    ("store", "sources"),
    ("config",),
    ("access", "notices", "health"),
    (
        *("tick", "planning", "replan", "found", "pace", "slots", "awaited"),
        *("compare", "prepare", "deliver", "loop_clock", "judging", "turn"),
    ),
    ("retention", "perform"),
    ("app", "wakeup", "stop", "daemon"),
    ("cli", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


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


def test_the_example_file_is_what_the_code_says() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == example()


def modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_downwards_only(path: Path) -> None:
    if path.parent == PACKAGE and path.name == "__init__.py":
        return
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = package[: len(package) - node.level + 1]
        names = (*base, *(node.module or "").split(".")) if node.module else base
        targets = [names[0]] if names and names[0] else [alias.name for alias in node.names]
        for target in targets:
            if target in FLOOR and target != room(path):
                assert FLOOR[target] <= FLOOR[room(path)], f"{path.name} imports {target}"


def test_no_room_is_crowded() -> None:
    crowded = [path.name for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 320]
    assert crowded == []


def test_functions_are_short() -> None:
    lengths = [
        ((node.end_lineno or 0) - node.lineno + 1, f"{path.name}:{node.name}")
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert [name for length, name in lengths if length > 60] == []
    assert sum(length < 45 for length, _ in lengths) / len(lengths) >= 0.95


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


def loads(path: Path) -> set[Path]:
    """Return the modules of ours that *path* loads when it is imported (not those imported inside a function)."""
    package, found = path.parent, set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = package
        for _ in range(node.level - 1):
            base = base.parent
        target = base.joinpath(*(node.module or "").split(".")) if node.module else base
        for name in ("", *(alias.name for alias in node.names)):
            for candidate in ((target / name).with_suffix(".py"), target / name / "__init__.py"):
                if candidate.is_file() and candidate != path:
                    found.add(candidate)
    return found


def test_no_import_goes_in_a_circle() -> None:
    graph = {path: loads(path) for path in modules()}
    # Taking away whoever loads nothing that is left: what remains stands in a circle or leads to one.
    while free := [path for path, needs in graph.items() if not needs & graph.keys()]:
        for path in free:
            del graph[path]
    assert sorted(str(path.relative_to(PACKAGE)) for path in graph) == []


@pytest.mark.parametrize(("url", "drivers"), [("sqlite", []), ("postgres", ["psycopg"]), ("mysql", ["pymysql"])])
def test_a_process_loads_no_driver_but_its_own(tmp_path: Path, url: str, drivers: list[str]) -> None:
    """peewee imports every driver it finds, 25 MiB of them, unless the first to import it says which (DESIGN 9)."""
    program = f"""
import sys
from scheduler_daemon.app import open_store
from scheduler_daemon.store.drivers import peewee
loaded = "peewee" in sys.modules
peewee({url!r})
print(loaded, [name for name in ("psycopg", "pymysql", "psycopg2") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == (f"False {drivers}", "")
