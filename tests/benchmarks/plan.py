"""
The calendar itself: planning 100,000 due schedules, and `reports next` of 10,000 rules on standard input.

CPU time of this process (planning) or of the command's (next), start-up included. The schedules are of every kind of
rule, in twelve zones, each due once; planning is `timetable.plan` without the database.
"""

import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

from cronsim import CronSim

from scheduler_daemon.lib.zones import find_zone
from scheduler_daemon.model import Recurrence, Report, RuleKind, Schedule
from scheduler_daemon.when.recurrence import to_json
from scheduler_daemon.when.timetable import first_after, plan
from tests.benchmarks.measured import Row
from tests.benchmarks.processes import ROOT

SCHEDULES, LINES = 100_000, 10_000
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ZONES = (
    *("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago"),
    *("Asia/Tokyo", "America/Los_Angeles", "Africa/Casablanca", "Europe/London", "Asia/Beirut", "America/Havana"),
)
RULES = (
    Recurrence(RuleKind.DAILY, time="08:00"),
    Recurrence(RuleKind.WEEKLY, time="09:30", days=(1,)),
    Recurrence(RuleKind.MONTHLY, time="06:00", day=31),
    Recurrence(RuleKind.CRON, cron="15 9 * * 1-5"),
    Recurrence(RuleKind.HOURLY, minute=5),
    Recurrence(RuleKind.DAILY, time="08:00", also=("12:00", "18:00")),
    Recurrence(RuleKind.MONTHLY, time="17:00", on="last working day"),
    Recurrence(RuleKind.MINUTES, every=45),
    Recurrence(RuleKind.CRON, cron="*/20 * * * *"),
    Recurrence(RuleKind.WEEKLY, time="07:00", days=(5,), every=2, start="2026-01-05"),
)

#: Rules that cron can say, in place of those above.
CRONS = ("0 8 * * *", "30 9 * * 1", "0 6 31 * *", "15 9 * * 1-5", "5 * * * *", "0 8,12,18 * * *", "0 17 L * *")


def measure(quick: bool) -> list[Row]:
    """Measure both."""
    share = 10 if quick else 1
    return [_planning(SCHEDULES // share), _lines(LINES // share)]


def due_schedules(count: int) -> list[Schedule]:
    """Return *count* schedules, each due since its last occurrence before `NOW`."""
    made = []
    for number, (rule, zone) in enumerate(islice(zip(cycle(RULES), cycle(ZONES[:11]), strict=False), count)):
        upcoming = first_after(rule, find_zone(zone), NOW - timedelta(days=40))
        assert upcoming is not None
        fields: dict[str, Any] = {"zone": zone, "recipients": (), "next_due_at": upcoming.due_at}
        made.append(Schedule(f"s{number}", "a.myshopify.com", "S", Report("orders", "S"), rule, **fields))
    return made


def _planning(count: int) -> Row:
    due = due_schedules(count)
    started = time.process_time()
    for schedule in due:
        at = schedule.next_due_at
        assert at is not None
        if len(plan(schedule, at).to_run) != 1:
            raise RuntimeError(f"{schedule} was not planned once")
    took = time.process_time() - started
    beside = f"{took / count * 1e6:.0f} µs each, {len(RULES)} kinds of rules in {len(ZONES) - 1} zones; {_peer(count)}"
    return Row(f"planning {count:,} due schedules, CPU", took, "s", 5 * count / SCHEDULES, beside=beside)


def _peer(count: int) -> str:
    """Return what a cron library takes for one next moment each of rules as simple as ours; a plan needs two."""
    started = time.process_time()
    for text, zone in islice(zip(cycle(CRONS), cycle(ZONES[:11]), strict=False), count):
        next(CronSim(text, NOW.astimezone(find_zone(zone))))
    return f"cronsim, one next moment each: {time.process_time() - started:.3f} s"


def _lines(count: int) -> Row:
    asked = [
        json.dumps({"rule": to_json(rule), "zone": zone, "from": "2026-03-01T00:00:00Z", "count": 5})
        for rule, zone in islice(zip(cycle(RULES), cycle(ZONES[:11]), strict=False), count)
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-m", "scheduler_daemon", "reports", "next", "--json", "-"]
    done = subprocess.run(
        words, input="\n".join(asked), cwd=ROOT, env=dict(os.environ), check=True, stdout=subprocess.PIPE, text=True
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    answers = done.stdout.splitlines()
    if len(answers) != count or any("error" in json.loads(line) for line in answers):
        raise RuntimeError("not every rule was answered")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    beside = f"{cpu:.2f} s of CPU, start-up included, 5 moments each"
    return Row(f"reports next of {count:,} schedules", wall, "s", 2 if count == LINES else None, beside=beside)
