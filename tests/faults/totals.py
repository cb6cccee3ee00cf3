"""What all sittings together have shown: one line each in `sittings.jsonl`, summed up beside the limits."""

import json
import statistics
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from .evidence import Verdict
from .figures import RANDOM, RANDOM_WELL, STEPS
from .fleet import LEASE

NAME = "sittings.jsonl"
#: Checks that a row lost, doubled or accepted wrongly would fail, as the report names them.
WRONG = {
    "lost": ("lost", "final"),
    "accepted_twice": ("doubled", "accepted_once"),
    "overlaps": ("overlaps",),
    "stale_accepted": ("stale_results",),
    "mails_repeated": ("mails_once",),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of one database beside its limit."""

    database: str
    figure: str
    value: Any
    limit: str = ""
    #: None where there is no limit.
    well: bool | None = None


def read(out: Path) -> list[dict[str, Any]]:
    """Return the sittings made so far; empty where there are none."""
    path = out / NAME
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def note(out: Path, database: str, seed: int, kills: int, verdict: Verdict) -> dict[str, Any]:
    """Add one sitting to the totals; return its line."""
    made = {"database": database, "seed": seed, "kills": kills, "ended_at": _now(), "code": _code()}
    row = made | asdict(verdict)
    with (out / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def summary(rows: Iterable[dict[str, Any]]) -> list[Line]:
    """Return every figure of every database, in the order in which the databases were begun."""
    made = list(rows)
    return [line for kind in dict.fromkeys(row["database"] for row in made) for line in _lines(kind, made)]


def _lines(kind: str, rows: list[dict[str, Any]]) -> list[Line]:
    mine = [row for row in rows if row["database"] == kind]
    figures = [row["figures"] for row in mine]
    faults: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for item in figures:
        faults.update(item["faults"])
        statuses.update(item["statuses"])
    lines = [
        Line(kind, "sittings", len(mine)),
        Line(kind, "hours", round(sum(item["seconds"] for item in figures) / 3600, 2)),
        _at_least(kind, "occurrences", _sum(figures, "occurrences"), 100_000),
        Line(kind, "of them performed", _sum(figures, "performed")),
        *(Line(kind, f"occurrences {name}", number) for name, number in statuses.most_common()),
        _at_least(kind, "kills and freezes", faults["kill"] + faults["freeze"], 1_000),
        *(Line(kind, f"faults: {name}", number) for name, number in faults.most_common()),
        Line(kind, "daemons started anew", _sum(figures, "restarts")),
    ]
    for name, checks in WRONG.items():
        wrong = sum(row["wrong"].get(check, 0) for row in mine for check in checks)
        lines.append(_at_most(kind, name.replace("_", " "), wrong, 0))
    lines += [*_times(kind, figures), *_unknown(kind, figures), *_usage(kind, figures)]
    return [*lines, _at_most(kind, "sittings that failed a check", sum(bool(row["failed"]) for row in mine), 0)]


def _times(kind: str, figures: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for key, name, limit in (
        ("recovered_each_s", "seconds until a peer had a killed daemon's shop", LEASE + 2),
        ("resumed_each_s", "seconds until a peer went on after TERM", 2.0),
    ):
        each = [value for item in figures for value in item[key]]
        if each:
            lines.append(Line(kind, f"{name}: measured, min, median", [len(each), min(each), statistics.median(each)]))
            lines.append(_at_most(kind, f"{name}: max", max(each), limit))
    return lines


def _unknown(kind: str, figures: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for way in (RANDOM, RANDOM_WELL, STEPS):
        counts = [item["at_kills"].get(way, {}) for item in figures]
        flying, unknown, unanswered = (_sum(counts, name) for name in ("in_flight", "unknown", "unanswered"))
        name = f"% unknown of {flying} deliveries in flight at kills {way}"
        share = _share(unknown, flying)
        lines.append(_at_most(kind, name, share, 2) if way == RANDOM_WELL else Line(kind, name, share))
        if way == RANDOM:
            name = f"{name}, without those that an ill mail server had not answered"
            lines.append(_at_most(kind, name, _share(unknown - unanswered, flying), 2))
    lines.append(_at_most(kind, "unknown without kills", _sum(figures, "unknown_in_calm"), 0))
    return lines


def _usage(kind: str, figures: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for key in ("memory_kib", "descriptors", "threads"):
        each = [item[key] for item in figures if key in item]
        if each:
            growth = [round(100 * (last / first - 1), 1) for first, last, _ in each]
            facts = [statistics.median(growth), max(growth)]
            lines.append(Line(kind, f"{key} of the daemon that lives: % grown in a sitting, median and max", facts))
    return lines


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _sum(figures: list[dict[str, Any]], key: str) -> int:
    return sum(int(item.get(key, 0)) for item in figures)


def _at_least(kind: str, name: str, value: float, limit: float) -> Line:
    return Line(kind, name, value, f">= {limit:,}", value >= limit)


def _at_most(kind: str, name: str, value: float, limit: float) -> Line:
    return Line(kind, name, value, f"<= {limit:g}", value <= limit)


def show(lines: list[Line], tell: Callable[[str], None]) -> None:
    """Say all lines as a table."""
    width = max((len(line.figure) for line in lines), default=0)
    for number, line in enumerate(lines):
        if number == 0 or lines[number - 1].database != line.database:
            tell(f"\n{line.database}")
        mark = {None: "", True: "well", False: "NOT REACHED"}[line.well]
        value = " / ".join(map(said, line.value)) if isinstance(line.value, list) else said(line.value)
        tell(f"  {line.figure:<{width}}  {value:>20}  {line.limit:<12}{mark}".rstrip())


def as_json(lines: list[Line]) -> str:
    """Return all lines in the form of the product's listings."""
    data = [asdict(line) for line in lines]
    return json.dumps({"schema": 1, "kind": "faults", "generated_at": _now(), "data": data, "next": None}, indent=1)


@cache
def _code() -> str:
    """Return the commit whose code was struck, as git names it; empty where there is no git."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def said(value: float) -> str:
    """Return a figure as people write it."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
