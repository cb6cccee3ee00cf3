"""A report that is compared, as a merchant gets it and an operator keeps it: real HTTP, real mail, the true figures."""

from collections.abc import Iterator
from decimal import Decimal
from email import message_from_bytes
from pathlib import Path

import pytest

from scheduler_daemon.changes import amount
from scheduler_daemon.lib import spans
from scheduler_daemon.lib.clock import iso
from scheduler_daemon.lib.figures import change
from scheduler_daemon.model import Column, ColumnKind, Period, Recipient, Report, Run, RunStatus, Schedule
from scheduler_daemon.simulator import SimShop
from scheduler_daemon.simulator.mailbox import Mailbox
from scheduler_daemon.simulator.truth import orders_total
from scheduler_daemon.when.comparison import find_comparison
from tests.end_to_end.desk import THREE, Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, make_session

__all__ = ["bare", "desk", "shop"]

A = (Recipient("email", "a@acme.example"),)
PARIS = "Europe/Paris"
NET = Column("net", "Net of refunds", ColumnKind.MONEY, True, "EUR")


@pytest.fixture
def mailbox(desk: Desk) -> Iterator[Mailbox]:
    """A mail server."""
    with Mailbox(desk.root / "mail") as made:
        desk.set(
            email__host="127.0.0.1", email__port=str(made.port), email__security="none", email__from="r@sched.example"
        )
        yield made


def compared(desk: Desk, **changes: object) -> Schedule:
    """Store a report of the last 7 days that is due and compared with the 7 before."""
    with desk.store() as store:
        report = Report("orders", "Weekly Sales", "csv", "last_7_days", compare="previous_period")
        return make_schedule(store, name="Weekly Sales", report=report, recipients=A, **changes)


def last(desk: Desk, schedule: Schedule) -> Run:
    with desk.store() as store:
        return store.history.last_of(schedule.id)[0]


