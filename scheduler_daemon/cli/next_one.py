"""`scheduler reports next REPORT`: the moments ahead of one report, with each clock change between them."""

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from itertools import islice, pairwise

import click

from ..errors import UsageError
from ..lib.clock import iso, utc_now
from ..lib.words import say_length
from ..lib.zones import stretches
from ..model import Occurrence
from ..store import SeenSchedule
from ..when.ahead import coming
from ..when.rule_text import sentence
from ..when.timetable import WALL_KEY, zone_of
from .asking import find_report, opened, readable
from .context import Context
from .output import echo_json

#: So many clock changes between two moments are told one by one; of more, only their number.
MOST_TOLD = 2


def show_one(context: Context, report: str, count: int, as_json: bool) -> None:
    """Print the next *count* moments of *report* (id or name)."""
    with opened(context) as store:
        seen = find_report(store, report)
    schedule, now = readable(seen), utc_now()
    if schedule.recurrence is None:
        raise _no_rule(seen)
    name, zone, _ = zone_of(schedule, seen.shop_zone)
    found = list(islice(coming(schedule, seen.shop_zone, now), count))
    befores = [now, *(item.due_at for item in found)]
    between = [_changes(zone, earlier, later) for earlier, later in pairwise(befores)]
    if as_json:
        data = [_data(item, zone, told) for item, told in zip(found, between, strict=True)]
        echo_json("next", data, rule=sentence(schedule.recurrence), zone=name)
        return
    click.echo(f"{sentence(schedule.recurrence)}, {name}{'' if found else ': it does not come due any more'}")
    for item, told in zip(found, between, strict=True):
        for line in _marks(told, zone):
            click.echo(line)
        shown = f"{item.due_at.astimezone(zone):%a %d %b %Y %H:%M %Z (UTC%z)}"
        click.echo(f"{shown}  in {say_length(item.due_at - now)}{_moved(item, zone)}")


def _no_rule(seen: SeenSchedule) -> UsageError:
    hint = f'Give it one: scheduler reports edit {seen.id} --every "monday 08:00"'
    return UsageError(f"{seen.name} has no rule: the app sets its moments.", code="bad_recurrence", hint=hint)


Change = tuple[datetime, timedelta, timedelta]


def _changes(zone: tzinfo, after: datetime, until: datetime) -> list[Change]:
    """Return the clock changes in (*after*, *until*]: the instant, the offset before, the offset from then on."""
    return list(_walk(zone, after, until))


def _walk(zone: tzinfo, after: datetime, until: datetime) -> Iterator[Change]:
    before: timedelta | None = None
    for begin, _, offset in stretches(zone, after):
        if begin > until:
            return
        if before is not None and offset != before:
            yield begin, before, offset
        before = offset


def _marks(told: list[Change], zone: tzinfo) -> Iterator[str]:
    if len(told) > MOST_TOLD:
        yield f"-- the clocks change {len(told)} times"
        return
    for at, before, after in told:
        local = at.astimezone(zone)
        was = (at - timedelta(seconds=1)).astimezone(zone)
        way = "forward" if after > before else "back"
        yield f"-- {was:%a %d %b %Y} the clocks go {way} by {say_length(after - before)}, to {local:%H:%M %Z (UTC%z)}"


def _moved(item: Occurrence, zone: tzinfo) -> str:
    """Return what a clock change does to the moment, as an addition to its line; empty on all other days."""
    if len(item.key) != WALL_KEY:
        return ""
    wall = datetime.fromisoformat(item.key)
    if item.due_at.astimezone(zone).replace(tzinfo=None) != wall:
        return f"  (there is no {wall:%H:%M} that day)"
    if wall.replace(tzinfo=zone).utcoffset() != wall.replace(tzinfo=zone, fold=1).utcoffset():
        return f"  (the first of two {wall:%H:%M})"
    return ""


def _data(item: Occurrence, zone: tzinfo, told: list[Change]) -> dict[str, object]:
    changes = [
        {"at": iso(at), "from": int(before.total_seconds()), "to": int(after.total_seconds())}
        for at, before, after in told
    ]
    local = item.due_at.astimezone(zone).isoformat(timespec="seconds")
    return {"key": item.key, "due_at": iso(item.due_at), "local": local, "clock_changes": changes}
