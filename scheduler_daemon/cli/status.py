"""`scheduler status`: the state file, judged; imports nothing heavy."""

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..config_light import state_settings
from ..errors import SchedulerError
from ..lib.words import parse_length, plural, say_length
from ..statefile import WORDS, StateFile, Verdict, judge
from .main import Context


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
@click.option("--watch", is_flag=True, help="Show it again every two seconds.")
@click.pass_obj
def status(context: Context, as_json: bool, watch: bool) -> int:
    """
    Say how the daemon is, and the one next thing to do.

    Exit status, as monitoring plugins: 0 ok, 1 degraded, 2 down or stale, 3 unknown.
    """
    while True:
        code = _once(context, as_json)
        if not watch:
            return code
        time.sleep(2)
        click.clear()


def _once(context: Context, as_json: bool) -> int:
    now = datetime.now(UTC)
    try:
        path, max_age = state_settings(context.config_path, os.environ)
        state = StateFile(path)
        verdict = judge(state.read(), now, parse_length(max_age), locked=state.is_locked())
    except (SchedulerError, OSError, ValueError) as error:
        hint = getattr(error, "hint", "") or "Run: scheduler doctor"
        if as_json:
            said = {"code": getattr(error, "code", "usage"), "message": str(error), "hint": hint}
            click.echo(json.dumps({"schema": 1, "error": said}, ensure_ascii=False))
        else:
            click.echo(f"SCHEDULER UNKNOWN - {error}\nNext: {hint}")
        return 3
    if as_json:
        shown = {**verdict.state, "status": WORDS[verdict.code], "reasons": verdict.reasons}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=1))
    else:
        _screen(verdict, now)
    return verdict.code


def _screen(verdict: Verdict, now: datetime) -> None:
    state = verdict.state
    counts: Mapping[str, Any] = state.get("counts") or {}
    head = [plural(int(counts.get("reports", 0)), "report"), f"{counts.get('due', 0)} overdue", *_next(state)]
    if verdict.reasons and verdict.code:
        head = [verdict.reasons[0].rstrip(".")]
    click.echo(f"SCHEDULER {WORDS[verdict.code]} - {', '.join(head)}")
    if verdict.code != 2:
        click.echo(_who(state, now))
    for item in state.get("running") or ():
        click.echo(f"running  {item['shop']}  {item['report']}  {item['step']}  {item['rows']:,} rows")
    for reason in verdict.reasons[1:]:
        click.echo(f"also     {reason}")
    if counts.get("retrying"):
        click.echo(f"waiting  {plural(int(counts['retrying']), 'retry')}")
    click.echo(f"delivery {state.get('delivery_mode')}, database {state.get('database')}")
    step = verdict.next_step or 'keep it running with systemd: README, "Operations"'
    click.echo(f"Next: {step}")


def _next(state: Mapping[str, Any]) -> list[str]:
    from ..lib.zones import find_zone

    upcoming = state.get("next") or []
    if not upcoming or not upcoming[0].get("at"):
        return []
    zone = find_zone(upcoming[0].get("zone") or "UTC")
    return [f"next {datetime.fromisoformat(upcoming[0]['at']).astimezone(zone):%a %d %b %H:%M %Z}"]


def _who(state: Mapping[str, Any], now: datetime) -> str:
    tick = state.get("tick") or {}
    last = tick.get("last_good_at")
    ago = say_length(max(timedelta(0), now - datetime.fromisoformat(last))) if last else None
    good = f"last good check {ago} ago" if ago else "no check yet"
    if state.get("mode") == "once":
        return f"checked by hand, {good}"
    slots = state.get("slots") or {}
    since = datetime.fromisoformat(state["started_at"]).astimezone()
    return f"pid {state.get('pid')} since {since:%H:%M}, {good}, {slots.get('free')} of {slots.get('total')} slots free"
