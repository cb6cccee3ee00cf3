"""Owners are told of trouble by a real mail server and a real program: at once, once, and of its end."""

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Recipient, StoredSession
from scheduler_daemon.simulator import SimShop
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, now
from tests.posting import Handler, MailServer

__all__ = ["bare", "desk", "shop"]

OWNER, OPS = "owner@acme.example", "ops@acme.example"


@pytest.fixture
def post(desk: Desk) -> Iterator[Handler]:
    """A mail server that the desk's configuration names."""
    handler = Handler()
    with MailServer(handler) as server:
        desk.set(
            email__host="127.0.0.1",
            email__port=str(server.port),
            email__security="none",
            email__from="r@sched.example",
            notices__to=OPS,
        )
        yield handler


def mails(post: Handler) -> list[tuple[str, str, str]]:
    """Return what was taken: to whom, subject, text."""
    found = []
    for to, content in post.taken:
        mail: Any = message_from_bytes(content, policy=policy.default)
        body = mail.get_body(("plain",))
        found.append((to[0], mail["Subject"], body.get_content()))
    return found


def fail(desk: Desk, shop: SimShop, **changes: Any) -> str:
    """Let a report fail for good, because its token is dead; return its id."""
    with desk.store() as store:
        made = make_schedule(store, **changes)
        store.sessions.save(StoredSession(SHOP, Secret("shpat_wrong")))
    assert desk.type("check-once").code == 1
    return made.id


def come_due(desk: Desk, schedule_id: str) -> None:
    with desk.store() as store:
        cursor = now() - timedelta(seconds=2)
        store.engine.change(
            store.engine.tables.report_schedule.update(next_run_at=int(cursor.timestamp() * 1000)).where(
                store.engine.tables.report_schedule.id == schedule_id
            )
        )


def test_a_dead_token_pauses_the_shop_tells_the_owner_at_once_and_a_new_one_brings_it_back(
    desk: Desk, shop: SimShop, post: Handler
) -> None:
    schedule_id = fail(desk, shop, owner=OWNER, recipients=(Recipient("email", "reader@acme.example"),))
    told = {to: (subject, text) for to, subject, text in mails(post)}
    assert set(told) == {OWNER, OPS}, "readers never see an error"
    assert told[OWNER][0] == told[OPS][0] == f"[Scheduler] All reports of {SHOP} are paused"
    assert f"Orders yesterday of {SHOP} failed" in told[OWNER][1]
    assert "Shopify refused the token" in told[OWNER][1]
    assert "scheduler history show" in told[OWNER][1]
    assert "shpat_wrong" not in str(told)
    state = desk.type("status", "--json").json
    assert "shop_paused" in [item["code"] for item in state["problems"]]
    come_due(desk, schedule_id)
    assert "paused" in desk.type("check-once").out + str(desk.type("history", "list", "--json").data)
    assert len(post.taken) == 2, "nobody is told again"
    with desk.store() as store:
        store.sessions.save(StoredSession(SHOP, Secret(shop.token)))
    with desk.store() as store:
        assert store.shops.find(SHOP).paused_at is not None
    run_daemon_until(desk, lambda: resumed(desk))
    come_due(desk, schedule_id)
    make_notices_old(desk)
    assert desk.type("check-once").code == 0
    (last,) = [text for to, subject, text in mails(post) if to == OWNER and "1 report recovered" in subject]
    assert f"Orders yesterday of {SHOP} works again" in last
    assert f"The reports of {SHOP} go on" in last


def resumed(desk: Desk) -> bool:
    with desk.store() as store:
        return store.shops.find(SHOP).paused_at is None


