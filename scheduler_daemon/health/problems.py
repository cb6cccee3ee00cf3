"""What is not well, as the state file says it: each with a code, a sentence, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from ..lib.words import closed, plural, redact, say_length
from ..model import Pause

#: Seconds that a report may be due before it counts as overdue: a check and a peek are over by then.
OVERDUE = 60
RELOAD = "See: scheduler config check. When it is corrected: systemctl reload scheduler (or kill -HUP its pid)"
HINTS = {
    "work_unowned": "See its log; then: scheduler check-once",
    "run_unowned": "See its log; then: scheduler check-once",
    "outbox_stuck": "See: scheduler history show, and the log of the daemon that sends it.",
    "cursor_missing": "See its log; then: scheduler check-once",
    "shop_paused": "See: scheduler shops list",
    "notices_untold": "See: scheduler notices list",
    "notices_unset": 'Set it: [notices] to = "you@example.com"',
    "state_lost": "Stop one of the two daemons, or give each its own state.file.",
    "state_unwritable": "See the room and the rights of its folder: scheduler doctor",
    "clock_skew": "Set the clock of this machine, or of the database's: see timedatectl.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not well."""

    #: Stable code.
    code: str
    #: What it is, as a sentence.
    message: str
    #: What to do about it.
    hint: str


def breach(code: str, message: str) -> Problem:
    """Return the problem of an invariant that does not hold, with its way out."""
    return Problem(code, message, HINTS[code])


def of_database(code: str, message: str, hint: str | None) -> Problem:
    """Return the problem of what the database, or a defect, keeps from being done, in its own words."""
    return Problem(code, message, hint or "See: scheduler db status")


def until(pause: Pause) -> str:
    """Return up to when a pause lasts, to be set behind "paused"; empty where it has no end."""
    return "" if pause.until is None else f" until {pause.until:%a %d %b %Y %H:%M} UTC"


def say_pause(pause: Pause) -> str:
    """Return the sentence that says that everything is paused."""
    return f"All reports are paused{until(pause)}{f' ({pause.note})' if pause.note else ''}."


def problems(
    *,
    mode: str,
    counts: Mapping[str, int],
    breaches: Sequence[Problem],
    unwell: Problem | None,
    silent: Problem | None = None,
    leaked: int = 0,
    unreadable: int = 0,
    paused: Pause | None = None,
    refused: str = "",
) -> list[dict[str, str]]:
    """
    Return the problems, the worst first.

    *mode* is the delivery mode, *counts* those of the state file, *breaches* the invariants that do not hold, *unwell*
    what is wrong with the database, *silent* why the state file is not written; *refused* is why the configuration that
    was read again is not taken.
    """
    found: list[Problem] = []

    def add(code: str, message: str, hint: str) -> None:
        found.append(Problem(code, message, hint))

    if unwell is not None:
        found.append(unwell)
    if silent is not None:
        found.append(silent)
    if refused:
        text = redact(closed(refused))
        said = f"The configuration was changed but is refused: {text} The daemon goes on with the old one."
        add("config_refused", said, RELOAD)
    if mode == "hold":
        add("delivery_held", "Delivery is on hold: nothing is queued or sent.", "Next: scheduler go-live")
    if paused is not None:
        add("paused", say_pause(paused), "When they may run again: scheduler resume")
    late = counts.get("oldest_overdue_s", 0)
    if late > OVERDUE and mode != "hold":
        since = say_length(timedelta(seconds=late))
        add("overdue", f"A report is due for {since} and not queued.", "Run: scheduler check-once")
    found += breaches
    if unreadable:
        add("bad_schedule_row", f"{plural(unreadable, 'schedule')} cannot be read.", "See: scheduler reports list")
    if leaked:
        add("threads_leaked", f"{plural(leaked, 'thread')} hang.", "It starts anew by itself when there are too many.")
    if waiting := counts.get("late", 0):
        said = f"{plural(waiting, 'report')} {'has' if waiting == 1 else 'have'} been waiting for another try"
        add("reports_late", f"{said} for over an hour.", "See: scheduler history list --status queued")
    failed = counts.get("failed_24h", 0)
    if failed:
        said = f"{plural(failed, 'report')} failed in the last 24 hours."
        add("reports_failed", said, "See: scheduler history list --status failed --status partial")
    # A failure of which nobody was told is worse than that nobody would be.
    return [asdict(problem) for problem in sorted(found, key=lambda problem: problem.code == "notices_unset")]
