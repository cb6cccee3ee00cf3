"""What to do about each error code that may stand in a run."""

import re

from ...errors import CODES
from ...model import Run
from ...store import SeenSchedule

#: By code; {id} is the schedule's, {shop} its shop's domain, {run} the run's.
HINTS = {
    "bad_schedule_row": "Correct its row in the app, or write it anew: scheduler reports edit {id} -h",
    "bad_run_row": "Its moment is over; to make it now: scheduler reports run {id}",
    "bad_shop_row": "Ask the shop anew: scheduler shops check {shop}",
    "unknown_zone": "Give it a zone that exists: scheduler reports edit {id} --zone Europe/Paris",
    "bad_recurrence": 'Give it a rule: scheduler reports edit {id} --every "monday 08:00"',
    "unknown_report_type": "Map the app's type under [types], or see: scheduler reports types",
    "unknown_format": "Choose another: scheduler reports edit {id} --format csv",
    "unknown_column": "Choose its columns anew: scheduler reports types; scheduler reports edit {id} --columns …",
    "unknown_period": "Choose another: scheduler reports types; scheduler reports edit {id} --period …",
    "bad_filter": "Correct it: scheduler reports types; scheduler reports edit {id} --filter name=value",
    "bad_condition": "Correct it: scheduler reports edit {id} --no-condition, with the right flags beside it",
    "condition_unmet": "To send it all the same: scheduler history rerun {run}",
    "bad_address": "Correct it: scheduler reports edit {id} --to name@example.com",
    "no_recipients": "Add one: scheduler reports edit {id} --to name@example.com",
    "unknown_channel": "Give it a channel that exists: scheduler reports edit {id} --folder",
    "no_session": "Open the app in the shop once, or run: scheduler shops add {shop}",
    "token_refused": "Open the app in the shop once, or run: scheduler shops add {shop}",
    "token_expired": "Check shopify.client_id and shopify.client_secret_file, or run: scheduler shops add {shop}",
    "scope_missing": "Grant the app the scope, then run: scheduler shops check {shop}",
    "shop_frozen": "The merchant must settle it with Shopify; then the shop goes on by itself.",
    "shop_not_found": "If it is gone for good: scheduler shops remove {shop}",
    "shop_unavailable": "Look at status.shopify.com, then run: scheduler shops check {shop}",
    "throttled": "Another program uses up the shop's rate limit; lower shopify.share, or run at a quieter hour.",
    "query_refused": "Another shopify.api_version may be needed; report it with scheduler history show {run}",
    "query_too_costly": "Choose fewer columns: scheduler reports edit {id} --columns …",
    "response_invalid": "Something between here and Shopify may have answered (a proxy); check shopify.proxy.",
    "timeout": "Raise shopify.timeout, or choose a shorter period.",
    "deadline_passed": "Raise daemon.deadline, or choose a shorter period: scheduler reports edit {id} --period …",
    "too_many_rows": "Choose a shorter period or csv: scheduler reports edit {id} --format csv",
    "render_failed": "Its log has the details; csv may work: scheduler reports edit {id} --format csv",
    "spool_missing": "Make it once more, with fresh data: scheduler history rerun {run}",
    "spool_full": "Make room in spool.dir, or shorten spool.keep.",
    "disk_full": "Make room; scheduler doctor shows where. Then: scheduler reports run {id}",
    "too_many_files": "Raise LimitNOFILE= in the unit (or ulimit -n), or lower daemon.workers; then: systemctl restart",
    "smtp_unavailable": "Check email.host and email.port: scheduler doctor",
    "smtp_auth": "Correct email.username and email.password_file: scheduler doctor",
    "smtp_refused": "Correct the address (or email.from): scheduler reports edit {id} --to name@example.com",
    "smtp_unknown": "Ask the recipient whether it came; if not: scheduler history resend {run} --missed",
    "message_too_big": "Choose fewer columns or a shorter period, or deliver to a folder: scheduler reports edit {id}",
    "folder_unavailable": "Check the owner and mode of folder.path: scheduler doctor",
    "channel_not_configured": "Write its section of the configuration: scheduler config example",
    "abandoned": "Its process was lost again and again (memory, kill -9?); look at its log, then try it alone: "
    "scheduler reports run {id}",
    "interrupted": "Nothing: it starts again as soon as a daemon runs.",
    "lease_lost": "Nothing: whoever took the shop over makes it. If it happens often, raise daemon.lease.",
    "cancelled": "Nothing; to make it all the same: scheduler reports run {id}",
    "internal": "A defect of ours: report it with the log and scheduler history show {run}",
    "database_unavailable": "See: scheduler doctor",
    "database_locked": "See: scheduler doctor",
    "database_readonly": "See: scheduler doctor",
}
#: Commands and keys of the configuration that a hint names; an error that names one of them has its hint already.
NAMED = re.compile(r"scheduler [a-z-]+ [a-z]+|\b(?:shopify|email|folder|spool|daemon)\.[a-z_]+")

assert CODES.keys() >= HINTS.keys()


def way_out_of(seen: SeenSchedule) -> str:
    """Return what to do about a schedule whose row cannot be used."""
    return HINTS.get(seen.problem_code, HINTS["bad_schedule_row"]).format(id=seen.id, shop=seen.shop, run="")


def hint_for(run: Run) -> str:
    """Return what to do about how *run* ended; empty where its error says so itself, or nothing is known."""
    text = HINTS.get(run.error_code or "", "")
    error = run.error or ""
    if any(word in error for word in NAMED.findall(text)):
        return ""
    return text.format(id=run.schedule_id, shop=run.shop, run=run.id)
