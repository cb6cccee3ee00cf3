"""In the mode redirect no mail reaches a reader, whenever it was written down."""

from scheduler_daemon.model import Recipient
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.making import make_schedule
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