def letters(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.eml"))]


def text_of(letter: bytes) -> str:
    part = next(part for part in message_from_bytes(letter).walk() if part.get_content_type() == "text/plain")
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.decode()


def truth(shop: SimShop, run: Run) -> tuple[str, str]:
    """Return what a mail must say of the rows and of the net total, from the invented data itself."""
    assert run.report is not None
    assert run.period_start is not None
    assert run.period_end is not None
    period = Period("last_7_days", run.period_start, run.period_end, PARIS)
    before = find_comparison(run.report, period)
    assert before is not None
    assert before.end == period.start
    now, then = (orders_total(shop.data, span.start, span.end) for span in (period, before))
    assert Decimal(now["net"]) != Decimal(then["net"]) != 0
    span = spans.days(before.start, before.end, PARIS)
    return (
        f"{now['count']} ({change(now['count'], then['count'])}, {span})",
        f"{amount(NET, now['net'])} EUR ({change(now['net'], then['net'], lambda text: amount(NET, text))}, {span})",
    )


@THREE
def test_a_mail_says_the_true_totals_of_both_periods_and_a_copy_is_the_same(
    desk: Desk, mailbox: Mailbox, shop: SimShop
) -> None:
    schedule = compared(desk)
    done = desk.type("check-once")
    assert done.code == 0, done
    run = last(desk, schedule)
    rows, net = truth(shop, run)
    (letter,) = letters(desk.root / "mail")
    lines = [" ".join(line.split()) for line in text_of(letter).splitlines()]
    assert f"Rows {rows}" in lines
    assert f"Net of refunds {net}" in lines
    # A copy is of the same bytes but for its key; nothing is asked of the shop for it.
    asked = len(desk.simulator.shop(SHOP).log)
    assert desk.type("history", "resend", run.id, "--yes").code == 0
    copy = text_of(letters(desk.root / "mail")[1])
    assert copy == text_of(letter)
    assert len(desk.simulator.shop(SHOP).log) == asked
    # Made again, it compares with the same span; the shop is asked for both.
    said = desk.type("history", "rerun", run.id).out
    assert f"Net of refunds {net}" in said
    assert text_of(letters(desk.root / "mail")[2]) == text_of(letter)


def test_a_test_send_is_compared_too_and_says_so_on_the_screen(desk: Desk, mailbox: Mailbox, shop: SimShop) -> None:
    schedule = compared(desk)
    said = desk.type("reports", "run", "weekly-sales", "--send-to", "me@acme.example").out
    _, net = truth(shop, last(desk, schedule))
    assert f". Net of refunds {net}" in said
    (letter,) = letters(desk.root / "mail")
    assert net in " ".join(text_of(letter).split())
    assert last(desk, schedule).status is RunStatus.SUCCEEDED


def test_reports_run_tells_how_rows_and_totals_changed_to_people_and_to_machines(desk: Desk, shop: SimShop) -> None:
    desk.set(folder__path=str(desk.root / "out"))
    with desk.store() as store:
        report = Report("orders", "Weekly Sales", "csv", "last_7_days", compare="previous_period")
        schedule = make_schedule(store, name="Weekly Sales", report=report)
        plain = make_schedule(store, name="Plain")
    said = desk.type("reports", "run", schedule.id).out
    rows, net = truth(shop, last(desk, schedule))
    number, _, changed = rows.partition(" ")
    assert f"OK       {number} rows {changed}, weekly-sales-" in said
    assert f". Net of refunds {net}" in said
    data = desk.type("reports", "run", schedule.id, "--json").data
    found = data["compared"]
    assert f"({found['rows_change']}, " in changed
    assert f" ({found['changes']['net']}, " in net
    begin = last(desk, schedule).period_start
    assert begin is not None
    assert (found["comparison"], found["period_end"]) == ("previous_period", iso(begin))
    assert set(found["totals"]) == set(data["totals"]) >= {"net"}
    assert Decimal(data["totals"]["net"]) != Decimal(found["totals"]["net"])
    assert desk.type("reports", "run", plain.id, "--json").data["compared"] is None


@THREE
def test_where_the_second_fetch_fails_nothing_half_is_sent_and_the_next_try_makes_both(
    desk: Desk, mailbox: Mailbox, shop: SimShop
) -> None:
    schedule = compared(desk)
    # The page of the report's own orders passes, the comparison's does not; the shop asks to wait for an hour.
    shop.script([{"fault": "429", "skip": 1, "seconds": 3600}])
    asked = len(shop.log)
    assert desk.type("check-once").code == 1
    run = last(desk, schedule)
    assert (run.status, run.error_code, run.file_name) == (RunStatus.QUEUED, "throttled", None)
    assert [entry.get("fault") for entry in shop.log[asked:]] == [None, "429"]
    assert letters(desk.root / "mail") == []
    with desk.store() as store:
        store.engine.write("UPDATE {ours}scheduler_run SET not_before = due_at WHERE id = ?", (run.id,))
        store.engine.write("UPDATE {ours}scheduler_shop SET next_work_at = 0")
    assert desk.type("check-once").code == 0
    assert len(shop.log) - asked == 4
    _, net = truth(shop, last(desk, schedule))
    assert net in " ".join(text_of(letters(desk.root / "mail")[0]).split())


@THREE
def test_an_operator_sets_sees_and_takes_it_away(desk: Desk) -> None:
    flags = ("--type", "orders", "--every", "daily 08:00", "--period", "yesterday", "--name", "Daily")
    done = desk.type("reports", "add", "--shop", SHOP, *flags, "--compare", "previous_perod", "--folder")
    assert (done.code, done.out) == (2, "")
    assert "'previous_perod' is no comparison. Did you mean 'previous_period'?" in done.err
    assert "There are: previous_period, year_before, none." in done.err
    assert desk.type("reports", "add", "--shop", SHOP, *flags, "--compare", "previous_period", "--folder").code == 0
    assert "compared with  previous_period" in desk.type("reports", "show", "daily").out
    assert desk.type("reports", "show", "daily", "--json").data["compare"] == "previous_period"
    for words, found in (
        (("--period", "last_week"), "previous_period"),
        (("--compare", "year_before"), "year_before"),
        (("--compare", "none"), None),
    ):
        assert desk.type("reports", "edit", "daily", *words).code == 0
        (row,) = desk.type("reports", "list", "--json").data
        assert row["compare"] == found
    assert "compared with  nothing" in desk.type("reports", "show", "daily").out
    assert set(desk.type("reports", "types", "--json").json["comparisons"]) == {"previous_period", "year_before"}


@THREE
def test_a_comparison_beyond_what_the_token_shows_is_refused_before_it_is_stored(desk: Desk, shop: SimShop) -> None:
    shop.scopes = ("read_orders",)
    with desk.store() as store:
        make_session(store, SHOP, shop.token)
    assert desk.type("shops", "check", SHOP).code == 0
    flags = ("--shop", SHOP, "--type", "orders", "--every", "daily 08:00", "--period", "last_7_days", "--folder")
    done = desk.type("reports", "add", *flags, "--compare", "year_before")
    assert done.code == 2
    assert "What it is compared with cannot be shown. The period begins on" in done.err
    assert "--compare none" in done.err
    assert desk.type("reports", "add", *flags, "--compare", "previous_period").code == 0


def test_a_preview_names_the_span_and_does_not_ask_for_it(desk: Desk) -> None:
    compared(desk)
    asked = len(desk.simulator.shop(SHOP).log)
    done = desk.type("reports", "preview", "weekly-sales", "--json")
    assert done.code == 0, done
    assert len(desk.simulator.shop(SHOP).log) - asked == 1
    (note,) = [note for note in done.data["notes"] if "compares" in note]
    assert note.startswith("The report compares its totals with ")
    assert note.endswith("; a preview has none, and does not ask for that time.")
    assert note in desk.type("reports", "preview", "weekly-sales").out


@THREE
def test_a_dry_run_says_what_would_be_compared(desk: Desk) -> None:
    schedule = compared(desk)
    (run,) = desk.type("check-once", "--dry-run", "--json").data[0]["runs"]
    assert run["compared_to"] == run["period_from"]
    assert ", compared with " in desk.type("check-once", "--dry-run").out
    for options, said in (
        ('{"compare": 7}', "its option compare '7' is not text"),
        ('{"compare": "none"}', "1 report due; nothing was run."),
        ('{"compare": "yesteryear"}', "would fail: 'yesteryear' is no comparison."),
    ):
        with desk.store() as store:
            sql = "UPDATE {ours}scheduler_schedule SET options = ? WHERE schedule_id = ?"
            store.engine.write(sql, (options, schedule.id))
        out = desk.type("check-once", "--dry-run").out
        assert said in out
        assert "compared with" not in out
    # The row is read all the same, and its run says what is wrong.
    desk.type("check-once")
    run = last(desk, schedule)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "unknown_comparison")
