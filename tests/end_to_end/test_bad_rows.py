"""Rows of the app's table that nobody can read, among good ones: told, counted, and nobody else waits for them."""

import json
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.model import Recipient, RunStatus
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.simulator.mailbox import Mailbox
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.end_to_end.test_faults import with_mail
from tests.end_to_end.test_old_service import OTHER, Place, place, wait_for
from tests.making import SHOP, make_schedule, make_session, now
from tests.posting import Talk

__all__ = ["place"]

BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Damage = Callable[[Store, str], None]


def row(**changes: Any) -> Damage:
    """Return what writes columns of the app's row, as the app or a person would; our own rule is taken away."""

    def write(store: Store, schedule_id: str) -> None:
        store.engine.write("UPDATE {ours}scheduler_schedule SET rule = NULL WHERE schedule_id = ?", (schedule_id,))
        for name, value in changes.items():
            sql = f'UPDATE {{app}}"ReportSchedule" SET "{name}" = ? WHERE "id" = ?'
            store.engine.write(sql, (value, schedule_id))

    return write


def ours(column: str, text: object) -> Damage:
    """Return what writes a column of our own row beside the app's."""

    def write(store: Store, schedule_id: str) -> None:
        sql = f"UPDATE {{ours}}scheduler_schedule SET {column} = ? WHERE schedule_id = ?"
        store.engine.write(sql, (text, schedule_id))

    return write


#: What is wrong, the code that stands in the ledger, and what the sentence must hold: the value or the way out.
BAD: dict[str, tuple[Damage, str, str]] = {
    "recipients: no JSON": (row(recipients="{not json"), "bad_schedule_row", "'{not json'"),
    "recipients: an object": (row(recipients='{"a": 1}'), "bad_schedule_row", "no JSON list"),
    "recipients: a number": (row(recipients="[1]"), "bad_address", "holds 1"),
    "filters: a list": (row(filters="[]"), "bad_schedule_row", "filters '[]'"),
    "filters: unknown": (row(filters='{"colour": "red"}'), "bad_filter", "'colour'"),
    "options: no JSON": (ours("options", "{nope"), "bad_schedule_row", "'{nope'"),
    "options: a format": (ours("options", '{"format": "pdff"}'), "unknown_format", "'pdff'"),
    "options: a period": (ours("options", '{"period": "last_wek"}'), "unknown_period", "Did you mean 'last_week'"),
    "options: no day": (ours("options", '{"period": "custom", "from": "2026-13-01"}'), "unknown_period", "2026-13-01"),
    "options: a column": (ours("options", '{"columns": [["colour", null]]}'), "unknown_column", "'colour'"),
    "options: a deadline": (ours("options", '{"deadline": "soon"}'), "bad_schedule_row", "'soon'"),
    "options: a channel": (ours("options", '{"channels": ["pigeon"]}'), "channel_not_configured", "pigeon"),
    "rule: no JSON": (ours("rule", "{x"), "bad_schedule_row", "'{x'"),
    "rule: a kind": (ours("rule", '{"kind": "weekley"}'), "bad_recurrence", "Did you mean 'weekly'"),
    "rule: cron": (ours("rule", '{"kind": "cron", "cron": "61 * * * *"}'), "bad_recurrence", "'61 * * * *'"),
    "zone": (row(timezone="Europe/Pariss"), "unknown_zone", "Did you mean 'Europe/Paris'"),
    "frequency": (row(frequency="FORTNIGHTLY"), "bad_recurrence", "'FORTNIGHTLY'"),
    "day 0": (row(frequency="MONTHLY", dayOfMonth=0), "bad_recurrence", "0 is no day of the month"),
    "day 32": (row(frequency="MONTHLY", dayOfMonth=32), "bad_recurrence", "32 is no day of the month"),
    "day of week 9": (row(frequency="WEEKLY", dayOfWeek=9), "bad_recurrence", "9 is no day of the week"),
    "time": (row(time="25:00"), "bad_recurrence", "'25:00'"),
}
#: PostgreSQL's column is JSONB: the server itself keeps what is no JSON out, and hands a list over as one.
JSONB = ("filters: a list",)

