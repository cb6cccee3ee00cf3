"""Looking for a mutant: a short sitting in which the mistake must show, with the one fault that brings it out."""

import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .evidence import Tell
from .mutants import MUTANTS, Mutant
from .sitting import Order, sit
from .walk import Step

#: How often a daemon is frozen in one sitting; a kill at the right step needs no second.
FREEZES = 2
#: Writes of the app in a sitting whose mutant needs no fault.
WRITES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one mutant."""

    name: str
    #: Checks that it failed, of those that it must fail; empty where it was not found.
    checks: tuple[str, ...]
    #: An example of the first.
    example: str
    seed: int
    seconds: float


def hunt(name: str, out: Path, seeds: int, database: str = "sqlite", tell: Tell = print) -> Found:
    """Sit with a mutant until one of the checks that it must fail fails, with at most *seeds* seeds."""
    mutant, started = MUTANTS[name], time.monotonic()
    checks: tuple[str, ...] = ()
    example, seed = "", 0
    while not checks and seed < seeds:
        seed += 1
        verdict = sit(_order(mutant, out / f"{name}-{seed}", seed, database))
        checks = tuple(check for check in mutant.caught_by if check in verdict.failed)
        example = verdict.failed[checks[0]][0] if checks else ""
        tell(f"{name}: seed {seed}: {checks or 'not found'} (failed: {sorted(verdict.failed)}) {example}")
    return Found(name, checks, example, seed, time.monotonic() - started)


def _order(mutant: Mutant, folder: Path, seed: int, database: str) -> Order:
    # The heartbeat must have its chance to notice the loss before the frozen thread goes on.
    step = partial(Step, number=signal.SIGSTOP, pause=0.8) if mutant.frozen else Step
    return Order(
        kind=database,
        seed=seed,
        kills=0,
        folder=folder,
        daemons=2,
        shops=5,
        rate=25.0,
        backlog=10,
        mutant=mutant,
        weather=False,
        mounts=False,
        steps=tuple(step(point) for point in mutant.points for _ in range(FREEZES if mutant.frozen else 1)),
        patience=60.0,
        settle=15.0,
        calm=False,
        writes=0 if mutant.points else WRITES,
        repeats=0.4,
        rules=False,
        tell=lambda text: None,
    )
