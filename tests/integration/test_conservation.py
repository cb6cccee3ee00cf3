"""
Rows = occurrences, through the real Planner on SQLite: random rules, outages, pauses, edits and clock steps.

The daemon's looks are played at moments of our own. What the rule asked for while the schedule had it (from the oracle)
must stand in the ledger, each exactly once, whatever happened in between; and nothing else may.
"""

import secrets
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler_daemon import tick
from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import CatchUp, Recurrence, Report, RuleKind, RunStatus, Schedule
from scheduler_daemon.pace import MOST_LATE, Pace
from scheduler_daemon.replan import ZONE_DATA
from scheduler_daemon.store import Store
from scheduler_daemon.tick import Planner
from scheduler_daemon.when import timetable
from scheduler_daemon.when.timetable import first_after, mark_of
from tests.conftest import open_test_store
from tests.unit.calendars import ODD, moments, oracle

RULES = (
    Recurrence(RuleKind.DAILY, time="00:30", also=("02:15", "12:00")),
    Recurrence(RuleKind.HOURLY, minute=10),
    Recurrence(RuleKind.MINUTES, every=50),
    Recurrence(RuleKind.CRON, cron="*/20 1-2 * * *"),
    Recurrence(RuleKind.CRON, cron="30 */3 * * *"),
    Recurrence(RuleKind.WEEKLY, time="23:45", days=(0, 2, 6)),
)
#: What happens, with how many minutes pass before it.
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["look", "look", "look", "back", "pause", "resume", "pause all", "resume all", "edit", "edit unseen"]
        ),
        st.integers(1, 60) | st.integers(60, 1500),
        st.sampled_from(RULES),
    ),
    min_size=4,
    max_size=12,
)


def add(store: Store, rule: Recurrence, zone: str, now: datetime, policy: CatchUp) -> Schedule:
    name = f"rs_{secrets.token_hex(6)}"
    made = Schedule(name, "test.myshopify.com", name, Report("orders", name), rule, zone, (), catch_up=policy)
    made = with_cursor(made, now)
    store.schedules.add(made, now)
    return made


def with_cursor(made: Schedule, now: datetime) -> Schedule:
    """Return it as `reports add` and `edit` do: planned from now on."""
    assert made.recurrence is not None
    upcoming = first_after(made.recurrence, find_zone(made.zone), now)
    cursor = upcoming.due_at if upcoming else None
    return replace(made, next_due_at=cursor, rule_hash=mark_of(made.recurrence, made.zone, upcoming))


