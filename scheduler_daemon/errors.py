"""
The errors, each with a stable code, a sentence and a way out.

    SchedulerError
    |-- UsageError            an argument is wrong                                exit 2
    |-- ConfigError           the configuration is wrong; all problems at once    exit 2
    |-- StoreError            the database cannot be used                         exit 3
    |-- AlreadyRunning        another daemon holds the state file                 exit 4
    |-- LeaseLost             the shop's lease is no longer ours; results are thrown away
    `-- RunError              one attempt of a run failed
        |-- SourceError       rows could not be fetched
        |   |-- SessionError  the shop's access is missing or refused
        |   `-- Throttled     the API asked us to wait; consumes no attempt
        |-- RenderError       the file could not be made
        `-- DeliveryError     the file could not be handed over

A *code* is stable: it stands in the database, in JSON and in tests; the README lists each.
"""

from collections.abc import Sequence

#: Every code that may stand in a row, in JSON or on the screen, with what it means.
CODES: dict[str, str] = {
    "usage": "An argument of the command is wrong.",
    "config_invalid": "The configuration has a problem; each is listed with its key.",
    "config_refused": "The configuration was read again and is refused; the daemon goes on with the old one.",
    "unknown_shop": "No such shop, or not a domain of the form name.myshopify.com.",
    "unknown_schedule": "No such schedule.",
    "unknown_run": "No such run in the history.",
    "unknown_report_type": "No such report type, or the app's type is mapped to none.",
    "unknown_format": "No such file format.",
    "unknown_channel": "No such channel.",
    "unknown_column": "The report type has no such column.",
    "unknown_period": "No such period.",
    "unknown_comparison": "No such comparison, or nothing lies before to compare with.",
    "unknown_zone": "No such time zone.",
    "bad_recurrence": "The recurrence cannot be read or never comes due.",
    "bad_filter": "A filter is unknown or its value cannot be read.",
    "bad_address": "A recipient's address cannot be read.",
    "bad_shop_row": "What is known of a shop cannot be used.",
    "bad_schedule_row": "A row of the schedule table cannot be read.",
    "bad_run_row": "A row of the ledger cannot be read.",
    "no_recipients": "The schedule has nobody to deliver to.",
    "database_unavailable": "The database does not answer or cannot be opened.",
    "database_locked": "Another program holds the database's lock for too long.",
    "database_readonly": "The database cannot be written.",
    "database_newer": "The database was written by a newer version of this program.",
    "database_foreign": "The file is not a database of the kind expected.",
    "database_owner": "The database or its folder belongs to another user.",
    "database_network": "The database lies on a network file system, where SQLite is not safe.",
    "database_outdated": "The database needs `scheduler db upgrade`.",
    "disk_full": "There is no space left where a file must be written.",
    "too_many_files": "The process may open no more files and connections: its limit is too low.",
    "already_running": "Another daemon holds the state file.",
    "lease_lost": "The shop's lease went to another holder; this attempt's results were thrown away.",
    "no_session": "The shop has no offline session.",
    "token_refused": "Shopify refused the token.",
    "token_expired": "The token expired and could not be renewed.",
    "scope_missing": "The token lacks a scope that the report needs.",
    "shop_frozen": "Shopify says that the shop is frozen or locked.",
    "shop_not_found": "Shopify knows no such shop, or it is gone.",
    "shop_unavailable": "Shopify did not answer, or answered with an error of its own.",
    "throttled": "Shopify asked to wait.",
    "query_refused": "Shopify refused the query itself; it will not work unchanged.",
    "query_too_costly": "The query costs more points than one may have.",
    "response_invalid": "The answer was not what the API promises.",
    "timeout": "An answer took longer than allowed.",
    "deadline_passed": "The attempt took longer than its deadline.",
    "too_many_rows": "More rows than the API or the format can carry.",
    "render_failed": "The file could not be made.",
    "spool_missing": "The file is no longer in the spool.",
    "spool_full": "The spool has no room for the file.",
    "smtp_unavailable": "The mail server does not answer.",
    "smtp_auth": "The mail server refused the user name or password.",
    "smtp_refused": "The mail server refused the sender, the recipient or the message.",
    "smtp_unknown": "The connection ended before the mail server's answer; it may have gone out.",
    "message_too_big": "The message is bigger than the mail server takes.",
    "folder_unavailable": "The folder cannot be written.",
    "channel_not_configured": "The channel has no settings in the configuration.",
    "abandoned": "The run lost its process too often.",
    "delivery_held": "Delivery is on hold until `scheduler go-live`.",
    "paused": "Everything is paused until a moment, or until `scheduler resume`.",
    "reports_failed": "Reports failed in the last 24 hours.",
    "reports_late": "Reports have been waiting for another try for over an hour.",
    "overdue": "A report is due and was not queued in time.",
    "state_lost": "The state file went to another daemon; this one goes on without.",
    "state_unwritable": "The state file cannot be written.",
    "work_unowned": "Work waits for a shop that nobody holds, while slots are free.",
    "run_unowned": "A run lost its process and was not taken back in time.",
    "cursor_missing": "An active schedule has no next moment, though its rule has one.",
    "outbox_stuck": "A delivery is being sent for longer than any may take.",
    "clock_skew": "This machine's clock and the database's differ by seconds.",
    "threads_leaked": "Threads hang beyond their deadline and were given up on.",
    "notices_unset": "Nobody is told of trouble where a schedule has no owner, or no mail server is set.",
    "notices_untold": "Notices of trouble cannot be sent.",
    "command_failed": "The program that is told of trouble cannot be run, failed, or took too long.",
    "shop_paused": "A shop was paused because Shopify refuses it; it goes on by itself.",
    "cancelled": "A person cancelled it.",
    "run_finished": "The run is over; nothing of it can be stopped.",
    "run_unfinished": "The run is not over yet.",
    "condition_unmet": "The report's condition was not met.",
    "bad_condition": "A condition cannot be read, or names a column without a total.",
    "interrupted": "The daemon stopped before the attempt was done.",
    "internal": "A defect of this program; the log has the details.",
}


