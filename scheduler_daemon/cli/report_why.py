"""`scheduler reports why`: sentences on why a report ran, did not run, or will not run."""

from datetime import datetime

import click

from ..lib.clock import utc_now
from ..lib.words import say_length
from ..model import Run, RunStatus
from ..recurrence import sentence
from ..store import SeenSchedule, Store
from ..timetable import say_next
from .asking import opened
from .main import Context
from .output import echo_json

REASONS = {
    "misfired": "it was missed, and the schedule does not catch up",
    "coalesced": "a later occurrence ran in its place",
    "overlapped": "the last run was still unfinished",
    "paused": "the schedule was paused",
    "no_session": "the shop has no usable offline session",
    "condition": "its condition was not met",
    "cancelled": "a person cancelled it",
    "quarantined": "it lost its process too often",
}


@click.command()
@click.argument("report")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def why(context: Context, report: str, as_json: bool) -> None:
    """Say why REPORT ran, did not run, or will not run."""
    with opened(context) as store:
        seen = store.schedules.find(report)
        said = [*ahead(store, seen, utc_now()), *(behind(run) for run in store.history.last_of(seen.id))]
    if as_json:
        echo_json("why", said)
        return
    for line in said:
        click.echo(line)


def ahead(store: Store, seen: SeenSchedule, now: datetime) -> list[str]:
    """Return sentences on what will happen."""
    schedule = seen.schedule
    if schedule is None:
        return [f"{seen.name} will not run: {seen.problem}. Correct its row in the app."]
    said = [f"{seen.name} of {seen.shop}: {sentence(schedule.recurrence)}, {schedule.zone or seen.shop_zone or 'UTC'}."]
    if store.mode == "hold":
        said.append("It will not run: delivery is on hold. Next: scheduler go-live")
    if not schedule.active:
        said.append("It will not run: it is switched off (isActive).")
    if schedule.paused_at:
        said.append(
            f"It will not run: it is paused ({schedule.paused_reason}). Next: scheduler reports resume {seen.id}"
        )
    if seen.shop_paused:
        said.append(f"It will wait: its shop is paused ({seen.shop_paused}). Next: scheduler shops resume {seen.shop}")
    if store.sessions.find(seen.shop) is None:
        said.append(f"It will be skipped: {seen.shop} has no offline session. Next: scheduler shops add {seen.shop}")
    if seen.due_at is None:
        said.append("It has no next moment; the daemon sets it at its next check, unless it is over.")
    elif seen.due_at <= now:
        late = say_length(now - seen.due_at)
        said.append(f"It is due since {late}; a running daemon takes it at once. By hand: scheduler check-once")
    else:
        said.append(f"Next: {say_next(schedule, seen.due_at, seen.shop_zone)}.")
    return said


def behind(run: Run) -> str:
    """Return a sentence on what happened to a run."""
    due = f"{run.due_at:%a %d %b %Y %H:%M} UTC"
    if run.status is RunStatus.SKIPPED:
        return f"{due}: skipped, because {REASONS.get(run.reason or '', run.reason)}. {run.error or ''}".strip()
    if run.status is RunStatus.QUEUED and run.attempt:
        return f"{due}: attempt {run.attempt} failed ({run.error}); next try {run.not_before:%H:%M:%S} UTC."
    if run.status is RunStatus.QUEUED:
        return f"{due}: waits for its turn."
    if run.status is RunStatus.RUNNING:
        return f"{due}: runs now, attempt {run.attempt}."
    if run.status is RunStatus.SUCCEEDED:
        return f"{due}: succeeded, {run.record_count or 0:,} rows, {run.file_name}."
    return f"{due}: {run.status.value}. {run.error or run.error_code or ''}".strip()
