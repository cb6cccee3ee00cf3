"""The log: structlog events with stable names; the console shows their sentence, JSON their fields."""

import re
import string
import sys
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from .errors import SchedulerError
from .lib.clock import iso
from .lib.descriptors import RAISE_LIMIT, is_limit, say_limit
from .lib.imports import import_without
from .lib.secret import Secret
from .lib.words import plural, redact

#: Characters of a field's longest text: a merchant's name for a report may be megabytes.
LONGEST = 20_000
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

#: Every event and its sentence. The first fifteen are those of the service that this daemon takes over from.
#:
#: Fields are plain values (numbers, texts, lists, moments), as JSON shows them; all wording is here.
#: ``{due:~report}`` is a number with its noun, ``{skipped:, # skipped}`` is said only where there is something, in the
#: place of ``#``, and ``{at:%H:%M}`` is a moment.
EVENTS = {
    "daemon_starting": "Starting background scheduler...",
    "daemon_started": "Background scheduler started (runs {every})",
    "daemon_stopping": "Stopping background scheduler...",
    "daemon_stopped": "Background scheduler stopped",
    "check_triggered": "Manual trigger requested",
    "check_started": "Checking for scheduled reports...",
    "check_found": "Found {due:~report} due to run{unreadable:; # cannot be read}",
    "check_grouped": "Processing reports for {shops:~shop}",
    "check_idle": "No reports due to run",
    "shop_started": "Executing {reports:~report} for {shop}",
    "run_started": "Executing report: {name} ({schedule})",
    "shop_finished": "Completed for {shop}: {succeeded} succeeded, {failed} failed{skipped:, # skipped}",
    "shop_busy": "Skipping {shop} - already running",
    "session_missing": "No session found for shop: {shop}",
    "shop_failed": "Error executing reports for {shop}: {error}",
    "loop_failed": "A defect of the scheduler, in its loop: {error}",
    "check_failed": "Error checking for scheduled reports: {error}",
    "run_finished": "Report {name} of {shop}: {status}{error: (#)}",
    "run_retry": "Report {name} of {shop} is tried again at {at:%H:%M:%S UTC}: {error}",
    "delivery_recalled": "A delivery of {shop} whose process was lost is {state}: its trail in the spool says so",
    "run_adopted": "Report {run} of {shop} was taken back from a lost process: {status}",
    "schedule_refused": "Schedule {name} of {shop} cannot be read: {error}",
    "shop_unreadable": "What is known of {shop} is taken as unknown. {error} Next: scheduler shops check {shop}",
    "schedule_note": "Schedule {name} of {shop}: {note}",
    "thread_leaked": "The thread of {shop} hangs ({step}) and is given up on; {leaked} so far",
    "daemon_worn": "{leaked} threads hang: leaving for a fresh start",
    "lease_lost": "The lease on {shop} went to another holder; its results were thrown away",
    "database_back": "The database answers again",
    "clock_jumped": "The clock jumped by {seconds} s",
    "delivery_held": "Delivery is on hold: {due} due, nothing is queued or sent. Next: scheduler go-live",
    "all_paused": "All reports are paused{until: until %a %d %b %Y %H:%M UTC}{note: (#)}: "
    "{due} due, nothing is started. Next: scheduler resume",
    "zone_data_changed": "The zone data is now {version}, it was {before}: "
    "{moved} of {looked_at:~schedule} next moments moved",
    "config_reloaded": "The configuration was read again{changed:: #}",
    "config_needs_restart": "These options are taken at the next start only: {options}",
    "delivery_mode": "Delivery is now {mode}",
    "config_refused": "The configuration was not taken: {error}",
    "shop_revived": "{shop} works again; its reports go on",
    "notices_told": "Told {recipient} of {notices:~notice}",
    "notices_failed": "{notices:~notice} for {recipient} cannot be told: {error}",
    "tidied": "Removed {rows:~old run} and the files of {files:~run}",
    "state_unwritable": "The state file cannot be written: {error}",
    "state_retaken": "The state file's lock {file}.lock was removed or replaced; it was made and taken again",
    "state_lost": "This daemon goes on without a state file: {error}",
    "daemon_leaves": "Leaving at once; unfinished reports are taken up when their leases end",
}


def _structlog() -> Any:
    """Return the module, without rich, which it would load for tracebacks that we do not draw (10 MiB)."""
    return import_without("structlog", ("rich",))


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """Set the log up: *format* console, json, or auto (console on a terminal)."""
    structlog = _structlog()
    out = stream or sys.stderr
    console = format == "console" or (format == "auto" and out.isatty())
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _redact_all,
            _sentence if console else structlog.processors.TimeStamper(fmt="iso", utc=True),
            _line if console else structlog.processors.JSONRenderer(ensure_ascii=False, default=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Printer(out),
        cache_logger_on_first_use=False,
    )


def say(event: str, /, level: str = "info", **fields: Any) -> None:
    """Log *event* with its fields; never raises, whatever the stream says."""
    assert event in EVENTS, event
    getattr(_structlog().get_logger(), level)(event, **fields)


def say_defect(event: str, error: Exception, /, **fields: Any) -> None:
    """Log a defect of ours with its trace, from inside its `except`."""
    say(event, "error", error=f"{type(error).__name__}: {error}", trace=traceback.format_exc(), **fields)


def unforeseen(event: str, error: Exception) -> SchedulerError:
    """Return *error*, of which nobody nearer told, as one of ours: the process's own limit, else a defect, logged."""
    if is_limit(error):
        return SchedulerError(f"T{say_limit()[1:]}.", code="too_many_files", hint=f"{RAISE_LIMIT}.")
    say_defect(event, error)
    return SchedulerError(f"{type(error).__name__}: {error}")


class _Printer:
    """Writes lines; a full disk or a closed pipe must not stop a report."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def msg(self, message: str) -> None:
        try:
            self.out.write(message + "\n")
            self.out.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


def _redact_all(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, Secret):
            event[key] = "****"
        elif isinstance(value, str):
            event[key] = _short(redact(value))
        elif isinstance(value, list):
            event[key] = [_short(redact(str(item))) for item in value]
    return event


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _as_json(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


class _Sentences(string.Formatter):
    """Makes the sentences of `EVENTS`; a field that is missing is left out."""

    def get_value(self, key: int | str, args: Sequence[Any], fields: Mapping[str, Any]) -> Any:
        return fields.get(str(key), "")

    def format_field(self, value: Any, form: str) -> str:
        if form.startswith("~"):
            return plural(value, form[1:]) if isinstance(value, int) else str(value)
        if form and not value:
            return ""
        if isinstance(value, datetime):
            return value.strftime(form)
        said = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        return form.replace("#", said) if form else said


SENTENCES = _Sentences()


def _sentence(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    name = str(event["event"])
    said = SENTENCES.vformat(EVENTS[name], (), event) if name in EVENTS else name
    # A report's name is typed by a merchant: it must not draw lines of its own, nor move the cursor.
    event["event"] = CONTROL.sub(" ", said)
    return event


def _line(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    mark = "" if event["level"] in ("info", "debug") else f"{event['level'].upper()} "
    return f"[Scheduler] {mark}{event['event']}"
