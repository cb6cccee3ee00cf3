"""`scheduler status --database`: every daemon on the database, judged from any machine or container."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from ..errors import SchedulerError
from ..health.statefile import WORDS, Verdict, judge
from ..lib.words import plural, say_length
from .context import Context
from .output import echo_json, plain, short, show_error, table

if TYPE_CHECKING:
    from ..model import Node


def judge_database(context: Context, as_json: bool) -> int:
    """Print how each daemon is; return the worst of their exit statuses, 2 where there is none, 3 unknown."""
    from .asking import opened

    try:
        with opened(context) as store:
            nodes, now, shown = store.notebook.nodes(), store.notebook.now(), store.target.shown
        max_age = context.config().state.max_age
    except SchedulerError as error:
        show_error(error, as_json)
        return 3
    judged = [(node, judge_node(node, now, max_age)) for node in nodes]
    code = max((verdict.code for _, verdict in judged), default=2)
    if as_json:
        data = [_data(node, verdict) for node, verdict in judged]
        echo_json("daemons", data, status=WORDS[code], database=shown)
        return code
    _screen(judged, code, now, shown)
    return code


def judge_node(node: "Node", now: datetime, max_age: timedelta) -> Verdict:
    """Judge a daemon by what it last wrote; *now* is the database's clock, and its own was `skew_ms` ahead of that."""
    skew = timedelta(milliseconds=node.skew_ms)
    seen = node.last_good_at
    if seen is None and now - (node.started_at - skew) > max_age:
        return Verdict(2, ("It has made no good check since it started.",), "See its log.", node.snapshot)
    if seen is not None and now - (seen - skew) > max_age:
        said = f"Its last good check was {say_length(now - (seen - skew))} ago."
        return Verdict(2, (said,), f"See its log on {node.host}; start it anew.", node.snapshot)
    # The snapshot is as old as the check that wrote it: only what it says of problems counts here.
    fresh = {
        **node.snapshot,
        "mode": "daemon",
        "written_at": now.isoformat(),
        "tick": {"last_good_at": now.isoformat()},
    }
    return judge(fresh, now, max_age, locked=True)


def _data(node: "Node", verdict: Verdict) -> dict[str, object]:
    from ..lib.clock import iso

    return {
        "daemon": node.name,
        "host": node.host,
        "pid": node.pid,
        "version": node.version,
        "delivery_mode": node.mode,
        "started_at": iso(node.started_at),
        "last_good_at": iso(node.last_good_at) if node.last_good_at else None,
        "skew_ms": node.skew_ms,
        "status": WORDS[verdict.code],
        "reasons": list(verdict.reasons),
        "runningJobs": node.snapshot.get("runningJobs", []),
    }


def _screen(judged: "list[tuple[Node, Verdict]]", code: int, now: datetime, shown: str) -> None:
    if not judged:
        click.echo("SCHEDULER CRITICAL - no daemon is known to this database")
        click.echo(f"database {short(shown)}\nNext: scheduler run")
        return
    first = next((v.reasons[0].rstrip(".") for _, v in judged if v.code == code and v.reasons), "")
    head = f"{plural(len(judged), 'daemon')}{f', {first}' if first else ''}"
    click.echo(f"SCHEDULER {WORDS[code]} - {plain(head)}")
    rows = [
        (
            node.host,
            node.pid,
            node.version,
            WORDS[verdict.code],
            f"{say_length(max(timedelta(0), now - node.last_good_at))} ago" if node.last_good_at else "none yet",
            " ".join(verdict.reasons),
        )
        for node, verdict in judged
    ]
    table(["host", "pid", "version", "status", "last good check", ""], rows)
    click.echo(f"database {short(shown)}")
    step = next((verdict.next_step for _, verdict in judged if verdict.code == code and verdict.next_step), "")
    click.echo(f"Next: {step or 'nothing to do'}")
