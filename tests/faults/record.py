"""
The long run that the README tells of: its sittings, kept beside the code, and the table made from them.

``python -m tests.faults report --out tests/faults/record`` shows every figure of it.
"""

import re
from pathlib import Path

from . import totals
from .figures import RANDOM, RANDOM_WELL

FOLDER = Path(__file__).parent / "record"
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}
#: The figures of the table as `totals` names them, each with its words in the README.
SHOWN = {
    "hours": "hours",
    "occurrences": "occurrences",
    "of them performed": "of them performed; the others were skipped, each with its reason",
    "kills and freezes": "kills and freezes",
    "lost": "lost",
    "accepted twice": "accepted twice",
    "overlaps": "overlaps of one shop's runs",
    "stale accepted": "results of a stale holder accepted",
    "mails repeated": "mails sent twice",
    "seconds until a peer had a killed daemon's shop: max": "until a peer had a killed daemon's shop, longest (s)",
    "seconds until a peer went on after TERM: max": "until a peer went on after TERM, longest (s)",
    "unknown without kills": "deliveries `unknown` without kills",
    f"% unknown of deliveries in flight at kills {RANDOM_WELL}": "% `unknown` of those in flight, mail server well",
    f"% unknown of deliveries in flight at kills {RANDOM}, without those that an ill mail server had not answered": (
        "% at all kills, without those that an ill mail server had not answered"
    ),
    f"% unknown of deliveries in flight at kills {RANDOM}": "% at all kills",
    "sittings": "sittings",
    "sittings that failed a check": "sittings that failed a check",
}


def table() -> str:
    """Return the README's table: a figure a line, a database a column, the limit beside them."""
    lines: dict[str, dict[str, totals.Line]] = {}
    for line in totals.summary(totals.read(FOLDER)):
        name = re.sub(r"of [\d,]+ deliveries", "of deliveries", line.figure)
        lines.setdefault(name, {})[line.database] = line
    kinds = [kind for kind in NAMES if kind in lines["hours"]]
    rows = [
        "| long run | " + " | ".join(NAMES[kind] for kind in kinds) + " | limit |",
        "| --- " * (len(kinds) + 2) + "|",
    ]
    for name, words in SHOWN.items():
        found = lines[name]
        values = [totals.said(found[kind].value) for kind in kinds]
        rows.append(f"| {words} | {' | '.join(values)} | {_limit(found[kinds[0]].limit)} |")
    return "\n".join(rows)


def _limit(text: str) -> str:
    return text.replace("<= 0", "0").replace("<=", "≤").replace(">=", "≥")
