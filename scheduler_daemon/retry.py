"""How often: whether a failed attempt is tried again, and when. Pure; chance is passed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failed attempts are repeated (`[retry]`)."""

    #: Attempts in all, the first included.
    attempts: int = 5
    #: The longest wait after the first failure.
    base: timedelta = timedelta(seconds=30)
    #: The longest wait ever.
    cap: timedelta = timedelta(minutes=30)


def next_attempt_at(
    policy: RetryPolicy,
    *,
    failed: int,
    now: datetime,
    chance: float,
    retryable: bool,
    retry_after: float | None = None,
) -> datetime | None:
    """
    Return when to try again after the *failed*-th counted failure, UTC; None to give up.

    Full jitter: ``chance * min(cap, base * 2**(failed - 1))`` with *chance* in [0, 1) (Amazon Builders' Library,
    "Timeouts, retries and backoff with jitter"), and never earlier than *retry_after* seconds from now. A wait that
    the other side asked for is cut at the cap, so that no bad header can park a run.
    """
    if not retryable or failed >= policy.attempts:
        return None
    ceiling: timedelta = min(policy.cap, policy.base * int(2 ** min(failed - 1, 20)))
    wait = max(chance * ceiling, timedelta(seconds=min(retry_after or 0.0, policy.cap.total_seconds())))
    return now + max(wait, timedelta(seconds=1))
