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


#: The points of the walk, in its order, and the line before or behind which each stands.
POINTS = (
    Change(
        "perform.py",
        "        adopted, run = self.store.corridor.enter(",
        '        reach("claimed")\n        adopted, run = self.store.corridor.enter(',
    ),
    Change(
        "perform.py",
        "        file = self.preparer.make(run, hold, timings)\n",
        '        reach("started")\n        file = self.preparer.make(run, hold, timings)\n        reach("rendered")\n',
    ),
    Change(
        "prepare.py",
        '        hold.check()\n        return self._timed("render"',
        '        reach("fetched")\n        hold.check()\n        return self._timed("render"',
    ),
    Change(
        "perform.py",
        "        outcome = self.deliverer.deliver(run, file, hold)\n",
        '        reach("published")\n        outcome = self.deliverer.deliver(run, file, hold)\n'
        '        reach("judged")\n',
    ),
    Change(
        "deliver.py",
        "        self.store.deliveries.begin(hold.lease, row)\n",
        '        self.store.deliveries.begin(hold.lease, row)\n        reach("sending")\n',
    ),
    Change(
        "deliver.py",
        "            self._delivered(row, receipt, hold)\n",
        '            reach("sent")\n            self._delivered(row, receipt, hold)\n            reach("delivered")\n',
    ),
    Change(
        "perform.py",
        "            self._tell(run, outcome, tally)\n",
        '            reach("finished")\n            self._tell(run, outcome, tally)\n',
    ),
    Change(
        "perform.py",
        "        self.store.corridor.leave(lease, finished)\n",
        '        reach("leaving")\n        self.store.corridor.leave(lease, finished)\n        reach("left")\n',
    ),
    Change(
        "tick.py",
        "            found.queued += self.store.queueing.queue(plans, now)\n",
        '            reach("planned")\n            found.queued += self.store.queueing.queue(plans, now)\n',
    ),
    Change(
        "tick.py",
        "    for lease in store.leases.claim(free, only):\n",
        '    for lease in store.leases.claim(free, only):\n        reach("handed")\n',
    ),
)
NAMES = (
    *("planned", "handed", "claimed", "started", "fetched", "rendered", "published", "sending", "sent", "delivered"),
    *("judged", "finished", "leaving", "left"),
)

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

IMPORT = Change("", "", "from .points import reach\n")


def build(folder: Path, *, points: bool = True, changes: Sequence[Change] = (), source: Path = PACKAGE) -> Path:
    """Copy the package into *folder*, change the copy, and return what belongs on the path."""
    target = folder / "scheduler_daemon"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    if points:
        (target / "points.py").write_text(REACH, encoding="utf-8")
        for change in POINTS:
            apply(target, change)
            _import(target / change.file)
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


def _import(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "import reach" not in text:
        first = text.index("\nfrom .")
        path.write_text(f"{text[:first]}\nfrom .points import reach{text[first:]}", encoding="utf-8")
