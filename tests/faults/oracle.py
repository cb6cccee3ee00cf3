"""What must be true at the end, whatever went wrong: each check has a name, and says what it found."""

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from .app import App
from .databases import Sql
from .fleet import LEASE, Node
from .nemesis import FaultLog, Watcher
from .world import World

FINAL = ("succeeded", "partial", "failed", "skipped")
#: Faults of which an attempt, a lease or a delivery may be lost.
HARD = ("kill", "freeze", "term", "cut", "restart_server", "lock", "database_full", "starved")
#: Milliseconds after a fault within which what it broke is found and written down.
WAKE = 15_000
#: Processes that a run may take down before it is given up.
LOST = 3
#: Milliseconds by which two rows of one commit may differ.
COMMIT = 50

#: Looks, two seconds apart, before memory and descriptors are judged: each thread opens its own connection first.
WARM = 60
#: When a daemon was killed: at any moment, at any while the mail server was well, at a step that was chosen.
RANDOM, RANDOM_WELL, STEPS = "at random moments", "at random moments, mail server well", "at steps"

RUN = ("id", "schedule_id", "shop", "occurrence_key", "due_at", "status", "reason", "attempt", "lost_leases")
RUN_MORE = ("fence", "queued_at", "started_at", "finished_at", "error_code", "error")
ATTEMPT = ("run_id", "number", "holder", "fence", "started_at", "finished_at", "status", "error_code")
DELIVERY = ("id", "run_id", "channel", "recipient", "key", "state", "attempts", "receipt", "error", "updated_at")


@dataclass(slots=True)
class Verdict:
    """What the oracle says."""

    #: Name of each check that failed, with examples.
    failed: dict[str, list[str]] = field(default_factory=dict)
    #: Names of all checks made.
    made: list[str] = field(default_factory=list)
    #: How much each failed check has found.
    wrong: dict[str, int] = field(default_factory=dict)
    #: What was counted and measured.
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self, name: str, wrong: Iterable[str]) -> None:
        """Note what is *wrong* for the check *name*; nothing is well."""
        found = list(wrong)
        self.made.append(name)
        if found:
            self.wrong[name] = len(found)
            self.failed[name] = [*found[:8], *([f"... {len(found)} in all"] if len(found) > 8 else [])]


