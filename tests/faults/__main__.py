"""
`python -m tests.faults`: the harness by command.

walk     a daemon is killed, or frozen, at each named step of a run; a peer takes over
run      sittings of faults on one database until so many kills and freezes are made; resumable
report   what the sittings in a folder have shown, beside the limits
mutants  shows that each mistake is found
clock    a daemon whose clock jumps, over change nights (libfaketime)
"""

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path

from . import totals
from .clocks import nights
from .disks import uncover
from .evidence import Verdict
from .hunting import hunt
from .mutants import MUTANTS
from .sitting import Order, order_of_steps, sit
from .walk import freezes, kills
from .workbench import NAMES

KINDS = ("sqlite", "postgres", "mariadb")
#: Kills and freezes in one sitting: an interruption costs no more than that.
SITTING = 60
#: Seconds that an answer of the API takes in the long run, at least and at most: near to what shops see.
LATENCY = (0.05, 0.3)
#: Open runs beyond which the app of the long run waits: otherwise a slow machine is measured, not a recovery.
BACKLOG = 150


def main() -> int:
    """Run a command; 0 where all was well."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    walk = commands.add_parser("walk", help="a kill or freeze at each step")
    walk.add_argument("--database", choices=KINDS, action="append", help="which; all where none is given")
    walk.add_argument("--freeze", action="store_true", help="freeze beyond the lease, in place of kills")
    walk.add_argument("--step", choices=NAMES, action="append", metavar="STEP", help=", ".join(NAMES))
    walk.add_argument("--seed", type=int, default=1)
    run = commands.add_parser("run", help="sittings of faults")
    run.add_argument("--database", choices=KINDS, default="sqlite")
    run.add_argument("--kills", type=int, default=60, help="kills and freezes in all")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--resume", action="store_true", help="go on counting into the totals of --out")
    run.add_argument("--daemons", type=int, default=0, help="how many; 0 lets the seed choose 2 to 4")
    run.add_argument("--rate", type=float, default=40.0, help="due moments that the app writes each second")
    run.add_argument("--per-kill", type=float, default=110.0, help="occurrences for each kill, at the least")
    run.add_argument("--sitting", type=int, default=SITTING, help="kills and freezes in one sitting")
    report = commands.add_parser("report", help="what the sittings have shown")
    report.add_argument("--json", action="store_true")
    mutants = commands.add_parser("mutants", help="mistakes that must be found")
    mutants.add_argument("names", nargs="*", help=", ".join(MUTANTS))
    mutants.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    mutants.add_argument("--seeds", type=int, default=5)
    commands.add_parser("clock", help="clock steps over change nights")
    for command in commands.choices.values():
        command.add_argument("--out", type=Path, required=True, help="folder of totals and of what failed")
    chosen = parser.parse_args()
    # A run in the background is stopped by TERM: its daemons end and its file systems are taken away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return {"walk": _walk, "run": _run, "report": _report, "mutants": _mutants, "clock": _clock}[chosen.command](chosen)


def _walk(chosen: argparse.Namespace) -> int:
    steps = (freezes if chosen.freeze else kills)(chosen.step or NAMES)
    bad = []
    for kind in chosen.database or KINDS:
        folder = chosen.out / f"walk-{kind}-{'freeze' if chosen.freeze else 'kill'}-{chosen.seed}"
        shutil.rmtree(folder, ignore_errors=True)
        print(f"== {kind}: {len(steps)} steps", flush=True)
        verdict = sit(order_of_steps(kind, chosen.seed, folder, steps))
        _show(verdict)
        if verdict.failed:
            bad.append(kind)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


def _run(chosen: argparse.Namespace) -> int:
    made = totals.read(chosen.out)
    if made and not chosen.resume:
        print(f"{chosen.out} has {len(made)} sittings: add --resume, or choose another --out", file=sys.stderr)
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    while (done := sum(row["kills"] for row in made if row["database"] == chosen.database)) < chosen.kills:
        kills_now = min(chosen.sitting, chosen.kills - done)
        seed = chosen.seed * 1000 + len(made)
        folder = chosen.out / f"{chosen.database}-{seed}"
        uncover(folder)
        shutil.rmtree(folder, ignore_errors=True)
        order = Order(
            chosen.database,
            seed,
            kills_now,
            folder,
            daemons=chosen.daemons,
            rate=chosen.rate,
            latency=LATENCY,
            occurrences=round(kills_now * chosen.per_kill),
            backlog=BACKLOG,
        )
        print(f"== {chosen.database}, sitting {len(made) + 1}: seed {seed}, {kills_now} kills and freezes", flush=True)
        verdict = sit(order)
        made.append(totals.note(chosen.out, chosen.database, seed, kills_now, verdict))
        _show(verdict)
        if not verdict.failed:
            shutil.rmtree(folder, ignore_errors=True)
    mine = [row for row in made if row["database"] == chosen.database]
    totals.show(totals.summary(mine), print)
    return 1 if any(row["failed"] for row in mine) else 0


def _report(chosen: argparse.Namespace) -> int:
    made = totals.read(chosen.out)
    if not made:
        print(f"{chosen.out / totals.NAME} has no sittings: python -m tests.faults run --out DIR", file=sys.stderr)
        return 2
    lines = totals.summary(made)
    if chosen.json:
        print(totals.as_json(lines))
    else:
        totals.show(lines, print)
    return 0 if all(line.well is not False for line in lines) else 1


def _show(verdict: Verdict) -> None:
    long = ("recovered_each_s", "resumed_each_s", "points")
    print(json.dumps({key: value for key, value in verdict.figures.items() if key not in long}))
    for name, found in verdict.failed.items():
        print(f"FAILED {name}")
        for line in found:
            print(f"       {line}")
    print(f"{len(verdict.made) - len(verdict.failed)} of {len(verdict.made)} checks well", flush=True)


def _mutants(chosen: argparse.Namespace) -> int:
    found = [hunt(name, chosen.out, chosen.seeds, chosen.database) for name in chosen.names or MUTANTS]
    for item in found:
        print(f"{item.name}: {', '.join(item.checks) or 'NOT FOUND'}, seed {item.seed}, {item.seconds:.0f} s")
    return 0 if all(item.checks for item in found) else 1


def _clock(chosen: argparse.Namespace) -> int:
    wrong = nights(chosen.out)
    for text in wrong:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
