"""In the mode redirect no mail reaches a reader, whenever it was written down."""

from email import message_from_bytes
from email.message import Message
from email.policy import default

from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Recipient, StoredSession
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.making import SHOP, make_schedule
from tests.posting import Handler, MailServer

__all__ = ["bare", "desk", "shop"]

READER, STAGING = "reader@acme.example", "staging@acme.example"


def test_a_mail_that_waited_before_the_mode_was_redirect_is_redirected_too(desk: Desk) -> None:
    post = Handler()
    post.refuse[READER] = "451 try later"
    with desk.store() as store:
        make_schedule(store, recipients=(Recipient("email", READER),))
    with MailServer(post) as server:
        desk.set(email__host="127.0.0.1", email__port=str(server.port), email__security="none")
        desk.set(email__from="r@sched.example", notices__to="ops@acme.example")
        assert desk.type("check-once").code == 1
        post.refuse.clear()
        with desk.store() as store, store.engine.transaction():
            store.engine.count("UPDATE {ours}scheduler_run SET not_before = 0")
            store.engine.count("UPDATE {ours}scheduler_delivery SET not_before = 0")
            store.engine.count("UPDATE {ours}scheduler_shop SET next_work_at = 0")
        desk.set(delivery__mode="redirect", delivery__redirect_to=STAGING)
        assert desk.type("check-once").code == 0
    assert [to for to, _ in post.taken] == [[STAGING]]


def to_staging(desk: Desk, server: MailServer) -> None:
    desk.set(email__host="127.0.0.1", email__port=str(server.port), email__security="none")
    desk.set(email__from="r@sched.example", notices__to="ops@acme.example")
    desk.set(delivery__mode="redirect", delivery__redirect_to=STAGING)


def parts(content: bytes) -> tuple[Message, str, str]:
    """Return a mail, its text and its page."""
    mail = message_from_bytes(content, policy=default)
    said = {part.get_content_type(): str(part.get_content()) for part in mail.walk() if not part.is_multipart()}
    return mail, said.get("text/plain", ""), said.get("text/html", "")


def test_a_redirected_mail_says_to_whom_it_would_have_gone(desk: Desk) -> None:
    post = Handler()
    people = (Recipient("email", READER), Recipient("email", "cfo@acme.example", "cc"), Recipient("folder", "folder"))
    with desk.store() as store:
        schedule = make_schedule(store, recipients=people)
    with MailServer(post) as server:
        to_staging(desk, server)
        done = desk.type("reports", "run", schedule.id)
    assert done.code == 0, done.err
    ((to, content),) = post.taken
    mail, text, page = parts(content)
    would = f"It would have gone to {READER}, cfo@acme.example (cc)."
    assert to == [STAGING]
    assert would in text
    assert would in page
    assert would in mail["X-Report-Redirected"]
    told = f"{STAGING} (redirected, instead of {READER}, cfo@acme.example (cc))"
    assert told in done.out
    (run,) = desk.type("history", "list", "--json").data
    shown = desk.type("history", "show", run["id"])
    assert told in shown.out
    assert told in desk.type("reports", "why", schedule.id).out
    (receipt,) = (
        row["receipt"]
        for row in desk.type("history", "show", run["id"], "--json").data["deliveries"]
        if row["channel"] == "email"
    )
    assert (receipt["redirected_to"], receipt["instead_of"]) == (STAGING, [READER, "cfo@acme.example (cc)"])


def test_a_redirected_mail_that_is_still_to_go_says_so_too(desk: Desk) -> None:
    post = Handler()
    post.refuse[STAGING] = "451 try later"
    with desk.store() as store:
        schedule = make_schedule(store, recipients=(Recipient("email", READER),))
    with MailServer(post) as server:
        to_staging(desk, server)
        done = desk.type("reports", "run", schedule.id)
    assert done.code == 1
    (run,) = desk.type("history", "list", "--json").data
    assert f"{STAGING} (redirected, instead of {READER})" in desk.type("history", "show", run["id"]).out


def test_a_mail_that_goes_where_it_was_meant_for_is_not_called_redirected(desk: Desk) -> None:
    post = Handler()
    with desk.store() as store:
        schedule = make_schedule(store, recipients=(Recipient("email", STAGING),))
    with MailServer(post) as server:
        to_staging(desk, server)
        done = desk.type("reports", "run", schedule.id)
        desk.set(delivery__mode="live")
        assert desk.type("reports", "run", schedule.id).code == 0
    assert len(post.taken) == 2
    assert [b"edirected" in content for _, content in post.taken] == [False, False]
    assert "redirected" not in done.out


def test_a_notice_that_is_redirected_says_whom_it_was_meant_for(desk: Desk) -> None:
    post = Handler()
    with desk.store() as store:
        make_schedule(store, recipients=(Recipient("email", READER),), owner="owner@acme.example")
        store.sessions.save(StoredSession(SHOP, Secret("shpat_wrong")))
    with MailServer(post) as server:
        to_staging(desk, server)
        assert desk.type("check-once").code == 1
    told = [(to, parts(content)[1].split("delivery.mode is redirect")[-1]) for to, content in post.taken]
    assert sorted(to for to, _ in told) == [[STAGING], [STAGING]]
    assert any("It would have gone to owner@acme.example." in text for _, text in told)
    assert any("It would have gone to ops@acme.example." in text for _, text in told)
