"""Checks of the database and of what stands in it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...app import delivery_mode, open_store
from ...errors import SchedulerError
from ...lib.clock import utc_now
from ...lib.words import plural, say_length
from ...lib.zones import host_zone
from ...sources import TYPES
from ...store import schema
from ...store.files import user_name
from ..next_calendar import busiest, day_ahead
from ..output import short
from .findings import MOST, OK, PROBLEM, WARNING, Finding, Patient, problem

#: A clock that is off by this many milliseconds makes retries early or late; by more than the lease it is a danger.
SKEW_SEEN, SKEW_BAD = 2_000, 30_000
#: Rows named one by one; the rest is counted.
NAMED = 5
#: More reports a worker than these in one minute are worth being spread.
CROWD = 10
#: A report that is due for longer was not taken.
OVERDUE = 60.0


def check_database(patient: Patient) -> Iterator[Finding]:
    """Open the database as it is: nothing is created and nothing upgraded."""
    config = patient.config
    if config is None:
        return
    try:
        patient.store = store = open_store(config, upgrade=False)
    except SchedulerError as error:
        yield problem("database", error)
        return
    made = schema.status(store.engine).applied
    whose = "our own" if store.own else "the app's"
    mode = delivery_mode(config, store)
    text = f"{short(store.target.shown)}, {whose}, schema {made[-1] if made else 'none'}, delivery {mode}"
    origin = config.origin.get("database.url", "default")
    yield Finding(OK, "database", f"{text} (url from: {short(origin)})")
    if mode == "hold":
        yield Finding(
            WARNING, "delivery", "it is on hold: nothing is queued or sent", "scheduler go-live", "delivery_held"
        )
    if mode == "redirect":
        yield Finding(WARNING, "delivery", f"all mail goes to {config.delivery.redirect_to}", 'delivery.mode = "live"')


def check_database_file(patient: Patient) -> Iterator[Finding]:
    """Look at the owner and mode of an SQLite file and of its folder, where -wal and -shm must be written too."""
    store = patient.store
    if store is None or store.target.path is None:
        return
    path = store.target.path
    owner, mode = user_name(path.stat().st_uid), stat.S_IMODE(path.stat().st_mode)
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            hint = f"Run the command as its owner: sudo -u {user_name(place.stat().st_uid)} scheduler …"
            yield Finding(PROBLEM, "database file", f"{place} cannot be written", hint, "database_readonly")
    others = [item for item in _beside(path) if item.exists() and item.stat().st_uid != path.stat().st_uid]
    for item in others:
        text = f"{item.name} belongs to {user_name(item.stat().st_uid)}, the database to {owner}"
        yield Finding(PROBLEM, "database file", text, f"chown {owner} {item}", "database_owner")
    if store.own and mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"others may read it (mode {mode:04o}), and tokens stand in it"
        yield Finding(WARNING, "database file", text, f"chmod 600 {path}")
    elif not others:
        size = sum(item.stat().st_size for item in _beside(path) if item.exists())
        yield Finding(OK, "database file", f"owner {owner}, mode {mode:04o}, {size / 1e6:.1f} MB")


def _beside(path: Path) -> list[Path]:
    return [path, Path(f"{path}-wal"), Path(f"{path}-shm")]


def check_daemons(patient: Patient) -> Iterator[Finding]:
    """Look whether a daemon on the database writes no state file: then `scheduler status` knows nothing of it."""
    for node in patient.store.notebook.nodes() if patient.store is not None else ():
        for item in node.snapshot.get("problems") or ():
            if item["code"] in ("state_lost", "state_unwritable"):
                told = f"pid {node.pid} on {node.host} says: {item['message'].rstrip('.')}"
                yield Finding(WARNING, "daemon", told, item["hint"], item["code"])


def check_rights(patient: Patient) -> Iterator[Finding]:
    """Ask a server whether it lets this user write what the daemon must write; no row is changed."""
    store, config = patient.store, patient.config
    if store is None or config is None or store.engine.is_sqlite:
        return
    try:
        store.require_rights(delivery_mode(config, store))
    except SchedulerError as error:
        yield problem("database rights", error)
    else:
        yield Finding(OK, "database rights", "all that are needed")


def check_clock(patient: Patient) -> Iterator[Finding]:
    """Compare this machine's clock with the database's: leases go by the database's, retries by ours."""
    if patient.store is None:
        return
    skew = patient.store.skew_ms()
    ahead = "ahead of" if skew > 0 else "behind"
    text = f"{abs(skew) / 1000:.1f} s {ahead} the database's"
    level = OK if abs(skew) < SKEW_SEEN else WARNING if abs(skew) < SKEW_BAD else PROBLEM
    if level == OK:
        yield Finding(OK, "clock", "agrees with the database's" if abs(skew) < 500 else text)
    else:
        yield Finding(level, "clock", text, "Set both by NTP: timedatectl set-ntp true")