class SchedulerError(Exception):
    """
    The base of all expected errors: *message* says what happened, with which value.

    *code* is one of `CODES`; *hint* says what to do.
    """

    code: str = "internal"
    exit_code: int = 1

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code
        assert self.code in CODES, self.code


class UsageError(SchedulerError):
    """An argument is wrong."""

    code = "usage"
    exit_code = 2


class ConfigError(SchedulerError):
    """The configuration is wrong; *problems* has all of them as (key path, sentence)."""

    code = "config_invalid"
    exit_code = 2

    def __init__(self, message: str, *, problems: Sequence[tuple[str, str]] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class StoreError(SchedulerError):
    """The database cannot be used; *retryable* where waiting may help."""

    code = "database_unavailable"
    exit_code = 3

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retryable = retryable


class AlreadyRunning(SchedulerError):
    """Another daemon holds the state file."""

    code = "already_running"
    exit_code = 4


class LeaseLost(SchedulerError):
    """The shop's lease is no longer ours: whatever this attempt made is thrown away."""

    code = "lease_lost"


class RunError(SchedulerError):
    """
    One attempt of a run failed.

    *retryable* says that a later attempt may succeed; *retry_after* is the shortest wait that
    the other side asked for, in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retryable = retryable
        self.retry_after = retry_after


class SourceError(RunError):
    """Rows could not be fetched."""

    code = "shop_unavailable"


class SessionError(SourceError):
    """The shop's access is missing or refused; a person must act."""

    code = "no_session"


class Throttled(SourceError):
    """The API asked us to wait longer than an attempt may; consumes no attempt."""

    code = "throttled"

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint, retryable=True, retry_after=retry_after)


class RenderError(RunError):
    """The file could not be made."""

    code = "render_failed"


class DeliveryError(RunError):
    """
    The file could not be handed over to one recipient.

    *ambiguous* says that it may have gone out all the same: such a delivery is `unknown`.
    """

    code = "smtp_unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message, code=code, hint=hint, retryable=retryable, retry_after=retry_after)
        self.ambiguous = ambiguous


def with_hint(error: SchedulerError) -> str:
    """Return what stands in the ledger of *error*: what happened and what to do."""
    return f"{error.message} {error.hint}".strip()


def in_full(error: SchedulerError) -> str:
    """Return the message of *error* with each of its problems, where it has some."""
    problems = "; ".join(f"{key}: {text}" if key else text for key, text in getattr(error, "problems", ()))
    return f"{error.message} {problems}".strip()
