"""
The parts of the README that are made from the code, between ``<!-- name -->`` and ``<!-- /name -->``.

``python -m tests.house.blocks`` writes them, and config.example.toml, anew.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path

from scheduler_daemon.config.example import example, markdown_table
from scheduler_daemon.errors import CODES
from scheduler_daemon.lib.zones import changes, find_zone, offset_at
from scheduler_daemon.model import (
    DeliveryState,
    NoticeKind,
    NoticeState,
    Recurrence,
    RuleKind,
    RunStatus,
    SkipReason,
)
from scheduler_daemon.when.period import midnight
from scheduler_daemon.when.timetable import occurrences
from tests.faults.record import table

ROOT = Path(__file__).parents[2]
NOUNS = [ROOT / "scheduler_daemon" / "model" / name for name in ("run.py", "notice.py")]


def codes_table() -> str:
    """Return the table of error codes."""
    lines = ["| code | what it means |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{code}` | {text} |" for code, text in CODES.items())])


def statuses_table() -> str:
    """Return the table of all statuses, reasons and states, with the sentence that stands above each in the code."""
    source = "".join(path.read_text(encoding="utf-8") for path in NOUNS)
    lines = ["| column | value | meaning |", "| --- | --- | --- |"]
    kinds: tuple[tuple[str, type[StrEnum]], ...] = (
        ("run.status", RunStatus),
        ("run.reason", SkipReason),
        ("delivery.state", DeliveryState),
        ("notice.kind", NoticeKind),
        ("notice.state", NoticeState),
    )
    for column, kind in kinds:
        body = source[source.index(f"class {kind.__name__}(") :]
        for item in kind:
            found = re.search(rf'    #: (.+)\n    {item.name} = "{item.value}"', body)
            assert found, item
            lines.append(f"| `{column}` | `{item.value}` | {found[1]} |")
    return "\n".join(lines)


#: The zones of the table of clock changes, each with the daily times that its changes meet, forward and back.
ZONES = (
    ("America/New_York", "02:30", "01:30"),
    ("Europe/Paris", "02:30", "02:30"),
    ("America/Santiago", "00:30", "23:30"),
    ("Australia/Lord_Howe", "02:15", "01:45"),
)
HOURLY = Recurrence(RuleKind.HOURLY)


def clocks_table() -> str:
    """Return the table of what a daily and an hourly report do on the days of 2026 on which clocks change."""
    lines = [
        "| zone | day | the clocks go | a daily report at | comes due | an hourly one |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, spring, autumn in ZONES:
        zone = find_zone(name)
        for change, after in changes(zone, 2026):
            gain = after - offset_at(zone, change - timedelta(seconds=1))
            way = "forward" if gain > timedelta(0) else "back"
            how = f"{way} {int(abs(gain).total_seconds() // 60)} min"
            lines.append(_night(name, change, how, spring if way == "forward" else autumn))
    return "\n".join(lines)


def _night(name: str, change: datetime, how: str, clock: str) -> str:
    zone = find_zone(name)
    day = change.astimezone(zone).date()
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    before = begin - timedelta(seconds=1)
    daily = Recurrence(RuleKind.DAILY, time=clock)
    due = [item.due_at for item in islice(occurrences(daily, zone, before), 3) if item.due_at < end]
    hourly = sum(item.due_at < end for item in islice(occurrences(HOURLY, zone, before), 30))
    shown = ", ".join(f"{moment.astimezone(zone):%H:%M (UTC%z)}" for moment in due)
    return f"| {name} | {day} | {how} | {clock} | {shown} | {hourly} times |"


def blocks() -> dict[str, str]:
    """Return each made part by its name."""
    return {
        "config": markdown_table(),
        "codes": codes_table(),
        "statuses": statuses_table(),
        "clocks": clocks_table(),
        "faults": table(),
    }


def between(text: str, mark: str) -> str:
    """Return what stands between the marks."""
    found = re.search(f"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", text, re.DOTALL)
    assert found, mark
    return found[1].strip()


def main() -> None:
    """Write them."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for mark, made in blocks().items():
        text = re.sub(
            f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
            lambda found, made=made: f"{found[1]}{made}\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    path.write_text(text, encoding="utf-8")
    (ROOT / "config.example.toml").write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