#: Rows whose damage shows only behind the reading: in the plan, in the arithmetic of moments, in the ledger's INSERT.
POISON: dict[str, Damage] = {
    "a lone surrogate": row(recipients='["\\ud800@x.example"]'),
    "nested too deep": row(recipients="[" * 100_000),
    "priority beyond a column": ours("options", '{"priority": 99999999999999999999, "channels": ["folder"]}'),
    "format options as a list": ours("options", '{"format_options": [1], "channels": ["folder"]}'),
}
#: Cursors that hold no moment a calendar knows, or one at its edge.
CURSORS: dict[str, dict[str, Any]] = {
    "sqlite": {"no text": "soon", "microseconds": 1_764_063_600_000_000, "year 1": "0001-01-01T00:00:00Z"},
    "postgres": {"never": "infinity", "always": "-infinity", "before Christ": "0044-03-15 12:00:00 BC"},
}

#: A name that would clear a terminal, ring its bell, add a mail header, and not fit a file system.
NAME = "Sales\x1b[2J\x07\r\nBcc: evil@x.example\t" + "ä" * 300


def damaged(store: Store, kinds: dict[str, Damage]) -> dict[str, str]:
    """Store a due schedule for each of *kinds*, damaged by it; return the names by id."""
    made = {}
    for name, damage in kinds.items():
        schedule = make_schedule(store, name=name)
        damage(store, schedule.id)
        made[schedule.id] = name
    return made


def final(store: Store) -> dict[str, list[Any]]:
    """Return the runs that are over, by the schedule's id."""
    found: dict[str, list[Any]] = {}
    for run in store.history.latest(limit=1000):
        if run.status.final:
            found.setdefault(run.schedule_id, []).append(run)
    return found


def awake(pid: int) -> float:
    """Return in which share of many looks the process's main thread was not asleep: near 1 for one that spins."""
    looks = 50
    found = 0
    for _ in range(looks):
        # Its state, not the processor time it got: that depends on what else the machine does.
        found += Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "S"
        time.sleep(0.02)
    return found / looks


@BOTH
def test_bad_rows_among_good_ones_are_told_once_and_nobody_waits_for_them(place: Place) -> None:
    kinds = {name: damage for name, (damage, _, _) in BAD.items()}
    with open_test_store(place.url) as store:
        before = make_schedule(store, name="Before")
        bad = damaged(store, kinds)
        good = {before.id, make_schedule(store, name="Behind").id, make_schedule(store, name="Other", shop=OTHER).id}
        process = place.start()
        runs = wait_for(lambda: found if len(found := final(store)) >= len(bad) + len(good) else None)
        for schedule_id in good:
            assert [run.status for run in runs[schedule_id]] == [RunStatus.SUCCEEDED]
        for schedule_id, name in bad.items():
            (run,) = runs[schedule_id]
            _, code, value = BAD[name]
            assert (name, run.status, run.error_code) == (name, RunStatus.FAILED, code)
            if store.engine.is_sqlite or name not in JSONB:
                assert value in (run.error or "")
        told = place.log().count("schedule_refused")
        assert "Traceback" not in place.log()
        # Not looked at each second: neither the ledger nor the log grows, and the loop sleeps.
        assert awake(process.pid) < 0.5
        assert place.log().count("schedule_refused") == told
        assert {key: len(value) for key, value in final(store).items()} == dict.fromkeys(runs, 1)
        assert process.poll() is None
    wait_for(lambda: place.run("status").returncode == 1)


@SQLITE
def test_status_counts_the_rows_that_cannot_be_read_as_long_as_they_cannot(place: Place) -> None:
    with open_test_store(place.url) as store:
        first, second = damaged(store, {"one": row(timezone="Europe/Pariss"), "two": row(recipients="{")})
        process = place.start()
        found = wait_for(lambda: [p for p in place.state().get("problems", ()) if p["code"] == "bad_schedule_row"])
        assert found[0]["message"].startswith("2 schedules")
        # They are not late: nobody could run them, and `check-once` would not help.
        assert "overdue" not in [problem["code"] for problem in place.state()["problems"]]
        row(timezone="Europe/Paris")(store, first)
        store.schedules.remove(second, now())
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "bad_schedule_row" not in [p["code"] for p in place.state()["problems"]])


