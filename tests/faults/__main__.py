"""
`python -m tests.faults`: the long run, the mutants, the clock.

run      sittings of faults on one database until so many kills and freezes are made; resumable
mutants  shows that each mistake is found
clock    a daemon whose clock jumps, over change nights (libfaketime)
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .clocks import nights
from .mutants import MUTANTS
from .oracle import Verdict
from .sitting import Order, sit

#: Kills and freezes in one sitting: an interruption costs no more than that.
SITTING = 60


def main() -> int:
    """Run a command; 0 where all was well."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[1])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="sittings of faults")
    run.add_argument("--database", choices=("sqlite", "postgres", "mariadb"), default="sqlite")
    run.add_argument("--kills", type=int, default=60, help="kills and freezes in all")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--out", type=Path, required=True, help="folder of the totals and of failed sittings")
    run.add_argument("--resume", action="store_true", help="go on counting into the totals of --out")
    run.add_argument("--daemons", type=int, default=0, help="how many; 0 lets the seed choose 2 to 4")
    run.add_argument("--rate", type=float, default=14.0, help="due moments that the app writes each second")
    run.add_argument("--sitting", type=int, default=SITTING, help="kills and freezes in one sitting")
    mutants = commands.add_parser("mutants", help="mistakes that must be found")
    mutants.add_argument("names", nargs="*", help=", ".join(MUTANTS))
    mutants.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    mutants.add_argument("--seeds", type=int, default=5)
    mutants.add_argument("--out", type=Path, required=True)
    clock = commands.add_parser("clock", help="clock steps over change nights")
    clock.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    if chosen.command == "run":
        return _run(chosen)
    return _mutants(chosen) if chosen.command == "mutants" else _clock(chosen)


def _run(chosen: argparse.Namespace) -> int:
    totals = chosen.out / "sittings.jsonl"
    if totals.exists() and not chosen.resume:
        print(f"{totals} is there: add --resume, or choose another --out", file=sys.stderr)
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    made = [json.loads(line) for line in totals.read_text().splitlines()] if totals.exists() else []
    while (done := sum(row["kills"] for row in made if row["database"] == chosen.database)) < chosen.kills:
        kills = min(chosen.sitting, chosen.kills - done)
        seed = chosen.seed * 1000 + len(made)
        folder = chosen.out / f"{chosen.database}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        order = Order(chosen.database, seed, kills, folder, daemons=chosen.daemons, rate=chosen.rate)
        print(f"== sitting {len(made) + 1}: seed {seed}, {kills} kills and freezes", flush=True)
        verdict = sit(order)
        made.append(_note(totals, chosen.database, seed, kills, verdict))
        _show(verdict)
        if not verdict.failed:
            shutil.rmtree(folder, ignore_errors=True)
    return _sum(made, chosen.database)


def _note(totals: Path, database: str, seed: int, kills: int, verdict: Verdict) -> dict[str, Any]:
    row = {"database": database, "seed": seed, "kills": kills, **asdict(verdict)}
    with totals.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def _show(verdict: Verdict) -> None:
    print(json.dumps(verdict.figures, indent=1))
    for name, found in verdict.failed.items():
        print(f"FAILED {name}")
        for line in found:
            print(f"       {line}")
    print(f"{len(verdict.made) - len(verdict.failed)} of {len(verdict.made)} checks well", flush=True)


def _sum(made: list[dict[str, Any]], database: str) -> int:
    mine = [row for row in made if row["database"] == database]
    kills = sum(row["kills"] for row in mine)
    occurrences = sum(row["figures"]["occurrences"] for row in mine)
    bad = [row["seed"] for row in mine if row["failed"]]
    print(
        f"{database}: {len(mine)} sittings, {kills} kills and freezes, {occurrences} occurrences, failed seeds: {bad}"
    )
    return 1 if bad else 0


def _mutants(chosen: argparse.Namespace) -> int:
    missed = []
    for name in chosen.names or MUTANTS:
        caught = hunt(name, chosen.out, chosen.seeds, chosen.database)
        if caught is None:
            missed.append(name)
    print(f"not found: {missed or 'none'}")
    return 1 if missed else 0


def hunt(name: str, out: Path, seeds: int, database: str = "sqlite", kills: int = 4) -> tuple[int, str] | None:
    """Sit with a mutant until one of its checks fails; return after how many seeds, and the check."""
    mutant = MUTANTS[name]
    for seed in range(1, seeds + 1):
        started = time.monotonic()
        order = Order(
            kind=database,
            seed=seed,
            kills=kills if mutant.faults else 0,
            folder=out / f"{name}-{seed}",
            daemons=2,
            shops=3,
            rate=25.0,
            mutant=mutant,
            weather=False,
            mounts=False,
            patience=60.0,
            calm=False,
            seconds=0.0 if mutant.faults else 6.0,
            rules=False,
            tell=lambda text: None,
        )
        verdict = sit(order)
        hit = [check for check in mutant.caught_by if check in verdict.failed]
        took = time.monotonic() - started
        print(f"{name}: seed {seed}: {hit or 'not found'} (failed: {sorted(verdict.failed)}), {took:.0f} s", flush=True)
        if hit:
            print(f"       {verdict.failed[hit[0]][0]}", flush=True)
            return seed, hit[0]
    return None


def _clock(chosen: argparse.Namespace) -> int:
    wrong = nights(chosen.out)
    for text in wrong:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
