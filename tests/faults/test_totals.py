"""The report of the long run: sittings are summed up, and a figure beyond its limit is told as such."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import totals
from .evidence import Verdict
from .figures import RANDOM, STEPS

UNKNOWN = f"% unknown of 200 deliveries in flight at kills {RANDOM}"


def sitting(out: Path, *, recovered: float = 1.9, unknown: int = 0, doubled: int = 0) -> None:
    figures: dict[str, Any] = {"occurrences": 60_000, "performed": 40_000, "seconds": 300, "restarts": 300}
    figures |= {"statuses": {"succeeded": 60_000}, "faults": {"kill": 300, "freeze": 200, "lock": 1}}
    figures |= {"recovered_each_s": [1.7, recovered], "resumed_each_s": [0.1], "memory_kib": [80_000, 82_000, 83_000]}
    figures["at_kills"] = {
        RANDOM: {"in_flight": 100, "unknown": unknown + 7, "unanswered": 7},
        STEPS: {"in_flight": 50, "unknown": 9},
    }
    wrong = {"doubled": doubled} if doubled else {}
    failed = {"doubled": ["a row twice"]} if doubled else {}
    totals.note(out, "sqlite", 1, 500, Verdict(failed, ["doubled"], wrong, figures))


def missed(out: Path) -> set[str]:
    return {line.figure for line in totals.summary(totals.read(out)) if line.well is False}


def test_sittings_are_summed_up_beside_their_limits(tmp_path: Path) -> None:
    sitting(tmp_path)
    assert missed(tmp_path) == {"occurrences", "kills and freezes"}
    sitting(tmp_path, unknown=4)
    assert missed(tmp_path) == set()


def test_what_is_beyond_its_limit_is_named(tmp_path: Path) -> None:
    sitting(tmp_path)
    sitting(tmp_path, recovered=4.1, unknown=5, doubled=2)
    assert missed(tmp_path) == {
        "accepted twice",
        "seconds until a peer had a killed daemon's shop: max",
        f"{UNKNOWN}, without those that an ill mail server had not answered",
        "sittings that failed a check",
    }


def test_the_command_prints_json_and_tells_where_nothing_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "report", "--out", str(tmp_path), "--json"]
    root = Path(__file__).resolve().parents[2]
    empty = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (empty.returncode, "has no sittings" in empty.stderr) == (2, True)
    sitting(tmp_path)
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    data = json.loads(told.stdout)
    assert (data["kind"], data["data"][0]["database"]) == ("faults", "sqlite")
