"""The page: what it says is true, anybody can read it, and it can do nothing but be read."""

import re
import tracemalloc
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_daemon.lib import figures
from scheduler_daemon.lib.http import open_http
from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.model import About, Column, ColumnKind, Period, Report, Row, Table
from scheduler_daemon.renderers import open_renderer
from scheduler_daemon.renderers.base import facts
from scheduler_daemon.shopify.check import check_shop
from scheduler_daemon.shopify.client import Client
from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.sources import open_source
from scheduler_daemon.sources.base import Ask
from scheduler_daemon.spool import Spool
from scheduler_daemon.when.period import find_period

#: Elements that have no end (HTML standard, void elements), and SVG's, which ends itself.
VOID = {"meta", "br", "hr", "img", "input", "link", "rect"}
START = datetime(2026, 11, 15, 23, 0, tzinfo=UTC)
SALES = (
    Column("product", "Product"),
    Column("variant", "Variant"),
    Column("units", "Units", ColumnKind.INTEGER, total=True),
    Column("net", "Net sales", ColumnKind.MONEY, total=True, currency="EUR"),
)
ORDERS = (
    Column("name", "Order"),
    Column("created", "Created", ColumnKind.MOMENT),
    Column("net", "Net", ColumnKind.MONEY, total=True, currency="EUR"),
)


def table(columns: tuple[Column, ...], rows: Iterable[Row], **changes: Any) -> Table:
    period = Period("last_week", START, START + timedelta(days=7), "Europe/Paris")
    about = About(
        title="Weekly Sales",
        report_type="sales-by-product",
        shop="acme.myshopify.com",
        shop_name="Acme",
        period=period,
        zone="Europe/Paris",
        currency="EUR",
        due_at=period.end,
        made_at=period.end,
        complete_until=period.end,
        api_version="2026-10",
        query="query { orders }",
    )
    return Table(columns, rows, replace(about, **changes))


