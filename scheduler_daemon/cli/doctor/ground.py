"""Checks that need no database: program, configuration, time zones, folders, the daemon's state file."""

import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from ... import __version__
from ...config import load_config
from ...config_light import MACHINE, PREFIX, config_home, find_config_file, is_there
from ...errors import ConfigError, SchedulerError
from ...health.statefile import SILENT_HINT, StateFile, judge, silence
from ...lib.clock import utc_now
from ...lib.words import say_length
from ...lib.zones import host_zone, zone_data
from ...prepare import SPACE
from ...store.files import file_system, user_name
from ..context import Context
from ..output import short
from .findings import OK, PROBLEM, WARNING, Check, Finding, Patient, problem

#: Below this much room a warning comes before the problem does.
ROOM = 10 * SPACE
#: Zone data older than this lacks changes that governments have announced since (a tz release comes every few months).
ZONES_OLD = timedelta(days=548)
#: Variables that begin like ours and are no options.
OTHERS = ("SCHEDULER_CONFIG", "SCHEDULER_BOOT_ID")


def check_program(patient: Patient) -> Iterator[Finding]:
    """Say which program runs, on what, as whom."""
    user = user_name(os.geteuid())
    text = f"scheduler {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, user {user}"
    yield Finding(OK, "program", text)


def configuration(context: Context) -> Check:
    """Return the check that reads the configuration."""

    def check_configuration(patient: Patient) -> Iterator[Finding]:
        file = find_config_file(context.config_path, os.environ)
        try:
            patient.config = load_config(context.config_path, context.overrides, os.environ)
        except ConfigError as error:
            yield problem("configuration", error)
            for key, text in error.problems:
                yield Finding(PROBLEM, "configuration", f"{key}: {text}".rstrip(".") if key else text, "", error.code)
            return
        names = sorted(name for name in os.environ if name.startswith(PREFIX) and "__" in name)
        more = f", and {', '.join(names)}" if names else ""
        yield Finding(OK, "configuration", f"{short(str(file)) if file else 'no file, defaults'}{more}")
        if file is not None:
            yield from _exposed(file)
            yield from _hidden(file)

    return check_configuration


def _exposed(file: Path) -> Iterator[Finding]:
    """Warn of a configuration that holds a secret and that others may read."""
    text = file.read_text(encoding="utf-8", errors="replace")
    names = ("password", "client_secret")
    holds = any(line.strip().startswith(f"{name} =") for line in text.splitlines() for name in names)
    holds = holds or any(line.strip().startswith("url =") and "@" in line for line in text.splitlines())
    if holds and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding(
            WARNING, "configuration", f"{short(str(file))} holds a secret, and others may read it", f"chmod 600 {file}"
        )


def _hidden(file: Path) -> Iterator[Finding]:
    """Warn of another configuration that would be read were this one not there."""
    for other in (config_home(os.environ) / "scheduler-daemon/config.toml", MACHINE):
        if is_there(other, hidden=False) and file.resolve() != other.resolve():
            text = f"{short(str(other))} is there too and is not read"
            yield Finding(WARNING, "configuration", text, "Remove one, or name the other: --config FILE")


def check_environment(patient: Patient) -> Iterator[Finding]:
    """Warn of variables that look like options and are none: one underscore where two belong."""
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and "__" not in name and name not in OTHERS:
            section, _, key = name.removeprefix(PREFIX).partition("_")
            hint = f"Write it with two underscores: {PREFIX}{section}__{key or 'KEY'}"
            yield Finding(WARNING, "environment", f"{name} is set and is not read", hint)


def check_zone_data(patient: Patient) -> Iterator[Finding]:
    """Say which of the two sets of zone data is used, and whether it is old."""
    version, which = zone_data()
    place = "the package tzdata" if which == "package" else "the system"
    if unknown := host_zone().unknown:
        text = f"TZ={unknown!a} is no time zone, so that local times are in UTC"
        yield Finding(WARNING, "environment", text, "Correct TZ, or unset it")
    text = f"version {version}, from {place}, the newer of the two"
    year = int(version[:4]) if version[:4].isdigit() else 0
    if year and utc_now().year - year >= ZONES_OLD / timedelta(days=365):
        yield Finding(WARNING, "zone data", f"{text}, is old", "pip install --upgrade tzdata")
    else:
        yield Finding(OK, "zone data", text)