@SQLITE
def test_check_once_names_each_time_what_cannot_be_read_and_what_to_do(place: Place) -> None:
    with open_test_store(place.url) as store:
        bad = damaged(store, {"Due": row(timezone="Europe/Pariss"), "New": row(recipients="{", nextRunAt=None)})
        make_schedule(store, name="Good")
        for _ in range(2):
            done = place.run("check-once")
            assert done.returncode == 1
            events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
            (found,) = [item for item in events if item["event"] in ("check_found", "check_idle")]
            assert found.get("unreadable") == 1, "one of those that are due; the other has no moment at all"
            for schedule_id, name in bad.items():
                assert f"{name} of {SHOP} cannot be read: " in done.stdout
                assert f"scheduler reports why {schedule_id}" in done.stdout
            assert "Europe/Pariss" in done.stdout
            assert f"scheduler reports edit {next(iter(bad))} --zone" in done.stdout
        shown = json.loads(place.run("check-once", "--json").stdout)
        assert {item["schedule"] for item in shown["unreadable"]} == set(bad)
        assert all(item["error"] and item["error_code"] and item["hint"] for item in shown["unreadable"])
        # It is no trouble of another shop's.
        make_schedule(store, name="Other", shop=OTHER)
        done = place.run("check-once", "--shop", OTHER)
        assert (done.returncode, "cannot be read" in done.stdout) == (0, False)


@SQLITE
def test_a_row_corrected_in_the_app_runs_at_the_next_check(place: Place) -> None:
    with open_test_store(place.url) as store:
        (bad,) = damaged(store, {"Bad": row(timezone="Europe/Pariss")})
        process = place.start()
        wait_for(lambda: final(store).get(bad))
        row(timezone="Europe/Paris")(store, bad)
        process.send_signal(signal.SIGUSR1)
        runs = wait_for(lambda: found if len(found := final(store)[bad]) == 2 else None, 5)
        assert sorted(run.status for run in runs) == [RunStatus.FAILED, RunStatus.SUCCEEDED]


@SQLITE
def test_a_bad_row_without_a_cursor_is_told_too(place: Place) -> None:
    with open_test_store(place.url) as store:
        (bad,) = damaged(store, {"New": row(timezone="Europe/Pariss", nextRunAt=None)})
        place.start()
        wait_for(lambda: (place.state().get("tick") or {}).get("last_good_at"))
        (run,) = wait_for(lambda: final(store).get(bad), 5)
        assert (run.status, run.error_code) == (RunStatus.FAILED, "unknown_zone")


@BOTH
def test_no_row_keeps_the_others_from_running(place: Place) -> None:
    with open_test_store(place.url) as store:
        bad = damaged(store, POISON)
        good = [make_schedule(store, name="Good").id, make_schedule(store, name="Other", shop=OTHER).id]
        done = place.run("check-once", "--json")
        assert "Traceback" not in done.stderr
        runs = final(store)
        assert [run.status for key in good for run in runs.get(key, [])] == [RunStatus.SUCCEEDED] * 2
        assert [len(runs.get(key, [])) for key in bad] == [1] * len(bad)
        assert done.returncode == 1
        assert place.run("reports", "list").returncode == 0


@SQLITE
def test_bytes_that_are_no_text_in_a_row_stop_neither_others_nor_its_listing(place: Place) -> None:
    with open_test_store(place.url) as store:
        good, named = make_schedule(store, name="Good"), make_schedule(store, name="Named")
        for column, schedule in {"name": named, "recipients": make_schedule(store, name="To nobody")}.items():
            row(**{column: b"\xff\x00[]"})(store, schedule.id)
        process = place.start()
        runs = wait_for(lambda: found if len(found := final(store)) == 3 else None)
        assert [run.status for key in (good.id, named.id) for run in runs[key]] == [RunStatus.SUCCEEDED] * 2
        assert process.poll() is None
        assert "Traceback" not in place.log()
        assert place.run("reports", "list").returncode == 0


