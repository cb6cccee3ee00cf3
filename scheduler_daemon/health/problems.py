"""What is not well, as the state file says it: each with a code, a sentence, and what to do."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from ..lib.words import closed, plural, redact, say_length
from ..model import Pause

#: Seconds that a report may be due before it counts as overdue: a check and a peek are over by then.
OVERDUE = 60
RELOAD = "See: scheduler config check. When it is corrected: systemctl reload scheduler (or kill -HUP its pid)"
#: Codes of what keeps us from the database and is not its trouble.
OURS = ("too_many_files",)
HINTS = {
    "work_unowned": "See its log; then: scheduler check-once",
    "run_unowned": "See its log; then: scheduler check-once",
    "outbox_stuck": "See: scheduler history show, and the log of the daemon that sends it.",
    "cursor_missing": "See its log; then: scheduler check-once",
    "shop_paused": "See: scheduler shops list",
    "notices_untold": "See: scheduler notices list",
    "notices_unset": 'Set it: [notices] to = "you@example.com"',
    "clock_skew": "Set the clock of this machine, or of the database's: see timedatectl.",
}


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
    breaches: Sequence[tuple[str, str]],
    unwell: str,
    way_out: str = "",
    unwell_code: str = "",
    leaked: int = 0,
    unreadable: int = 0,
    paused: Pause | None = None,
    refused: str = "",
) -> list[dict[str, str]]:
    """
    Return the problems, the worst first.

    *mode* is the delivery mode, *counts* those of the state file, *breaches* the invariants that do not hold, *unwell*
    what the database says when it does not answer (*unwell_code* is its code), and *way_out* what to do then; *refused*
    is why the configuration that was read again is not taken.
    """
    found: list[dict[str, str]] = []

    def add(code: str, message: str, hint: str) -> None:
        found.append({"code": code, "message": message, "hint": hint})

    if unwell:
        code = unwell_code if unwell_code in OURS else "database_unavailable"
        add(code, unwell, way_out or "See: scheduler db status")
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
    for code, message in breaches:
        add(code, message, HINTS[code])
    if unreadable:
        add("bad_schedule_row", f"{plural(unreadable, 'schedule')} cannot be read.", "See: scheduler reports list")
    if leaked:
        add("threads_leaked", f"{plural(leaked, 'thread')} hang.", "It starts anew by itself when there are too many.")
    failed = counts.get("failed_24h", 0)
    if failed:
        said = f"{plural(failed, 'report')} failed in the last 24 hours."
        add("reports_failed", said, "See: scheduler history list --status failed --status partial")
    # A failure of which nobody was told is worse than that nobody would be.
    return sorted(found, key=lambda problem: problem["code"] == "notices_unset")
