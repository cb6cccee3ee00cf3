"""`check-once --dry-run`: everything that a check would do, said and not done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click

from ..app import App
from ..errors import RunError, UsageError
from ..lib.clock import iso, utc_now
from ..lib.spans import days
from ..lib.words import plural, say_length
from ..model import Occurrence, Pause, Period, Plan, Recipient, Run, RunStatus
from ..planning import UNPLANNABLE
from ..prepare import LATE
from ..store import SeenSchedule
from ..tick import Only
from ..when.comparison import find_comparison
from .moments import say_moment, zone_or_utc
from .output import echo_json, plain, table
from .pause import paused

#: Schedules and waiting runs that are shown; more are counted.
MOST = 1000
#: Of what is due while delivery is on hold, so many are shown: on the app's database that may be everything.
MOST_HELD = 20


@dataclass(slots=True)
class Due:
    """One due schedule and what a check would do about it."""

    seen: SeenSchedule
    #: What would be queued and skipped; None where the row cannot be planned.
    plan: Plan | None
    #: Why nothing would run although something is due.
    problem: str = ""
    #: To whom.
    recipients: tuple[Recipient, ...] = ()
    #: What each occurrence that would run is about.
    periods: dict[str, Period] = field(default_factory=dict)
    #: What each is compared with; none where with nothing.
    compared: dict[str, Period] = field(default_factory=dict)


def dry_run(app: App, only: Only, as_json: bool) -> int:
    """Say what a check would run now, for whom and about what; nothing is written. Return the exit status."""
    now = utc_now()
    pauses = app.store.pauses.all()
    due = [_look(app, seen, now, pauses) for seen in app.store.cursors.due(now, MOST, only=only)]
    pause = app.store.pauses.current(now)
    waiting = [run for run in _waiting(app, only) if run.not_before <= now]
    if as_json:
        facts = {
            "delivery_mode": app.mode,
            "paused": pause is not None,
            "waiting": [_run_as_data(run) for run in waiting],
        }
        echo_json("due", [_as_data(item, now) for item in due], **facts)
        return 0
    _show(due, waiting, now)
    runs = sum(len(item.plan.to_run) for item in due if item.plan is not None and not item.problem)
    skips = sum(len(item.plan.skipped) for item in due if item.plan is not None)
    said = [f"{plural(len(due), 'report')} due"]
    said += [f"{plural(runs, 'run')} would start"] if runs != len(due) else []
    said += [f"{plural(skips, 'occurrence')} would be skipped"] if skips else []
    said += [f"{plural(len(waiting), 'queued run')} would go on"] if waiting else []
    click.echo(f"{', '.join(said)}; nothing was run.{_but(app, pause) if due or waiting else ''}")
    if len(due) == MOST:
        click.echo(f"Only the first {MOST:,} are shown: limit it with --shop or --report")
    return 0


def say_held(app: App, only: Only, now: datetime) -> None:
    """Say what is due while delivery is on hold, that none of it was sent, and what to do."""
    seen = app.store.cursors.due(now, MOST, only=only)
    pauses = app.store.pauses.all()
    _show([_look(app, item, now, pauses) for item in seen[:MOST_HELD]], (), now)
    if len(seen) > MOST_HELD:
        click.echo(f"and {len(seen) - MOST_HELD:,} more, see: scheduler check-once --dry-run")
    count = plural(len(seen), "report") + (" or more" if len(seen) >= MOST else "")
    click.echo(f"Delivery is on hold: {count if seen else 'nothing is'} due, nothing was sent. Next: scheduler go-live")


def _but(app: App, pause: Pause | None) -> str:
    """Return why a check would start none of it; empty where it would."""
    held = " Delivery is on hold: check-once would run none of them." if app.mode == "hold" else ""
    return held + (f" {paused(pause)} check-once would skip them and start nothing." if pause is not None else "")


def _look(app: App, seen: SeenSchedule, now: datetime, pauses: Sequence[Pause]) -> Due:
    schedule = seen.schedule
    if schedule is None:
        return Due(seen, None, f"cannot be read: {seen.problem}")
    try:
        plan = app.planner.planning.plan(seen, schedule, now, pauses)
    except UNPLANNABLE as error:
        return Due(seen, None, f"its rule cannot be planned: {error}")
    made = Due(seen, plan, "" if seen.shop_paused is None else f"shop paused: {seen.shop_paused}")
    zone = schedule.zone or seen.shop_zone or "UTC"
    try:
        made.recipients = app.performer.deliverer.to_whom(schedule.recipients)
        made.periods = {item.key: app.performer.preparer.period_of(schedule, item.due_at, zone) for item in plan.to_run}
        found = {key: find_comparison(schedule.report, period) for key, period in made.periods.items()}
        made.compared = {key: period for key, period in found.items() if period is not None}
    except (RunError, UsageError) as error:
        made.problem = f"would fail: {error.message}"
    return made


def _waiting(app: App, only: Only) -> Sequence[Run]:
    """Return the queued runs: retries, and what an earlier check left."""
    shop, schedule = only
    return app.store.history.latest(limit=MOST, shop=shop, schedule=schedule, status=[RunStatus.QUEUED.value])[::-1]


def _show(due: Sequence[Due], waiting: Sequence[Run], now: datetime) -> None:
    rows = [row for item in due for row in _rows(item, now)]
    for run in waiting:
        why = "retry" if run.attempt else "queued before"
        moment = say_moment(run.due_at, zone_or_utc(run.zone), now)
        rows.append((run.shop, run.name, moment, why, "", _people(run.recipients)))
    if rows:
        table(["shop", "report", "due", "", "period", "to"], rows)


def _rows(item: Due, now: datetime) -> list[tuple[str, ...]]:
    seen, plan = item.seen, item.plan
    zone = zone_or_utc(seen.schedule.zone if seen.schedule else "", seen.shop_zone)
    if plan is None or not (plan.to_run or plan.skipped):
        words = item.problem or "its cursor would move; nothing runs"
        return [(seen.shop, seen.name, say_moment(seen.due_at or now, zone, now), words, "", "")]
    made: list[tuple[str, ...]] = []
    for reason in dict.fromkeys(why for _, why in plan.skipped):
        moments = [occurrence.due_at for occurrence, why in plan.skipped if why == reason]
        others = f" and {len(moments) - 1:,} more" if len(moments) > 1 else ""
        first = say_moment(moments[0], zone, now)
        made.append((seen.shop, seen.name, f"{first}{others}", f"would be skipped: {reason}", "", ""))
    for occurrence in plan.to_run:
        period = item.periods.get(occurrence.key)
        about = days(period.start, period.end, period.zone) if period else ""
        if compared := item.compared.get(occurrence.key):
            about += f", compared with {days(compared.start, compared.end, compared.zone)}"
        words = item.problem or _late(occurrence, now)
        people = _people(item.recipients)
        made.append((seen.shop, seen.name, say_moment(occurrence.due_at, zone, now), words, about, people))
    return made


def _late(occurrence: Occurrence, now: datetime) -> str:
    late = now - occurrence.due_at
    return f"{say_length(late)} late" if late >= LATE else ""


def _people(recipients: Sequence[Recipient]) -> str:
    names = [plain(item.address) for item in recipients]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _as_data(item: Due, now: datetime) -> dict[str, Any]:
    seen, plan = item.seen, item.plan
    return {
        "schedule": seen.id,
        "shop": seen.shop,
        "report": seen.name,
        "due_at": iso(seen.due_at or now),
        "problem": item.problem,
        "recipients": [{"channel": r.channel, "address": r.address, "role": r.role} for r in item.recipients],
        "runs": [_occurrence(item, found, now) for found in plan.to_run] if plan else [],
        "skipped": [{"key": o.key, "due_at": iso(o.due_at), "reason": why} for o, why in plan.skipped] if plan else [],
        "next_due_at": iso(plan.next_due_at) if plan and plan.next_due_at else None,
    }


def _occurrence(item: Due, found: Occurrence, now: datetime) -> dict[str, Any]:
    period, compared = item.periods.get(found.key), item.compared.get(found.key)
    return {
        "key": found.key,
        "due_at": iso(found.due_at),
        "late_seconds": max(0, int((now - found.due_at).total_seconds())),
        "period_from": iso(period.start) if period else None,
        "period_to": iso(period.end) if period else None,
        "compared_from": iso(compared.start) if compared else None,
        "compared_to": iso(compared.end) if compared else None,
    }


def _run_as_data(run: Run) -> dict[str, Any]:
    facts = {"run": run.id, "schedule": run.schedule_id, "shop": run.shop, "report": run.name}
    return {**facts, "due_at": iso(run.due_at), "attempt": run.attempt, "trigger": run.trigger.value}
