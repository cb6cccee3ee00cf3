"""What the sentences are made of: the schedule, its runs, its shop, the daemon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from ...app import delivery_mode
from ...config import Config
from ...errors import SchedulerError
from ...health.statefile import StateFile, Verdict, judge
from ...lib.clock import utc_now
from ...model import Pause, Run, Shop
from ...store import SeenSchedule, Store
from ...store.holder import is_gone
from ..moments import say_clock, say_moment, zone_or_utc
from ..status_database import judge_node


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence: a stable word for its case, what is so, and what to do."""

    #: The case ("paused", "due_no_daemon", "failed").
    code: str
    #: One or two sentences for people, moments in the schedule's zone.
    text: str
    #: What to do; empty where nothing is to be done.
    hint: str = ""
    #: The run that it is about; empty where it is about the schedule.
    run: str = ""


@dataclass(frozen=True, slots=True)
class DaemonSeen:
    """The daemon as its state file, or its row in the database, shows it; judged as `status` does."""

    #: What is wrong with it; empty where a daemon works on this database.
    trouble: str
    #: What to do about that.
    hint: str
    #: The state file's content; empty where there is none.
    state: Mapping[str, Any]

    @property
    def well(self) -> bool:
        """Whether a daemon works on this database."""
        return not self.trouble


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is looked at, read once."""

    config: Config
    store: Store
    seen: SeenSchedule
    shop: Shop
    #: Whether the shop has an offline session.
    session: bool
    mode: str
    daemon: DaemonSeen
    #: Holders of living leases, by shop.
    held: Mapping[str, str]
    #: When the shop's lease ends, UTC, where it lives though its holder's process is gone from this machine.
    lost_until: datetime | None
    #: The schedule's latest runs, newest first.
    runs: Sequence[Run]
    #: The pause of everything that holds; None while there is none.
    pause: Pause | None
    now: datetime
    zone: tzinfo
    zone_name: str

    def at(self, moment: datetime) -> str:
        """Return *moment* in the schedule's zone: ``Mon 30 Nov 08:00 CET``."""
        return say_moment(moment, self.zone, self.now)

    def clock(self, moment: datetime) -> str:
        """Return *moment* in the schedule's zone, its day only where it is not today."""
        return say_clock(moment, self.zone, self.now)


def gather(config: Config, store: Store, seen: SeenSchedule, runs: int = 5) -> Facts:
    """Read everything that the sentences on *seen* need, and its latest *runs*."""
    now = utc_now()
    shop = store.shops.find(seen.shop)
    named = (seen.schedule.zone if seen.schedule else "") or shop.zone or "UTC"
    return Facts(
        config,
        store,
        seen,
        shop,
        session=store.sessions.find(seen.shop) is not None,
        mode=delivery_mode(config, store),
        daemon=see_daemon(config, store, now),
        held=store.leases.held_elsewhere([seen.shop]),
        lost_until=store.leases.lost_elsewhere(now).get(seen.shop),
        runs=store.history.last_of(seen.id, runs),
        pause=store.pauses.current(now),
        now=now,
        zone=zone_or_utc(named),
        zone_name=named,
    )


def see_daemon(config: Config, store: Store, now: datetime) -> DaemonSeen:
    """Return the daemon of the configured state file, else one with another that works on *store*."""
    own = _see_own(config, store.target.shown, now)
    if own.well:
        return own
    clock, max_age = store.notebook.now(), config.state.max_age
    # One that was killed leaves its row.
    nodes = [node for node in store.notebook.nodes() if not is_gone(node.name)]
    peers = [node for node in nodes if judge_node(node, clock, max_age).code < 2]
    return DaemonSeen("", "", peers[0].snapshot) if peers else own


def _see_own(config: Config, database: str, now: datetime) -> DaemonSeen:
    """Return the daemon of the configured state file, as far as it concerns *database*."""
    file = StateFile(config.state_file)
    start = "Start it: scheduler run. Or by hand: scheduler check-once"
    try:
        state = file.read()
        verdict = judge(state, now, config.state.max_age, locked=file.is_locked())
    except (SchedulerError, ValueError, KeyError):
        return DaemonSeen("no daemon has run here yet", start, {})
    if state.get("mode") == "once":
        return DaemonSeen("no daemon is running here, only check-once by hand or by a timer", start, state)
    if not file.is_locked():
        return DaemonSeen("no daemon is running here", start, verdict.state)
    pid = state.get("pid")
    if state.get("database") != database:
        hint = f"Give both the same database, or name the daemon's configuration: --config. Its pid is {pid}."
        return DaemonSeen(f"the daemon here works on another database ({state.get('database')})", hint, state)
    if verdict.code == 2:
        return DaemonSeen(f"the daemon (pid {pid}) is not well: {_unwell(verdict)}", verdict.next_step, state)
    return DaemonSeen("", "", state)


def _unwell(verdict: Verdict) -> str:
    last = (verdict.state.get("last_error") or {}).get("message")
    said = verdict.reasons[0].rstrip(".")
    return f"{said}; its last error: {last.rstrip('.')}" if last else said
