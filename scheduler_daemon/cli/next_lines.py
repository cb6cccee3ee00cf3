"""
`scheduler reports next -`: rules in, moments out, one JSON object a line each; so that others can check our calendar.

In: ``{"every": "monday 8:00", "zone": "Europe/Paris", "from": "2026-11-23T00:00:00Z", "count": 3}``; instead of "every"
a "rule", "cron" text, or the app's columns. Out: ``{"rule": "Every Monday at 08:00", "zone": …, "next": [{"key": …,
"due_at": …, "local": …}]}``, or ``{"error": {"code": …, "message": …, "hint": …}}``; an "id" is given back.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from ..errors import SchedulerError, UsageError
from ..lib.clock import iso, utc_now
from ..lib.zones import FIRST_YEAR, LAST_YEAR, find_zone, zone_like
from ..model import Recurrence
from ..when.recurrence import check, from_json, read_columns
from ..when.rule_text import sentence
from ..when.spoken import read_cron_text, read_words
from ..when.timetable import occurrences
from .streams import reader_gone

MOST = 10_000
#: Letters of a name that is no zone which are repeated.
MOST_SHOWN = 60
ENCODER = json.JSONEncoder(ensure_ascii=False)
KNOWN = frozenset({"id", "rule", "cron", "every", "zone", "from", "count"})
COLUMNS = ("frequency", "dayOfWeek", "dayOfMonth", "time")
HINT = 'Write an object like {"cron": "0 8 * * 1", "zone": "Europe/Paris", "from": "2026-11-23T00:00:00Z", "count": 3}'


def answer_lines(lines: Iterable[str | bytes], count: int) -> bool:
    """Answer each of *lines*, in order, as it comes; *count* is for those that name none. False where one is wrong."""
    now, well = utc_now(), True
    for line in lines:
        if reader_gone():
            break
        if line.strip():
            made = _answer(line, count, now)
            well = well and "error" not in made
            sys.stdout.write(ENCODER.encode(made) + "\n")
    return well


def _answer(line: str | bytes, count: int, now: datetime) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    try:
        asked = _object(line)
        return _named(asked, _moments(asked, count, now))
    except SchedulerError as error:
        return _named(asked, {"error": {"code": error.code, "message": error.message, "hint": error.hint}})


def _named(asked: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    return {"id": asked["id"], **made} if "id" in asked else made


def _object(line: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The line is not JSON: {error}.", hint=HINT) from None
    if not isinstance(data, dict):
        raise UsageError("The line is no JSON object.", hint=HINT)
    return data


def _moments(asked: Mapping[str, Any], count: int, now: datetime) -> dict[str, Any]:
    unknown = [name for name in asked if name not in KNOWN and name not in COLUMNS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not understood; there are {', '.join([*sorted(KNOWN), *COLUMNS])}.")
    rule = _rule(asked)
    name = str(asked.get("zone") or "UTC")
    try:
        zone = find_zone(name)
    except KeyError:
        said = f"{name[:MOST_SHOWN]!r} is no time zone.{zone_like(name[:MOST_SHOWN])}"
        raise UsageError(said, code="unknown_zone", hint="Write an IANA name like Europe/Paris.") from None
    after = now if asked.get("from") in (None, "") else _after(asked["from"])
    most = asked.get("count", count)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise UsageError(f"The count {most!r} is no whole number from 1 to {MOST}.")
    found = [
        {"key": item.key, "due_at": iso(item.due_at), "local": item.due_at.astimezone(zone).isoformat()}
        for item in islice(occurrences(rule, zone, after), most)
    ]
    return {"rule": _sentence(rule), "zone": name, "next": found}


# Many schedules share few rules: each is read, and said, once.
_read_words = lru_cache(10_000)(read_words)
_sentence = lru_cache(10_000)(sentence)


def _rule(asked: Mapping[str, Any]) -> Recurrence:
    given = [name for name in ("rule", "cron", "every", "frequency") if asked.get(name) is not None]
    if len(given) != 1:
        said = f"it names {' and '.join(given)}" if given else "it names none of them"
        raise UsageError(f"A line needs one of rule, cron, every or frequency; {said}.", hint=HINT)
    value = asked[given[0]]
    if given[0] == "rule":
        if not isinstance(value, dict):
            raise UsageError(f"The rule {value!r} is no JSON object.", hint=HINT)
        return from_json(value)
    if given[0] == "cron":
        return read_cron_text(str(value))
    if given[0] == "every":
        return _read_words(str(value))
    return _from_columns(asked)


def _from_columns(asked: Mapping[str, Any]) -> Recurrence:
    for name in ("dayOfWeek", "dayOfMonth"):
        if asked.get(name) is not None and (isinstance(asked[name], bool) or not isinstance(asked[name], int)):
            raise UsageError(f"{name} {asked[name]!r} is no whole number.", code="bad_recurrence")
    time = str(asked.get("time") or "00:00")
    rule = read_columns(str(asked["frequency"]), asked.get("dayOfWeek"), asked.get("dayOfMonth"), time)
    if rule is None:
        raise UsageError("CUSTOM needs a rule beside it.", code="bad_recurrence", hint='Give "rule" or "cron" instead.')
    return check(rule)


def _after(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"{value!r} is no moment like 2026-11-23T08:00:00Z.") from None
    if not FIRST_YEAR < moment.year <= LAST_YEAR:
        raise UsageError(f"{value!r} is too far away; years go from {FIRST_YEAR + 1} to {LAST_YEAR}.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
