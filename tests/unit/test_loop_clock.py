"""When the daemon checks: aligned, in UTC whatever the host's zone, and not ended by a check that fails."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler_daemon.config.sections import Config, Daemon
from scheduler_daemon.loop_clock import CheckTimes, Ticker

ROOT = Path(__file__).parents[2]
MORNING = datetime(2026, 11, 25, 8, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("5m", "09:00:00", "09:05:00"),
        ("* * * * *", "09:00:00", "09:01:00"),
        ("*/10 * * * *", "09:00:00", "09:10:00"),
        ("0 * * * *", "09:00:00", "10:00:00"),
        ("0 9 * * *", "09:00:00", "09:00:00"),
        ("0 8 * * 1", "08:00:00", "08:00:00"),
    ],
)
def test_the_old_services_schedules_and_our_own_are_aligned(text: str, first: str, second: str) -> None:
    times = CheckTimes(text, "UTC")
    one = times.after(MORNING)
    two = times.after(one)
    assert (f"{one:%H:%M:%S}", f"{two:%H:%M:%S}") == (first, second)
    assert two > one > MORNING


def test_the_weekly_check_is_made_on_monday_in_its_zone() -> None:
    moment = CheckTimes("0 8 * * 1", "Europe/Paris").after(MORNING)
    assert moment == datetime(2026, 11, 30, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["five minutes", "* * * *", "61 * * * *", "300", "0s"])
def test_an_unreadable_schedule_prevents_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="check_every"):
        Daemon(check_every=text)


def test_checks_stay_five_minutes_apart_in_a_night_when_the_clock_goes_back() -> None:
    """The library alone stands still for an hour on such a host (notes on schedulers, finding 1)."""
    program = """
import time
from datetime import UTC, datetime, timedelta
from scheduler_daemon.loop_clock import CheckTimes, Ticker
made = Ticker(CheckTimes("5m"), lambda: None)
moment, found = datetime(2026, 11, 1, 4, 0, tzinfo=UTC), []
while moment < datetime(2026, 11, 1, 8, 0, tzinfo=UTC):
    moment = made.times.after(moment)
    made.arm(moment)
    assert made.next_at() == moment
    found.append(moment)
print(time.tzname[0], len(found), {(b - a).seconds for a, b in zip(found, found[1:])})
"""
    environ = {**os.environ, "TZ": "America/New_York", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 2) == ["UTC", "48", "{300}\n"]


def test_a_check_that_raises_is_armed_again() -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        raise RuntimeError("a defect")

    ticker = Ticker(CheckTimes("5m"), check)
    ticker.arm(datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(RuntimeError):
        ticker.run_pending()
    assert calls == [1]
    assert datetime.now(UTC) < ticker.next_at() <= datetime.now(UTC) + timedelta(minutes=5)


def test_a_configuration_read_again_is_taken_in_place_and_says_what_needs_a_restart() -> None:
    config, fresh = Config(), Config()
    daemon = config.daemon
    fresh.daemon.drain = timedelta(seconds=7)
    fresh.daemon.workers = 99
    fresh.notices.to = "ops@acme.example"
    changed, fixed = config.take(fresh)
    assert (changed, fixed) == (["daemon.drain", "notices"], ["daemon.workers"])
    assert (daemon.drain, daemon.workers, config.notices.to) == (timedelta(seconds=7), 8, "ops@acme.example")


def in_zone(zone: str, program: str) -> str:
    """Run *program* on a host in *zone*; return what it prints."""
    environ = {**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("zone", ["America/New_York", ":America/New_York", "/usr/share/zoneinfo/America/New_York"])
def test_cron_text_in_the_hosts_zone_follows_its_clock_and_outlasts_the_process_that_runs_on_utc(zone: str) -> None:
    if zone.startswith("/") and not Path(zone).exists():
        pytest.skip("this system has no zone data of its own")
    program = """
from datetime import UTC, datetime
from scheduler_daemon.loop_clock import CheckTimes, Ticker
Ticker(CheckTimes("5m"), lambda: None)  # from here on the process is on UTC; a reload then brings cron text
times = CheckTimes("0 9 * * *")
print(*(f"{times.after(datetime(2026, month, 20, tzinfo=UTC)):%H:%M}" for month in (1, 7)))
"""
    assert in_zone(zone, program) == "14:00 13:00"


def test_a_tz_that_is_no_zone_is_told_where_it_matters_and_a_rule_of_its_own_is_none() -> None:
    program = """
from scheduler_daemon.errors import UsageError
from scheduler_daemon.lib.zones import host_zone
from scheduler_daemon.loop_clock import CheckTimes
CheckTimes("5m"), CheckTimes("0 9 * * *", "Europe/Paris")
try:
    CheckTimes("0 9 * * *")
    print("taken", host_zone().unknown)
except UsageError as error:
    print(error.code, error.message)
"""
    assert in_zone("Nonsense/Zone", program).startswith("unknown_zone 'Nonsense/Zone' (in the environment's TZ)")
    for zone in ("", "UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3"):
        assert in_zone(zone, program) == "taken", zone
