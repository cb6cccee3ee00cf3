"""
What conditions judged, kept on the runs themselves, beside what was asked for.

So it is as old as the ledger keeps it: the time before is the latest occurrence that is still there.
"""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import LeaseLost
from ..lib.clock import to_ms
from ..model import Lease, Run
from .engine import Engine
from .group import Execute
from .leases import Leases

#: Occurrences looked at for one that was judged; those between were skipped for other reasons.
MOST_BACK = 50

ASKED = "SELECT report FROM {ours}scheduler_run WHERE id = ?"
NOTE = "UPDATE {ours}scheduler_run SET report = ? WHERE id = ? AND fence = ? AND status = 'running'"
#: What a person asked for by hand is no occurrence to be compared with.
BEFORE = """
SELECT report, status, reason FROM {ours}scheduler_run WHERE schedule_id = ? AND due_at < ? AND "trigger" <> 'manual'
ORDER BY due_at DESC, id DESC LIMIT ?"""


class Judgements:
    """Written by a run's holder, read by the next one."""

    def __init__(self, engine: Engine, leases: Leases) -> None:
        self.engine = engine
        self.leases = leases
        self._asked_text, self._note_text = engine.text(ASKED), engine.text(NOTE)

    def note(self, lease: Lease, run: Run, judged: Mapping[str, Any]) -> None:
        """Keep what was judged of *run*; raise LeaseLost where it is no longer ours."""

        def steps(execute: Execute) -> None:
            self.leases.require(lease, execute)
            asked = json.loads(execute(self._asked_text, (run.id,)).fetchone()[0])
            text = json.dumps({**asked, "judged": dict(judged)}, ensure_ascii=False, separators=(",", ":"))
            if execute(self._note_text, (text, run.id, lease.fence)).rowcount != 1:
                raise LeaseLost(f"Run {run.id} is no longer ours.")

        self.engine.together(steps)

    def before(self, run: Run) -> Mapping[str, Any] | None:
        """
        Return what was judged of the schedule's latest occurrence before *run*; None where nothing was.

        One that was to be sent and reached nobody does not count as met: whoever is told once was not told. Nor do
        those behind it that were met too and skipped because it was to be sent.
        """
        latest: Mapping[str, Any] | None = None
        for text, status, reason in self.engine.read(BEFORE, (run.schedule_id, to_ms(run.due_at), MOST_BACK)):
            try:
                judged = json.loads(text).get("judged")
            except (ValueError, AttributeError):
                continue
            if not isinstance(judged, dict):
                continue
            latest = latest or judged
            held_back = status == "skipped" and reason == "condition"
            if held_back and judged.get("met"):
                continue
            untold = status in ("failed", "skipped") and not held_back
            return {**latest, "met": False} if untold else latest
        return latest