@SQLITE
def test_a_name_of_megabytes_fills_neither_lists_nor_logs(place: Place) -> None:
    with open_test_store(place.url) as store:
        for _ in range(3):
            make_schedule(store, name="Good")
        long = make_schedule(store, name="Long")
        row(name="\u00e4" * 3_000_000)(store, long.id)
        outputs = [place.run(*words.split()) for words in ("check-once --dry-run", "check-once", "reports list")]
        outputs += [place.run(*words.split()) for words in ("history list", "reports next --all", "shops list")]
    for done in outputs:
        assert done.returncode == 0, (done.args, done.stderr[-300:])
        assert len(done.stdout + done.stderr) < 200_000, done.args


@SQLITE
@pytest.mark.parametrize("cursor", ["9999-12-31T23:59:59.999Z", 253_402_300_799_999])
def test_a_cursor_at_the_end_of_the_calendar_is_shown_in_zones_ahead_of_utc(place: Place, cursor: object) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store, name="Good")
        never = make_schedule(store, name="Never", zone="Pacific/Auckland")
        row(nextRunAt=cursor)(store, never.id)
        assert place.run("check-once").returncode == 0
        for words in ("reports list", "reports list --json", "reports next --all", f"reports show {never.id}",
                      f"reports why {never.id}", f"reports next {never.id}"):  # fmt: skip
            done = place.run(*words.split())
            assert done.returncode == 0, (words, done.stderr)
        assert store.schedules.find(never.id).cursor == cursor


@SQLITE
@pytest.mark.parametrize("value", [float("inf"), "soon", b"\xff", 2**63 - 1, -1])
def test_a_number_of_ours_that_is_none_stops_neither_others_nor_the_listings(place: Place, value: object) -> None:
    with open_test_store(place.url) as store:
        good = make_schedule(store, name="Good")
        paused, changed = damaged(store, {"Paused": ours("paused_at", value), "Changed": ours("version", value)})
        (marked,) = damaged(store, {"Marked": ours("mark", str(value))})
        ours("options", '{"period": "since_last_success", "channels": ["folder"]}')(store, marked)
        assert place.run("check-once").returncode == 1
        runs = {key: found[0] for key, found in final(store).items()}
        assert [runs[key].status for key in (good.id, changed)] == [RunStatus.SUCCEEDED] * 2
        assert [runs[key].error_code for key in (paused, marked)] == ["bad_schedule_row"] * 2
        counts, moments = ["priority", "attempt", "record_count", "file_size"], ["due_at", "started_at", "finished_at"]
        for table, columns in {
            "run": [*counts, *moments, "fence", "not_before"],
            "attempt": ["fence", "started_at", "finished_at"],
            "node": ["pid", "started_at", "last_good_at", "skew_ms"],
            "notice": ["created_at", "not_before", "attempts", "told_at"],
            "shop": ["checked_at", "beat", "next_work_at"],
        }.items():
            for column in columns:
                store.engine.write(f"UPDATE {{ours}}scheduler_{table} SET {column} = ?", (value,))
        listings = "history list, history show {run}, reports list, shops list, notices list, status --database"
        for words in listings.format(run=runs[good.id].id).split(", "):
            done = place.run(*words.split())
            assert "defect" not in done.stdout + done.stderr, (words, done.stderr)
        assert place.run("reports", "resume", paused).returncode == 0
        assert "defect" not in place.run("check-once").stderr


@SQLITE
@pytest.mark.parametrize("token", ["shpat_\U0001f600", "shpat_1\r\nX-Evil: 1", "shpat 1", b"\xff\xfe"])
def test_a_token_that_no_header_can_hold_is_a_refused_one(place: Place, token: str | bytes) -> None:
    with open_test_store(place.url) as store:
        made, other = make_schedule(store), make_schedule(store, shop=OTHER)
        store.engine.write('UPDATE {app}"Session" SET "accessToken" = ? WHERE "shop" = ?', (token, SHOP))
        assert place.run("check-once").returncode == 1
        runs = final(store)
        assert [run.status for run in runs[other.id]] == [RunStatus.SUCCEEDED]
        (run,) = runs[made.id]
        assert run.error_code == "token_refused"
        assert "shpat" not in (run.error or "")
        assert store.shops.find(SHOP).paused_at is not None


@BOTH
def test_a_delivery_mode_that_nobody_understands_lets_nothing_leave(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store)
        store.notebook.remember("mode", "Live ")
        assert "hold" in place.run("check-once").stderr
        assert store.history.latest(limit=10) == []