def check_reports(patient: Patient) -> Iterator[Finding]:
    """Look at the schedules: how many, which cannot be read, which are foreign, which have no zone or nobody."""
    store, config = patient.store, patient.config
    if store is None or config is None:
        return
    seen, active = patient.rows(), patient.active()
    paused = sum(schedule.paused_at is not None for schedule in active)
    text = f"{len(active)} active" + (f", {paused} of them paused" if paused else "")
    text += f" (the first {MOST:,} were looked at)" if len(seen) == MOST else ""
    yield Finding(OK, "reports", text)
    bad = [item for item in seen if item.schedule is None]
    for item in bad[:NAMED]:
        told = f"{item.name} of {item.shop} cannot be read: {item.problem.rstrip('.')}"
        yield Finding(
            PROBLEM, "reports", told, f"Correct its row; see: scheduler reports why {item.id}", item.problem_code
        )
    if len(bad) > NAMED:
        told = f"{len(bad) - NAMED} more cannot be read"
        yield Finding(PROBLEM, "reports", told, "See: scheduler reports list", "bad_schedule_row")
    zones = {item.id: item.shop_zone for item in seen}
    lost = [schedule for schedule in active if not schedule.zone and not zones[schedule.id]]
    if lost:
        told = f"{plural(len(lost), 'report')} without a zone, whose shop's is not known: UTC is taken"
        yield Finding(WARNING, "reports", told, f"scheduler shops check {lost[0].shop}")
    nobody = [schedule for schedule in active if not schedule.recipients] if config.folder is None else []
    for lonely in nobody[:NAMED]:
        told = f"{lonely.name} of {lonely.shop} has nobody to deliver to"
        yield Finding(
            PROBLEM, "reports", told, f"scheduler reports edit {lonely.id} --to name@example.com", "no_recipients"
        )


def check_types(patient: Patient) -> Iterator[Finding]:
    """Look at the map of report types: what it maps to must exist, and what it leaves out is named."""
    store, config = patient.store, patient.config
    if config is not None:
        for name, ours in config.types.items():
            if ours not in TYPES:
                hint = f"There are: {', '.join(TYPES)}"
                told = f"types.{name} is mapped to {ours!r}, which is no report type"
                yield Finding(PROBLEM, "types", told, hint, "unknown_report_type")
    foreign = store.schedules.counts()["foreign"] if store is not None else 0
    if foreign:
        told = f"{plural(foreign, 'active schedule')} of types mapped to none of ours: left untouched"
        yield Finding(WARNING, "types", told, "If they are ours to run, map their types under [types]")


def check_overdue(patient: Patient) -> Iterator[Finding]:
    """Look whether a report is due and nobody has queued it."""
    store, config = patient.store, patient.config
    if store is None or config is None or delivery_mode(config, store) == "hold":
        return
    due = store.cursors.next_due_at()
    late = (utc_now() - due).total_seconds() if due else 0.0
    if late > OVERDUE and due is not None:
        told = f"a report is due since {say_length(utc_now() - due)} and not queued"
        yield Finding(PROBLEM, "overdue", told, "scheduler run, or by hand: scheduler check-once", "overdue")


def check_crowd(patient: Patient) -> Iterator[Finding]:
    """Look whether more reports fall into one minute of the coming day than the workers get through soon."""
    if patient.config is None or patient.store is None:
        return
    workers = patient.config.daemon.workers
    peak = busiest(day_ahead(patient.rows(), utc_now()))
    if peak is None or peak[1] <= CROWD * workers:
        return
    zone = host_zone().zone
    told = f"{peak[1]:,} reports fall into {peak[0].astimezone(zone):%a %H:%M %Z}, for {plural(workers, 'worker')}"
    hint = "Spread them: scheduler reports edit REPORT --jitter 10m; look at the day: scheduler reports next --all"
    yield Finding(WARNING, "crowd", told, hint)


def check_notices(patient: Patient) -> Iterator[Finding]:
    """Look whether somebody is told of trouble."""
    config = patient.config
    if config is None:
        return
    if config.notices.to:
        yield Finding(OK, "notices", f"trouble is told to {config.notices.to}")
        return
    alone = sum(not schedule.owner for schedule in patient.active())
    if patient.store is None or alone:
        whose = f" with {plural(alone, 'report')} without an owner" if alone else ""
        told = f"notices.to is unset: nobody is told of trouble{whose}"
        yield Finding(WARNING, "notices", told, 'Set it: [notices] to = "you@example.com"')
