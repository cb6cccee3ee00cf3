"""What a person looks at before, and makes afterwards: preview, dry run, backfill."""

import json
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_daemon.model import Overlap, Recipient, Recurrence, Report, RuleKind, RunStatus, Schedule, Trigger
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.end_to_end.test_old_service import Place, place, wait_for
from tests.making import DAILY, SHOP, make_schedule, now, set_cursor

__all__ = ["bare", "desk", "place", "shop"]


def tables(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    apps = ['{app}"ReportSchedule"', '{app}"Session"']
    names = ("schedule", "shop", "run", "attempt", "delivery", "setting", "node", "notice")
    found = (*apps, *(f"{{ours}}scheduler_{name}" for name in names))
    return {name: sorted(store.engine.read(f"SELECT * FROM {name}"), key=str) for name in found}


def unchanged(desk: Desk, do: Callable[[], Any]) -> Any:
    """Return what *do* returns; nothing in the database, the spool and the folders may change."""

    def all_there_is() -> Any:
        files = sorted(str(path) for path in desk.root.rglob("*") if not path.name.startswith("scheduler.db"))
        with desk.store() as store:
            return tables(store), files

    before = all_there_is()
    made = do()
    assert all_there_is() == before
    return made


# Preview ------------------------------------------------------------------------------------------------------------


@THREE
def test_a_preview_shows_the_first_rows_and_leaves_no_trace(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    asked = len(desk.simulator.shop(SHOP).log)
    done = unchanged(desk, lambda: desk.type("reports", "preview", "weekly-sales", "--rows", "3", "--json"))
    assert done.code == 0, done
    assert len(desk.simulator.shop(SHOP).log) - asked == 1
    assert (len(done.data["rows"]), done.data["complete"]) == (3, False)
    assert [column["key"] for column in done.data["columns"]][:2] == ["name", "created"]
    run = desk.type("reports", "run", "weekly-sales", "--json").data
    file = next((desk.root / "reports").rglob("*.csv")).read_text(encoding="utf-8-sig").splitlines()
    assert [row[0] for row in done.data["rows"]] == [line.partition(",")[0] for line in file[1:4]]
    assert run["rows"] == len(file) - 1
    everything = desk.type("reports", "preview", "weekly-sales", "--rows", "100", "--json").data
    assert (len(everything["rows"]), everything["complete"]) == (min(100, run["rows"]), run["rows"] <= 100)


def test_a_preview_for_people_and_as_a_page(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    said = desk.type("reports", "preview", "weekly-sales", "--rows", "2", "--html", "page.html").out.splitlines()
    assert said[0].split()[:2] == ["Order", "Created"]
    assert any(line.startswith("Rows     the first 2 of more, ") for line in said)
    page = (desk.root / "page.html").read_text(encoding="utf-8")
    assert "A preview: the first rows alone, and no totals." in page
    refused = desk.type("reports", "preview", "weekly-sales", "--html", "nowhere/page.html")
    assert (refused.code, "nowhere/page.html cannot be written" in refused.err) == (2, True)


def test_a_preview_of_sums_reads_one_page_and_says_that_they_are_not_all(desk: Desk) -> None:
    report = Report("sales-by-product", "Products", "csv", "last_30_days")
    with desk.store() as store:
        make_schedule(store, name="Products", report=report)
    from scheduler_daemon.sources import paging

    desk.monkeypatch.setattr(paging, "PAGE", 20)
    asked = len(desk.simulator.shop(SHOP).log)
    done = desk.type("reports", "preview", "products", "--json")
    assert done.code == 0, done
    assert len(desk.simulator.shop(SHOP).log) - asked == 1
    assert done.data["notes"][0].startswith("These figures are of the first orders alone")


def test_a_preview_without_access_says_so(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
        make_schedule(store, name="Elsewhere", shop="other.myshopify.com")
    desk.simulator.shop(SHOP).revoke()
    for name, code in (("weekly-sales", "token_refused"), ("elsewhere", "no_session")):
        done = desk.type("reports", "preview", name, "--json")
        assert (done.code, done.json["error"]["code"]) == (1, code)
    with desk.store() as store:
        assert store.history.latest() == []


# Dry run ------------------------------------------------------------------------------------------------------------


@THREE
def test_a_dry_run_tells_all_that_a_check_would_do_and_does_nothing(desk: Desk) -> None:
    hourly = Recurrence(RuleKind.HOURLY, minute=0)
    past = (now() - timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
    with desk.store() as store:
        late = make_schedule(store, name="Late", recurrence=hourly, zone="UTC", next_due_at=past)
        make_schedule(store, name="Punctual", recipients=(Recipient("email", "a@acme.example"),))
        waits = make_schedule(store, name="Waits", overlap=Overlap.SKIP)
        store.queueing.queue_by_hand(waits, "manual:x", now() - timedelta(minutes=1))
        bad = make_schedule(store, name="Bad")
        store.engine.write('UPDATE {app}"ReportSchedule" SET "recipients" = ? WHERE "id" = ?', ("no", bad.id))
    done = unchanged(desk, lambda: desk.type("check-once", "--dry-run", "--json"))
    assert done.code == 0
    found = {item["report"]: item for item in done.data}
    assert {name: len(item["runs"]) for name, item in found.items()} == {"Late": 1, "Punctual": 1, "Waits": 0, "Bad": 0}
    assert {item["reason"] for item in found["Late"]["skipped"]} == {"coalesced"}
    assert len(found["Late"]["skipped"]) == 5
    assert found["Punctual"]["recipients"] == [{"channel": "email", "address": "a@acme.example", "role": "to"}]
    (run,) = found["Punctual"]["runs"]
    days = datetime.fromisoformat(run["period_to"]) - datetime.fromisoformat(run["period_from"])
    assert timedelta(days=6, hours=22) < days < timedelta(days=7, hours=2)
    assert found["Waits"]["skipped"][0]["reason"] == "overlapped"
    assert "cannot be read" in found["Bad"]["problem"]
    assert [item["report"] for item in done.json["waiting"]] == ["Waits"]
    text = unchanged(desk, lambda: desk.type("check-once", "--dry-run")).out
    assert "and 4 more  would be skipped: coalesced" in text
    assert "queued before" in text
    assert text.splitlines()[-1].startswith("4 reports due, 2 runs would start, 6 occurrences would be skipped, ")
    # And that is what a check then does.
    desk.type("check-once")
    with desk.store() as store:
        assert [r.occurrence_key for r in store.history.last_of(late.id, 9) if r.status is not RunStatus.SKIPPED] == [
            found["Late"]["runs"][0]["key"]
        ]


# Backfill -----------------------------------------------------------------------------------------------------------


def daily(store: Store, **changes: Any) -> Schedule:
    report = Report("orders", "Daily", "csv", "yesterday")
    return make_schedule(store, name="Daily", report=report, next_due_at=now() + timedelta(days=1), **changes)


def span(first: int, last: int) -> tuple[str, ...]:
    """Return the flags for the days from *first* to *last* days ago, in UTC or nearly."""
    today = datetime.now(UTC).date()
    return ("--from", f"{today - timedelta(days=first)}", "--to", f"{today - timedelta(days=last)}")


@THREE
def test_a_backfill_makes_each_day_once_with_its_own_period(desk: Desk) -> None:
    with desk.store() as store:
        schedule = daily(store)
    done = desk.type("reports", "backfill", "daily", *span(5, 3), "--yes", "--json")
    assert done.code == 0, done
    assert (len(done.data), done.json["queued"]) == (3, 3)
    again = desk.type("reports", "backfill", "daily", *span(6, 3), "--yes", "--json")
    assert (len(again.data), again.json["queued"]) == (1, 1)
    assert {item["why"] for item in again.json["left_out"]} == {"backfilled before: succeeded"}
    with desk.store() as store:
        runs = sorted(store.history.last_of(schedule.id, 10), key=lambda run: run.due_at)
        cursor = store.schedules.find(schedule.id).due_at
    assert cursor is not None
    assert cursor > now()
    assert [run.trigger for run in runs] == [Trigger.BACKFILL] * 4
    assert [run.occurrence_key[-5:] for run in runs] == ["08:00"] * 4
    ends = [run.period_end for run in runs]
    assert [run.period_start for run in runs][1:] == ends[:-1]
    assert desk.type("reports", "backfill", "daily", *span(5, 3)).out == "Nothing to make.\n"


@THREE
def test_what_succeeded_as_scheduled_is_left_out_unless_asked_for(desk: Desk) -> None:
    with desk.store() as store:
        schedule = daily(store)
        moment = (now() - timedelta(days=2)).astimezone(UTC).replace(hour=7, minute=0, second=0, microsecond=0)
        from scheduler_daemon.when.timetable import first_after, zone_of

        due = first_after(DAILY, zone_of(schedule, None)[1], moment - timedelta(hours=12))
        assert due is not None
        set_cursor(store, due.due_at, schedule.id)
    assert desk.type("check-once").code == 0
    done = desk.type("reports", "backfill", "daily", *span(3, 0), "--yes", "--json")
    assert done.code == 0
    assert "succeeded as scheduled" in {item["why"] for item in done.json["left_out"]}
    more = desk.type("reports", "backfill", "daily", *span(3, 0), "--yes", "--again", "--json")
    assert more.json["queued"] == sum(item["why"] == "succeeded as scheduled" for item in done.json["left_out"])


def test_a_backfill_asks_first_and_may_be_left_to_a_daemon(desk: Desk) -> None:
    with desk.store() as store:
        schedule = daily(store)
    asked = desk.type("reports", "backfill", "daily", *span(4, 3))
    assert (asked.code, "Nobody is there to confirm" in asked.err, asked.err.count("08:00")) == (2, True, 2)
    with desk.store() as store:
        assert store.history.last_of(schedule.id) == []
    assert desk.type("reports", "backfill", "daily", *span(4, 3), "--yes", "--no-wait").out.startswith("Queued   2 ")
    joined = desk.type("reports", "backfill", "daily", *span(4, 3), "--json")
    assert (joined.code, len(joined.data), joined.json["queued"]) == (0, 2, 0)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--from", "2026-13-01", "--to", "2026-01-02"), "'2026-13-01' is no day"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "lies before"),
        (("--from", "2026-01-02", "--to", "2999-01-01"), "lies in the future"),
        (("--from", "2020-01-01", "--to", "2022-01-01"), "more than 400 reports"),
    ],
)
def test_a_span_that_cannot_be_is_refused(flags: tuple[str, ...], named: str, desk: Desk) -> None:
    with desk.store() as store:
        daily(store)
    done = desk.type("reports", "backfill", "daily", *flags, "--yes", "--json")
    assert (done.code, named in done.json["error"]["message"]) == (2, True)
    if "400" in named:
        assert done.json["error"]["hint"].startswith("In parts: --from 2020-01-01 --to 2021-02-0")


def test_a_backfill_that_is_stopped_goes_on_when_it_is_typed_again(place: Place) -> None:
    with open_test_store(place.url) as store:
        schedule = daily(store)
        place.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 0.5}] * 16)
        start = place.command("reports", "backfill", "daily", *span(10, 3), "--yes")
        process = subprocess.Popen(start, env=place.environ, stderr=subprocess.PIPE)
        wait_for(lambda: any(run.status.final for run in store.history.last_of(schedule.id, 20)))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
        assert (process.returncode, b"What is left stays queued: a daemon makes it, or this command" in said) == (
            130,
            True,
        )
        left = [run for run in store.history.last_of(schedule.id, 20) if not run.status.final]
        assert left != []
        assert {run.status for run in left} == {RunStatus.QUEUED}
        done = place.run("reports", "backfill", "daily", *span(10, 3), "--yes", "--json")
        assert done.returncode == 0, done
        assert len(json.loads(done.stdout)["data"]) == len(left)
        assert [run.status for run in store.history.last_of(schedule.id, 20)] == [RunStatus.SUCCEEDED] * 8
