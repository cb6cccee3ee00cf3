"""From a run to its finished file: session, fetch, render, spool. Whoever calls: the daemon, a person, a retry."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from .access import ShopAccess
from .compare import fetch_compared
from .condition import check_condition
from .config import Config
from .errors import RunError, UsageError
from .lib.clock import monotonic, utc_now
from .lib.files import safe_name
from .lib.zones import find_zone
from .model import About, Period, Report, ReportFile, Run, Schedule, Table, Trigger
from .renderers import open_renderer
from .renderers.child import needs_child, render_in_child
from .sources import open_source
from .sources.base import Ask
from .spool import Spool, disk_faults
from .store import Store
from .threads import Hold
from .when.comparison import check_comparison
from .when.period import find_period

#: A report that starts this long after its moment says why.
LATE = timedelta(minutes=5)
#: Free bytes without which no report is begun.
SPACE = 50_000_000
#: What nobody has written to for this long, and for `daemon.deadline`, was left by a process that was killed.
ATTEMPT = timedelta(hours=1)

Made = TypeVar("Made")


@dataclass(slots=True)
class Preparer:
    """Makes report files: all that fetching and rendering need, composed once."""

    config: Config
    access: ShopAccess
    spool: Spool

    def make(
        self, run: Run, hold: Hold, timings: dict[str, float], judge: Callable[[Run, Hold, Table], None] | None = None
    ) -> ReportFile:
        """
        Return the run's finished file: the one in the spool where an earlier attempt made it, else a new one.

        *judge* is asked about the fetched table and raises where nothing is to be made of it. Raise RunError, LeaseLost
        or Stopped; *timings* takes the seconds of each step.
        """
        if run.report is None:
            raise RunError("What was asked for cannot be read from the ledger.", code="bad_schedule_row")
        renderer = open_renderer(run.report.format, run.report.format_options)
        if run.spool_path:
            with suppress(RunError):  # gone (a container restarted): the same period is fetched again
                return self.spool.open_file(run, renderer.media_type)
        self._require_space()
        ask, table = self._timed("fetch", timings, hold, lambda: self._fetch(run, run.report, hold))
        hold.check()
        if judge is not None:
            judge(run, hold, table)
        if run.report.compare:
            table = self._timed("compare", timings, hold, lambda: self._compare(run, ask, table, hold))
        return self._timed("render", timings, hold, lambda: self._render(run, table, renderer, hold))

    def _require_space(self) -> None:
        """Raise RunError without room in the spool; at the quota, files of finished runs make room at once."""
        quota = self.config.spool.quota
        try:
            self.spool.require_space(SPACE, quota)
        except RunError as error:
            if error.code != "spool_full":
                raise
            sweep(self.spool, self.config, self.access.store, utc_now())
            self.spool.require_space(SPACE, quota)

    def find(self, run: Run) -> ReportFile:
        """Return the file of a run that was made; raise RunError `spool_missing` unless it is there, byte for byte."""
        if run.report is None:
            raise RunError("What was asked for cannot be read from the ledger.", code="bad_schedule_row")
        return self.spool.open_file(run, open_renderer(run.report.format, run.report.format_options).media_type)

    def _timed(self, step: str, timings: dict[str, float], hold: Hold, do: Callable[[], Made]) -> Made:
        hold.step = step
        started = monotonic()
        try:
            return do()
        finally:
            timings[step] = round(monotonic() - started, 3)

    # Fetch ----------------------------------------------------------------------------------------------------------

    def _fetch(self, run: Run, report: Report | None, hold: Hold) -> tuple[Ask, Table]:
        assert report is not None
        check_comparison(report)
        source = open_source(report.type)
        now = utc_now()
        api, shop = self.access.open_shop(run.shop, now, hold.pause)
        zone = run.zone or shop.zone or "UTC"
        period = self.period(run, report, zone)
        ask = Ask(report, period, shop, api, run.due_at, now, hold.check)
        table = source.fetch(ask)
        late = late_because(run, now, zone)
        notes = table.about.notes
        if not (run.zone or shop.zone):
            notes = (*notes, "Neither the schedule nor the shop has a time zone; UTC was taken.")
        about = replace(table.about, late_because=late, notes=notes)
        return ask, self.spool.write_rows(run.id, Table(table.columns, table.rows, about))

    def _compare(self, run: Run, ask: Ask, table: Table, hold: Hold) -> Table:
        """Return *table* with what it is compared with, asked once the report is sure to be sent."""
        about = replace(table.about, compared=fetch_compared(ask, utc_now()))
        hold.check()
        return self.spool.write_about(run.id, replace(table, about=about))

    def period(self, run: Run, report: Report, zone: str) -> Period:
        """
        Return what the run's report is about; raise RunError or UsageError where that cannot be said.

        A run that has its period keeps it: its file is made anew, or it is the re-run of one that had it.
        """
        if run.period_start is not None and run.period_end is not None:
            return Period(report.period, run.period_start, run.period_end, zone)
        return self._find(report, run.schedule_id, run.shop, run.due_at, zone)

    def period_of(self, schedule: Schedule, due_at: datetime, zone: str) -> Period:
        """Return what a report of *schedule* due at *due_at* would be about; raise RunError or UsageError."""
        return self._find(schedule.report, schedule.id, schedule.shop, due_at, zone)

    def _find(self, report: Report, schedule_id: str, shop: str, due_at: datetime, zone: str) -> Period:
        since = report.period == "since_last_success"
        mark = self.access.store.schedules.mark(schedule_id) if since else None
        return find_period(report, due_at, zone, week_start=self.config.reports.first_day(shop), mark=mark)

    # Render ---------------------------------------------------------------------------------------------------------

    def _render(self, run: Run, table: Table, renderer: Any, hold: Hold) -> ReportFile:
        assert run.report is not None
        with self.spool.making(run.id, renderer.extension) as temp:
            if needs_child(run.report.format, table.about.row_count):
                folder = self.spool.folder(run.id)
                render_in_child(run.report.format, run.report.format_options, folder, temp, hold.check)
            else:
                watched = Table(table.columns, _Watched(table.rows, hold.check), table.about)
                with disk_faults(temp, "render_failed"):
                    renderer.render(watched, temp)
            name = file_name(table.about, renderer.extension)
            file = self.spool.finish_file(run.id, temp, name, renderer.media_type, table)
        self.spool.discard_rows(run.id)
        return file


class _Watched:
    """Rows that look every thousand whether the attempt may go on."""

    def __init__(self, rows: Any, check: Callable[[], None]) -> None:
        self.rows, self.check = rows, check

    def __iter__(self) -> Any:
        for number, row in enumerate(self.rows):
            if number % 1000 == 0:
                self.check()
            yield row


def file_name(about: About, extension: str) -> str:
    """Return the name people see: title and the period's first day, in the report's zone."""
    first = about.period.start.astimezone(find_zone(about.zone))
    return f"{safe_name(about.title.lower())}-{first:%Y-%m-%d}.{extension}"


def late_because(run: Run, now: datetime, zone_name: str) -> str | None:
    """
    Return why the report comes late, as the end of "late because ..."; None where it does not.

    The due moment is told in the report's zone; no error text is ever in it, because recipients read it.
    """
    asked = run.due_at if run.attempt > 1 else max(run.due_at, run.not_before)  # the schedule's jitter is no lateness
    if now - asked < LATE or run.trigger is not Trigger.SCHEDULE:
        return None
    due = f"{run.due_at.astimezone(find_zone(zone_name)):%d %b %H:%M %Z}"
    if run.attempt > 1:
        return f"an earlier attempt did not succeed; it was due {due}."
    if run.queued_at - run.due_at >= LATE:
        return f"the scheduler was not running when it was due, {due}."
    return f"other reports of the shop came first; it was due {due}."


def sweep(spool: Spool, config: Config, store: Store, now: datetime) -> int:
    """Remove the files that `spool.keep` and `spool.quota` no longer allow; return the number of runs."""
    settings, attempt = config.spool, max(config.daemon.deadline, ATTEMPT)
    return spool.sweep(settings.keep, now, store.history.open_runs, settings.quota, attempt)


def check_report(report: Report) -> None:
    """Raise UsageError where the report's type, format, columns, filters, period or comparison is wrong."""
    from .sources.base import choose_columns, read_filters
    from .when.period import check_period

    source = open_source(report.type)
    open_renderer(report.format, report.format_options)
    columns = choose_columns(source, report, None)
    read_filters(source, report.filters)
    check_period(report)
    check_comparison(report)
    check_condition(report.condition, columns)
    if not report.title.strip():
        raise UsageError("A report needs a name.")
