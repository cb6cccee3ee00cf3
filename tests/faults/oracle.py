"""What must be true at the end, whatever went wrong: each check has a name, and says what it found."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from .evidence import HARD, Evidence, Verdict
from .figures import Figures

FINAL = ("succeeded", "partial", "failed", "skipped")
#: Milliseconds after a fault within which what it broke is found and written down.
WAKE = 15_000
#: Processes that a run may take down before it is given up.
LOST = 3
#: Milliseconds by which two rows of one commit may differ.
COMMIT = 50


def judge(seen: Evidence, started: int, ended: int) -> Verdict:
    """Make all checks of the ledger, the mails and the daemons' behaviour, and measure."""
    _Oracle(seen).judge(started, ended)
    Figures(seen).measure()
    return seen.verdict


class _Oracle:
    def __init__(self, seen: Evidence) -> None:
        self.seen = seen

    def judge(self, started: int, ended: int) -> None:
        self._rows(started, ended)
        self._shops()
        self._strangers()
        self._mails()
        self._explained()
        self._defects()

    # The ledger -----------------------------------------------------------------------------------------------------

    def _rows(self, started: int, ended: int) -> None:
        sure, maybe = self.seen.app.expected(started, ended)
        found = Counter((run["schedule_id"], run["occurrence_key"]) for run in self.seen.runs)
        check = self.seen.verdict.check
        check("lost", (f"{key} due {at}" for key, at in sure.items() if not found[key]))
        check("doubled", (f"{key}: {number} rows" for key, number in found.items() if number > 1))
        check("unexpected", (str(key) for key in found if key not in sure and key not in maybe))
        check("final", (_say(run) for run in self.seen.runs if run["status"] not in FINAL))
        ends = Counter(row["run_id"] for row in self.seen.attempts if row["status"] in FINAL)
        check("accepted_once", (f"{key}: {number} accepted ends" for key, number in ends.items() if number > 1))
        unended = (run for run in self.seen.runs if run["attempt"] and run["status"] in FINAL and not ends[run["id"]])
        # One that took three processes down ends where it is taken back, and no attempt ends it.
        check("ended_by_an_attempt", (_say(run) for run in unended if run["lost_leases"] < LOST))
        self.seen.verdict.figures |= {"occurrences": len(self.seen.runs), "expected": len(sure)}

    def _accepted(self) -> dict[str, list[dict[str, Any]]]:
        """Return the attempts that a holder closed itself, by shop, in the order of their start."""
        shops: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.seen.attempts:
            if row["status"] != "lost" and row["run_id"] in self.seen.by_id:
                shops[self.seen.by_id[row["run_id"]]["shop"]].append(row)
        for rows in shops.values():
            # Two of one claim may begin in the same millisecond: the one that ended first came first.
            rows.sort(key=lambda row: (row["started_at"], row["fence"], row["finished_at"]))
        return shops

    def _shops(self) -> None:
        overlaps, stale = [], []
        for shop, rows in self._accepted().items():
            for one, two in pairwise(rows):
                slack = COMMIT if one["fence"] == two["fence"] else 0
                if two["started_at"] + slack < one["finished_at"] or two["fence"] < one["fence"]:
                    overlaps.append(f"{shop}: {_span(one)} and {_span(two)}")
            raised = self.seen.watch.changes.get(shop, [])
            for row in rows:
                later = next((at for at, fence, *_ in raised if fence > row["fence"]), None)
                if later is not None and row["finished_at"] > later:
                    stale.append(f"{shop}: {_span(row)}, but a newer fence was there at {later}")
        self.seen.verdict.check("overlaps", overlaps)
        self.seen.verdict.check("stale_results", stale)

    def _strangers(self) -> None:
        """Requests for a shop that another daemon held: at most the one that a freeze caught on its way."""
        by_pid = {pid: node.number for node in self.seen.nodes for pid in node.pids}
        thawed: dict[tuple[int, str, int], int] = Counter()
        wrong = []
        for at, node, shop in self.seen.world.requests:
            held = [change for change in self.seen.watch.changes.get(shop, []) if change[0] <= at - 300]
            # A change happened somewhere between two looks, which lie far apart on a busy machine.
            after = [
                change for change in self.seen.watch.changes.get(shop, []) if change[4] - 300 <= at < change[0] + 300
            ]
            if not held or not held[-1][2] or after:
                continue
            pid = int(held[-1][2].split(":")[-2])
            if by_pid.get(pid) == node:
                continue
            # It may go on a moment before the harness has written down that it woke it.
            woken = [
                row for row in self.seen.log.of("freeze") if row["node"] == node and -200 <= at - row["until"] < 1_000
            ]
            key = (node, shop, woken[0]["until"] if woken else 0)
            thawed[key] += 1
            if not woken or thawed[key] > 1:
                wrong.append(f"daemon {node} asked for {shop} at {at}, held by {held[-1][2]} since {held[-1][0]}")
        self.seen.verdict.check("strangers", wrong)
        self.seen.verdict.figures["requests_of_a_woken_daemon"] = sum(thawed.values())

    # The mails ------------------------------------------------------------------------------------------------------

    def _mails(self) -> None:
        taken, check = self.seen.post.keys, self.seen.verdict.check
        by_key = {row["key"]: row for row in self.seen.deliveries}
        mails = [row for row in self.seen.deliveries if row["channel"] == "email"]
        check("mails_once", (f"{key} taken {number} times" for key, number in taken.items() if number > 1))
        check("mails_known", (key for key in taken if key not in by_key))
        lying = (row for row in mails if row["state"] == "delivered" and not taken[row["key"]])
        check("delivered_was_taken", (str(row) for row in lying))
        silent = (row for row in mails if row["state"] in ("failed", "pending") and taken[row["key"]])
        check("taken_was_told", (str(row) for row in silent))
        folders = [row for row in self.seen.deliveries if row["channel"] == "folder" and row["state"] == "delivered"]
        missing = (row for row in folders if not Path(json.loads(row["receipt"] or "{}").get("path", "-")).is_file())
        check("file_is_there", (str(row) for row in missing))
        paths = Counter(json.loads(row["receipt"] or "{}").get("path", "-") for row in folders)
        check("a_file_each", (f"{path}: {number} deliveries" for path, number in paths.items() if number > 1))
        check("same_bytes", (key for key, kinds in self.seen.post.digests.items() if len(kinds) > 1))
        unknown = [row for row in mails if row["state"] == "unknown"]
        ambiguous = (*HARD, "smtp_drop_before", "smtp_drop_after", "smtp_slow", "smtp_tarpit")
        windows = [(row["begun"], row["until"]) for row in self.seen.log.of(*ambiguous)]
        check("unknown_explained", (str(row) for row in unknown if not _near(row["updated_at"], windows)))
        never = sum(not taken[row["key"]] for row in unknown)
        by_loss = sum(str(row["error"]).startswith("The process was lost") for row in unknown)
        figures = {"deliveries": len(self.seen.deliveries), "mails_taken": sum(taken.values()), "unknown": len(unknown)}
        figures["notices_taken"] = self.seen.post.notices
        figures["unknown_by_a_lost_process"] = by_loss
        self.seen.verdict.figures |= {**figures, "unknown_and_not_taken": never}
        open_ = (row for row in self.seen.deliveries if row["state"] in ("pending", "sending"))
        ended = (row for row in open_ if self.seen.by_id[row["run_id"]]["status"] in FINAL)
        check("outbox_empty", (str(row) for row in ended))

    # What explains what ---------------------------------------------------------------------------------------------

    def _explained(self) -> None:
        lost = [row for row in self.seen.attempts if row["status"] == "lost"]
        strange = (_span(row) for row in lost if not _near(row["finished_at"], self.seen.hard))
        self.seen.verdict.check("lost_leases_explained", strange)
        given_up = [run for run in self.seen.runs if run["reason"] == "quarantined"]
        self.seen.verdict.check("quarantine_explained", (_say(run) for run in given_up if run["lost_leases"] < LOST))
        windows = [(row["begun"], row["until"]) for row in self.seen.log.rows]
        bad = (
            run
            for run in self.seen.runs
            if run["status"] == "failed" and not _near(run["finished_at"], windows, 60_000)
        )
        self.seen.verdict.check("failures_explained", (_say(run) for run in bad))
        self.seen.verdict.figures |= {"lost_attempts": len(lost), "quarantined": len(given_up)}

    def _defects(self) -> None:
        """Whatever a daemon calls a defect of itself, or a way out of one that it must not need."""
        found: Counter[str] = Counter()
        for node in self.seen.nodes:
            for line in node.log.read_text(errors="replace").splitlines() if node.log.exists() else ():
                if '"trace"' in line or "Traceback" in line or '"loop_failed"' in line or '"thread_leaked"' in line:
                    found[_short(line)] += 1
        found.update(
            f"row: {run['error_code']} {run['error']}" for run in self.seen.runs if run["error_code"] == "internal"
        )
        self.seen.verdict.check("no_defect_logged", (f"{number} x {text}" for text, number in found.most_common()))
        deadlocks = self.seen.watch.deadlocks
        self.seen.verdict.check("no_deadlocks", [f"{deadlocks} ended by the server"] if deadlocks else [])
        hung = (str(row) for row in self.seen.log.of("term") if row["code"] != 0)
        self.seen.verdict.check("stops_cleanly", hung)


def _near(at: int, windows: Iterable[tuple[int, int]], slack: int = WAKE) -> bool:
    return any(begun - 500 <= at <= until + slack for begun, until in windows)


def _say(run: dict[str, Any]) -> str:
    facts = ("id", "schedule_id", "occurrence_key", "status", "reason", "attempt", "lost_leases", "error_code", "error")
    return " ".join(f"{name}={run[name]}" for name in facts if run[name])


def _span(row: dict[str, Any]) -> str:
    when = f"{row['started_at']}..{row['finished_at']}"
    return f"{row['run_id']}#{row['number']} {row['status']} fence {row['fence']} {when}"


def _short(line: str) -> str:
    try:
        facts = json.loads(line)
    except ValueError:
        return line[:200]
    return f"{facts.get('event')}: {facts.get('error')} {str(facts.get('trace', ''))[-400:]}"
