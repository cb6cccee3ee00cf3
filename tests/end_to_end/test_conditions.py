"""Conditions, end to end: flags, what is sent and what is skipped, and what the person reads."""

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from scheduler_daemon.model import Recipient, Report, Run, RunStatus, Schedule
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.end_to_end.test_faults import mails
from tests.making import make_schedule, now, set_cursor

__all__ = ["bare", "desk", "shop"]

A = Recipient("email", "a@acme.example")


@pytest.fixture
def mailbox(desk: Desk) -> Iterator[Mailbox]:
    """A mail server."""
    with Mailbox(desk.root / "mail") as made:
        desk.set(
            email__host="127.0.0.1", email__port=str(made.port), email__security="none", email__from="r@sched.example"
        )
        yield made


def conditional(desk: Desk, condition: dict[str, Any], **changes: Any) -> Schedule:
    """Store a report of the last 7 days, or of a tag that no order has, that is due."""
    filters = {"tag": "nobody-has-this"} if changes.pop("empty", False) else {}
    report = Report("orders", "Alarm", "csv", "last_7_days", filters=filters, condition=condition)
    with desk.store() as store:
        return make_schedule(store, name="Alarm", report=report, recipients=(A,), **changes)


def ran(desk: Desk, schedule: Schedule) -> Run:
    desk.type("check-once")
    with desk.store() as store:
        return store.history.last_of(schedule.id)[0]


@THREE
def test_a_report_without_rows_is_skipped_with_its_reason(desk: Desk, mailbox: Mailbox) -> None:
    run = ran(desk, conditional(desk, {"when": "has_rows"}, empty=True))
    assert (run.status, run.reason, run.error_code) == (RunStatus.SKIPPED, "condition", "condition_unmet")
    assert (run.error, run.record_count, run.file_name) == ("There are no rows.", 0, None)
    assert mails(desk.root / "mail") == []
    assert list((desk.root / "spool").iterdir()) == []
    assert "its condition was not met. There are no rows." in desk.type("reports", "why", "alarm").out
    # A person who asks for it all the same gets it.
    assert desk.type("history", "rerun", run.id).code == 0
    assert desk.type("reports", "run", "alarm").code == 0
    assert mails(desk.root / "mail") == ["a@acme.example"] * 2


def test_an_alarm_for_silence_is_sent_only_without_rows(desk: Desk, mailbox: Mailbox) -> None:
    assert ran(desk, conditional(desk, {"when": "no_rows"}, empty=True)).status is RunStatus.SUCCEEDED
    run = ran(desk, conditional(desk, {"when": "no_rows"}))
    assert run.error is not None
    assert run.error.endswith(" rows, and it is sent when there is none.")
    assert mails(desk.root / "mail") == ["a@acme.example"]


def test_a_note_is_a_mail_without_a_file(desk: Desk, mailbox: Mailbox) -> None:
    assert ran(desk, conditional(desk, {"empty": "note"}, empty=True)).status is RunStatus.SUCCEEDED
    ran(desk, conditional(desk, {"empty": "note"}))
    note, whole = (message_from_bytes(path.read_bytes()) for path in sorted((desk.root / "mail").iterdir()))
    assert [part.get_content_type() for part in note.walk() if not part.is_multipart()] == ["text/plain", "text/html"]
    assert [part.get_filename() for part in whole.walk() if part.get_filename()] != []
    text = next(part for part in note.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    assert b"There are no rows" in text
    assert b"Attached" not in text
    assert b"Attached" not in next(p for p in note.walk() if p.get_content_type() == "text/html").get_payload(
        decode=True
    )


def pretend(desk: Desk, run: Run, total: str) -> None:
    """Make the total of *run*, a day older now, look like *total*, and its schedule due again."""
    with desk.store() as store:
        store.engine.write("UPDATE {ours}scheduler_run SET due_at = due_at - 86400000 WHERE id = ?", (run.id,))
        text = store.engine.read("SELECT report FROM {ours}scheduler_run WHERE id = ?", (run.id,))[0][0]
        was = text.partition('"totals":{"net":"')[2].partition('"')[0]
        assert float(was) > 1
        made = text.replace(f'"net":"{was}"', f'"net":"{total}"')
        store.engine.write("UPDATE {ours}scheduler_run SET report = ? WHERE id = ?", (made, run.id))
        set_cursor(store, now() - timedelta(seconds=1), run.schedule_id)


@THREE
def test_a_total_is_compared_with_the_occurrence_before_even_where_that_was_skipped(
    desk: Desk, mailbox: Mailbox
) -> None:
    condition = {"up_by": {"net": "10"}, "down_by": {"net": "20"}}
    schedule = conditional(desk, condition, next_due_at=now() - timedelta(days=4))
    first = ran(desk, schedule)
    assert first.reason == "condition"
    assert "nothing before to compare it with" in str(first.error)
    with desk.store() as store:
        assert store.judgements.before(first) is None
    # The same figures are now a rise, then a fall, then neither.
    pretend(desk, first, "1.00")
    second = ran(desk, schedule)
    pretend(desk, second, "99999999.00")
    third = ran(desk, schedule)
    assert [second.status, third.status] == [RunStatus.SUCCEEDED] * 2
    with desk.store() as store:
        set_cursor(store, now() - timedelta(seconds=1), schedule.id)
    fourth = ran(desk, schedule)
    assert (fourth.reason, len({run.id for run in (first, second, third, fourth)})) == ("condition", 4)
    assert mails(desk.root / "mail") == ["a@acme.example"] * 2


ADD = (
    "reports",
    "add",
    "--shop",
    "test.myshopify.com",
    "--type",
    "orders",
    "--every",
    "daily 07:30",
    "--to",
    "a@b.example",
)


def test_flags_add_change_and_remove_conditions(desk: Desk) -> None:
    flags = ("--when", "has_rows", "--above", "net=1000", "--down-by", "net=20%", "--repeat", "once")
    assert desk.type(*ADD, "--name", "Alarm", *flags).code == 0
    shown = desk.type("reports", "show", "alarm", "--json").data
    assert shown["condition"] == {
        "when": "has_rows",
        "repeat": "once",
        "above": {"net": "1000"},
        "down_by": {"net": "20"},
    }
    assert "has rows; net above 1,000 or net down by 20 %; once" in desk.type("reports", "show", "alarm").out
    assert desk.type("reports", "edit", "alarm", "--above", "net=", "--below", "total=5", "--when", "always").code == 0
    changed = desk.type("reports", "show", "alarm", "--json").data["condition"]
    assert changed == {"repeat": "once", "below": {"total": "5"}, "down_by": {"net": "20"}}
    assert desk.type("reports", "edit", "alarm", "--no-condition").code == 0
    assert desk.type("reports", "show", "alarm", "--json").data["condition"] is None


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--above", "net"), "'net' names no column and value"),
        (("--above", "nett=5"), "Did you mean 'net'?"),
        (("--above", "name=5"), "no total of 'name'"),
        (("--up-by", "net=-5"), "-5 is no change"),
        (("--below", "net=1.000,50"), "is no number"),
        (("--when", "no_rows", "--empty", "skip"), "nothing to send"),
        (("--above", "gross=5", "--columns", "name,net"), "no total of 'gross'"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_before_it_is_stored(
    flags: tuple[str, ...], named: str, desk: Desk
) -> None:
    done = desk.type(*ADD, *flags)
    assert (done.code, named in done.err) == (2, True), done
    assert desk.type("reports", "list", "--json").data == []