@SQLITE
def test_more_bad_rows_than_one_look_holds_hide_no_good_one(place: Place) -> None:
    with open_test_store(place.url) as store:
        with store.engine.transaction():
            for number in range(1100):
                make_schedule(store, name=f"Bad {number}", next_due_at=now() - timedelta(hours=1))
        store.engine.write('UPDATE {app}"ReportSchedule" SET "timezone" = ?', ("Nowhere",))
        good, other = make_schedule(store, name="Good"), make_schedule(store, name="Other", shop=OTHER)
        only = place.run("check-once", "--json", "--shop", OTHER)
        assert [run["schedule"] for run in json.loads(only.stdout)["data"]] == [other.id]
        done = place.run("check-once", "--json")
        assert [run["schedule"] for run in json.loads(done.stdout)["data"]] == [good.id]
        assert (only.returncode, done.returncode) == (0, 1)
        assert store.history.counts(now())["failed_24h"] == 1100


@BOTH
def test_a_cursor_that_is_no_moment_stops_nobody(place: Place) -> None:
    with open_test_store(place.url) as store:
        for name, cursor in CURSORS[store.engine.kind].items():
            made = make_schedule(store, name=name)
            sql = 'UPDATE {app}"ReportSchedule" SET "nextRunAt" = ? WHERE "id" = ?'
            store.engine.write(sql, (cursor, made.id))
        good = make_schedule(store, name="Good")
        process = place.start()
        wait_for(lambda: final(store).get(good.id), 10)
        assert process.poll() is None
        assert awake(process.pid) < 0.5
        assert place.state()["last_error"] is None
        # Each is told, also those that would never have come due.
        runs = wait_for(lambda: found if len(found := final(store)) == 1 + len(CURSORS[store.engine.kind]) else None)
        assert {len(found) for found in runs.values()} == {1}


@SQLITE
def test_recipients_that_are_no_addresses_are_named_and_the_rest_get_their_mail(place: Place) -> None:
    with Mailbox(place.root / "mail") as mailbox, open_test_store(place.url) as store:
        with_mail(place, mailbox)
        listed = ["not an address", "a@acme.example", "a@acme.example\r\nBcc: evil@x.example"]
        made = make_schedule(store, recipients=())
        row(recipients=json.dumps(listed))(store, made.id)
        nobody = make_schedule(store, recipients=(), name="Nobody", shop=OTHER)
        del place.environ["SCHEDULER_FOLDER__PATH"]
        done = place.run("check-once", "--json")
        runs = final(store)
        states = {item.recipient.address: item for item in store.history.deliveries(runs[made.id][0].id)}
    assert done.returncode == 1
    assert runs[made.id][0].status is RunStatus.PARTIAL
    assert [states[address].state.value for address in listed] == ["failed", "delivered", "failed"]
    assert states[listed[0]].error_code == "bad_address"
    assert "not an address" in (states[listed[0]].error or "")
    assert (runs[nobody.id][0].status, runs[nobody.id][0].error_code) == (RunStatus.FAILED, "no_recipients")
    (mail,) = (place.root / "mail").glob("*.eml")
    assert b"evil" not in mail.read_bytes()


@SQLITE
def test_a_name_of_300_characters_with_control_characters_leads_to_a_harmless_file_and_mail(place: Place) -> None:
    with Mailbox(place.root / "mail") as mailbox, open_test_store(place.url) as store:
        with_mail(place, mailbox)
        make_schedule(
            store, name=NAME, recipients=(Recipient("email", "a@acme.example"), Recipient("folder", "folder"))
        )
        done = place.run("check-once")
        (run,) = store.history.latest()
    assert (done.returncode, run.status) == (0, RunStatus.SUCCEEDED)
    (mail,) = (place.root / "mail").glob("*.eml")
    assert BytesParser().parsebytes(mail.read_bytes())["Bcc"] is None
    (file,) = (place.root / "reports").rglob("*.csv")
    assert "\x1b" not in file.name
    assert len(file.name.encode()) <= 255