class Page(HTMLParser):
    """A page as a reader's program takes it: elements in order, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.texts: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], "an element has no end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        name, attrs, parts = self.open.pop()
        assert name == tag, f"{tag} ends {name}"
        text = "".join(parts)
        self.texts.append((tag, attrs.get("class") or "", text))
        if self.open:
            self.open[-1][2].append(text)

    def handle_data(self, data: str) -> None:
        self.open[-1][2].append(data) if self.open else None

    def all(self, tag: str, look: str | None = None) -> list[str]:
        return [text for name, found, text in self.texts if name == tag and look in (None, found)]

    @property
    def bars(self) -> list[tuple[str, str]]:
        """Return what each bar stands for, and its amount."""
        rows = re.findall(
            r"<tr><th scope=\"row\"[^>]*><bdi>(.*?)</bdi></th><td><svg.*?<td class=\"n\">(.*?)</td>", self.source
        )
        return [(name, value) for name, value in rows]

    @property
    def cards(self) -> dict[str, str]:
        return dict(zip(self.all("dt"), self.all("dd"), strict=True))


@pytest.fixture
def draw(tmp_path: Path) -> Any:
    spool = Spool(tmp_path / "spool")

    def made(unmade: Table, **options: Any) -> Page:
        spooled = spool.write_rows("RUN1", unmade)
        path = tmp_path / "page.html"
        open_renderer("html", options).render(spooled, path)
        return Page(path.read_text(encoding="utf-8"))

    return made


# What it says -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "orders", "period"), [("orders", 900, "last_week"), ("sales-by-product", 900, "yesterday")]
)
def test_a_page_of_a_shops_orders_tells_the_truth(draw: Any, kind: str, orders: int, period: str) -> None:
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    shop = SimShop("acme.myshopify.com", orders=orders, zone="Europe/Paris", now=now, restore_rate=1e6, bucket_size=2e4)
    report = Report(kind, "A report", period=period)
    with Simulator([shop]) as simulator, open_http() as http:
        client = Client(shop.domain, Secret(shop.token), http=http, base_url=simulator.base_url)
        known, span = check_shop(client, now), find_period(report, now, "Europe/Paris")
        ask = Ask(report, span, known, client, now, now, lambda _: None)
        fetched = open_source(kind).fetch(ask)
        rows = list(fetched.rows)  # that these are the truth is another test's matter
    page = draw(replace(fetched, rows=rows), rows=5)
    (money,) = (n for n, column in enumerate(fetched.columns) if column.key in ("net", "net_sales"))
    net = sum(Decimal(row[money]) for row in rows)
    assert net > 0
    assert page.all("h1") == ["A report"]
    assert "Complete until 22 Nov 2026 24:00 Paris." in page.source
    assert page.cards["Rows"] == str(len(rows))
    assert page.cards[fetched.columns[money].title].replace(",", "") == f"{net} EUR"
    assert f"Showing 5 of {len(rows)} rows" in page.source
    if kind == "orders":
        days = ("Mon 16", "Tue 17", "Wed 18", "Thu 19", "Fri 20", "Sat 21", "Sun 22")
        assert [name for name, _ in page.bars] == [f"{day} Nov" for day in days]
        assert sum(Decimal(value.replace(",", "")) for _, value in page.bars) == net


def test_a_page_says_what_it_is_at_head_and_foot(draw: Any) -> None:
    made = table(
        SALES, [["Tea", "50 g", 3, "12.30"]], late_because="the scheduler was not running.", notes=("A note.",)
    )
    page = draw(made)
    assert page.all("title") == ["Weekly Sales – Acme, 16 to 22 Nov 2026"]
    assert page.all("p", "period") == ["16 to 22 Nov 2026, Paris time"]
    assert page.all("p", "note") == ["Late because the scheduler was not running.", "A note."]
    assert page.cards == {"Rows": "1", "Units": "3", "Net sales": "12.30 EUR"}
    foot = page.source.partition("<footer>")[2]
    for name, value in facts(
        replace(made, about=replace(made.about, row_count=1, totals={"units": "3", "net": "12.30"}))
    ):
        assert f'<tr><th scope="row">{name}</th><td>' in foot
        assert value in foot


def test_numbers_that_are_not_complete_are_said_to_be(draw: Any) -> None:
    until = datetime(2026, 11, 18, 12, 34, tzinfo=UTC)
    rows = [["#1", "2026-11-16T10:00:00Z", "5.00"], ["#2", "2026-11-18T12:00:00Z", "7.00"]]
    page = draw(table(ORDERS, rows, complete_until=until))
    assert "Complete until 18 Nov 2026 13:34 Paris." in page.source
    # Days that are still to come have no bar: an empty one would say that nothing was sold.
    assert page.bars == [("Mon 16 Nov", "5.00"), ("Tue 17 Nov", "0.00"), ("Wed 18 Nov", "7.00")]


def test_no_rows_make_a_whole_page(draw: Any) -> None:
    page = draw(table(SALES, []))
    assert page.cards == {"Rows": "0", "Units": "0", "Net sales": "0.00 EUR"}
    assert page.bars == []
    assert "nothing happened in this period" in page.source


@pytest.mark.parametrize(
    ("rows", "said", "shown"),
    [(2, "Showing 2 of 3 rows", 2), (0, "None of the 3 rows is shown", 0), (3, "All rows", 3)],
)
def test_a_page_says_how_many_rows_it_shows(draw: Any, rows: int, said: str, shown: int) -> None:
    page = draw(table(SALES, [["Tea", f"{n} g", n, "1.00"] for n in range(3)]), rows=rows)
    assert said in page.source
    assert "nothing happened" not in page.source
    listed = page.source.partition('<table class="rows"')[2].partition("</table>")[0]
    assert listed.count("<tr>") == (shown + 1 if shown else 0)
    assert page.cards["Net sales"] == "3.00 EUR"


# Bars ---------------------------------------------------------------------------------------------------------------


def span(first: str, days: int, zone: str = "Europe/Paris") -> dict[str, Any]:
    from scheduler_daemon.lib.zones import find_zone

    start = datetime.fromisoformat(first).replace(tzinfo=find_zone(zone))
    end = (start + timedelta(days=days)).astimezone(UTC)  # wall time: a day of 25 hours is one day
    return {"period": Period("custom", start.astimezone(UTC), end, zone), "zone": zone, "complete_until": end}


def test_bars_count_all_rows_and_not_only_those_shown(draw: Any) -> None:
    rows = [[f"#{n}", f"2026-11-{16 + n % 7}T12:00:00Z", "1.10"] for n in range(700)]
    page = draw(table(ORDERS, rows), rows=3)
    assert [value for _, value in page.bars] == ["110.00"] * 7
    assert page.all("h2")[0] == "Net (EUR) by day"
    assert "Every row counts, by the day in “Created” (Paris time)." in page.source


@pytest.mark.parametrize(
    ("days", "step", "count", "first", "last"),
    [
        (1, "hour", 24, "00:00", "23:00"),
        (2, "day", 2, "Thu 1 Oct", "Fri 2 Oct"),
        (31, "day", 31, "Thu 1 Oct", "Sat 31 Oct"),
        (32, "week", 5, "1 to 4 Oct", "26 Oct to 1 Nov"),
        (92, "week", 14, "1 to 4 Oct", "28 to 31 Dec"),
        (365, "month", 12, "Oct 2026", "Sep 2027"),
        (1500, "year", 5, "2026", "2030"),
    ],
)
def test_the_step_of_the_bars_fits_the_period(
    draw: Any, days: int, step: str, count: int, first: str, last: str
) -> None:
    page = draw(table(ORDERS, [["#1", "2026-10-01T10:00:00Z", "9.00"]], **span("2026-10-01", days)))
    assert page.all("h2")[0] == f"Net (EUR) by {step}"
    assert (len(page.bars), page.bars[0][0], page.bars[-1][0]) == (count, first, last)
    assert sum(Decimal(value) for _, value in page.bars) == 9


@pytest.mark.parametrize(("first", "hours"), [("2026-10-25", 24), ("2026-03-29", 23)])
def test_the_hours_of_a_night_of_change_are_told_once(draw: Any, first: str, hours: int) -> None:
    # 00:30 and 01:30 UTC are 02:30 twice on the night when summer time ends.
    rows = [["#1", f"{first}T00:30:00Z", "1.00"], ["#2", f"{first}T01:30:00Z", "2.00"]]
    page = draw(table(ORDERS, rows, **span(first, 1)))
    names = [name for name, _ in page.bars]
    assert len(names) == len(set(names)) == hours
    assert sum(Decimal(value) for _, value in page.bars) == 3


@pytest.mark.parametrize("odd", [None, "", "2026-11-23T00:00:00Z", "2026-11-15T22:59:59Z"])
def test_a_row_without_a_moment_in_the_period_turns_to_the_largest_rows(draw: Any, odd: str | None) -> None:
    rows = [["#1", "2026-11-16T10:00:00Z", "5.00"], ["#2", odd, "7.00"]]
    page = draw(table(ORDERS, rows))
    assert page.bars == [("#2", "7.00"), ("#1", "5.00")]
    assert page.all("h2")[0] == "Net (EUR)"
    assert "Shown are all rows." in page.source


def test_days_stand_for_moments(draw: Any) -> None:
    columns = (ORDERS[0], replace(ORDERS[1], kind=ColumnKind.DATE), ORDERS[2])
    page = draw(table(columns, [["#1", "2026-11-22", "5.00"]]))
    assert page.bars[-1] == ("Sun 22 Nov", "5.00")


def test_without_amounts_rows_are_counted(draw: Any) -> None:
    page = draw(table(ORDERS[:2], [["#1", "2026-11-16T10:00:00Z"], ["#2", "2026-11-16T11:00:00Z"]]))
    assert page.bars[:2] == [("Mon 16 Nov", "2"), ("Tue 17 Nov", "0")]
    assert page.all("h2")[0] == "Rows by day"


def test_the_largest_rows_are_found_among_all(draw: Any) -> None:
    rows = [[f"Tea {n:03}", "50 g", 1, f"{n}.00"] for n in range(200)] + [["Returned", "50 g", 1, "-5000.00"]]
    page = draw(table(SALES, rows), rows=5)
    assert page.bars[0] == ("Tea 199", "199.00")
    assert page.bars[-1] == ("Returned", "-5,000.00")
    assert len(page.bars) == 10
    assert "the 10 largest amounts of 201 rows" in page.source
    low = [attrs for tag, attrs in page.elements if tag == "rect" and attrs.get("class") == "low"]
    assert [(attrs["x"], attrs["width"]) for attrs in low] == [("0.00%", "96.17%")]


def test_rows_of_one_name_are_told_apart(draw: Any) -> None:
    page = draw(table(SALES, [["Tea", "50 g", 1, "2.00"], ["Tea", "100 g", 1, "1.00"], ["", None, 1, "0.50"]]))
    assert [name for name, _ in page.bars] == ["Tea · 50 g", "Tea · 100 g", "(no name)"]


def test_nothing_but_zeros_has_no_bars(draw: Any) -> None:
    assert draw(table(SALES, [["Tea", "50 g", 0, "0.00"]])).bars == []
    assert draw(table(SALES[:2], [["Tea", "50 g"]])).bars == []


# Money --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        ("1234567890123456.78", "EUR", "1,234,567,890,123,456.78"),
        ("0", "EUR", "0.00"),
        ("-0.00", "EUR", "0.00"),
        ("12.5", "EUR", "12.50"),
        ("12.345", "EUR", "12.345"),
        ("12.3400", "EUR", "12.34"),
        ("1234.0", "JPY", "1,234"),
        ("1234.5", "JPY", "1,234.5"),
        ("1.5", "BHD", "1.500"),
        ("-1234.5", "USD", "-1,234.50"),
        ("1E+3", "EUR", "1,000.00"),
        ("12.5", None, "12.5"),
        ("NaN", "EUR", "NaN"),
        ("n/a", "EUR", "n/a"),
    ],
)
def test_money_is_shown_as_its_currency_is_written(value: str, currency: str | None, shown: str) -> None:
    assert figures.money(value, currency) == shown


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4), st.sampled_from(["EUR", "JPY", "BHD", "CLF", None])
)
def test_no_cent_is_lost(value: Decimal, currency: str | None) -> None:
    assert Decimal(figures.money(str(value), currency).replace(",", "")) == value
    assert Decimal(figures.grouped(str(value)).replace(",", "")) == value


def test_sums_of_a_page_are_exact(draw: Any) -> None:
    rows = [["#1", "2026-11-16T10:00:00Z", "0.10"], ["#2", "2026-11-16T11:00:00Z", "0.20"]]
    rows += [["#3", "2026-11-17T11:00:00Z", "9007199254740993.01"]]
    page = draw(table(ORDERS, rows))
    assert page.bars[:2] == [("Mon 16 Nov", "0.30"), ("Tue 17 Nov", "9,007,199,254,740,993.01")]
    assert page.cards["Net"] == "9,007,199,254,740,993.31 EUR"


# What it is ---------------------------------------------------------------------------------------------------------

NAMES = (
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "=HYPERLINK(1)",
        "שלום",
        "🍵",
        "a\u202eevil",
        "{{ 7*7 }}",
    ),
    *("x\x00\x0b\x7f\x85\ufdd0\uffff", "</style><b>", "&amp;", "-->", "line\none", "y" * 300),
)


@pytest.fixture
def hostile(draw: Any) -> Page:
    """A page all of whose text is meant ill."""
    columns = tuple(replace(column, title=name) for column, name in zip(SALES, NAMES, strict=False))
    rows = [[name, name, 1, f"{number}.00"] for number, name in enumerate(NAMES)]
    return draw(
        table(columns, rows, title=NAMES[0], shop_name=NAMES[1], notes=NAMES, late_because=NAMES[8], query=NAMES[10])
    )


def test_no_text_becomes_markup(hostile: Page) -> None:
    known = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "section",
        "h1",
        "h2",
        "p",
        "dl",
        "dt",
    }
    known |= {"dd", "div", "bdi", "small", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "code"}
    assert {tag for tag, _ in hostile.elements} <= known
    assert "<script>alert(1)</script>" in hostile.all("h1")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0\uffff]", hostile.source)


def test_a_page_can_do_nothing_but_be_read(hostile: Page) -> None:
    allowed = {
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "scope",
        "id",
        "role",
        "tabindex",
        "rx",
        "x",
    }
    allowed |= {"aria-hidden", "aria-labelledby", "width", "height"}
    assert {name for _, attrs in hostile.elements for name in attrs} <= allowed
    (style,) = hostile.all("style")
    assert not re.search(r"url\(|@import|expression|http", style)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = next(
        attrs["content"] for _, attrs in hostile.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # The policy must stand before what it rules.
    assert hostile.source.index("Content-Security-Policy") < hostile.source.index("<style>")


def test_a_page_can_be_read_aloud(hostile: Page) -> None:
    assert hostile.elements[0] == ("html", {"lang": "en"})
    assert hostile.source.startswith("<!doctype html>\n")
    ids = [attrs["id"] for _, attrs in hostile.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs["aria-labelledby"] for _, attrs in hostile.elements if "aria-labelledby" in attrs]
    assert set(named) <= set(ids)
    assert sum(tag == "table" for tag, _ in hostile.elements) == 3
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in hostile.elements if tag == "th")
    assert len(hostile.all("h1")) == 1
    region = next(attrs for tag, attrs in hostile.elements if attrs.get("role") == "region")
    assert region["tabindex"] == "0"  # what scrolls must be reached by the keyboard


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read_on_its_ground(scheme: str) -> None:
    style = files("scheduler_daemon.renderers").joinpath("templates/report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colour = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        assert set(dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[1]))) == set(colour)
        colour |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[1]))
    for ground in ("paper", "card"):
        assert min(contrast(colour[name], colour[ground]) for name in ("ink", "soft")) >= 4.5
    assert contrast(colour["ink"], colour["note"]) >= 4.5
    for name in ("bar", "low", "edge"):  # what is no text (WCAG 2.2, 1.4.11)
        assert contrast(colour[name], colour["paper"]) >= 3


def test_the_same_table_gives_the_same_page(draw: Any) -> None:
    rows = [["Tea", "50 g", 3, "12.30"]]
    assert draw(table(SALES, rows)).source == draw(table(SALES, rows)).source


def test_rows_pass_once_and_are_not_held(tmp_path: Path) -> None:
    rows = ([f"#{n}", "2026-11-16T10:00:00Z", "1.00"] for n in range(20_000))
    made = table(ORDERS, rows, row_count=20_000, totals={"net": "20000.00"})
    tracemalloc.start()
    open_renderer("html", {}).render(made, tmp_path / "page.html")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Page((tmp_path / "page.html").read_text(encoding="utf-8")).bars[0] == ("Mon 16 Nov", "20,000.00")
    assert peak < 6_000_000  # 20,000 rows held would take more than that
