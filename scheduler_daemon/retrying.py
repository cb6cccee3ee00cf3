"""What follows from a failure: another try, or the end; by the policy, the rest of the shop and the next occurrence."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from .config import Config
from .errors import DeliveryError, RunError, SchedulerError, SourceError, Throttled, with_hint
from .lib.clock import utc_now
from .model import Delivery, Outcome, Run, RunStatus, Trigger
from .retry import RetryPolicy, next_attempt_at
from .store import Store

#: Transient trouble that every report of the shop would meet.
WHOLE_SHOP = ("shop_unavailable", "timeout", "throttled")
#: Stands behind what went wrong where the policy would allow another try.
OVERTAKEN = "It is not tried again, because the schedule's next occurrence comes first (retry.past_next)."


@dataclass(slots=True)
class Retries:
    """Judges failed attempts and failed deliveries."""

    config: Config
    store: Store
    policy: RetryPolicy

    def after(self, run: Run, error: SchedulerError) -> Outcome:
        """
        Return the outcome of an attempt that ended with *error*: another one, or the end.

        What Shopify throttles counts as no attempt, and is tried again however few `retry.attempts` allows; only the
        next occurrence ends it.
        """
        now = utc_now()
        retryable = isinstance(error, RunError) and error.retryable
        wait = error.retry_after if isinstance(error, RunError) else None
        throttled = isinstance(error, Throttled)
        failed = 1 if throttled else self.store.history.failed_attempts(run.id) + 1
        whole = retryable and isinstance(error, SourceError) and error.code in WHOLE_SHOP
        # The longer the shop is silent, the longer it rests, whichever of its runs tries.
        tries = failed if throttled or not whole else max(failed, self.store.resting.tried(run.shop, run.id) + 1)
        endless = replace(self.policy, attempts=tries + 1)
        later = next_attempt_at(
            endless, failed=tries, now=now, chance=random.random(), retryable=retryable, retry_after=wait
        )
        again = later if throttled or failed < self.policy.attempts else None
        again, said = self._unless_overtaken(run, again, error)
        return Outcome(
            RunStatus.FAILED if again is None else RunStatus.QUEUED,
            error_code=error.code,
            error=said,
            not_before=again,
            counts=again is None or not throttled,
            rest_until=later if whole else None,
            permanent=not retryable,
        )

    def deliver_again(self, run: Run, row: Delivery, error: DeliveryError) -> tuple[datetime | None, str]:
        """Return when to try a failed delivery of *run* again, UTC, None to give it up; and what stands beside it."""
        again = next_attempt_at(
            self.policy,
            failed=row.attempts + 1,
            now=utc_now(),
            chance=random.random(),
            retryable=error.retryable or error.ambiguous,
            retry_after=error.retry_after,
        )
        if row.copy:  # a person asked for it, and waits for it
            return again, with_hint(error)
        return self._unless_overtaken(run, again, error)

    def _unless_overtaken(self, run: Run, again: datetime | None, error: SchedulerError) -> tuple[datetime | None, str]:
        """Return *again* and what stands beside *error*; None, and why, where the next occurrence comes first."""
        if again is not None and self._comes_first(run, again):
            return None, f"{with_hint(error)} {OVERTAKEN}"
        return again, with_hint(error)

    def _comes_first(self, run: Run, again: datetime) -> bool:
        """
        Whether the schedule's next occurrence comes before another try at this one.

        The next is the first that was due after the run was queued, also where it came while the run was at work; one
        that was skipped, because this run is unfinished or for any other reason, takes nobody's place.
        """
        if self.config.retry.past_next or run.trigger is not Trigger.SCHEDULE:
            return False
        upcoming = self.store.cursors.cursor_of(run.schedule_id)
        if upcoming is not None and upcoming <= again:
            return True
        return self.store.history.is_followed(run.schedule_id, max(run.queued_at, run.due_at))
