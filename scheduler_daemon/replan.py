"""Next moments computed anew: where there is none yet, where the rule was edited, where the zone data is another."""

from collections.abc import Sequence
from datetime import datetime

from .found import Found
from .lib.zones import zone_data
from .logs import say
from .planning import Planning
from .store import SeenSchedule
from .when import timetable

#: Rows looked at for edited rules in one check (25 ms); a large table is gone through in several.
SLICE = 150
#: The setting that holds the version of the zone data with which the next moments were computed, and, while they are
#: computed anew, behind which id that goes on.
ZONE_DATA = "zone_data"
#: Schedules looked at for new zone data in one check (about 2 s).
MOST_REPLANNED = 15_000
#: The setting that says behind which id the next look begins; in the database, so that a timer's checks go on too.
EDITS = "edits_after"


class Replanner:
    """Moves the cursors of schedules whose moments are no longer right; nothing fires for the past."""

    def __init__(self, planning: Planning) -> None:
        self.planning, self.store = planning, planning.store
        #: Ids of schedules that have no next moment and need none until the next check.
        self.settled: set[str] = set()

    def set_cursors(self, now: datetime, found: Found | None = None) -> int:
        """Give schedules without `nextRunAt` their first moment after now; nothing fires (DESIGN 6)."""
        found, moved = found or Found(), 0
        if self.planning.mode == "hold":
            return 0
        for seen in self.store.cursors.without_cursor(aside=self.settled):
            self.settled.add(seen.id)
            plan = self.planning.plan_row(seen, now, found)
            if plan is not None and plan.next_due_at is not None:
                self.planning.queue([(seen, plan)], now, found)
                self.settled.discard(seen.id)
                moved += 1
        return moved

    def find_edits(self, now: datetime) -> int:
        """Plan anew schedules whose rule was edited while their cursor is still ours; one slice a check."""
        if self.planning.mode == "hold":
            return 0
        begin = self.store.notebook.setting(EDITS)
        part = self.store.cursors.slice(begin, SLICE)
        end = part[-1].id if len(part) == SLICE else ""
        if end != begin:
            self.store.notebook.remember(EDITS, end)
        return self._plan_anew(part, now)

    def take_zone_data(self, now: datetime) -> int:
        """
        Go through all schedules where the zone data is another than at the last start, a part of them a check.

        A next moment that the new data moves is moved, by the key of its occurrence; return how many were.
        """
        version = zone_data()[0]
        before, _, behind = self.store.notebook.setting(ZONE_DATA).partition(" ")
        if self.planning.mode == "hold" or before == version:
            return 0
        if not before:  # a database that no daemon has worked on yet
            self.store.notebook.remember(ZONE_DATA, version)
            return 0
        moved = looked_at = 0
        while looked_at < MOST_REPLANNED:
            part = self.store.cursors.slice(behind, SLICE)
            moved, looked_at = moved + self._plan_anew(part, now), looked_at + len(part)
            if len(part) < SLICE:
                before, behind = version, ""
                break
            behind = part[-1].id
        self.store.notebook.remember(ZONE_DATA, f"{before} {behind}".strip())
        say("zone_data_changed", "warning", version=version, before=before, moved=moved, looked_at=looked_at)
        return moved

    def _plan_anew(self, part: Sequence[SeenSchedule], now: datetime) -> int:
        """Plan those of *part* whose cursor was computed with another rule or other zone data; return how many."""
        moved = 0
        pauses = self.store.pauses.all()
        for seen in part:
            if self._was_edited(seen) and (plan := self.planning.plan_row(seen, now, Found(), pauses)) is not None:
                self.planning.queue([(seen, plan)], now, Found())
                moved += 1
        return moved

    def _was_edited(self, seen: SeenSchedule) -> bool:
        """Whether an active schedule of ours has a cursor that was computed with a rule since edited."""
        schedule = seen.schedule
        if schedule is None or not schedule.active or seen.due_at is None:
            return False
        ours = schedule.report.type in self.store.cursors.types.values()
        return ours and timetable.is_stale(schedule, seen.shop_zone)
