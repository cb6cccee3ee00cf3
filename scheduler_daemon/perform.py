"""One claimed shop at work: adopt, then run after run, then release. The thread's border for every error."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from .channels import repeatable
from .config import Config
from .deliver import DEFECT, Deliverer
from .errors import LeaseLost, RunError, SessionError, StoreError, UsageError, with_hint
from .judging import Judge, Unmet
from .lib.clock import monotonic, utc_now
from .lib.descriptors import RAISE_LIMIT, is_limit, say_limit
from .logs import say, say_defect
from .model import Entry, Outcome, ReportFile, Run, RunStatus, SkipReason
from .notices.trouble import trouble_of
from .prepare import Preparer
from .retrying import Retries
from .store import Execute, Store
from .threads import Cancelled, Hold, Stopped
from .turn import Turn

#: One claim lasts this long while other shops wait: a report of ordinary length, or many short ones. The next shop is
#: taken in the commit that gives this one back, so that short claims cost little and all threads end together.
MOST_SECONDS = 0.25


@dataclass(slots=True)
class Performer:
    """Performs the runs of claimed shops."""

    config: Config
    store: Store
    preparer: Preparer
    deliverer: Deliverer
    retries: Retries
    #: Whether no further run may start: the daemon drains.
    draining: bool = False
    #: Whether everything is paused: what is at work is finished, nothing more is begun; set by the loop.
    paused: bool = False
    #: Whether other shops wait for a slot; set by the loop.
    others_wait: bool = False
    #: Returns the domains of the shops at work here, which are not claimed.
    busy: Callable[[], set[str]] = set
    #: Called when there is something to tell an owner.
    tell_owners: Callable[[], None] = lambda: None
    #: Ids of the runs that ended here, for a command that waits for them; a daemon keeps none.
    ended: deque[str] = field(default_factory=deque)
    #: Shops that were given up in the middle, by a defect or because the database did not answer: for a command, too.
    broken: deque[str] = field(default_factory=deque)

    def work(self, hold: Hold) -> Entry | None:
        """
        Do what the shop of *hold* has to do now; never raises.

        Return the shop that was claimed in the commit that gave this one back, for the same thread; None where no
        other waits, or nothing more may begin.
        """
        shop = hold.lease.shop
        try:
            return self._work(hold)
        except LeaseLost:
            say("lease_lost", "warning", shop=shop)
        except StoreError as error:
            say("shop_failed", "error", shop=shop, error=error.message, code=error.code)
            self.broken.append(shop)
        except Exception as error:  # a defect must not end the thread in silence
            say_defect("shop_failed", error, shop=shop)
            self.broken.append(shop)
        return None

    def surrender(self, hold: Hold) -> None:
        """Give back the shop of a thread that does not listen to a stop; never raises."""
        self._give_back(hold, lambda _: interrupted(Stopped("The daemon stopped before the report was made.")))

    def give_up(self, hold: Hold) -> None:
        """Give back the shop of a thread that hangs beyond its deadline; never raises."""
        late = RunError("The attempt hung beyond its deadline.", code="deadline_passed", retryable=True)

        def judge(run: Run) -> Outcome:
            if run.spool_path and self.deliverer.has_copies(run):
                return interrupted(Stopped(late.message))  # what it sent becomes unknown; the rest is tried again
            return self.retries.after(run, late)

        self._give_back(hold, judge)

    def _give_back(self, hold: Hold, judge: Callable[[Run], Outcome]) -> None:
        run = hold.run
        try:
            outcome = interrupted(Stopped("It had no run.")) if run is None else judge(run)
            also = None
            if run is not None and (trouble := trouble_of(run, outcome, None, utc_now())):
                also = partial(self.store.troubles.ended, lease=hold.lease, run=run, trouble=trouble)
            self.store.corridor.surrender(hold.lease, run, outcome, self._repeatable(), also)
            self.tell_owners()
        except StoreError as error:  # its lease ends by itself
            say("shop_failed", "error", shop=hold.lease.shop, error=error.message, code=error.code)

    def _repeatable(self) -> tuple[str, ...]:
        """Return the channels on which a delivery that may have gone out is sent again."""
        return repeatable(self.config.delivery.on_unknown)

    def _work(self, hold: Hold) -> Entry | None:
        run, turn = self._enter(hold), Turn()
        if run is not None:
            turn.troubled = self.store.troubles.of_shop(run.shop)
            waiting = self.store.history.waiting(run.shop, utc_now())
            say("shop_started", shop=run.shop, reports=waiting + 1)
        while run is not None:
            outcome = self._perform(run, hold)
            turn.count += 1
            go_on = self._may_begin(hold) and not (self.others_wait and self._is_long(turn))
            following = self._finish(run, outcome, hold, turn.troubled, go_on=go_on)
            turn.tell(run, outcome)
            if outcome.status.final:
                turn.finished.append(run.schedule_id)
            self.ended.append(run.id)
            hold.run, run, hold.deadline = None, following, float("inf")
        return self._leave(hold, turn)

    def _enter(self, hold: Hold) -> Run | None:
        """Return the shop's next run, started; what a lost holder left is taken back first."""
        if hold.entry is None:
            enter = partial(self.store.corridor.enter, hold.lease, self._repeatable())
            adopted, run = hold.keep_trying(enter)
        else:
            adopted, run = list(hold.entry.adopted), hold.entry.run
        for run_id, status in adopted:
            say("run_adopted", "warning", run=run_id, shop=hold.lease.shop, status=status.value)
        return run

    def _leave(self, hold: Hold, turn: Turn) -> Entry | None:
        """Give the shop back, for the one that waits longest where one does."""
        lease, corridor = hold.lease, self.store.corridor
        passed: Entry | None = None
        if self.others_wait and self._may_begin(hold):
            move = partial(corridor.pass_on, lease, turn.finished, repeatable=self._repeatable())
            passed = hold.keep_trying(lambda: move(self.busy()))
        else:
            hold.keep_trying(partial(corridor.leave, lease, turn.finished))
        turn.tell_end(lease.shop)
        return passed

    def _may_begin(self, hold: Hold) -> bool:
        """Whether this thread may begin another run, of this shop or the next."""
        return not (self.draining or self.paused or hold.abort.is_set())

    def _is_long(self, turn: Turn) -> bool:
        """Whether the claim has lasted long enough while others wait."""
        return turn.count >= self.config.daemon.max_per_claim or monotonic() - turn.started > MOST_SECONDS

    def _finish(self, run: Run, outcome: Outcome, hold: Hold, troubled: dict[str, str], *, go_on: bool) -> Run | None:
        """Close the attempt with all that follows from it, in one commit; return the shop's next run, started."""
        lease, also = hold.lease, None
        trouble = trouble_of(run, outcome, troubled.get(run.schedule_id), utc_now())
        if trouble is not None and not trouble.recovered and run.spool_path and self.deliverer.has_copies(run):
            trouble = None  # whoever sends it again by hand sees how that ended
        if trouble is not None:
            also = partial(self.store.troubles.ended, lease=lease, run=run, trouble=trouble)
            if trouble.closes_shop:
                also = partial(also, token=self.store.sessions.mark(lease.shop), owners=self._owners(lease.shop))
            go_on = go_on and not trouble.closes_shop
        if outcome.rest_until is not None:
            also, go_on = partial(self._rest, run=run, outcome=outcome, until=outcome.rest_until, also=also), False
        following = hold.keep_trying(partial(self.store.corridor.finish, lease, run, outcome, go_on=go_on, also=also))
        if trouble is not None:
            if trouble.recovered:
                del troubled[run.schedule_id]
            else:
                troubled[run.schedule_id] = max(run.id, troubled.get(run.schedule_id, ""))
            self.tell_owners()
        return following

    def _owners(self, shop: str) -> list[str]:
        """Return who is told that *shop* pauses: the owners of its reports, and `notices.to` ("") where it is set."""
        owners, operator = self.store.schedules.owners(shop), self.config.notices.to
        if not owners or (operator and operator not in owners):
            owners.add("")
        return sorted(owners)

    def _rest(
        self, execute: Execute, run: Run, outcome: Outcome, until: datetime, also: Callable[[Execute], None] | None
    ) -> None:
        """Let the shop's other runs wait, and write what else follows (*also*)."""
        if also is not None:
            also(execute)
        self.store.resting.rest(execute, run.shop, until, str(outcome.error_code), str(outcome.error))

    def _perform(self, run: Run, hold: Hold) -> Outcome:
        """Make and deliver one report; a defect, in judging a failure too, is told once and stored as `internal`."""
        timings: dict[str, float] = {}
        try:
            return self._attempt(run, hold, timings)
        except (LeaseLost, StoreError):
            raise
        except Exception as error:
            say_defect("shop_failed", error, shop=run.shop, run=run.id)
            outcome = Outcome(RunStatus.FAILED, error_code="internal", error=DEFECT)
            return replace(self._failed(run, hold, outcome), timings=timings)

    def _attempt(self, run: Run, hold: Hold, timings: dict[str, float]) -> Outcome:
        """Try once; every expected failure becomes part of the outcome."""
        say("run_started", name=run.name, schedule=run.schedule_id, shop=run.shop, run=run.id, attempt=run.attempt)
        seconds = run.deadline or self.config.daemon.deadline.total_seconds()
        hold.run, hold.since, hold.rows, hold.step = run, utc_now(), 0, "start"
        hold.deadline = monotonic() + seconds
        try:
            return self._make_and_send(run, hold, timings)
        except Stopped as error:
            return interrupted(error)
        except Cancelled as error:
            return replace(self.deliverer.cancel(run, hold, error), timings=timings)
        except Unmet as error:
            self.preparer.spool.discard([run.id])
            told = (SkipReason.CONDITION.value, error.code, error.message)
            return Outcome(RunStatus.SKIPPED, *told, timings=timings, record_count=error.rows)
        except SessionError as error:
            say("session_missing", "warning", shop=run.shop, code=error.code)
            return Outcome(
                RunStatus.SKIPPED, SkipReason.NO_SESSION.value, error.code, with_hint(error), timings=timings
            )
        except (RunError, UsageError) as error:
            return replace(self._failed(run, hold, self.retries.after(run, error)), timings=timings)
        except OSError as error:  # of whatever was opened for the report: a module, a file of the interpreter's own
            if not is_limit(error):
                raise
            message = f"The report cannot be made: {say_limit()}."
            limit = RunError(message, code="too_many_files", hint=f"{RAISE_LIMIT}.", retryable=True)
            return replace(self._failed(run, hold, self.retries.after(run, limit)), timings=timings)

    def _make_and_send(self, run: Run, hold: Hold, timings: dict[str, float]) -> Outcome:
        if run.damage:
            raise RunError(run.damage, code="bad_run_row")
        if run.attempt > 1:
            self.deliverer.recall(run, hold)
        if run.spool_path and self.deliverer.has_copies(run):
            return self._send_again(run, hold, timings)
        self.deliverer.recipients(run)
        file = self.preparer.make(run, hold, timings, Judge(self.store).require)
        hold.check()
        self.deliverer.publish(run, file, hold, self.preparer.spool.relative(file))
        outcome = self._deliver(run, file, hold, timings)
        return replace(outcome, timings=timings, record_count=file.about.row_count)

    def _deliver(self, run: Run, file: ReportFile, hold: Hold, timings: dict[str, float]) -> Outcome:
        started = monotonic()
        outcome = self.deliverer.deliver(run, file, hold)
        timings["deliver"] = round(monotonic() - started, 3)
        return outcome

    def _send_again(self, run: Run, hold: Hold, timings: dict[str, float]) -> Outcome:
        """Send the copies that a person asked for, the same bytes or none: no failure makes a made report worse."""
        try:
            made = self._deliver(run, self.preparer.find(run), hold, timings)
        except (Stopped, Cancelled, LeaseLost, StoreError):
            raise
        except RunError as error:
            made = self.deliverer.give_up(run, hold, error)
        except Exception as error:  # a defect: told once with its trace
            say_defect("shop_failed", error, shop=run.shop, run=run.id)
            made = self.deliverer.give_up(run, hold, RunError(DEFECT, code="internal"))
        return replace(made, timings=timings)

    def _failed(self, run: Run, hold: Hold, outcome: Outcome) -> Outcome:
        """Return *outcome*; where it is the end but somebody has the report, what the deliveries say of it."""
        if outcome.status is not RunStatus.FAILED or not self.store.history.deliveries(run.id):
            return outcome
        told = RunError(outcome.error or "", code=outcome.error_code)
        made = self.deliverer.give_up(run, hold, told)
        return made if made.status is RunStatus.PARTIAL else outcome


def interrupted(error: Stopped) -> Outcome:
    """Return the outcome of an attempt that a stop ended: the run waits again, and the attempt does not count."""
    return Outcome(RunStatus.QUEUED, error_code=error.code, error=error.message, not_before=utc_now(), counts=False)
