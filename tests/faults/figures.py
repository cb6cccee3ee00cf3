"""What a sitting measured: deliveries at kills, how long a peer took, what the daemon that lives uses, counts."""

import statistics
from collections import Counter
from typing import Any

from .evidence import HARD, Evidence
from .fleet import LEASE
from .post import SLOW

#: Looks, two seconds apart, until every thread has opened its own connections; judged is what lasts twice as long.
WARM = 60
#: When a daemon was killed: at any moment, at any while the mail server was well, at a step that was chosen.
RANDOM, RANDOM_WELL, STEPS = "at random moments", "at random moments, mail server well", "at steps"
#: Where a mail is whose final dot was sent and which the mail server had not answered: nobody can know what becomes of
#: it, and how often that is so says how slow the server is, not how good its client.
UNANSWERED = "not answered yet"


class Figures:
    """Measures, and checks the figures that have a limit in every sitting."""

    def __init__(self, seen: Evidence) -> None:
        self.seen = seen

    def measure(self) -> None:
        """Put every figure into the verdict."""
        self.at_kills()
        self.times()
        self.usage()
        self.count()

    def at_kills(self) -> None:
        """How many deliveries of the runs at work were not done when a daemon was killed, and what became unknown."""
        lost = (row for row in self.seen.deliveries if str(row["error"]).startswith("The process was lost"))
        unknown = [row for row in lost if row["state"] == "unknown"]
        found = {way: {"in_flight": 0, "unknown": 0, "unanswered": 0} for way in (RANDOM, RANDOM_WELL, STEPS)}
        # A mail that came while it was slow waits beyond that.
        longest = int(SLOW[1] * 1000)
        ill = [(row["begun"], row["until"] + longest) for row in self.seen.log.rows if row["kind"].startswith("smtp_")]
        kills = sorted(self.seen.log.of("kill"), key=lambda row: -row["begun"])
        windows: list[str] = []
        for kill in kills:
            ways = [found[STEPS if kill["point"] else RANDOM]]
            if not kill["point"] and not any(begun <= kill["begun"] <= until for begun, until in ill):
                ways.append(found[RANDOM_WELL])
            runs = {item["run"] for item in kill["held"] if item["run"]}
            mine = [row for row in unknown if row["run_id"] in runs and row["updated_at"] >= kill["begun"]]
            where = [self._window(kill["begun"], row["key"]) for row in mine]
            windows += [] if kill["point"] else where
            for way in ways:
                way["in_flight"] += sum(item["in_flight"] for item in kill["held"])
                way["unknown"] += len(mine)
                way["unanswered"] += where.count(UNANSWERED)
            unknown = [row for row in unknown if row not in mine]  # the last kill before it has done it
        self.seen.verdict.figures |= {"at_kills": found, "unknown_at_random_kills": dict(Counter(windows))}

    def _window(self, killed: int, key: str) -> str:
        """Return where a mail was when its daemon was killed at *killed*, as the mail server saw it."""
        events = [(dot, answer) for dot, answer, _, sent in self.seen.post.events if sent == key]
        if not events:
            return "never came"
        dot, answer = events[-1]
        if dot > killed:
            return "not sent yet"
        if not answer or answer > killed:
            return UNANSWERED
        return f"answered {min((killed - answer) // 10 * 10, 1000)} ms before"

    def times(self) -> None:
        """How long a killed daemon's run waited for a peer, and a stopped one's shop."""
        recovered, resumed = [], []
        for row in self.seen.log.of("kill"):
            if row["measured"] and self._quiet(row):
                recovered += [self._recovered(row["begun"], item) for item in row["held"]]
        for row in self.seen.log.of("term"):
            if not self._quiet(row):
                continue
            for changes in self.seen.watch.changes.values():
                resumed += _taken_over(changes, row)
        late = (f"after {seconds:.1f} s" for seconds in recovered if seconds > LEASE + self.seen.patience)
        self.seen.verdict.check("a_peer_recovers_in_time", late)
        slow = (f"after {seconds:.1f} s" for seconds in resumed if seconds > self.seen.patience)
        self.seen.verdict.check("a_peer_goes_on_after_a_stop", slow)
        self.seen.verdict.figures |= {"recovered_s": _spread(recovered), "resumed_after_term_s": _spread(resumed)}
        self.seen.verdict.figures |= {"recovered_each_s": recovered, "resumed_each_s": resumed}

    def _quiet(self, kill: dict[str, Any]) -> bool:
        """Whether nothing else kept the peer from taking over; the other victims of a walk are no peers."""
        others = (one for one in self.seen.log.of(*HARD) if one is not kill and not one.get("walk"))
        begin, end = kill["begun"] - 500, kill["begun"] + 1000 * LEASE + 2_500
        return not any(one["begun"] <= end and one["until"] >= begin for one in others)

    def _recovered(self, killed: int, held: dict[str, Any]) -> float:
        """Return the seconds from a kill until a peer had claimed the shop (the look is a tenth of a second coarse)."""
        raised = (at for at, fence, *_ in self.seen.watch.changes.get(held["shop"], ()) if fence > held["fence"])
        later = next(raised, None)
        return 999.0 if later is None else (later - killed) / 1000

    def usage(self) -> None:
        rows = self.seen.watch.usage
        if len(rows) < 12:
            return
        part = len(rows) // 4
        for name, index in (("memory_kib", 1), ("descriptors", 2), ("threads", 3)):
            first = statistics.median(row[index] for row in rows[part : 2 * part])
            last = statistics.median(row[index] for row in rows[-part:])
            self.seen.verdict.figures[name] = [int(first), int(last), max(row[index] for row in rows)]
        if len(rows) < 2 * WARM:
            return
        memory = self.seen.verdict.figures["memory_kib"]
        self.seen.verdict.check("memory_stays", [f"{memory}"] if memory[1] > 1.2 * memory[0] + 8_000 else [])
        # A busy thread has up to five (a database's files, the API, the mail server): only what stays open is a leak.
        least = [min(row[2] for row in rows[part : 2 * part]), min(row[2] for row in rows[-part:])]
        self.seen.verdict.figures["descriptors_least"] = least
        leaked = [f"{least}: {self.seen.watch.open_files}"] if least[1] > least[0] + 10 else []
        self.seen.verdict.check("descriptors_stay", leaked)

    def count(self) -> None:
        states = Counter(f"{run['status']}{'/' + run['reason'] if run['reason'] else ''}" for run in self.seen.runs)
        faults = Counter(row["kind"] for row in self.seen.log.rows)
        points = Counter(row["point"] for row in self.seen.log.of("kill", "freeze") if row["point"])
        performed = sum(bool(run["attempt"]) for run in self.seen.runs)
        codes = Counter(run["error_code"] for run in self.seen.runs if run["status"] == "failed")
        self.seen.verdict.figures["failed_by_code"] = dict(codes)
        figures = {"performed": performed, "attempts": len(self.seen.attempts), "statuses": dict(states)}
        figures |= {"faults": dict(faults), "points": dict(points), "lost_writes_of_the_app": self.seen.app.uncertain}
        self.seen.verdict.figures |= figures
        shops = self.seen.watch.changes.values()
        self.seen.verdict.figures["claims_seen"] = sum(len(changes) for changes in shops)


def _taken_over(changes: list[tuple[int, int, str, int, int]], term: dict[str, Any]) -> list[float]:
    """Return the seconds that a shop with work lay free after the stopped daemon gave it back."""
    mine = f":{term['pid']}:"
    found = []
    for one, two, three in zip(changes, changes[1:], changes[2:], strict=False):
        gave_back = mine in one[2] and not two[2] and term["begun"] <= two[0] <= term["until"] + 500
        if gave_back and two[3] <= two[0] and three[2]:
            found.append((three[0] - two[0]) / 1000)
    return found


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {"count": 0}
    middle = round(statistics.median(values), 2)
    return {"count": len(values), "min": round(min(values), 2), "median": middle, "max": round(max(values), 2)}
