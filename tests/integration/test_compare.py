"""Comparisons through real HTTP and the spool: both spans equal the truth, and a repeat is the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from scheduler_daemon.access import ShopAccess
from scheduler_daemon.channels import Parcel
from scheduler_daemon.channels.message import build
from scheduler_daemon.compare import fetch_compared, require_whole
from scheduler_daemon.config import load_config
from scheduler_daemon.errors import RunError, SourceError, UsageError
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import Lease, Period, Recipient, Report, Run, RunStatus, Trigger
from scheduler_daemon.prepare import Preparer
from scheduler_daemon.renderers import child as in_child
from scheduler_daemon.shopify.check import check_shop
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.truth import orders_total, sales_by_variant
from scheduler_daemon.sources import open_source, paging
from scheduler_daemon.sources.base import Ask
from scheduler_daemon.spool import Spool
from scheduler_daemon.store import Store
from scheduler_daemon.tablefile import HEADER, Tally
from scheduler_daemon.threads import Cancelled, Hold
from scheduler_daemon.when.period import find_period
from tests.conftest import open_test_store
from tests.making import SHOP, make_session, now

HOUR = timedelta(hours=1)
PARIS = "Europe/Paris"
TO = (Recipient("email", "a@acme.example"),)


@contextmanager
def asking(report: Report, due: str, **facts: Any) -> Iterator[tuple[SimShop, Ask]]:
    """Yield a shop at the moment *due* (UTC), and what is asked of it."""
    moment = datetime.fromisoformat(due).replace(tzinfo=UTC)
    made = SimShop(SHOP, **({"restore_rate": 1e6, "bucket_size": 20_000, "zone": PARIS, "now": moment} | facts))
    with Simulator([made]) as simulator, open_http() as http:
        client = Client(SHOP, Secret(made.token), http=http, base_url=simulator.base_url)
        period = find_period(report, moment, PARIS)
        yield made, Ask(report, period, check_shop(client, moment), client, moment, moment, lambda _: None)


# Both spans ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "due", "hours", "hours_before"),
    [
        ("orders", "2026-03-30T06:00", 167, 168),  # the week before the due Monday has the change
        ("sales-by-product", "2026-04-06T06:00", 168, 167),  # the one that it is compared with has it
        ("sales-by-product", "2026-10-26T07:00", 169, 168),
        ("orders", "2026-11-02T07:00", 168, 169),
    ],
)
def test_both_weeks_of_a_clock_change_equal_the_truth(kind: str, due: str, hours: int, hours_before: int) -> None:
    report = Report(kind, "Week", period="last_week", compare="previous_period")
    with asking(report, due, orders=500, days=16) as (made, ask):
        table = open_source(kind).fetch(ask)
        tally = Tally(table.columns)
        assert sum(1 for _ in tally.passing(table.rows)) > 20
        compared = fetch_compared(ask, ask.made_at)
        assert compared is not None
        spans = ((ask.period, tally.row_count, tally.totals), (compared.period, compared.row_count, compared.totals))
        assert [(span.end - span.start) / HOUR for span, _, _ in spans] == [hours, hours_before]
        assert compared.period.end == ask.period.start
        for span, count, totals in spans:
            truth = orders_total(made.data, span.start, span.end) if kind == "orders" else sales(made, span)
            assert count == truth["count"]
            for key, total in totals.items():
                assert Decimal(total) == Decimal(truth[key]), key
            assert len([total for total in totals.values() if Decimal(total)]) >= 5
        assert tally.totals != compared.totals


def sales(made: SimShop, span: Period) -> dict[str, Any]:
    """Return the sums of the truth by variant, and how many of them there are."""
    found = sales_by_variant(made.data, span.start, span.end).values()
    keys = ("units_sold", "units_returned", "gross", "discounts", "returns", "net_sales")
    return {"count": len(found)} | {key: sum(Decimal(row[key]) for row in found) for key in keys}


def test_a_year_before_is_asked_for_the_same_days_filters_and_columns() -> None:
    columns = (("name", "Number"), ("total", None))
    report = Report("orders", "x", period="last_month", compare="year_before", columns=columns, filters={"tag": "vip"})
    with asking(report, "2026-11-02T07:00", orders=1500, days=400) as (made, ask):
        compared = fetch_compared(ask, ask.made_at)
        assert compared is not None
        start, end = (datetime(2025, month, day, hour, tzinfo=UTC) for month, day, hour in ((9, 30, 22), (10, 31, 23)))
        assert (compared.period.start, compared.period.end, compared.word) == (start, end, "year_before")
        inside = [made.data.order(number) for number in range(made.data.count)]
        inside = [order for order in inside if start <= order["created"] < end and "vip" in order["tags"]]
        wanted = [order for order in inside if not order["test"]]
        assert compared.row_count == len(wanted) > 3
        assert list(compared.totals) == ["total"]


def test_a_report_to_date_is_compared_up_to_the_same_second() -> None:
    report = Report("orders", "x", period="month_to_date", compare="previous_period")
    with asking(report, "2026-11-12T13:05:07", orders=600, days=45) as (made, ask):
        compared = fetch_compared(ask, ask.made_at)
        assert compared is not None
        # 14:05:07 in Paris, in winter time; in October the same clock time was an hour earlier.
        assert compared.period.end == datetime(2026, 10, 12, 12, 5, 7, tzinfo=UTC)
        assert compared.row_count == orders_total(made.data, compared.period.start, compared.period.end)["count"] > 50


# What may go wrong --------------------------------------------------------------------------------------------------


def test_a_token_that_shows_sixty_days_cannot_compare_with_more_and_is_told_the_way_out() -> None:
    report = Report("orders", "x", period="last_month", compare="year_before")
    with asking(report, "2026-11-02T07:00", orders=50, scopes=("read_orders",)) as (_, ask):
        for refused in (
            lambda: fetch_compared(ask, ask.made_at),
            lambda: require_whole(report, ask.period, ("read_orders",), ask.made_at),
        ):
            with pytest.raises(RunError) as caught:
                refused()
            error = caught.value
            assert (error.code, error.retryable) == ("scope_missing", False)
            assert error.message == (
                "What it is compared with cannot be shown. The period begins on 01 Oct 2025; "
                "the token shows orders of the last 60 days only."
            )
            assert "read_all_orders" in error.hint
            assert error.hint.endswith("scheduler reports edit REPORT --compare none")
        require_whole(replace(report, compare=""), ask.period, ("read_orders",), ask.made_at)
        require_whole(report, ask.period, ("read_orders", "read_all_orders"), ask.made_at)


def test_the_second_fetch_meets_the_same_errors_and_looks_whether_it_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 50)
    report = Report("orders", "x", period="last_week", compare="previous_period")
    with asking(report, "2026-11-02T07:00", orders=400, days=15) as (made, ask):
        made.state = "gone"
        with pytest.raises(SourceError) as caught:
            fetch_compared(ask, ask.made_at)
        assert caught.value.code == "shop_not_found"
        made.state = None
        seen: list[int] = []

        def check(rows: int) -> None:
            seen.append(rows)
            if len(seen) == 3:
                raise Cancelled("A person cancelled it.")

        asked = len(made.log)
        with pytest.raises(Cancelled):
            fetch_compared(replace(ask, check=check), ask.made_at)
        assert (seen, len(made.log) - asked) == ([0, 50, 100], 2)


# Through the spool --------------------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> SimShop:
    return SimShop(SHOP, orders=150, days=15, zone=PARIS, name="Acme", restore_rate=1e6, bucket_size=20_000)


@pytest.fixture
def preparer(tmp_path: Path, desk_url: str, shop: SimShop) -> Iterator[Preparer]:
    """What makes files, over a real database, API and spool."""
    with Simulator([shop]) as simulator, open_test_store(desk_url) as store:
        make_session(store, SHOP, shop.token)
        yield preparing(store, simulator, tmp_path)


def preparing(store: Store, simulator: Simulator, root: Path) -> Preparer:
    config = load_config(environ={"SCHEDULER_SHOPIFY__BASE_URL": simulator.base_url, "HOME": str(root)})
    return Preparer(config, ShopAccess(config, store), Spool(root / "spool"))


def a_run(**changes: Any) -> tuple[Run, Hold]:
    moment = now()
    report = Report("orders", "Weekly Sales", period="last_7_days", compare="previous_period", **changes)
    run = Run("RUN1", "s", SHOP, Trigger.SCHEDULE, "k", moment, moment, RunStatus.RUNNING, moment, report, zone=PARIS)
    return replace(run, attempt=1), Hold(Lease(SHOP, 1, float("inf")), float("inf"))


@pytest.mark.parametrize("desk_url", ["sqlite", "postgres", "mariadb"], indirect=True)
def test_a_repeat_is_the_same_mail_and_asks_the_shop_for_nothing(preparer: Preparer, shop: SimShop) -> None:
    run, hold = a_run()
    timings: dict[str, float] = {}
    file = preparer.make(run, hold, timings)
    assert list(timings) == ["fetch", "compare", "render"]
    compared = file.about.compared
    assert compared is not None
    assert compared.row_count == orders_total(shop.data, compared.period.start, compared.period.end)["count"] > 20
    folder = preparer.spool.folder(run.id)
    assert sorted(path.name for path in folder.iterdir()) == sorted([HEADER, file.name])
    asked = len(shop.log)
    made = replace(run, attempt=2, spool_path=preparer.spool.relative(file), sha256=file.sha256)
    again = preparer.make(made, hold, {})
    assert len(shop.log) == asked
    assert again == file
    first, second = (bytes(build(Parcel(item, item.about, TO), "k", sender="r@s.example")) for item in (file, again))
    assert first == second
    assert b"previous" not in first


def test_a_file_that_is_gone_is_made_anew_with_the_same_comparison(preparer: Preparer, shop: SimShop) -> None:
    run, hold = a_run()
    file = preparer.make(run, hold, {})
    period = file.about.period
    # As a re-run knows it: days later, with the period of the run that it repeats.
    later = replace(run, id="RUN2", trigger=Trigger.MANUAL, due_at=run.due_at + timedelta(days=3))
    later = replace(later, period_start=period.start, period_end=period.end)
    assert preparer.make(later, hold, {}).about.compared == file.about.compared


def test_a_header_that_was_cut_off_lets_the_report_be_fetched_again(preparer: Preparer, shop: SimShop) -> None:
    run, hold = a_run()
    file = preparer.make(run, hold, {})
    header = preparer.spool.folder(run.id) / HEADER
    whole = header.read_bytes()
    made = replace(run, attempt=2, spool_path=preparer.spool.relative(file), sha256=file.sha256)
    for wrong in (whole[: len(whole) // 2], b'{"columns": [], "about": null}'):
        header.write_bytes(wrong)
        asked = len(shop.log)
        again = preparer.make(made, hold, {})
        assert len(shop.log) - asked == 2
        assert (again.sha256, again.columns) == (file.sha256, file.columns)
        assert (again.about.totals, again.about.compared) == (file.about.totals, file.about.compared)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "html"])
def test_no_row_and_no_column_is_added_to_the_file(preparer: Preparer, kind: str) -> None:
    run, hold = a_run(format=kind)
    assert run.report is not None
    compared = preparer.make(run, hold, {})
    plain = preparer.make(replace(run, id="RUN2", report=replace(run.report, compare="")), hold, {})
    assert plain.about.compared is None
    assert (compared.columns, compared.about.row_count) == (plain.columns, plain.about.row_count)
    if kind == "csv":
        assert compared.path.read_bytes() == plain.path.read_bytes()


def test_a_workbook_made_in_a_process_of_its_own_knows_the_comparison(
    preparer: Preparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_child, "CHILD_ROWS", 5)
    run, hold = a_run(format="xlsx")
    file = preparer.make(run, hold, {})
    assert file.about.row_count > 5
    assert file.about.compared is not None
    facts = {row[0]: row[1] for row in load_workbook(file.path)["About"].iter_rows(values_only=True)}
    assert facts["Rows, compared"] == str(file.about.compared.row_count)


def test_what_is_not_sent_is_compared_with_nothing(preparer: Preparer, shop: SimShop) -> None:
    """A condition that is not met ends the run before the second fetch."""
    run, hold = a_run()

    def judge(*_: Any) -> None:
        raise RunError("not met", code="condition_unmet")

    with pytest.raises(RunError, match="not met"):
        preparer.make(run, hold, {}, judge)
    asked = len(shop.log)
    preparer.make(run, hold, {})
    assert len(shop.log) - asked == 2
    assert asked == 2  # what Shopify says of the shop, and one page of orders


def test_a_word_that_nobody_knows_fails_before_anything_is_asked(preparer: Preparer, shop: SimShop) -> None:
    run, hold = a_run()
    assert run.report is not None
    with pytest.raises(UsageError) as caught:
        preparer.make(replace(run, report=replace(run.report, compare="last_weak")), hold, {})
    assert caught.value.code == "unknown_comparison"
    assert shop.log == []