class Play:
    """One schedule, one clock, and what the oracle says must stand in the ledger."""

    def __init__(self, store: Store, rule: Recurrence, zone: str, now: datetime, policy: CatchUp) -> None:
        self.store, self.now, self.rule, self.zone = store, now, rule, zone
        self.id = add(store, rule, zone, now, policy).id
        self.since = now
        self.planner = Planner(store, "live")
        self.wanted: list[str] = []

    def settle(self) -> None:
        """Look until all is planned, and take what was asked for since the last edit into what must stand there."""
        self.planner.check(self.now)
        self.drain()
        self.take_in()

    def drain(self) -> None:
        """Look again and again, as the daemon does, until nothing is behind."""
        while self.planner.queue_due(self.now).behind:
            continue

    def take_in(self) -> None:
        """Take what the rule asked for since the last edit into what must stand in the ledger."""
        zone = find_zone(self.zone)
        self.wanted += [key for key, _ in oracle(self.rule, zone, self.since, self.now)]
        self.since = self.now

    def take(self, what: str, minutes: int, rule: Recurrence) -> None:
        """Let *minutes* pass, then let it happen."""
        self.now += timedelta(minutes=minutes)
        if what == "look":
            self.planner.queue_due(self.now)
        elif what == "back":
            self.planner.queue_due(self.now - timedelta(hours=2))  # a clock that stood two hours behind
        elif what == "pause":
            self.store.schedules.pause(self.id, "x", self.now)
        elif what == "resume":
            self.drain()  # as the command does
            self.store.schedules.resume(self.id)
        elif what == "pause all":
            self.store.pauses.begin(self.now, self.now + timedelta(hours=5), "x")
        elif what == "resume all":
            self.store.pauses.end(self.now)
        else:
            if what == "edit":
                self.settle()
            else:  # no daemon has looked: the command writes down what came due
                self.planner.skip_due(self.store.schedules.find(self.id), self.now)
                self.take_in()
            seen = self.store.schedules.find(self.id).schedule
            assert seen is not None
            self.rule = rule
            self.store.schedules.edit(with_cursor(replace(seen, recurrence=rule), self.now), self.now)

    def rows(self) -> Counter[str]:
        found = self.store.engine.read(
            "SELECT occurrence_key FROM {ours}scheduler_run WHERE schedule_id = ?", (self.id,)
        )
        return Counter(str(row[0]) for row in found)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return one database for all examples: each example has a schedule of its own."""
    path: Path = tmp_path_factory.mktemp("conservation") / "scheduler.db"
    with open_test_store(f"sqlite:///{path}") as store:
        yield store


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ODD),
    now=moments(),
    policy=st.sampled_from(list(CatchUp)),
    story=steps,
)
def test_rows_are_occurrences_whatever_happens(
    lasting: Store, rule: Recurrence, zone: str, now: datetime, policy: CatchUp, story: list[Any]
) -> None:
    lasting.notebook.remember("pauses", "")
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    play = Play(lasting, rule, zone, now.replace(second=0, microsecond=0), policy)
    for what, minutes, other in story:
        play.take(what, minutes, other)
    play.settle()
    assert play.rows() == Counter(set(play.wanted))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ODD),
    now=moments(),
    policy=st.sampled_from(list(CatchUp)),
    story=steps,
)
def test_rows_are_occurrences_in_small_batches_too(
    lasting: Store, rule: Recurrence, zone: str, now: datetime, policy: CatchUp, story: list[Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "MOST_AT_ONCE", 7)
        test_rows_are_occurrences_whatever_happens.hypothesis.inner_test(  # type: ignore[attr-defined]
            lasting, rule, zone, now, policy, story
        )


def test_a_year_that_was_missed_is_queued_a_share_a_look_and_nobody_waits_for_it(lasting: Store) -> None:
    lasting.notebook.remember("pauses", "")
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    begin = datetime(2025, 11, 23, 8, 0, 30, tzinfo=UTC)
    many = [Play(lasting, RULES[1], "Europe/Paris", begin, CatchUp.ALL) for _ in range(2)]
    play = many[0]
    play.now = begin + timedelta(days=365, minutes=10)
    good = Play(lasting, RULES[1], "Europe/Paris", play.now - timedelta(minutes=11), CatchUp.LATEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tick, "PAGE", 2)  # the two that are behind fill a page
        patch.setattr(lasting.cursors, "due", partial(lasting.cursors.due, limit=2))
        found = play.planner.queue_due(play.now)
    assert (found.due, found.behind, sum(good.rows().values())) == (3, 2, 1)
    assert sum(play.rows().values()) == timetable.MOST_AT_ONCE + 1
    assert max(play.rows()) == "2026-11-23T08:10Z"  # the one on time is among them
    looks = 1
    while play.planner.queue_due(play.now).behind:
        looks += 1
    assert (sum(play.rows().values()), looks) == (365 * 24 + 1, 29)
    assert {run.status for run in lasting.history.last_of(play.id, 9000)} == {RunStatus.QUEUED}


def test_the_daemon_takes_in_what_is_late_at_a_pace_and_nobody_waits_for_it(lasting: Store) -> None:
    lasting.notebook.remember("pauses", "")
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    begin = datetime(2026, 1, 1, 8, 0, 30, tzinfo=UTC)
    far = [Play(lasting, RULES[1], "Europe/Paris", begin, CatchUp.ALL) for _ in range(13)]
    now = begin + timedelta(days=150, minutes=11)
    planner, rest = Planner(lasting, "live"), timedelta(seconds=1)
    planner.pace = Pace(rest)

    def rows(plays: list[Play]) -> int:
        return sum(sum(play.rows().values()) for play in plays)

    missed_one = [Play(lasting, RULES[1], "Europe/Paris", now - timedelta(minutes=m), CatchUp.ALL) for m in (13, 40)]
    looks = [planner.queue_due(now)]
    assert (looks[0].due, rows(missed_one)) == (12, 2)  # those that missed little are served first
    assert MOST_LATE <= rows(far) <= MOST_LATE + timetable.MOST_AT_ONCE
    # What is late rests: asked again at once there is nothing to do, and the loop may sleep to the next turn.
    turn = planner.next_look_at(now)
    assert turn is not None
    assert turn >= now + rest
    before = rows(far)
    assert (planner.queue_due(now + rest / 2).due, rows(far)) == (0, before)
    # Whoever comes due meanwhile starts at that moment.
    on_time = Play(lasting, RULES[2], "Europe/Paris", now, CatchUp.LATEST)
    due_at = lasting.schedules.find(on_time.id).due_at
    assert due_at is not None
    planner.pace.turn = due_at + rest / 2
    assert planner.next_look_at(due_at - rest / 4) == due_at
    assert (planner.queue_due(due_at).queued, rows([on_time]), rows(far)) == (1, 1, before)
    # A clock that is set back does not make it rest for hours.
    planner.pace.turn = now + timedelta(hours=2)
    assert not planner.pace.rests(now)
    now = due_at + timedelta(hours=1)
    # A look lasts as long as the machine lets it, and the next begins that much later.
    while planner.pace.turn is not None:
        now = max(now, planner.next_look_at(now) or now)
        looks.append(planner.queue_due(now))
        assert len(looks) < 40
    hours = 150 * 24 + 2
    assert {sum(play.rows().values()) for play in far} == {hours}
    assert len(looks) > 13 * hours // (MOST_LATE + timetable.MOST_AT_ONCE)


def test_resuming_does_not_flood(lasting: Store) -> None:
    lasting.notebook.remember("pauses", "")
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    now = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC)
    play = Play(lasting, RULES[1], "Europe/Paris", now, CatchUp.ALL)
    lasting.pauses.begin(now, None, "moving")
    play.now = now + timedelta(days=3)  # no daemon looked meanwhile
    lasting.pauses.end(play.now)
    assert play.planner.queue_due(play.now).queued == 0
    reasons = {run.reason for run in lasting.history.last_of(play.id, 500)}
    assert (reasons, sum(play.rows().values())) == ({"paused"}, 72)


def test_a_pause_that_ends_by_itself_lets_the_next_occurrence_run(lasting: Store) -> None:
    lasting.notebook.remember("pauses", "")
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    now = datetime(2026, 11, 24, 8, 0, 30, tzinfo=UTC)
    play = Play(lasting, RULES[1], "Europe/Paris", now, CatchUp.LATEST)
    lasting.pauses.begin(now, now + timedelta(minutes=90), "")
    for minutes in (10, 70, 130):
        play.planner.queue_due(now + timedelta(minutes=minutes))
    found = {run.occurrence_key[11:]: (run.status, run.reason) for run in lasting.history.last_of(play.id, 10)}
    assert found == {
        "08:10Z": (RunStatus.SKIPPED, "paused"),
        "09:10Z": (RunStatus.SKIPPED, "paused"),
        "10:10Z": (RunStatus.QUEUED, None),
    }


def test_new_zone_data_plans_next_moments_anew(lasting: Store) -> None:
    lasting.engine.write('DELETE FROM {app}"ReportSchedule"')
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    play = Play(lasting, Recurrence(RuleKind.DAILY, time="08:00"), "Europe/Paris", now, CatchUp.LATEST)
    athens = first_after(Recurrence(RuleKind.DAILY, time="08:00"), find_zone("Europe/Athens"), now)
    assert athens is not None
    seen = lasting.schedules.find(play.id).schedule
    assert seen is not None
    mark = mark_of(seen.recurrence, "Europe/Paris", athens)  # as if Paris had been where Athens is
    lasting.schedules.edit(replace(seen, next_due_at=athens.due_at, rule_hash=mark), now)
    lasting.notebook.remember(ZONE_DATA, "2020a")
    assert play.planner.replanner.take_zone_data(now) == 1
    assert lasting.schedules.find(play.id).due_at == datetime(2026, 11, 24, 7, tzinfo=UTC)
    assert play.rows() == Counter()
    assert play.planner.replanner.take_zone_data(now) == 0
