"""`doctor` on a healthy machine and on broken ones: each trouble is named with its way out, and the rest is checked."""

import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon import __version__
from scheduler_daemon.cli.doctor import findings
from scheduler_daemon.cli.doctor.database import check_database_file
from scheduler_daemon.cli.doctor.findings import Finding, Patient, examine
from scheduler_daemon.model import Recipient, Report
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.end_to_end.desk import Desk, Done, bare, desk, shop
from tests.end_to_end.test_old_service import wait_for
from tests.end_to_end.test_why import daemon
from tests.making import SHOP, make_schedule, make_session, now

__all__ = ["bare", "desk", "shop"]

MAIL = Recipient("email", "a@acme.example")
NOBODY = 65534


def examined(desk: Desk, *words: str, code: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """Return the findings by check."""
    done = desk.type("doctor", *words, "--json")
    assert "Traceback" not in done.err
    assert (done.json["kind"], done.json["exit_code"]) == ("doctor", done.code)
    if code is not None:
        assert done.code == code, done.out
    found: dict[str, list[dict[str, Any]]] = {}
    for item in done.data:
        assert item["level"] in ("ok", "warning", "problem")
        assert item["level"] == "ok" or item["hint"] or item["check"] == "configuration", item
        found.setdefault(item["check"], []).append(item)
    return found


def levels(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {check: items[-1]["level"] for check, items in found.items()}


def told(found: dict[str, list[dict[str, Any]]], check: str) -> str:
    return " | ".join(f"{item['level']}: {item['message']} -> {item['hint']}" for item in found[check])


def lines(done: Done) -> list[str]:
    return [line for line in done.out.splitlines() if line.startswith(("OK ", "WARNING ", "PROBLEM "))]


# Well ---------------------------------------------------------------------------------------------------------------


def test_all_is_well(desk: Desk, shop: SimShop) -> None:
    with Mailbox(desk.root / "mail") as mailbox, desk.store() as store:
        make_schedule(store, next_due_at=now() + timedelta(hours=1), recipients=(MAIL,))
        desk.set(
            email__host="127.0.0.1", email__port=str(mailbox.port), email__security="none", email__from="r@a.example"
        )
        desk.set(notices__to="ops@acme.example")
        with daemon(desk, version=__version__):
            found = examined(desk, code=0)
            done = desk.type("doctor")
    assert set(levels(found).values()) == {"ok"}
    assert {"program", "configuration", "zone data", "database", "database file", "clock"} <= set(found)
    assert {"spool", "state folder", "report folder", "daemon", "reports", "notices", "mail server", "token"} <= set(
        found
    )
    assert "~/scheduler.db, our own, schema 0" in told(found, "database")
    assert "delivery live" in told(found, "database")
    assert "Test Shop, Europe/Paris, EUR" in told(found, "token")
    assert not (desk.root / "mail").exists()
    assert len(lines(done)) == sum(len(items) for items in found.values())
    assert done.out.splitlines()[-1].startswith("0 problems, 0 warnings, ")


def test_without_the_network_nobody_is_asked(desk: Desk, shop: SimShop) -> None:
    desk.set(email__host="mail.invalid", email__from="r@a.example")
    asked = len(shop.log)
    found = examined(desk, "--no-network", code=0)
    assert ("token" in found, "mail server" in found, len(shop.log)) == (False, False, asked)


def test_nothing_is_made_or_changed(bare: Desk) -> None:
    examined(bare, code=3)
    assert list(bare.root.iterdir()) == []


# Configuration ------------------------------------------------------------------------------------------------------


def test_an_unknown_key_and_a_bad_value_and_the_rest_is_still_looked_at(desk: Desk) -> None:
    (desk.root / "scheduler.toml").write_text('[daemon]\nworkrs = 4\nbeat = "soon"\n[email]\nhost = "h"\n')
    found = examined(desk, code=2)
    said = told(found, "configuration")
    assert "scheduler.toml" in said
    assert "Did you mean 'workers'?" in said
    assert "daemon.beat" in said
    assert "email.from: This key is needed" in said
    assert levels(found)["zone data"] == "ok"
    assert "database" not in found
    (desk.root / "scheduler.toml").write_text("[daemon\n")
    assert "is not TOML" in told(examined(desk, code=2), "configuration")
    assert "needs the configuration" in desk.type("doctor").out


def test_a_configuration_that_is_not_there(desk: Desk) -> None:
    found = desk.type("--config", "/no/such.toml", "doctor", "--json")
    assert (found.code, "/no/such.toml cannot be read" in found.out) == (2, True)


def test_a_secret_that_others_may_read_and_a_configuration_that_is_hidden(desk: Desk) -> None:
    file = desk.root / "scheduler.toml"
    file.write_text('[shopify]\nclient_id = "a"\nclient_secret = "b"\n')
    file.chmod(0o644)
    other = desk.root / ".config" / "scheduler-daemon" / "config.toml"
    other.parent.mkdir(parents=True)
    other.write_text("")
    said = told(examined(desk, "--no-network", code=0), "configuration")
    assert "holds a secret, and others may read it -> chmod 600" in said
    assert "~/.config/scheduler-daemon/config.toml is there too and is not read" in said


def test_a_variable_with_one_underscore(desk: Desk) -> None:
    desk.environ["SCHEDULER_DAEMON_WORKERS"] = "4"
    said = told(examined(desk, "--no-network", code=0), "environment")
    assert "SCHEDULER_DAEMON_WORKERS is set and is not read" in said
    assert "SCHEDULER_DAEMON__WORKERS" in said


# Database -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "does not answer"),
        ("sqlite:///no/such/folder/scheduler.db", "There is no database"),
        ("mongodb://localhost/x", "names no database we know"),
    ],
)
def test_a_database_that_is_not_there(url: str, said: str, bare: Desk) -> None:
    bare.environ["SCHEDULER_DATABASE__URL"] = url
    found = examined(bare, code=3)
    assert said in told(found, "database")
    assert levels(found)["spool"] == "ok"
    assert "need the database" in bare.type("doctor").out


