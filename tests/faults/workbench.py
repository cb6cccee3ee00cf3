"""
A copy of the package to be run: with named points at which a process can be killed or frozen, and with a mutant's
mistake where one is wanted. Each change is a replacement of text that must be found exactly once.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The package that is copied: this tree's, or the one of another version.
PACKAGE = Path(os.environ.get("FAULTS_PACKAGE") or Path(__file__).resolve().parents[2] / "scheduler_daemon")


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement."""

    #: The file, below the package.
    file: str
    #: What must stand there, exactly *times* times.
    old: str
    #: What stands there afterwards.
    new: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Point:
    """A named point of the walk: a line of its own before or behind the one line that holds *text*."""

    name: str
    #: The file, below the package.
    file: str
    text: str
    before: bool = True


#: In the order of the walk.
POINTS = (
    Point("planned", "tick.py", "self.store.queueing.queue(plans, now)"),
    Point("handed", "tick.py", "if threads.start(lease)"),
    Point("claimed", "perform.py", "self.store.corridor.enter("),
    Point("started", "perform.py", "= self.preparer.make("),
    Point("fetched", "prepare.py", 'self._timed("render"'),
    Point("rendered", "perform.py", "= self.preparer.make(", before=False),
    Point("published", "perform.py", "= self.deliverer.deliver("),
    Point("sending", "deliver.py", "self.store.deliveries.begin(", before=False),
    Point("sent", "deliver.py", "self._delivered(row, receipt, hold)"),
    Point("delivered", "deliver.py", "self._delivered(row, receipt, hold)", before=False),
    Point("judged", "perform.py", "= self.deliverer.deliver(", before=False),
    Point("finished", "perform.py", "self._tell(run, outcome, tally)"),
    Point("leaving", "perform.py", "self.store.corridor.leave"),
    Point("left", "perform.py", "self.store.corridor.leave", before=False),
)
NAMES = tuple(point.name for point in POINTS)

REACH = '''"""Points of a test: a file FOLDER/NAME holds the signal that this process sends itself there."""

import faulthandler
import os
import signal

_FOLDER = os.environ.get("FAULT_POINTS", "")
# Where a daemon hangs, its threads say what they do.
faulthandler.register(signal.SIGUSR2, all_threads=True)


def reach(name: str) -> None:
    """Send the signal that waits at this point, once."""
    path = f"{_FOLDER}/{name}"
    if not _FOLDER or not os.path.exists(path):
        return
    try:
        with open(path, encoding="ascii") as file:
            number = int(file.read())
        os.unlink(path)
    except (OSError, ValueError):
        return
    os.kill(os.getpid(), number)
'''


def build(folder: Path, *, points: bool = True, changes: Sequence[Change] = (), source: Path = PACKAGE) -> Path:
    """Copy the package into *folder*, change the copy, and return what belongs on the path."""
    target = folder / "scheduler_daemon"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    if points:
        (target / "points.py").write_text(REACH, encoding="utf-8")
        for point in POINTS:
            mark(target, point)
    for change in changes:
        apply(target, change)
    return folder


def apply(target: Path, change: Change) -> None:
    """Make one change; raise ValueError where its text is not there as often as it says."""
    path = target / change.file
    text = path.read_text(encoding="utf-8")
    found = text.count(change.old)
    if found != change.times:
        raise ValueError(f"{change.file}: found {found} times, wanted {change.times}: {change.old!r}")
    path.write_text(text.replace(change.old, change.new), encoding="utf-8")


def mark(target: Path, point: Point) -> None:
    """Put one point into the copy; raise ValueError unless exactly one line holds its text."""
    path = target / point.file
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines) if point.text in line]
    if len(found) != 1:
        raise ValueError(f"{point.file}: {len(found)} lines hold {point.text!r}, wanted 1 for the point {point.name}")
    line = lines[found[0]]
    indent = line[: len(line) - len(line.lstrip())]
    lines.insert(found[0] + (not point.before), f'{indent}reach("{point.name}")')
    if "from .points import reach" not in lines:
        lines.insert(next(n for n, text in enumerate(lines) if text.startswith("from .")), "from .points import reach")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
