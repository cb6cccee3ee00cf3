"""What the deliveries of a run make of it: pure, so that who delivers and who cancels judge alike."""

from collections.abc import Sequence
from datetime import datetime

from .model import Delivery, DeliveryState, Outcome, RunStatus, SkipReason

#: Refusals that no repeat cures.
REFUSED = ("smtp_refused", "bad_address", "message_too_big", "channel_not_configured")
CANCELLED = "A person cancelled it."


def of_recipients(rows: Sequence[Delivery]) -> list[Delivery]:
    """
    Return one delivery for each recipient of the report: the one that was taken, else the last one.

    Who got only a copy by hand and is no recipient is left out, unless there is nobody else.
    """
    people: dict[tuple[str, str], list[Delivery]] = {}
    for row in rows:
        people.setdefault((row.recipient.channel, row.recipient.address), []).append(row)
    asked = [own for own in people.values() if any(row.copy == 0 for row in own)] or list(people.values())
    return [next((row for row in own if row.state is DeliveryState.DELIVERED), own[-1]) for own in asked]


def judge(rows: Sequence[Delivery], now: datetime) -> Outcome:
    """
    Return what the deliveries make of their run (DESIGN 3).

    While one may still be retried the run is `queued`; then all delivered is `succeeded`, some `partial`, none
    `failed`; `unknown` counts as not delivered. It goes by recipient: who got any copy has got it, so that a copy sent
    again makes a run better and never worse.
    """
    asked = of_recipients(rows)
    delivered = [row for row in asked if row.state is DeliveryState.DELIVERED]
    missed = [row for row in asked if row.state is not DeliveryState.DELIVERED]
    waiting = [row for row in rows if row.state is DeliveryState.PENDING]
    bad = [row for row in missed if row.state in (DeliveryState.FAILED, DeliveryState.UNKNOWN)]
    first = next(iter([*waiting, *bad]), None)
    code, error = (first.error_code, first.error) if first is not None else (None, None)
    said = f"{len(delivered)} of {len(asked)} delivered. {error or ''}".strip()
    if waiting:
        soonest = min((row.not_before for row in waiting if row.not_before), default=now)
        return Outcome(RunStatus.QUEUED, error_code=code, error=f"sending: {said}", not_before=soonest, counts=False)
    if not missed:
        return Outcome(RunStatus.SUCCEEDED)
    if delivered:
        return Outcome(RunStatus.PARTIAL, error_code=code, error=said)
    permanent = all(row.error_code in REFUSED for row in bad)
    return Outcome(RunStatus.FAILED, error_code=code, error=error, permanent=permanent)


def cancelled(rows: Sequence[Delivery], now: datetime) -> Outcome:
    """
    Return how a run ends that a person cancelled, from its deliveries, none of which is pending any more.

    Nobody got it: `skipped / cancelled`. Where somebody got it, may have got it, or where copies were sent again by
    hand, "not tried" would be a lie: it ends as its deliveries say.
    """
    told = any(row.state in (DeliveryState.DELIVERED, DeliveryState.UNKNOWN) or row.copy for row in rows)
    if told:
        return judge(rows, now)
    return Outcome(RunStatus.SKIPPED, SkipReason.CANCELLED.value, "cancelled", CANCELLED)
