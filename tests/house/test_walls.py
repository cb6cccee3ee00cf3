"""The walls of the house: imports go down, rooms and functions stay small, a process loads only the driver it needs."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.house.blocks import ROOT

PACKAGE = ROOT / "scheduler_daemon"

FLOORS = (
    ("lib",),
    ("model", "errors"),
    ("when", "condition", "retry", "tablefile", "priority", "verdict", "changes", "redirect"),
    (
        *("shopify", "simulator", "systemd", "logs", "config_light", "renderers", "channels", "spool"),
        *("threads", "background", "trail"),
    ),
    ("store", "sources"),
    ("config",),
    ("access", "notices", "health"),
    (
        *("tick", "planning", "replan", "found", "pace", "slots", "awaited"),
        *("compare", "prepare", "deliver", "loop_clock", "judging", "turn", "retrying"),
    ),
    ("retention", "perform"),
    ("app", "look", "barrier", "wakeup", "stop", "daemon"),
    ("cli", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts]


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


def in_a_package(path: Path) -> bool:
    return (path.parent / "__init__.py").is_file()


def namesakes(tests: Path) -> list[str]:
    """Return the test files that pytest takes for one module: of one name, in folders without an ``__init__.py``."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("*.py")):
        if path.name not in ("conftest.py", "__init__.py") and not in_a_package(path):
            found[path.name].append(str(path.relative_to(tests)))
    return [" and ".join(paths) for paths in found.values() if len(paths) > 1]


def test_no_two_test_files_have_one_name() -> None:
    assert namesakes(ROOT / "tests") == [], "give one of them another name: pytest takes both for the same module"


def test_two_test_files_of_one_name_are_found(tmp_path: Path) -> None:
    for folder in ("unit", "end_to_end", "house"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_why.py").touch()
    (tmp_path / "house" / "__init__.py").touch()
    assert namesakes(tmp_path) == ["end_to_end/test_why.py and unit/test_why.py"]