def run_daemon_until(desk: Desk, true: Any) -> None:
    """Run a daemon until something is true."""
    import signal
    import subprocess
    import sys
    import time

    words = [sys.executable, "-m", "scheduler_daemon", "run"]
    process = subprocess.Popen(words, env=desk.environ, cwd=desk.root, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    try:
        while not true() and time.monotonic() < until:
            time.sleep(0.1)
        assert true()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def make_notices_old(desk: Desk) -> None:
    """Let what was told have been told an hour ago: the next may be told at once."""
    with desk.store() as store, store.engine.transaction():
        store.engine.count("UPDATE {ours}scheduler_notice SET told_at = told_at - 3700000 WHERE told_at > 0")


def test_many_failures_come_in_one_digest(desk: Desk, shop: SimShop, post: Handler) -> None:
    with desk.store() as store:
        for number in range(30):
            make_schedule(store, name=f"Report {number}", recipients=(), owner=OWNER)
    desk.environ.pop("SCHEDULER_FOLDER__PATH")
    assert desk.type("check-once").code == 1
    ((to, subject, text),) = mails(post)
    assert (to, subject) == (OWNER, "[Scheduler] 30 reports failed")
    assert text.count("The schedule has nobody to deliver to.") == 20
    assert "And 10 more cases in 1 shop" in text


def test_a_mute_holds_notices_back_and_they_are_told_after_it(desk: Desk, shop: SimShop, post: Handler) -> None:
    assert desk.type("notices", "mute", "--for", "8h").code == 0
    fail(desk, shop)
    assert post.taken == []
    listed = desk.type("notices", "list")
    assert "Muted until" in listed.out
    assert "waits" in listed.out
    assert desk.type("notices", "unmute").code == 0
    assert desk.type("check-once").code == 0
    assert [to for to, _, _ in mails(post)] == [OPS]
    assert {item["state"] for item in desk.type("notices", "list", "--json").data} == {"told"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--for", "soon"), "cannot be read"),
        (("--until", "2020-01-01"), "is not ahead"),
        ((), "Give --for or --until"),
        (("--for", "1h", "--until", "2030-01-01"), "Give --for or --until"),
    ],
)
def test_a_mute_that_cannot_be_is_refused(desk: Desk, words: tuple[str, ...], why: str) -> None:
    done = desk.type("notices", "mute", *words)
    assert done.code == 2
    assert why in done.err


def test_a_mute_reads_a_wall_time_in_the_zone_it_is_told(desk: Desk) -> None:
    done = desk.type("notices", "mute", "--until", "2095-01-01 08:00", "--zone", "Europe/Paris")
    assert (done.code, "08:00 CET" in done.out) == (0, True), done.out + done.err
    assert desk.type("notices", "list", "--json").json["muted_until"].startswith("2095-01-01T07:00:00")


def program(folder: Path, text: str) -> str:
    path = folder / "page"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_command_is_told_what_happened_as_json_and_gets_no_secret(desk: Desk, shop: SimShop) -> None:
    told = desk.root / "told.json"
    desk.set(notices__command=program(desk.root, f"env > '{told}.env'; cat > '{told}'"))
    desk.set(shopify__client_secret="shpss_hidden")
    fail(desk, shop, owner=OWNER)
    data = json.loads(told.read_text(encoding="utf-8"))["data"]
    assert [(item["kind"], item["code"], item["shop"]) for item in data] == [
        ("failed", "token_refused", SHOP),
        ("shop_paused", "token_refused", SHOP),
    ]
    assert "shpss_hidden" not in Path(f"{told}.env").read_text(encoding="utf-8")
    states = {(item["channel"], item["state"]) for item in desk.type("notices", "list", "--json").data}
    assert ("command", "told") in states
    assert ("email", "pending") in states, "nobody can be told by mail yet"


@pytest.mark.parametrize(
    ("text", "why"),
    [("echo no pager >&2; exit 3", "ended with 3: no pager"), ("sleep 60", "took longer than 1 s and was killed")],
)
def test_a_command_that_fails_or_hangs_is_tried_again(desk: Desk, text: str, why: str) -> None:
    desk.set(notices__command=program(desk.root, text), notices__command_timeout="1s")
    done = desk.type("notices", "test")
    assert done.code == 1
    assert why in done.out


def test_the_test_notice_says_that_nothing_is_set(desk: Desk, post: Handler) -> None:
    assert desk.type("notices", "test").code == 0
    assert mails(post)[0][0] == OPS
    desk.set(notices__to="")
    done = desk.type("notices", "test")
    assert (done.code, "Nobody is told" in done.out) == (1, True)


def test_status_names_it_when_nobody_would_be_told(desk: Desk, post: Handler) -> None:
    desk.set(notices__to="")
    assert desk.type("check-once").code == 0
    done = desk.type("status")
    assert done.code == 1
    assert "notices.to is unset" in done.out


def test_a_mail_server_that_is_down_keeps_notices_waiting(desk: Desk, shop: SimShop) -> None:
    desk.set(email__host="127.0.0.1", email__port="1", email__security="none", email__from="r@sched.example")
    desk.set(notices__to=OPS)
    fail(desk, shop)
    (item, *_) = desk.type("notices", "list", "--json").data
    assert (item["state"], item["attempts"]) == ("pending", 1)


def test_in_the_mode_redirect_notices_go_where_all_mail_goes(desk: Desk, shop: SimShop, post: Handler) -> None:
    desk.set(delivery__mode="redirect", delivery__redirect_to="staging@acme.example")
    fail(desk, shop, owner=OWNER)
    assert {to for to, _, _ in mails(post)} == {"staging@acme.example"}