def test_a_file_that_is_no_database_or_is_older_or_newer(desk: Desk) -> None:
    file = desk.root / "scheduler.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE scheduler_migration SET name = '9999_future' WHERE name LIKE '0001%'")
    connection.close()
    assert "newer version" in told(examined(desk, code=3), "database")
    file.unlink()
    sqlite3.connect(file).close()
    assert "is empty -> Run: scheduler init" in told(examined(desk, code=3), "database")
    file.write_bytes(b"no database at all, but a text of some length")
    assert "is not an SQLite database" in told(examined(desk, code=3), "database")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_user_s_files(desk: Desk) -> None:
    wal = desk.root / "scheduler.db-wal"
    with desk.store() as store:
        wal.touch()
        os.chown(wal, NOBODY, NOBODY)
        (found,) = check_database_file(Patient(store=store))
        assert (found.level, found.text.split(",")[0]) == ("PROBLEM", "scheduler.db-wal belongs to nobody")
    os.chown(desk.root / "scheduler.db", NOBODY, NOBODY)
    said = told(examined(desk, code=3), "database")
    assert "belongs to the user nobody" in said
    assert "sudo -u nobody scheduler" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_another_user_without_any_right(desk: Desk) -> None:
    secret = desk.root / "secret"
    secret.mkdir(mode=0o700)
    desk.environ["SCHEDULER_DATABASE__URL"] = f"sqlite://{secret / 'scheduler.db'}"
    desk.environ["SCHEDULER_STATE__FILE"] = str(secret / "state.json")
    desk.environ["SCHEDULER_SPOOL__DIR"] = str(secret / "spool")
    with desk.store():
        pass
    # Twice: the first time loads all modules, which the other user may not be able to read.
    script = f"""
import os
from scheduler_daemon.cli import main
try:
    main(['doctor', '--json'])
except SystemExit:
    os.environ['HOME'] = '/'
    os.setuid({NOBODY})
    print('as another user')
    main(['doctor'])
"""
    start = [sys.executable, "-c", script]
    done = subprocess.run(start, env=desk.environ, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "this check broke" not in done.stdout
    shown = done.stdout.partition("as another user")[2]
    problems = [line for line in shown.splitlines() if line.startswith("PROBLEM")]
    assert {"database", "spool", "state"} <= {line.split()[1] for line in problems}
    assert all(" -> " in line for line in problems)


def test_a_database_that_others_may_read(desk: Desk) -> None:
    (desk.root / "scheduler.db").chmod(0o644)
    assert "others may read it (mode 0644)" in told(examined(desk, "--no-network", code=0), "database file")


def test_hold_and_redirect_are_told(desk: Desk) -> None:
    desk.type("go-live", "--hold")
    assert "it is on hold: nothing is queued or sent -> scheduler go-live" in told(examined(desk, code=0), "delivery")
    desk.set(delivery__mode="redirect", delivery__redirect_to="me@test.example")
    assert "all mail goes to me@test.example" in told(examined(desk, code=0), "delivery")


# Folders and the daemon ---------------------------------------------------------------------------------------------


def test_a_spool_that_cannot_be_made(desk: Desk) -> None:
    (desk.root / "file").write_text("")
    desk.environ["SCHEDULER_SPOOL__DIR"] = str(desk.root / "file" / "spool")
    assert "is no folder" in told(examined(desk, "--no-network", code=1), "spool")


def test_a_daemon_that_runs_is_old_or_works_elsewhere_or_died(desk: Desk) -> None:
    assert "There is no state file" in told(examined(desk, "--no-network", code=0), "daemon")
    with daemon(desk, version="0.0.1"):
        assert f"it runs version 0.0.1, and this is {__version__}" in told(
            examined(desk, "--no-network", code=0), "daemon"
        )
    with daemon(desk, database="sqlite:/elsewhere.db"):
        assert "works on another database" in told(examined(desk, "--no-network", code=1), "daemon")
    with daemon(desk, problems=[{"code": "reports_failed", "message": "2 reports failed.", "hint": "See: x"}]):
        assert "it says: 2 reports failed -> See: x" in told(examined(desk, "--no-network", code=0), "daemon")
    said = told(examined(desk, "--no-network", code=1), "daemon")
    assert "problem: The daemon is not running -> Start it: scheduler run" in said
    (desk.root / "state" / "state.json").write_text("{")
    assert "cannot be read" in told(examined(desk, "--no-network", code=1), "daemon")


def test_a_real_daemon_is_well(desk: Desk) -> None:
    start = [sys.executable, "-m", "scheduler_daemon", "run"]
    process = subprocess.Popen(start, env=desk.environ, stderr=subprocess.DEVNULL)
    try:
        state = Path(desk.environ["SCHEDULER_STATE__FILE"])
        wait_for(lambda: state.exists() and desk.type("status").code == 0)
        assert f"ok: pid {process.pid}, version {__version__}" in told(examined(desk, "--no-network", code=0), "daemon")
    finally:
        process.terminate()
        process.wait()


# Reports ------------------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_read_are_foreign_overdue_or_go_to_nobody(desk: Desk) -> None:
    del desk.environ["SCHEDULER_FOLDER__PATH"]
    with desk.store() as store:
        bad = make_schedule(store, name="Broken")
        make_schedule(store, name="Foreign", report=Report("inventory", "Foreign"))
        make_schedule(store, name="Late", next_due_at=now() - timedelta(hours=2), shop="other.myshopify.com", zone="")
        nobody = make_schedule(store, name="Lonely", recipients=(), next_due_at=now() + timedelta(hours=1))
    with sqlite3.connect(desk.root / "scheduler.db") as connection:
        connection.execute('UPDATE "ReportSchedule" SET "timezone" = ? WHERE "id" = ?', ("Mars/Base", bad.id))
    connection.close()
    found = examined(desk, "--no-network", code=1)
    said = told(found, "reports")
    assert "problem: Broken of test.myshopify.com cannot be read: 'Mars/Base' is no time zone" in said
    assert f"scheduler reports why {bad.id}" in said
    assert "warning: 1 report without a zone, whose shop's is not known: UTC is taken" in said
    assert f"Lonely of test.myshopify.com has nobody to deliver to -> scheduler reports edit {nobody.id} --to" in said
    assert "1 active schedule of types mapped to none of ours" in told(found, "types")
    assert "a report is due since " in told(found, "overdue")
    assert "notices.to is unset" in told(found, "notices")
    assert "other.myshopify.com has 1 active report and no offline session" in told(found, "token")
    (desk.root / "scheduler.toml").write_text('[types]\ninventory = "ordres"\n')
    assert "types.inventory is mapped to 'ordres'" in told(examined(desk, "--no-network", code=1), "types")


# The network --------------------------------------------------------------------------------------------------------


def test_a_mail_server_that_is_down_refuses_or_is_not_set(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, recipients=(MAIL,), next_due_at=now() + timedelta(hours=1))
    assert "1 report to be sent by mail, and there is no [email]" in told(examined(desk, code=1), "mail server")
    desk.set(email__host="127.0.0.1", email__port="1", email__security="none", email__from="r@a.example")
    said = told(examined(desk, code=1), "mail server")
    assert "problem: The mail server 127.0.0.1 does not answer" in said
    assert "email.port" in said


def test_each_shop_s_token(desk: Desk, shop: SimShop) -> None:
    with desk.store() as store:
        make_schedule(store, next_due_at=now() + timedelta(hours=1))
        make_session(store, "gone.myshopify.com", "shpat_gone0000")
    found = examined(desk, code=0)
    assert [item["level"] for item in found["token"]] == ["warning", "ok"]
    shop.revoke()
    said = told(examined(desk, code=1), "token")
    assert f"problem: Shopify refused the token of {SHOP}" in said
    assert "scheduler shops add" in said
    assert "shpat_" not in desk.type("doctor").out


def test_a_scope_that_reports_need(desk: Desk, shop: SimShop) -> None:
    with desk.store() as store:
        make_schedule(store, next_due_at=now() + timedelta(hours=1))
    shop.scopes = ("read_products",)
    assert "the token lacks read_orders, which 1 report (orders) needs" in told(examined(desk, code=1), "token")


def test_a_scope_that_a_column_needs_and_a_right_to_write_that_contains_the_right_to_read(
    desk: Desk, shop: SimShop
) -> None:
    with desk.store() as store:
        make_schedule(store, next_due_at=now() + timedelta(hours=1))
        shop.scopes = ("read_all_orders", "write_orders")
        assert "lacks" not in told(examined(desk, code=0), "token")
        columns = (("name", None), ("email", None))
        for name in ("One", "Two"):
            report = Report("orders", name, "csv", "last_7_days", columns=columns)
            make_schedule(store, name=name, report=report, next_due_at=now() + timedelta(hours=1))
    said = told(examined(desk, code=1), "token")
    assert "the token lacks read_customers, which 2 reports (orders) need" in said
    checked = desk.type("shops", "check", SHOP).out
    assert "Note     the token lacks read_customers, which 2 reports (orders) need; grant" in checked
    assert len(desk.type("shops", "check", SHOP, "--json").data["lacking"]) == 1
    assert "read_orders" not in said


def test_shops_that_do_not_answer_keep_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    network = importlib.import_module("scheduler_daemon.cli.doctor.network")
    monkeypatch.setattr(network, "FOR_ALL", 0.5)
    monkeypatch.setattr(network, "FOR_ONE", 1.0)
    desk.simulator.shop(SHOP).script([{"fault": "slow", "seconds": 3.0}] * 2)
    with desk.store() as store:
        make_schedule(store, next_due_at=now() + timedelta(hours=1))
    assert "1 shop not asked within" in told(examined(desk, code=0), "token")


# A check that breaks itself -----------------------------------------------------------------------------------------


def test_a_check_that_breaks_does_not_hide_the_others() -> None:
    def check_broken(patient: Patient) -> Any:
        yield Finding(findings.OK, "first", "well")
        raise RuntimeError("boom with shpat_abcdef123456")

    def check_next(patient: Patient) -> Any:
        yield Finding(findings.OK, "next", "well")

    seen: list[Finding] = []
    examine(Patient(), (check_broken, check_next), seen.append)
    assert [item.check for item in seen] == ["first", "broken", "next"]
    assert (seen[1].level, seen[1].text) == (findings.PROBLEM, "this check broke: RuntimeError: boom with ****")
