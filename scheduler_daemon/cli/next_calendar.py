"""`scheduler reports next --all`: the coming day of every shop, hour by hour, so that the crowd at nine is seen."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import click

from ..lib.clock import iso, utc_now
from ..lib.words import plural
from ..model import Occurrence, Schedule
from ..store import SeenSchedule
from ..store.row_checks import check_zone
from ..when.ahead import coming
from ..when.timetable import spread
from .asking import opened
from .context import Context
from .moments import zone_here, zone_or_utc
from .output import cut, echo_json, fancy, plain, table, width
from .pause import data as as_data
from .pause import paused

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAY = timedelta(days=1)
#: Rows of the list; JSON has all.
SHOWN = 100
#: Columns of the longest bar, of one on a narrow terminal, and of a name there.
BAR, LEAST_BAR, LEAST_NAME = 40, 5, 10
#: Runs in a day from which a schedule comes due all the time: its runs are counted, and not listed one by one.
FREQUENT = 12
#: Columns of what an hour's line says of these.
FREQUENT_BESIDE = 19
#: Columns of an hour's line that are no bar: hour, number of runs, and what is most at a minute.
BESIDE = 46


@dataclass(frozen=True, slots=True)
class Ahead:
    """One run of the coming day."""

    #: When it may start, UTC: its due moment, and its jitter.
    at: datetime
    seen: SeenSchedule
    occurrence: Occurrence


def day_ahead(rows: Iterable[SeenSchedule], now: datetime, most: timedelta = DAY) -> list[Ahead]:
    """Return what will run in (*now*, *now* + *most*], by moment; nothing of what is off, paused or unreadable."""
    found = [item for seen in rows if seen.shop_paused is None for item in _of(seen, now, now + most)]
    return sorted(found, key=lambda item: (item.at, item.seen.shop, item.seen.name))


def _of(seen: SeenSchedule, now: datetime, until: datetime) -> Iterator[Ahead]:
    schedule = seen.schedule
    if schedule is None or not schedule.active or schedule.paused_at is not None:
        return
    upcoming = coming(schedule, seen.shop_zone, now)
    item = next(upcoming, None)
    while item is not None and item.due_at <= until:
        following = next(upcoming, None)
        yield Ahead(item.due_at + _jitter(schedule, item, following), seen, item)
        item = following


def _jitter(schedule: Schedule, item: Occurrence, following: Occurrence | None) -> timedelta:
    """Return by how much it starts later; a moment that the app wrote never does."""
    if not schedule.jitter or item.key.startswith("at:"):
        return timedelta(0)
    return spread(schedule, item, following.due_at if following else None)


def busiest(found: Iterable[Ahead]) -> tuple[datetime, int] | None:
    """Return the minute (UTC) in which the most may start, and how many do; None where nothing is ahead."""
    counted = Counter(item.at.replace(second=0, microsecond=0) for item in found)
    return min(counted.items(), key=lambda pair: (-pair[1], pair[0])) if counted else None


def show_calendar(context: Context, zone_name: str, as_json: bool) -> None:
    """Print the calendar of the coming day."""
    if zone_name:
        check_zone(zone_name)
    zone = zone_or_utc(zone_name) if zone_name else zone_here()
    now = utc_now()
    with opened(context) as store:
        rows = store.schedules.all(limit=1_000_000)
        pause = store.pauses.current(now)
    found = day_ahead(rows, now)
    hours = _hours(found, now)
    left_out = sum(item.schedule is None or not _runs(item) for item in rows)
    if as_json:
        data = [
            {"at": iso(a.at), "due_at": iso(a.occurrence.due_at), "shop": a.seen.shop, "report": a.seen.name}
            | {"schedule": a.seen.id, "key": a.occurrence.key}
            for a in found
        ]
        told = [
            {"hour": iso(hour), "runs": len(items), "busiest": _told(busiest(items))} for hour, items in hours.items()
        ]
        echo_json("calendar", data, hours=told, left_out=left_out, paused=as_data(pause) if pause else None)
        return
    _print(found, hours, zone, left_out)
    if pause is not None:
        click.echo(f"{paused(pause)} What comes due until then is skipped.")


def _runs(seen: SeenSchedule) -> bool:
    schedule = seen.schedule
    return schedule is not None and schedule.active and schedule.paused_at is None and seen.shop_paused is None


def _hours(found: Iterable[Ahead], now: datetime) -> dict[datetime, list[Ahead]]:
    first = now.replace(minute=0, second=0, microsecond=0)
    hours: dict[datetime, list[Ahead]] = {first + number * HOUR: [] for number in range(25)}
    for item in found:
        hours.setdefault(item.at.replace(minute=0, second=0, microsecond=0), []).append(item)
    return hours


def _told(found: tuple[datetime, int] | None) -> dict[str, object] | None:
    return None if found is None else {"minute": iso(found[0]), "runs": found[1]}


def _print(found: list[Ahead], hours: dict[datetime, list[Ahead]], zone: tzinfo, left_out: int) -> None:
    often = frequent(found)
    _print_hours(hours, zone, often)
    off = f"; left out (off, paused or unreadable): {plural(left_out, 'schedule')}" if left_out else ""
    click.echo(f"{plural(len(found), 'run')} in the coming day{off}")
    seldom = [item for item in found if item.seen.id not in often]
    shown = [(f"{item.at.astimezone(zone):%a %H:%M %Z}", *_who(item.seen)) for item in seldom[:SHOWN]]
    shown += [(_how_often(items, zone), *_who(items[0].seen)) for items in list(often.values())[:SHOWN]]
    room = _room()
    if shown:
        table(["when", "shop", "report", "id"], shown if room is None else _fitted(shown, room))
    more = max(0, len(seldom) - SHOWN) + sum(len(items) for items in list(often.values())[SHOWN:])
    if more:
        click.echo(f"and {more:,} more: scheduler reports next --all --json")


def frequent(found: Iterable[Ahead]) -> dict[str, list[Ahead]]:
    """Return the runs of schedules that come due all the time, by schedule, the most first."""
    runs: dict[str, list[Ahead]] = {}
    for item in found:
        runs.setdefault(item.seen.id, []).append(item)
    often = {key: items for key, items in runs.items() if len(items) >= FREQUENT}
    return dict(sorted(often.items(), key=lambda pair: -len(pair[1])))


def _print_hours(hours: dict[datetime, list[Ahead]], zone: tzinfo, often: Mapping[str, object]) -> None:
    """Print a bar an hour; what comes due all the time is a number behind it, and does not hide the crowd."""
    seldom = {hour: [item for item in items if item.seen.id not in often] for hour, items in hours.items()}
    longest = max((len(items) for items in seldom.values()), default=0)
    mark, room = "█" if fancy() else "#", _room()
    beside = BESIDE + (FREQUENT_BESIDE if often else 0)
    longest_bar = BAR if room is None else min(BAR, max(LEAST_BAR, room - beside))
    for hour, items in hours.items():
        own = seldom[hour]
        bar = mark * max(1, round(len(own) / longest * longest_bar)) if own else ""
        peak = busiest(items)
        most = f"  most at {peak[0].astimezone(zone):%H:%M}: {peak[1]}" if own and peak and peak[1] > 1 else ""
        rest = f"  + {len(items) - len(own):,} frequent" if len(items) > len(own) else ""
        click.echo(f"{hour.astimezone(zone):%a %H:%M %Z}  {len(own):6,}  {bar}{most}{rest}".rstrip())


def _how_often(items: Sequence[Ahead], zone: tzinfo) -> str:
    """Return how often a schedule comes due in the coming day: ``12 times an hour``."""
    hours = Counter(item.at.replace(minute=0, second=0, microsecond=0) for item in items)
    if len(hours) >= DAY // HOUR:
        most = max(hours.values())
        return "once an hour" if most == 1 else f"{most} times an hour"
    return f"{len(items)} times, from {items[0].at.astimezone(zone):%a %H:%M}"


def _who(seen: SeenSchedule) -> tuple[str, str, str]:
    return seen.shop, plain(seen.name), seen.id


def is_terminal() -> bool:
    """Whether a person looks at it; a file or another program gets whole names."""
    return sys.stdout.isatty()


def _room() -> int | None:
    """Return the columns of the terminal; None where there is none."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def _fitted(rows: Sequence[tuple[str, ...]], room: int) -> list[tuple[str, ...]]:
    """Return *rows* (when, shop, report, id) with report and shop cut to fit *room* columns; an id stays whole."""
    widths = [max(width(row[index]) for row in rows) for index in range(len(rows[0]))]
    over = sum(widths) + 2 * (len(widths) - 1) - room
    for index in (2, 1):
        gives = min(max(0, over), max(0, widths[index] - LEAST_NAME))
        widths[index], over = widths[index] - gives, over - gives
    return [tuple(cut(cell, columns) for cell, columns in zip(row, widths, strict=True)) for row in rows]