class Oracle:
    """Reads everything once, after healing, and judges."""

    def __init__(
        self,
        sql: Sql,
        app: App,
        world: World,
        nodes: Sequence[Node],
        log: FaultLog,
        watch: Watcher,
        *,
        patience: float = 2.0,
    ) -> None:
        #: Seconds, beyond a lease's end or a stop, within which a peer must go on.
        self.patience = patience
        self.app, self.world, self.nodes, self.log, self.watch = app, world, nodes, log, watch
        self.runs = _read(sql, "scheduler_run", (*RUN, *RUN_MORE))
        self.attempts = _read(sql, "scheduler_attempt", ATTEMPT)
        self.deliveries = _read(sql, "scheduler_delivery", DELIVERY)
        self.post = world.post.ask()
        self.by_id = {run["id"]: run for run in self.runs}
        self.verdict = Verdict()
        self.hard = [(row["begun"], row["until"]) for row in log.of(*HARD)]

    def judge(self, started: int, ended: int) -> Verdict:
        """Make all checks of the ledger, the mails and the daemons' behaviour."""
        self._rows(started, ended)
        self._shops()
        self._strangers()
        self._mails()
        self._explained()
        self._defects()
        self._at_kills()
        self._times()
        self._usage()
        self._count()
        return self.verdict

    # The ledger -----------------------------------------------------------------------------------------------------

    def _rows(self, started: int, ended: int) -> None:
        sure, maybe = self.app.expected(started, ended)
        found = Counter((run["schedule_id"], run["occurrence_key"]) for run in self.runs)
        check = self.verdict.check
        check("lost", (f"{key} due {at}" for key, at in sure.items() if not found[key]))
        check("doubled", (f"{key}: {number} rows" for key, number in found.items() if number > 1))
        check("unexpected", (str(key) for key in found if key not in sure and key not in maybe))
        check("final", (_say(run) for run in self.runs if run["status"] not in FINAL))
        ends = Counter(row["run_id"] for row in self.attempts if row["status"] in FINAL)
        check("accepted_once", (f"{key}: {number} accepted ends" for key, number in ends.items() if number > 1))
        unended = (run for run in self.runs if run["attempt"] and run["status"] in FINAL and not ends[run["id"]])
        # One that took three processes down ends where it is taken back, and no attempt ends it.
        check("ended_by_an_attempt", (_say(run) for run in unended if run["lost_leases"] < LOST))
        self.verdict.figures |= {"occurrences": len(self.runs), "expected": len(sure)}

    def _accepted(self) -> dict[str, list[dict[str, Any]]]:
        """Return the attempts that a holder closed itself, by shop, in the order of their start."""
        shops: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.attempts:
            if row["status"] != "lost" and row["run_id"] in self.by_id:
                shops[self.by_id[row["run_id"]]["shop"]].append(row)
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
            raised = self.watch.changes.get(shop, [])
            for row in rows:
                later = next((at for at, fence, *_ in raised if fence > row["fence"]), None)
                if later is not None and row["finished_at"] > later:
                    stale.append(f"{shop}: {_span(row)}, but a newer fence was there at {later}")
        self.verdict.check("overlaps", overlaps)
        self.verdict.check("stale_results", stale)

    def _strangers(self) -> None:
        """Requests for a shop that another daemon held: at most the one that a freeze caught on its way."""
        by_pid = {pid: node.number for node in self.nodes for pid in node.pids}
        thawed: dict[tuple[int, str, int], int] = Counter()
        wrong = []
        for at, node, shop in self.world.requests:
            held = [change for change in self.watch.changes.get(shop, []) if change[0] <= at - 300]
            # A change happened somewhere between two looks, which lie far apart on a busy machine.
            after = [change for change in self.watch.changes.get(shop, []) if change[4] - 300 <= at < change[0] + 300]
            if not held or not held[-1][2] or after:
                continue
            pid = int(held[-1][2].split(":")[-2])
            if by_pid.get(pid) == node:
                continue
            woken = [row for row in self.log.of("freeze") if row["node"] == node and 0 <= at - row["until"] < 1_000]
            key = (node, shop, woken[0]["until"] if woken else 0)
            thawed[key] += 1
            if not woken or thawed[key] > 1:
                wrong.append(f"daemon {node} asked for {shop} at {at}, held by {held[-1][2]} since {held[-1][0]}")
        self.verdict.check("strangers", wrong)
        self.verdict.figures["requests_of_a_woken_daemon"] = sum(thawed.values())

    # The mails ------------------------------------------------------------------------------------------------------

    def _mails(self) -> None:
        taken, check = self.post.keys, self.verdict.check
        by_key = {row["key"]: row for row in self.deliveries}
        mails = [row for row in self.deliveries if row["channel"] == "email"]
        check("mails_once", (f"{key} taken {number} times" for key, number in taken.items() if number > 1))
        check("mails_known", (key for key in taken if key not in by_key))
        lying = (row for row in mails if row["state"] == "delivered" and not taken[row["key"]])
        check("delivered_was_taken", (str(row) for row in lying))
        silent = (row for row in mails if row["state"] in ("failed", "pending") and taken[row["key"]])
        check("taken_was_told", (str(row) for row in silent))
        folders = [row for row in self.deliveries if row["channel"] == "folder" and row["state"] == "delivered"]
        missing = (row for row in folders if not Path(json.loads(row["receipt"] or "{}").get("path", "-")).is_file())
        check("file_is_there", (str(row) for row in missing))
        paths = Counter(json.loads(row["receipt"] or "{}").get("path", "-") for row in folders)
        check("a_file_each", (f"{path}: {number} deliveries" for path, number in paths.items() if number > 1))
        check("same_bytes", (key for key, kinds in self.post.digests.items() if len(kinds) > 1))
        unknown = [row for row in mails if row["state"] == "unknown"]
        ambiguous = (*HARD, "smtp_drop_before", "smtp_drop_after", "smtp_slow", "smtp_tarpit")
        windows = [(row["begun"], row["until"]) for row in self.log.of(*ambiguous)]
        check("unknown_explained", (str(row) for row in unknown if not _near(row["updated_at"], windows)))
        never = sum(not taken[row["key"]] for row in unknown)
        by_loss = sum(str(row["error"]).startswith("The process was lost") for row in unknown)
        figures = {"deliveries": len(self.deliveries), "mails_taken": sum(taken.values()), "unknown": len(unknown)}
        figures["notices_taken"] = self.post.notices
        figures["unknown_by_a_lost_process"] = by_loss
        self.verdict.figures |= {**figures, "unknown_and_not_taken": never}
        open_ = (row for row in self.deliveries if row["state"] in ("pending", "sending"))
        ended = (row for row in open_ if self.by_id[row["run_id"]]["status"] in FINAL)
        check("outbox_empty", (str(row) for row in ended))

    # What explains what ---------------------------------------------------------------------------------------------

    def _explained(self) -> None:
        lost = [row for row in self.attempts if row["status"] == "lost"]
        strange = (_span(row) for row in lost if not _near(row["finished_at"], self.hard))
        self.verdict.check("lost_leases_explained", strange)
        given_up = [run for run in self.runs if run["reason"] == "quarantined"]
        self.verdict.check("quarantine_explained", (_say(run) for run in given_up if run["lost_leases"] < LOST))
        windows = [(row["begun"], row["until"]) for row in self.log.rows]
        bad = (run for run in self.runs if run["status"] == "failed" and not _near(run["finished_at"], windows, 60_000))
        self.verdict.check("failures_explained", (_say(run) for run in bad))
        self.verdict.figures |= {"lost_attempts": len(lost), "quarantined": len(given_up)}

    def _defects(self) -> None:
        """Whatever a daemon calls a defect of itself, or a way out of one that it must not need."""
        found: Counter[str] = Counter()
        for node in self.nodes:
            for line in node.log.read_text(errors="replace").splitlines() if node.log.exists() else ():
                if '"trace"' in line or "Traceback" in line or '"loop_failed"' in line or '"thread_leaked"' in line:
                    found[_short(line)] += 1
        found.update(f"row: {run['error_code']} {run['error']}" for run in self.runs if run["error_code"] == "internal")
        self.verdict.check("no_defect_logged", (f"{number} x {text}" for text, number in found.most_common()))
        hung = (str(row) for row in self.log.of("term") if row["code"] != 0)
        self.verdict.check("stops_cleanly", hung)

    # Figures --------------------------------------------------------------------------------------------------------

    def _at_kills(self) -> None:
        """How many deliveries of the runs at work were not done when a daemon was killed, and what became unknown."""
        lost = (row for row in self.deliveries if str(row["error"]).startswith("The process was lost"))
        unknown = [row for row in lost if row["state"] == "unknown"]
        found = {way: {"in_flight": 0, "unknown": 0} for way in (RANDOM, RANDOM_WELL, STEPS)}
        ill = [(row["begun"], row["until"]) for row in self.log.rows if row["kind"].startswith("smtp_")]
        kills = sorted(self.log.of("kill"), key=lambda row: -row["begun"])
        windows: list[str] = []
        for kill in kills:
            ways = [found[STEPS if kill["point"] else RANDOM]]
            if not kill["point"] and not any(begun <= kill["begun"] <= until for begun, until in ill):
                ways.append(found[RANDOM_WELL])
            runs = {item["run"] for item in kill["held"] if item["run"]}
            mine = [row for row in unknown if row["run_id"] in runs and row["updated_at"] >= kill["begun"]]
            windows += [self._window(kill["begun"], row["key"]) for row in mine if not kill["point"]]
            for way in ways:
                way["in_flight"] += sum(item["in_flight"] for item in kill["held"])
                way["unknown"] += len(mine)
            unknown = [row for row in unknown if row not in mine]  # the last kill before it has done it
        self.verdict.figures |= {"at_kills": found, "unknown_at_random_kills": dict(Counter(windows))}

    def _window(self, killed: int, key: str) -> str:
        """Return where a mail was when its daemon was killed at *killed*, as the mail server saw it."""
        events = [(dot, answer) for dot, answer, _, sent in self.post.events if sent == key]
        if not events:
            return "never came"
        dot, answer = events[-1]
        if dot > killed or not answer:
            return "on its way, or not answered for"
        return f"answered {min((killed - answer) // 10 * 10, 1000)} ms before"

    def _times(self) -> None:
        """How long a killed daemon's run waited for a peer, and a stopped one's shop."""
        recovered, resumed = [], []
        for row in self.log.of("kill"):
            if row["measured"] and self._quiet(row):
                recovered += [self._recovered(row["begun"], item) for item in row["held"]]
        for row in self.log.of("term"):
            if not self._quiet(row):
                continue
            for changes in self.watch.changes.values():
                resumed += _taken_over(changes, row)
        late = (f"after {seconds:.1f} s" for seconds in recovered if seconds > LEASE + self.patience)
        self.verdict.check("a_peer_recovers_in_time", late)
        slow = (f"after {seconds:.1f} s" for seconds in resumed if seconds > self.patience)
        self.verdict.check("a_peer_goes_on_after_a_stop", slow)
        self.verdict.figures |= {"recovered_s": _spread(recovered), "resumed_after_term_s": _spread(resumed)}
        self.verdict.figures |= {"recovered_each_s": recovered, "resumed_each_s": resumed}

    def _quiet(self, kill: dict[str, Any]) -> bool:
        """Whether nothing else kept the peer from taking over; the other victims of a walk are no peers."""
        others = (one for one in self.log.of(*HARD) if one is not kill and not one.get("walk"))
        begin, end = kill["begun"] - 500, kill["begun"] + 1000 * LEASE + 2_500
        return not any(one["begun"] <= end and one["until"] >= begin for one in others)

    def _recovered(self, killed: int, held: dict[str, Any]) -> float:
        """Return the seconds from a kill until a peer had claimed the shop (the look is a tenth of a second coarse)."""
        raised = (at for at, fence, *_ in self.watch.changes.get(held["shop"], ()) if fence > held["fence"])
        later = next(raised, None)
        return 999.0 if later is None else (later - killed) / 1000

    def _usage(self) -> None:
        rows = self.watch.usage
        if len(rows) < 12:
            return
        part = len(rows) // 4
        for name, index in (("memory_kib", 1), ("descriptors", 2), ("threads", 3)):
            first = statistics.median(row[index] for row in rows[part : 2 * part])
            last = statistics.median(row[index] for row in rows[-part:])
            self.verdict.figures[name] = [int(first), int(last), max(row[index] for row in rows)]
        if len(rows) < WARM:
            return
        memory, fds = self.verdict.figures["memory_kib"], self.verdict.figures["descriptors"]
        self.verdict.check("memory_stays", [f"{memory}"] if memory[1] > 1.2 * memory[0] + 8_000 else [])
        self.verdict.check("descriptors_stay", [f"{fds}"] if fds[1] > fds[0] + 15 else [])

    def _count(self) -> None:
        states = Counter(f"{run['status']}{'/' + run['reason'] if run['reason'] else ''}" for run in self.runs)
        faults = Counter(row["kind"] for row in self.log.rows)
        points = Counter(row["point"] for row in self.log.of("kill", "freeze") if row["point"])
        performed = sum(bool(run["attempt"]) for run in self.runs)
        codes = Counter(run["error_code"] for run in self.runs if run["status"] == "failed")
        self.verdict.figures["failed_by_code"] = dict(codes)
        figures = {"performed": performed, "attempts": len(self.attempts), "statuses": dict(states)}
        figures |= {"faults": dict(faults), "points": dict(points), "lost_writes_of_the_app": self.app.uncertain}
        self.verdict.figures |= figures
        shops = self.watch.changes.values()
        self.verdict.figures["claims_seen"] = sum(len(changes) for changes in shops)


def _taken_over(changes: list[tuple[int, int, str, int, int]], term: dict[str, Any]) -> list[float]:
    """Return the seconds that a shop with work lay free after the stopped daemon gave it back."""
    mine = f":{term['pid']}:"
    found = []
    for one, two, three in zip(changes, changes[1:], changes[2:], strict=False):
        gave_back = mine in one[2] and not two[2] and term["begun"] <= two[0] <= term["until"] + 500
        if gave_back and two[3] <= two[0] and three[2]:
            found.append((three[0] - two[0]) / 1000)
    return found


def _near(at: int, windows: Iterable[tuple[int, int]], slack: int = WAKE) -> bool:
    return any(begun - 500 <= at <= until + slack for begun, until in windows)


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {"count": 0}
    middle = round(statistics.median(values), 2)
    return {"count": len(values), "min": round(min(values), 2), "median": middle, "max": round(max(values), 2)}


def _read(sql: Sql, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{name}"' for name in columns)
    rows = sql.ask(f"SELECT {names} FROM {{s}}{table}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


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


Tell = Callable[[str], None]
