"""What the end of a run means beyond its own row: is anybody told, does its schedule or its shop pause. Pure."""

from datetime import datetime

from ..model import LATE_AFTER, Outcome, Run, RunStatus, SkipReason, Trigger, Trouble

#: The token is dead: no report of the shop can be made until the shop has another one.
TOKEN_CODES = ("token_refused", "token_expired")
#: Shopify has closed the shop: none can be made until it is open again (Shopify, "API status codes": 402, 404, 423).
SHOP_CODES = ("shop_frozen", "shop_not_found")


def trouble_of(run: Run, outcome: Outcome, told_of: str | None, now: datetime) -> Trouble | None:
    """
    Return what follows from *outcome* of an attempt that ended at *now*, or None where nothing does.

    *told_of* is the id of the latest run of its schedule of which trouble is open, None where none is. A success ends
    the trouble unless it is that of an older run, sent again or after many tries: the latest run has failed still.

    A person who started a run by hand sees how it ended; what it says of the whole shop is told all the same: a closed
    shop pauses at once, even where the run itself waits for another try (HTTP 402 can be a blip, and then the shop goes
    on by itself within minutes).
    """
    if not outcome.status.final:
        return _of_attempt(run, outcome, now)
    if outcome.status is RunStatus.SUCCEEDED:
        over = told_of is not None and run.id >= told_of and not run.is_test
        return Trouble(recovered=True) if over else None
    if outcome.status is RunStatus.SKIPPED and outcome.reason != SkipReason.NO_SESSION.value:
        return None
    code = outcome.error_code or outcome.status.value
    if code == "cancelled":
        return None  # partial, because a person wanted no more of it
    closes, told = code in (*TOKEN_CODES, *SHOP_CODES), run.trigger is not Trigger.MANUAL
    if not (closes or told):
        return None
    return Trouble(
        recovered=False,
        code=code,
        sentence=outcome.error or code,
        permanent=outcome.permanent and run.trigger is Trigger.SCHEDULE,
        closes_shop=closes,
        told=told,
    )


def _of_attempt(run: Run, outcome: Outcome, now: datetime) -> Trouble | None:
    """Return what follows from an attempt after which the run waits."""
    code = outcome.error_code or ""
    sentence = outcome.error or code
    if code in SHOP_CODES:
        return Trouble(recovered=False, code=code, sentence=sentence, permanent=False, closes_shop=True, told=False)
    waits = outcome.not_before is not None and outcome.not_before > now
    if waits and run.trigger is Trigger.SCHEDULE and now - run.queued_at > LATE_AFTER:
        return Trouble(recovered=False, code=code, sentence=sentence, late=True)
    return None
