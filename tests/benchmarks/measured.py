"""What a benchmark found: a value beside the limit or the peer of the same run, and how it is printed."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value."""

    #: What was measured.
    what: str
    #: What came out; None where it cannot be measured here, and *beside* says why.
    value: float | None = None
    #: Unit of the value and of its limit; "x" where both are multiples of the peer.
    unit: str = ""
    #: The limit; None where the value is only told.
    limit: float | None = None
    #: Whether the limit is the least allowed value; else it is the most.
    least: bool = False
    #: The peer's value and the circumstances, from the same run.
    beside: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value keeps its limit; None where there is no value or no limit."""
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    def data(self) -> dict[str, Any]:
        """Return the row for machines."""
        return asdict(self) | {"reached": self.reached}

    def line(self) -> str:
        """Return the row for people."""
        value = "not measured" if self.value is None else f"{self.value:,.4g} {self.unit}"
        verdict = ""
        if self.reached is not None:
            word = "at least" if self.least else "at most"
            verdict = f"{word} {self.limit:,.4g} {self.unit}, reached: {'yes' if self.reached else 'no'}"
        return f"  {self.what:58} {value:>16}  {verdict:40} {self.beside}".rstrip()


def machine() -> dict[str, Any]:
    """Return what figures of two runs are compared by: the same machine is slower by times on some days."""
    numbers = range(2_000_000)
    (seconds,) = median_seconds(5, lambda: sum(number * number for number in numbers))
    return {"cores": os.cpu_count(), "python": platform.python_version(), "two_million_squares_s": round(seconds, 3)}


def median_seconds(repeats: int, *tries: Callable[[], object]) -> list[float]:
    """
    Return the median seconds of each of *tries*, made in turn *repeats* times.

    In turn, so that a machine that is slow for a while is slow for all of them; garbage is collected before each.
    """
    took: list[list[float]] = [[] for _ in tries]
    for _ in range(repeats):
        for found, do in zip(took, tries, strict=True):
            gc.collect()
            started = time.perf_counter()
            do()
            found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in took]


def percentile(values: Sequence[float], share: int) -> float:
    """Return the value that *share* percent of *values* do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * share // 100) - 1)]
