"""What happened to a run, or happens now: one sentence, its moments in the schedule's zone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ...lib.words import closed, plural, say_length
from ...model import Delivery, DeliveryState, Run, RunStatus, SkipReason, Trigger
from ...redirect import shown
from ...verdict import of_recipients
from ..moments import say_takeover
from ..progress import STEPS
from .facts import Facts, Said
from .hints import hint_for

#: A report that starts this long after its moment is late (as in its mail).
LATE = timedelta(minutes=5)

SKIPPED = {
    SkipReason.MISFIRED: "it was missed, and its catch-up is none or does not reach that far",
    SkipReason.COALESCED: "several moments were missed, and the latest ran for all of them",
    SkipReason.OVERLAPPED: "its last run was still unfinished, and its overlap is skip",
    SkipReason.PAUSED: "it was paused",
    SkipReason.NO_SESSION: "the shop had no usable offline session",
    SkipReason.CONDITION: "its condition was not met",
    SkipReason.CANCELLED: "a person cancelled it",
    SkipReason.QUARANTINED: "it lost its process too often and is kept from killing another",
}
#: For a failure without a word: a row that others wrote.
UNTOLD = "no reason was written down"
#: Skips whose own sentence says more.
TOLD = (SkipReason.NO_SESSION, SkipReason.CONDITION, SkipReason.CANCELLED, SkipReason.QUARANTINED)
#: What a person may do about a skip; {id}, {shop} and {run} as in the hints.
AFTER_SKIP = {
    SkipReason.CONDITION: "To send it all the same: scheduler history rerun {run}",
    SkipReason.MISFIRED: "To run what was missed: scheduler reports edit {id} --catch-up latest",
    SkipReason.OVERLAPPED: "To let it wait instead: scheduler reports edit {id} --overlap queue",
    SkipReason.PAUSED: "If it still is: scheduler reports resume {id}",
    SkipReason.NO_SESSION: "Open the app in the shop once, or run: scheduler shops add {shop}",
    SkipReason.QUARANTINED: "Look at its log, then try it alone: scheduler reports run {id}",
}


def behind(facts: Facts, run: Run) -> Said:
    """Return the sentence on *run*, which begins with its due moment."""
    due = facts.at(run.due_at)
    when = f"{due}, asked for by hand" if run.trigger is not Trigger.SCHEDULE else due
    made = _said(facts, run)
    spoiled = f" {run.damage}" if run.damage not in made.text else ""
    return Said(made.code, f"{when}: {made.text}{_late(facts, run)}{spoiled}", made.hint, run.id)


def _said(facts: Facts, run: Run) -> Said:
    if run.status is RunStatus.RUNNING:
        return _running(facts, run)
    if run.status is RunStatus.QUEUED:
        return _queued(facts, run)
    if run.status is RunStatus.SKIPPED:
        return _skipped(run)
    rows = of_recipients(facts.store.history.deliveries(run.id))
    if run.status is RunStatus.SUCCEEDED:
        to = ", ".join(_address(run, row) for row in rows) or "nobody"
        return Said("succeeded", f"succeeded, {run.record_count or 0:,} rows, {run.file_name}, delivered to {to}.")
    error = run.error or run.error_code or UNTOLD
    if run.status is RunStatus.PARTIAL:
        missed = "; ".join(
            f"{_address(run, row)}: {_problem(row)}" for row in rows if row.state is not DeliveryState.DELIVERED
        )
        got = sum(row.state is DeliveryState.DELIVERED for row in rows)
        return Said("partial", f"partial, {got} of {len(rows)} delivered. {closed(missed or error)}", hint_for(run))
    text = f"failed ({run.error_code}) after {plural(run.attempt, 'attempt')}. {closed(error)}"
    return Said("failed", text, hint_for(run))


def _address(run: Run, row: Delivery) -> str:
    return str((row.receipt or {}).get("path") or shown(run, row))


def _problem(row: Delivery) -> str:
    unknown = "it may have gone out; nobody can say" if row.state is DeliveryState.UNKNOWN else row.state.value
    return (row.error or unknown).rstrip(".")


# Skipped ------------------------------------------------------------------------------------------------------------


def _skipped(run: Run) -> Said:
    try:
        reason = SkipReason(run.reason or "")
    except ValueError:
        return Said("skipped", f"skipped ({run.reason}). {run.error or ''}".strip())
    text = f"skipped, because {SKIPPED[reason]}."
    if reason in TOLD and run.error:
        text = f"{text} {run.error}"
    hint = AFTER_SKIP.get(reason, "").format(id=run.schedule_id, shop=run.shop, run=run.id)
    return Said(f"skipped_{reason.value}", text, "" if hint and hint in text else hint)


# Running ------------------------------------------------------------------------------------------------------------


def _running(facts: Facts, run: Run) -> Said:
    mine = next((item for item in facts.daemon.state.get("running") or () if item.get("run") == run.id), None)
    holder = facts.held.get(run.shop)
    if holder and facts.lost_until is not None:
        text = f"was running when its process was lost: {holder} is gone from this machine; "
        return Said("lost", f"{text}{say_takeover(facts.lost_until, facts.zone)}.", facts.daemon.hint)
    if holder and run.reason == SkipReason.CANCELLED:
        return Said("cancelling", f"runs, and a person asked it to stop: {holder} sees that at its next heartbeat.")
    if mine is not None and holder:
        return Said("running", f"runs now: {_step(facts, mine)}{_attempt(run)}.")
    if holder:
        since = f", since {facts.clock(run.started_at)}" if run.started_at else ""
        return Said("running", f"runs now, by {holder}{since}{_attempt(run)}.")
    text = "was running when its process was lost; whoever claims the shop next takes it up where it may."
    return Said("lost", text, "" if facts.daemon.well else facts.daemon.hint)


def _step(facts: Facts, item: Mapping[str, Any]) -> str:
    step = STEPS.get(str(item.get("step") or ""), str(item.get("step")))
    rows = f", {int(item['rows']):,} rows so far" if item.get("rows") else ""
    if not item.get("since"):
        return f"{step}{rows}"
    since = datetime.fromisoformat(str(item["since"]))
    return f"{step}{rows}, since {facts.clock(since)} ({say_length(facts.now - since)})"


def _attempt(run: Run) -> str:
    return f", attempt {run.attempt}" if run.attempt > 1 else ""


# Queued -------------------------------------------------------------------------------------------------------------


def _queued(facts: Facts, run: Run) -> Said:
    if not run.attempt:
        code, text, hint = _waits(facts, run)
        return Said(code, f"queued; {text}.", hint)
    rows = of_recipients(facts.store.history.deliveries(run.id))
    error = run.error or run.error_code or UNTOLD
    again = _next_try(facts, run)
    if rows:
        got = sum(row.state is DeliveryState.DELIVERED for row in rows)
        last = next((_problem(row) for row in rows if row.state is DeliveryState.PENDING and row.error), "")
        return Said("sending", f"sending: {got} of {len(rows)} delivered, {again}. {last}".rstrip(), hint_for(run))
    if run.error_code == "interrupted":
        code, text, hint = _waits(facts, run)
        return Said("interrupted", f"interrupted by a stop, nothing is lost; {text}.", hint)
    most = facts.config.retry.attempts
    text = f"attempt {run.attempt} failed ({run.error_code}), {again}; it has {most} in all. {closed(error)}"
    return Said("retrying", text, hint_for(run))


def _next_try(facts: Facts, run: Run) -> str:
    if run.not_before > facts.now:
        daemon = "" if facts.daemon.well else f", if a daemon runs by then: {facts.daemon.trouble}"
        wait = say_length(run.not_before - facts.now)
        return f"next try {facts.clock(run.not_before)} (in {wait}{daemon})"
    _, text, _ = _waits(facts, run)
    return f"next try now: {text}"


def _waits(facts: Facts, run: Run) -> tuple[str, str, str]:
    """Return for what a queued run waits: a word, the end of a sentence, what to do."""
    if facts.pause is not None:
        return "waits_all_paused", "all reports are paused", "scheduler resume"
    if facts.seen.shop_paused is not None:
        hint = f"scheduler shops resume {run.shop}"
        return "waits_shop_paused", f"its shop is paused ({facts.seen.shop_paused})", hint
    if not run.attempt and run.not_before > facts.now:
        if run.error_code:
            said = f"the shop does not answer ({run.error_code}), and is asked again {facts.clock(run.not_before)}"
            return "waits_shop_rests", said, hint_for(run)
        return "waits_jitter", f"its jitter lets it start {facts.clock(run.not_before)}", ""
    holder = facts.held.get(run.shop)
    if holder:
        return "waits_shop_busy", _busy(facts, run, holder), ""
    before = _before(facts, run)
    if not facts.daemon.well:
        return "waits_no_daemon", facts.daemon.trouble, facts.daemon.hint
    slots = facts.daemon.state.get("slots") or {}
    if slots.get("free") == 0:
        hint = "If this happens often, raise daemon.workers."
        return "waits_slots", f"all {slots.get('total')} slots are taken by other shops", hint
    if before:
        return "waits_behind", f"{plural(before, 'report')} of the shop come first", ""
    return "waits", "the daemon takes it within a second or two", ""


def _busy(facts: Facts, run: Run, holder: str) -> str:
    """Return who works for the shop and on what: the reports of a shop run one after the other."""
    mine = next((item for item in facts.daemon.state.get("running") or () if item.get("shop") == run.shop), None)
    before = _before(facts, run)
    others = f", and {plural(before, 'other')} of the shop come first" if before else ""
    if facts.lost_until is not None:
        return f"the shop's last process, {holder}, is gone; {say_takeover(facts.lost_until, facts.zone)}{others}"
    if mine is not None and mine.get("report"):
        return f"the shop is busy with {mine['report']} ({_step(facts, mine)}){others}"
    return f"the shop is being worked on by {holder}{others}"


def _before(facts: Facts, run: Run) -> int:
    """Return how many queued runs of the shop come before *run* (DESIGN 6: priority, then due moment)."""
    waiting = facts.store.history.latest(shop=run.shop, status=[RunStatus.QUEUED.value], limit=1000)
    mine = (run.priority, run.due_at, run.id)
    return sum((w.priority, w.due_at, w.id) < mine and w.not_before <= facts.now for w in waiting)


# Late ---------------------------------------------------------------------------------------------------------------


def _late(facts: Facts, run: Run) -> str:
    """Return why a scheduled run began late, as a further sentence; empty where it did not."""
    if run.trigger is not Trigger.SCHEDULE or run.started_at is None:
        return ""
    attempts = facts.store.history.attempts(run.id)
    first = attempts[0].started_at if attempts else run.started_at
    asked = run.due_at if run.attempt > 1 else max(run.due_at, run.not_before)
    if run.started_at - asked < LATE:
        return ""
    late = say_length(run.started_at - run.due_at)
    if first - run.due_at < LATE:
        return f" It was made {late} late, because an earlier attempt did not succeed."
    if run.queued_at - run.due_at >= LATE:
        return f" It began {late} late, because no scheduler looked before {facts.clock(run.queued_at)}."
    return f" It began {late} late, because other reports came first."
