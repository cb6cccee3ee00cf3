"""
``python -m tests.benchmarks [NAME ...] [--quick] [--json]``: each figure beside its limit and its peer of the same run.

Exit status 0 also where a limit is missed: the figures are told, not judged; 1 where a measurement failed.
"""

import argparse
import json
import sys
import traceback
from importlib import import_module
from typing import Any

from scheduler_daemon.store.drivers import peewee
from tests.benchmarks.measured import Row, machine

#: Each benchmark and what it measures.
NAMES = {
    "drain": "runs per second of one process",
    "check": "a check over 1,000,000 schedules",
    "plan": "planning 100,000 due schedules, and reports next of 10,000",
    "punctual": "from due moment to start, idle and under load",
    "calls": "2,000 runs of one HTTP call",
    "fetch": "100,000 orders page by page",
    "render": "100,000 rows to CSV and XLSX",
    "start": "start-up, idle daemon, demo",
}


def main() -> int:
    """Run what was named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="; ".join(NAMES.values()))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all without")
    parser.add_argument("--quick", action="store_true", help="smaller and less exact")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    peewee("postgres")
    failed, here = 0, machine()
    data: dict[str, Any] = {"machine": here}
    if not args.json:
        yardstick = f"two million squares in {here['two_million_squares_s']} s"
        print(f"Python {here['python']} on {here['cores']} cores; {yardstick}")
    for name in args.names or NAMES:
        if not args.json:
            print(f"{name}: {NAMES[name]}", flush=True)
        try:
            rows: list[Row] = import_module(f"tests.benchmarks.{name}").measure(args.quick)
        except Exception:
            traceback.print_exc()
            failed = 1
            continue
        data[name] = [row.data() for row in rows]
        if not args.json:
            print("\n".join(row.line() for row in rows), flush=True)
    if args.json:
        print(json.dumps(data, indent=1))
    return failed


if __name__ == "__main__":
    sys.exit(main())
