"""`scheduler reports`: schedules, looked at and changed."""

from typing import ClassVar

import click

from .groups import LazyGroup, Table, example


class Reports(LazyGroup):
    """The group of the commands about schedules; `next` alone loads no database."""

    table: ClassVar[Table] = {
        "add": ("report_forms", "add", "Add a schedule; without flags it asks."),
        "list": ("report_list", "list_reports", "List the reports: when each comes, and its state."),
        "why": ("report_why", "why", "Say why a report ran, did not run, or will not."),
        "next": ("report_next", "show_next", "Show the next moments of a report, of all, or of given rules."),
        "preview": ("report_preview", "preview", "Show the first rows of a report; nothing is recorded."),
        "run": ("report_run", "run_now", "Make a report now, or send it to one address as a test."),
        "backfill": ("report_backfill", "backfill", "Make a report for each of its occurrences in past days."),
        "edit": ("report_forms", "edit", "Change a report; nothing fires for the past."),
        "show": ("report_show", "show", "Show a schedule."),
        "pause": ("report_rest", "pause", "Let a report rest; what comes due is recorded as skipped."),
        "resume": ("report_rest", "resume", "Let a report go on; what was missed does not run."),
        "remove": ("report_rest", "remove", "Remove a report; its history stays."),
        "types": ("report_show", "types", "List the report types with their columns and filters."),
    }


@click.group(cls=Reports, epilog=example("reports add", "reports list", "reports why 'Weekly Sales'"))
def reports() -> None:
    """Add, list, edit, explain and run scheduled reports."""