def check_folders(patient: Patient) -> Iterator[Finding]:
    """Look whether spool, state folder and report folder can be written, and how much room they have."""
    config = patient.config
    if config is None:
        return
    folders = {"spool": config.spool_dir, "state folder": config.state_file.parent}
    if config.folder is not None:
        folders["report folder"] = Path(config.folder.path).expanduser()
    for name, folder in folders.items():
        yield _folder(name, folder)


def _is_there(path: Path) -> bool:
    """Whether *path* exists; False too where this user may not even look."""
    try:
        return path.exists()
    except PermissionError:
        return False


def _folder(name: str, folder: Path) -> Finding:
    place = next((item for item in (folder, *folder.parents) if _is_there(item)), Path("/"))
    owner = user_name(place.stat().st_uid)
    shown = short(str(folder))
    if not place.is_dir():
        return Finding(PROBLEM, name, f"{shown}: {place} is no folder", "Move it away, or name another place")
    if not os.access(place, os.W_OK | os.X_OK):
        what = "cannot be written" if place == folder else f"cannot be made in {place}"
        return Finding(
            PROBLEM, name, f"{shown} {what}; it belongs to {owner}", f"Run as {owner}: sudo -u {owner} scheduler …"
        )
    free = shutil.disk_usage(place).free
    room = f"{free / 1e9:.1f} GB free" if free >= 1e9 else f"{free // 1_000_000} MB free"
    if free < SPACE:
        return Finding(
            PROBLEM, name, f"{shown}: only {room}, reports do not start", "Make room, or set another place", "disk_full"
        )
    if free < ROOM:
        return Finding(WARNING, name, f"{shown}: only {room}", "Make room soon")
    kind = file_system(place)
    new = "" if place == folder else ", will be made"
    return Finding(OK, name, f"{shown}{new}, {room}{f' on {kind}' if kind else ''}")


def check_daemon(patient: Patient) -> Iterator[Finding]:
    """Say whether a daemon runs, whether it is well, and whether it is of our version and on our database."""
    config = patient.config
    if config is None:
        return
    file = StateFile(config.state_file)
    try:
        state = file.read()
    except SchedulerError as error:
        never = error.message.startswith("There is no") and not file.is_locked()
        hint = error.hint or "Run this as the daemon's user, or see its log: journalctl -u scheduler"
        yield Finding(WARNING if never else PROBLEM, "daemon", error.message.rstrip("."), hint)
        return
    now = utc_now()
    verdict = judge(state, now, config.state.max_age, locked=file.is_locked())
    who = "check-once" if state.get("mode") == "once" else f"pid {state.get('pid')}, version {state.get('version')}"
    if verdict.code == 2:
        stopped = state.get("isRunning") is False and state.get("mode") == "daemon"
        text = f"{verdict.reasons[0].rstrip('.')}{' (it was stopped)' if stopped else ''}"
        yield Finding(PROBLEM, "daemon", text, verdict.next_step.rstrip("."))
        return
    yield Finding(OK, "daemon", f"{who}, last good check {_ago(state)}, delivery {state.get('delivery_mode')}")
    if silent := silence(state, now):
        yield Finding(WARNING, "daemon", silent.rstrip("."), SILENT_HINT)
    for item in state.get("problems") or ():
        yield Finding(
            WARNING, "daemon", f"it says: {item['message'].rstrip('.')}", item.get("hint") or "", item["code"]
        )
    if state.get("mode") == "daemon" and state.get("version") != __version__:
        text = f"it runs version {state.get('version')}, and this is {__version__}"
        yield Finding(WARNING, "daemon", text, "Restart it: systemctl restart scheduler")
    if patient.store is not None and state.get("database") != patient.store.target.shown:
        text = f"it works on another database: {state.get('database')}"
        yield Finding(PROBLEM, "daemon", text, "Give both the same configuration: --config FILE")


def _ago(state: dict[str, object]) -> str:
    from datetime import datetime

    tick = state.get("tick")
    last = tick.get("last_good_at") if isinstance(tick, dict) else None
    return f"{say_length(utc_now() - datetime.fromisoformat(str(last)))} ago" if last else "not yet"
