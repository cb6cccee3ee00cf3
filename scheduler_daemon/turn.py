"""What a thread does under one claim of a shop, counted and told."""

from dataclasses import dataclass, field

from .lib.clock import monotonic
from .logs import say
from .model import Outcome, Run, RunStatus


@dataclass(slots=True)
class Turn:
    """What a thread has done under one claim of a shop."""

    #: When it began, monotonic.
    started: float = field(default_factory=monotonic)
    #: Attempts made.
    count: int = 0
    #: Ids of the schedules whose runs ended.
    finished: list[str] = field(default_factory=list)
    #: The shop's schedules of which trouble is open, each with the id of the latest run that is told of.
    troubled: dict[str, str] = field(default_factory=dict)
    #: Runs by how they ended, for people.
    tally: dict[str, int] = field(default_factory=lambda: {"succeeded": 0, "failed": 0, "skipped": 0})

    def tell(self, run: Run, outcome: Outcome) -> None:
        """Count how *run* ended, and log it."""
        name = {"name": run.name, "shop": run.shop, "run": run.id, "schedule": run.schedule_id}
        if not outcome.status.final:
            told = {"error": outcome.error, "code": outcome.error_code}
            say("run_retry", "warning", **name, at=outcome.not_before, **told)
            self.tally["failed"] += outcome.counts  # a stop or a throttled shop is no failure
            return
        key = "succeeded" if outcome.status is RunStatus.SUCCEEDED else "failed"
        self.tally["skipped" if outcome.status is RunStatus.SKIPPED else key] += 1
        level = "info" if outcome.status is RunStatus.SUCCEEDED else "warning"
        facts = {"status": outcome.status.value, "error": outcome.error, "code": outcome.error_code}
        say("run_finished", level, **name, **facts, **outcome.timings, rows=outcome.record_count)

    def tell_end(self, shop: str) -> None:
        """Log what was done for *shop*, where anything was."""
        if self.count:
            say("shop_finished", "info", shop=shop, **self.tally)
