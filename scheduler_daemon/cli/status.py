"""`scheduler status`: the state file, judged; imports nothing heavy."""

import json
import os
import re
import time
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ..config_light import find_config_file, state_settings
from ..errors import SchedulerError, UsageError
from ..health.statefile import WORDS, StateFile, Verdict, judge
from ..lib.words import parse_length, plural, say_length
from .context import Context
from .groups import example
from .output import fancy, plain, short, show_error
from .status_database import judge_database
from .streams import reader_gone

COLOURS = ("green", "yellow", "red", "magenta")


@click.command(epilog=example("status", "status --watch", "status --database"))
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
@click.option("--watch", is_flag=True, help="Show it again every two seconds.")
@click.option("--database", "all_nodes", is_flag=True, help="Judge every daemon on the database, from any machine.")
@click.pass_obj
def status(context: Context, as_json: bool, watch: bool, all_nodes: bool) -> int:
    """
    Say how the daemon is, and the one next thing to do.

    Exit status, as monitoring plugins: 0 ok, 1 degraded, 2 down or stale, 3 unknown.
    """
    while True:
        code = judge_database(context, as_json) if all_nodes else _once(context, as_json)
        if not watch or reader_gone():
            return code
        try:
            time.sleep(2)
        except KeyboardInterrupt:
            return code
        click.clear()


def _once(context: Context, as_json: bool) -> int:
    now = datetime.now(UTC)
    try:
        verdict = _judge(context, now)
    except SchedulerError as error:
        error.hint = error.hint or "Run: scheduler doctor"
        if as_json:
            show_error(error, as_json)
        else:
            click.echo(f"SCHEDULER UNKNOWN - {plain(error.message)}\nNext: {plain(error.hint)}")
        return 3
    if as_json:
        shown = {**verdict.state, "status": WORDS[verdict.code], "reasons": verdict.reasons}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=1))
    else:
        _screen(verdict, now)
    return verdict.code


def _judge(context: Context, now: datetime) -> Verdict:
    """Read the state file and judge it; raise SchedulerError for whatever keeps us from it."""
    try:
        path, max_age = state_settings(context.config_path, os.environ)
        state = StateFile(path)
        return judge(state.read(), now, parse_length(max_age), locked=state.is_locked())
    except (OSError, ValueError, AttributeError, TypeError) as error:
        file = find_config_file(context.config_path, os.environ)
        if verdict := _of_one_that_refused(file, now):
            return verdict
        raise _unreadable(file, error) from None


def _unreadable(file: Path | None, error: Exception) -> UsageError:
    if isinstance(error, tomllib.TOMLDecodeError):
        message = f"The configuration {file} is not TOML: {error}."
        return UsageError(message, code="config_invalid", hint="Correct it, then: scheduler config check")
    if isinstance(error, OSError):
        return UsageError(f"{error.filename}: {error.strerror or error}.", hint="Check --config, its owner and mode.")
    message = f"The section [state] cannot be read: {error}."
    return UsageError(message, code="config_invalid", hint="See: scheduler config check")


def _of_one_that_refused(file: Path | None, now: datetime) -> Verdict | None:
    """Return how a living daemon is that goes on with what *file* said before; None where none is known without it."""
    try:
        path, max_age = state_settings(None, os.environ, read=False)
        state = StateFile(path)
        found = state.read()
        refused = [item for item in found.get("problems") or () if item.get("code") == "config_refused"]
        if refused and str(file) in str(refused[0].get("message")) and state.is_locked():
            return judge(found, now, parse_length(max_age), locked=True)
    except (SchedulerError, OSError, ValueError, AttributeError, TypeError):
        return None
    return None


def _screen(verdict: Verdict, now: datetime) -> None:
    state = verdict.state
    counts: Mapping[str, Any] = state.get("counts") or {}
    head = [plural(int(counts.get("reports", 0)), "report"), f"{counts.get('due', 0)} overdue", *_next(state)]
    if verdict.reasons and verdict.code:
        head = [verdict.reasons[0].rstrip(".")]
    word = click.style(WORDS[verdict.code], fg=COLOURS[verdict.code]) if fancy() else WORDS[verdict.code]
    click.echo(f"SCHEDULER {word} - {plain(', '.join(head))}, delivery {state.get('delivery_mode')}")
    if verdict.code != 2:
        click.echo(_who(state, now))
        for line in _waits(state.get("tick") or {}, now):
            click.echo(line)
    for item in state.get("running") or ():
        click.echo(plain(_running(item, now)))
    for reason in verdict.reasons[1:]:
        click.echo(f"also     {plain(reason)}")
    if counts.get("retrying"):
        click.echo(f"waiting  {plural(int(counts['retrying']), 'report')} for a retry")
    if foreign := int(counts.get("foreign", 0)):
        click.echo(f"foreign  {plural(foreign, 'schedule')} of other types, left alone")
    click.echo(f"database {short(str(state.get('database')))}")
    step = verdict.next_step or 'keep it running with systemd: README, "Operations"'
    click.echo(step if re.match(r"(Next|See|Run|Start it): ", step) else f"Next: {step}")


def _waits(tick: Mapping[str, Any], now: datetime) -> list[str]:
    """Return the line on what the loop waits for; none where the file is not a daemon's."""
    if not tick.get("waits_for"):
        return []

    def left(moment: Any) -> str:
        wait = datetime.fromisoformat(str(moment)) - now
        return f"in {say_length(wait)}" if wait > timedelta(0) else "now"

    until = f", {left(tick['waits_until'])}" if tick.get("waits_until") else ""
    check = f"; next check {left(tick['next_at'])}" if tick.get("next_at") else ""
    return [plain(f"waits    for {tick['waits_for']}{until}{check}")]


def _running(item: Mapping[str, Any], now: datetime) -> str:
    rows = f"  {int(item['rows']):,} rows" if item.get("rows") else ""
    since = item.get("since")
    took = f"  {say_length(max(timedelta(0), now - datetime.fromisoformat(str(since))))}" if since else ""
    return f"running  {item['shop']}  {item.get('report') or 'between reports'}  {item.get('step') or ''}{rows}{took}"


def _next(state: Mapping[str, Any]) -> list[str]:
    from ..lib.zones import find_zone

    upcoming = state.get("next") or []
    if not upcoming or not upcoming[0].get("at"):
        return []
    try:
        zone = find_zone(upcoming[0].get("zone") or "UTC")
    except KeyError:
        zone = UTC
    return [f"next {datetime.fromisoformat(upcoming[0]['at']).astimezone(zone):%a %d %b %H:%M %Z}"]


def _who(state: Mapping[str, Any], now: datetime) -> str:
    from .moments import zone_here

    tick = state.get("tick") or {}
    last = tick.get("last_good_at")
    ago = say_length(max(timedelta(0), now - datetime.fromisoformat(last))) if last else None
    good = f"last good check {ago} ago" if ago else "no check yet"
    if state.get("mode") == "once":
        return f"checked by hand, {good}"
    slots = state.get("slots") or {}
    started = datetime.fromisoformat(state["started_at"]).astimezone(zone_here())
    since = f"{started:%H:%M}" if now - started < timedelta(hours=20) else f"{started:%a %d %b %H:%M}"
    return f"pid {state.get('pid')} since {since}, {good}, {slots.get('free')} of {slots.get('total')} slots free"
