"""
Group commit: the write steps of several threads in one transaction, and so one wait for the disk for all of them.

SQLite has one writer, and with `synchronous=FULL` each commit waits for the disk. While one thread commits, the others
queue their steps here; the first of them then commits all that came together. PostgreSQL and InnoDB do the same inside.
A caller returns only when its own steps are committed, and its error is its own.
"""

import threading
from collections.abc import Callable
from typing import Any

#: The driver's `execute` of the connection that commits; steps run on no other.
Execute = Callable[..., Any]
Steps = Callable[[Execute], Any]


class Job:
    """One caller's steps and what became of them."""

    __slots__ = ("done", "error", "made", "steps", "woken")

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        #: What the steps returned.
        self.made: Any = None
        #: What they raised; then nothing of them was written.
        self.error: BaseException | None = None
        #: Whether the transaction is over, one way or the other.
        self.done = False
        #: Held until the caller may go on: its job is done, or it leads the next transaction.
        self.woken = threading.Lock()
        self.woken.acquire()

    def result(self) -> Any:
        """Return what the steps returned; raise what they raised."""
        if self.error is not None:
            raise self.error
        return self.made


class GroupCommit:
    """Gathers jobs; one of their threads leads and hands all of them to *run*, which must not raise."""

    def __init__(self, run: Callable[[list[Job]], None]) -> None:
        self._run = run
        self._guard = threading.Lock()
        self._waiting: list[Job] = []
        self._led = False

    def commit(self, steps: Steps) -> Any:
        """Return what *steps* return once they are committed; raise what they raise."""
        job = Job(steps)
        with self._guard:
            self._waiting.append(job)
            leads = not self._led
            self._led = True
        if not leads:
            job.woken.acquire()
        if not job.done:
            self._lead(job)
        return job.result()

    def _lead(self, mine: Job) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        try:
            self._run(batch)
        finally:
            with self._guard:
                following = self._waiting[0] if self._waiting else None
                self._led = following is not None
            for job in batch:
                job.done = True
                if job is not mine:
                    job.woken.release()
            if following is not None:
                following.woken.release()
