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
    """A named step of the walk: a line of its own before or behind the one line that holds *text*."""

    name: str
    #: The file, below the package.
    file: str
    text: str
    before: bool = True


#: In the order of the walk; those of `COMMITS` stand among them.
POINTS = (
    Point("queued", "store/queueing.py", "return queued"),
    Point("claimed", "slots.py", "threads.start(lease)"),
    Point("handed", "perform.py", "self.store.corridor.enter,"),
    Point("entered", "perform.py", "= self.preparer.make("),
    Point("fetched", "prepare.py", 'self._timed("render"'),
    Point("rendered", "perform.py", "= self.preparer.make(", before=False),
    Point("published", "perform.py", "= self.deliverer.deliver("),
    Point("sending", "deliver.py", "self.store.deliveries.begin(", before=False),
    Point("going", "trail.py", "written = self._write(Word.GOING)", before=False),
    Point("taken", "deliver.py", "left.taken(receipt)"),
    Point("sent", "deliver.py", "self._delivered(row, receipt, hold)"),
    Point("delivered", "deliver.py", "self._delivered(row, receipt, hold)", before=False),
    Point("judged", "perform.py", "= self.deliverer.deliver(", before=False),
    Point("finished", "perform.py", "turn.tell(run, outcome)"),
    Point("leaving", "perform.py", "partial(corridor.leave"),
    Point("left", "perform.py", "partial(corridor.leave", before=False),
    Point("passing", "perform.py", "passed = hold.keep_trying("),
    Point("passed", "perform.py", "passed = hold.keep_trying(", before=False),
)

TOGETHER = "self.engine.together(steps)"


def _commits(name: str, file: str, start: str, end: str = "") -> Change:
    """Return the change that puts a point behind the last statement of shared steps, before their commit."""
    return Change(file, f"{start}{TOGETHER}{end}", f"{start}self.engine.together(before({name}, steps)){end}")


#: Points before a commit: every statement of it was made, and nothing of it may be there afterwards.
COMMITS = (
    Change(
        "store/queueing.py",
        "                self._remember_rules(kept)\n",
        '                self._remember_rules(kept)\n                reach("queued_uncommitted")\n',
    ),
    _commits('"claimed_uncommitted"', "store/leases.py", "return cast(list[Lease], ", ")"),
    _commits('"passed_uncommitted"', "store/corridor.py", "passed = "),
    _commits('"entered_uncommitted"', "store/corridor.py", "adopted, run = "),
    _commits('"published_uncommitted"', "store/corridor.py", "\n        ", "\n"),
    _commits(
        '"sending_uncommitted" if text is self._begin_text else "delivered_uncommitted"',
        "store/deliveries.py",
        "\n        ",
    ),
    _commits('"finished_uncommitted"', "store/corridor.py", "made = "),
    Change(
        "store/corridor.py",
        "        row = self.engine.write(CLOSE_AND_START_POSTGRES, values)[0]\n",
        "        with self.engine.transaction():\n"
        "            row = self.engine.write(CLOSE_AND_START_POSTGRES, values)[0]\n"
        '            reach("finished_uncommitted")\n',
    ),
    _commits('"left_uncommitted"', "store/leases.py", "return bool(", ")"),
)
UNCOMMITTED = ("queued", "claimed", "entered", "published", "sending", "delivered", "finished", "left", "passed")

#: Every point, in the order of the walk.
NAMES = tuple(
    name
    for point in POINTS
    for name in ((f"{point.name}_uncommitted", point.name) if point.name in UNCOMMITTED else (point.name,))
)

IMPORT = "from scheduler_daemon.points import before, reach  # noqa: F401"

REACH = '''"""
Points of a test: a file FOLDER/NAME says which signal this process sends itself there, and at which time.

A third number is for how many seconds the thread then stays there, while the others go on.
"""

import faulthandler
import os
import signal
import threading
import time

_FOLDER = os.environ.get("FAULT_POINTS", "")
_GUARD = threading.Lock()
# Where a daemon hangs, its threads say what they do.
faulthandler.register(signal.SIGUSR2, all_threads=True)


def reach(name: str) -> None:
    """Send the signal that waits at this point, when it is its turn."""
    path = f"{_FOLDER}/{name}"
    if not _FOLDER or not os.path.exists(path):
        return
    with _GUARD:
        try:
            with open(path, encoding="ascii") as file:
                number, times, pause = map(float, file.read().split())
            if times > 1:
                with open(f"{path}.next", "w", encoding="ascii") as file:
                    file.write(f"{number} {times - 1} {pause}")
                os.replace(f"{path}.next", path)
                return
            os.unlink(path)
        except (OSError, ValueError):
            return
        os.kill(os.getpid(), int(number))
    time.sleep(pause)


def before(name, steps):
    """Return *steps* with a point behind them."""

    def run(execute):
        made = steps(execute)
        reach(name)
        return made

    return run
'''


def build(folder: Path, *, points: bool = True, changes: Sequence[Change] = (), source: Path = PACKAGE) -> Path:
    """Copy the package into *folder*, change the copy, and return what belongs on the path."""
    target = folder / "scheduler_daemon"
    shutil.copytree(source, target)  # with what was compiled: files that stay as they are need not be compiled anew
    if points:
        (target / "points.py").write_text(REACH, encoding="utf-8")
        for point in POINTS:
            mark(target, point)
        for change in COMMITS:
            apply(target, change)
            bring(target / change.file)
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
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bring(path)


def bring(path: Path) -> None:
    """Let a file know the points."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if IMPORT not in lines:
        lines.insert(next(n for n, text in enumerate(lines) if text.startswith("from .")), IMPORT)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
