"""What will happen: whether the report runs, when, and what keeps it from it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...lib.words import closed, plural, say_length
from ...model import RuleKind, Schedule
from ...sources import TYPES, open_source
from ...sources.base import missing_scopes
from ...when.rule_text import sentence
from .facts import Facts, Said
from .hints import way_out_of

#: A report that is due for longer while a daemon is well was not taken, and not only not yet.
SOON = timedelta(minutes=1)


def ahead(facts: Facts) -> list[Said]:
    """Return the sentences on the next run: first what keeps it from running, else when it runs."""
    seen, schedule = facts.seen, facts.seen.schedule
    if schedule is None:
        text = f"{seen.name} of {seen.shop} will not run: {closed(seen.problem)} It is looked at again each hour."
        hint = f"{way_out_of(seen)}. Or remove it: scheduler reports remove {seen.id}"
        return [Said("bad_schedule_row", text, hint)]
    rule = sentence(schedule.recurrence)
    head = Said("rule", f"{seen.name} of {seen.shop}: {rule[0].lower()}{rule[1:]}, {facts.zone_name}.")
    stops = list(_stops(facts, schedule))
    if stops:
        return [head, *stops]
    return [head, *_moment(facts, schedule), *_cautions(facts, schedule)]


def _stops(facts: Facts, schedule: Schedule) -> Iterator[Said]:
    """Yield what keeps the report from being queued at all."""
    seen = facts.seen
    if schedule.report.type not in TYPES:
        ours = ", ".join(TYPES)
        text = f"It will not run: its type {schedule.report.type!r} is mapped to none of ours, so it is left untouched."
        yield Said("foreign", text, f"Map it under [types] in the configuration, to one of: {ours}.")
    if facts.mode == "hold":
        text = "It will not run: delivery is on hold, nothing is queued or sent from this database."
        yield Said("held", text, "Look and let go: scheduler go-live")
    if facts.pause is not None:
        until = f" until {facts.at(facts.pause.until)}" if facts.pause.until else ""
        note = f" ({facts.pause.note})" if facts.pause.note else ""
        text = f"It will not run{until}: all reports are paused since {facts.at(facts.pause.since)}{note}"
        yield Said("all_paused", f"{text}; what comes due is skipped.", "scheduler resume")
    if not schedule.active:
        yield _switched_off(facts, schedule)
    elif schedule.paused_at is not None:
        reason = f" ({schedule.paused_reason})" if schedule.paused_reason else ""
        text = f"It will not run: it is paused since {facts.at(schedule.paused_at)}{reason}; what comes due is skipped."
        yield Said("paused", text, f"scheduler reports resume {seen.id}")
    elif schedule.recurrence is None and seen.due_at is None:
        text = "It will not run: it has no rule, and the app has set no moment (nextRunAt is empty)."
        yield Said("no_rule", text, f'Let the app set one, or: scheduler reports edit {seen.id} --every "monday 08:00"')


def _switched_off(facts: Facts, schedule: Schedule) -> Said:
    rule = schedule.recurrence
    if rule is not None and rule.kind is RuleKind.ONCE and schedule.next_due_at is None:
        text = f"It is over: it was to run once, on {rule.at.replace('T', ' at ')}."
        return Said("over", text, f"To run it again: scheduler reports run {schedule.id}")
    text = "It will not run: it is switched off in the app (isActive)."
    return Said("switched_off", text, "Switch it on in the app.")


def _moment(facts: Facts, schedule: Schedule) -> Iterator[Said]:
    due_at = facts.seen.due_at
    if due_at is None:
        yield _no_moment(facts)
    elif due_at > facts.now:
        wait = say_length(due_at - facts.now)
        yield Said("next", f"Next: {facts.at(due_at)}, in {wait}.")
        if not facts.daemon.well:
            yield Said("no_daemon", f"For now {facts.daemon.trouble}.", facts.daemon.hint)
    else:
        yield _due(facts)


def _no_moment(facts: Facts) -> Said:
    text = "It has no next moment yet (nextRunAt is empty): the next check sets it, and nothing is run for the past."
    if facts.daemon.well:
        return Said("no_moment", text)
    return Said("no_moment_no_daemon", f"{text} But {facts.daemon.trouble}.", facts.daemon.hint)


def _due(facts: Facts) -> Said:
    due_at = facts.seen.due_at
    assert due_at is not None
    since = f"It is due since {facts.clock(due_at)} ({say_length(facts.now - due_at)}) and not queued yet"
    if not facts.daemon.well:
        return Said("due_no_daemon", f"{since}: {facts.daemon.trouble}.", facts.daemon.hint)
    if facts.config.daemon.wake == "check":
        return Said("due_next_check", f"{since}: reports start at checks only (daemon.wake), {_next_check(facts)}.")
    if facts.daemon.state.get("delivery_mode") == "hold":
        text = f"{since}: the daemon still works in the mode hold, and takes the new one at its next check"
        return Said(
            "due_daemon_holds", f"{text}, {_next_check(facts)}.", "To check now: systemctl kill -s USR1 scheduler"
        )
    if facts.now - due_at > SOON:
        pid = facts.daemon.state.get("pid")
        text = f"{since}, though the daemon (pid {pid}) is well: it cannot read it, or its check takes long."
        return Said("due_not_taken", text, "See its log: journalctl -u scheduler")
    return Said("due", f"{since}: the daemon takes it within a second or two.")


def _next_check(facts: Facts) -> str:
    text = (facts.daemon.state.get("tick") or {}).get("next_at")
    return f"the next is at {facts.clock(datetime.fromisoformat(text))}" if text else "the next is soon"


def _cautions(facts: Facts, schedule: Schedule) -> Iterator[Said]:
    """Yield what will make the next run wait, be skipped, fail, or go elsewhere."""
    seen, config = facts.seen, facts.config
    if seen.shop_paused is not None:
        text = f"What comes due is skipped: its shop {seen.shop} is paused ({seen.shop_paused})."
        yield Said("shop_paused", text, f"scheduler shops resume {seen.shop}")
    if not facts.session:
        hint = f"Open the app in the shop once, or run: scheduler shops add {seen.shop}"
        yield Said("no_session", f"It will be skipped: {seen.shop} has no offline session.", hint)
    missing = _missing_scopes(facts, schedule)
    if missing:
        text = f"It will fail: the shop's token lacks {', '.join(missing)}."
        yield Said("scope_missing", text, f"Grant the app the scope, then run: scheduler shops check {seen.shop}")
    channels = {item.channel for item in schedule.recipients}
    if not channels and config.folder is None:
        hint = f"scheduler reports edit {seen.id} --to name@example.com"
        yield Said("no_recipients", "It will fail: it has nobody to deliver to, and there is no [folder].", hint)
    for channel in sorted(channels):
        if getattr(config, channel, None) is None:
            text = f"Its deliveries by {channel} will fail: the configuration has no section [{channel}]."
            yield Said("channel_not_configured", text, "See: scheduler config example")
    if facts.mode == "redirect" and "email" in channels:
        mails = plural(sum(item.channel == "email" for item in schedule.recipients), "recipient")
        to = config.delivery.redirect_to
        text = f"Its mail goes to {to} and to none of its {mails} (delivery.mode is redirect)."
        yield Said("redirected", text, 'When it may leave: delivery.mode = "live"')


def _missing_scopes(facts: Facts, schedule: Schedule) -> list[str]:
    return list(missing_scopes(open_source(schedule.report.type), schedule.report, facts.shop.scopes))
