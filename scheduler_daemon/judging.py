"""Between fetching and rendering: a report whose condition is not met is skipped, with the sentence why."""

from dataclasses import dataclass
from functools import partial

from .condition import judge, read_condition
from .errors import RunError
from .model import Run, Table, Trigger
from .store import Store
from .threads import Hold


class Unmet(RunError):
    """The report's condition was not met: nothing is rendered and nothing is sent."""

    code = "condition_unmet"

    def __init__(self, message: str, rows: int) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(slots=True)
class Judge:
    """Judges fetched tables by the conditions of their reports."""

    store: Store

    def require(self, run: Run, hold: Hold, table: Table) -> None:
        """Raise Unmet where *run* is not to be sent; what a person asked for by hand always is."""
        if run.report is None or not run.report.condition or run.trigger is Trigger.MANUAL:
            return
        condition, about = read_condition(run.report.condition), table.about
        made = judge(condition, about.row_count, table.columns, about.totals, self.store.judgements.before(run))
        hold.keep_trying(partial(self.store.judgements.note, hold.lease, run, made.to_json()))
        if not made.sends:
            raise Unmet(made.why, about.row_count)