@SQLITE
def test_control_characters_of_a_name_never_reach_the_terminal(place: Place) -> None:
    with open_test_store(place.url) as store:
        make_schedule(store, name=NAME)
        outputs = [place.run("--log-format", "console", "check-once")]
        outputs += [place.run(*words) for words in (["history", "list"], ["reports", "list"], ["status"])]
    for done in outputs:
        assert not {"\x1b", "\x07", "\r"} & set(done.stdout + done.stderr), done.args


@SQLITE
def test_a_domain_that_is_no_shop_gets_no_token(place: Place) -> None:
    with open_test_store(place.url) as store:
        for domain in ("evil.example", "..", "TEST.myshopify.com", ""):
            make_session(store, domain, "shpat_for_somebody_else")
            make_schedule(store, name=f"Of {domain!r}", shop=domain)
        make_schedule(store, name="Good")
        done = place.run("check-once", "--json")
        runs = {run.shop: run for run in store.history.latest()}
    assert done.returncode == 1
    assert runs[SHOP].status is RunStatus.SUCCEEDED
    for domain in ("evil.example", "..", "TEST.myshopify.com", ""):
        assert (domain, runs[domain].status) == (domain, RunStatus.FAILED)
        assert (domain, runs[domain].error_code) == (domain, "unknown_shop")


# Shops and mail servers that refuse, in the same check as good ones --------------------------------------------------

#: The shop's state; how its report ends; the code; what the sentence says.
REFUSING: dict[str, tuple[str, RunStatus, str, str]] = {
    "refused": ("401", RunStatus.SKIPPED, "token_refused", "refused the token"),
    "frozen": ("402", RunStatus.QUEUED, "shop_frozen", "frozen"),
    "locked": ("423", RunStatus.FAILED, "shop_frozen", "locked"),
    "gone": ("404", RunStatus.FAILED, "shop_not_found", "knows no shop"),
    "forbidden": ("403", RunStatus.FAILED, "scope_missing", "does not give access"),
}


@SQLITE
def test_shops_that_refuse_are_told_with_a_way_out_and_the_good_one_has_its_report(place: Place) -> None:
    with open_test_store(place.url) as store:
        for name, (state, *_) in REFUSING.items():
            shop = SimShop(f"{name}.myshopify.com", orders=5)
            shop.state = state
            place.simulator.shops[shop.domain] = shop
            make_session(store, shop.domain, shop.token)
            make_schedule(store, shop=shop.domain, name=name)
        make_schedule(store, shop="unknown.myshopify.com", name="no session")
        make_schedule(store, name="good")
        done = place.run("check-once", "--json")
        paused = {shop.partition(".")[0]: by.partition(":")[0] for shop, by in store.shops.paused_by_us()}
    runs = {run["report"]: run for run in json.loads(done.stdout)["data"]}
    assert paused == {name: code for name, (_, _, code, _) in REFUSING.items() if code != "scope_missing"}
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert runs["good"]["status"] == "succeeded"
    assert (runs["no session"]["status"], runs["no session"]["error_code"]) == ("skipped", "no_session")
    for name, (_, status, code, said) in REFUSING.items():
        run = runs[name]
        assert (name, run["status"], run["error_code"]) == (name, status.value, code)
        assert said in run["error"]
        assert f"{name}.myshopify.com" in run["error"]
        assert "scheduler shops " in run["error"]


@SQLITE
@pytest.mark.parametrize(("answer", "status"), [("550 no relay for you", "failed"), ("451 later", "queued")])
def test_a_mail_server_that_refuses_the_sender_is_quoted(place: Place, answer: str, status: str) -> None:
    with Talk(mail=answer) as server, open_test_store(place.url) as store:
        with_mail(place, server)  # type: ignore[arg-type]
        made = make_schedule(store, recipients=(Recipient("email", "a@acme.example"),))
        good = make_schedule(store, shop=OTHER, name="Good")
        done = place.run("check-once", "--json")
    runs = {run["schedule"]: run for run in json.loads(done.stdout)["data"]}
    assert (done.returncode, runs[good.id]["status"]) == (1, "succeeded")
    assert (runs[made.id]["status"], runs[made.id]["error_code"]) == (status, "smtp_refused")
    assert answer in runs[made.id]["error"]
    assert "as the sender" in runs[made.id]["error"]
    assert ("email.from" in runs[made.id]["error"]) is (status == "failed")
    assert server.mails == []
