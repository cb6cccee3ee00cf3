"""
Rendering in a child process: spawned, never forked, niced, killed when the attempt is over or its parent is gone.

A renderer in a thread holds the interpreter's lock for long stretches and ruins punctuality (DESIGN 6: the p99 of the
start goes from 2 ms to 676 ms), so large workbooks are made outside.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import RenderError, RunError, SchedulerError
from ..lib.orphans import end_with_parent
from ..lib.words import redact

#: XLSX above this many rows is made in a child (DESIGN 6).
CHILD_ROWS = 5_000
#: Seconds between two looks at whether the attempt may go on.
LOOK = 0.2


def needs_child(kind: str, rows: int) -> bool:
    """Whether a file of *rows* rows is made in a child process."""
    return kind == "xlsx" and rows > CHILD_ROWS


def render_in_child(
    kind: str, options: Mapping[str, Any], folder: Path, target: Path, check: Callable[[], None]
) -> None:
    """
    Render the spooled table of *folder* to *target* in a child; *check* is called while it works.

    Whatever *check* raises ends the child and goes on. Raise RenderError with the child's own words.
    """
    job = json.dumps({"kind": kind, "options": dict(options), "folder": str(folder), "target": str(target)})
    child = subprocess.Popen(
        [sys.executable, "-m", "scheduler_daemon.renderers.child", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        answer = _wait(child, job, check)
    except BaseException:
        child.kill()
        child.communicate()
        raise
    if child.returncode != 0:
        _raise(child.returncode, answer)


def _wait(child: "subprocess.Popen[str]", job: str, check: Callable[[], None]) -> str:
    text: str | None = job
    while True:
        try:
            answer, _ = child.communicate(text, timeout=LOOK)
        except subprocess.TimeoutExpired:
            text = None
            check()
        else:
            return answer


def _raise(status: int, answer: str) -> None:
    try:
        said = json.loads(answer)
    except ValueError:
        raise RenderError(f"The renderer's process ended with status {status}.", retryable=True) from None
    raise RenderError(said["message"], code=said["code"], hint=said["hint"], retryable=said["retryable"])


def main() -> int:
    """Do the job that stands on standard input; say what went wrong as JSON. The argument is the parent's pid."""
    end_with_parent(int(sys.argv[1]))
    from ..spool import from_disk
    from ..tablefile import open_table
    from . import open_renderer

    job = json.loads(sys.stdin.read())
    with suppress(OSError):  # a hardened unit forbids it; the work is done all the same
        os.nice(10)
    try:
        table = open_table(Path(job["folder"]))
        open_renderer(job["kind"], job["options"]).render(table, Path(job["target"]))
    except SchedulerError as error:
        return _told(error, retryable=isinstance(error, RunError) and error.retryable)
    except OSError as error:
        return _told(from_disk(error, Path(job["target"]), "render_failed"), retryable=True)
    except Exception as error:  # a defect: its parent can tell no more than is said here
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return _told(RenderError(f"A defect of the renderer, at {where}: {redact(repr(error))[:200]}"), retryable=False)
    return 0


def _told(error: SchedulerError, *, retryable: bool) -> int:
    said = {"code": error.code, "message": error.message, "hint": error.hint, "retryable": retryable}
    sys.stdout.write(json.dumps(said))
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
