"""What mails, pages and workbooks say of a comparison: each total beside its change, and no column more."""

import email
import email.policy
import unicodedata
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from scheduler_daemon.channels.message import build
from scheduler_daemon.model import Column, ColumnKind, Compared, Period
from scheduler_daemon.renderers import open_renderer
from tests.integration.test_page import Page, draw, table
from tests.posting import START, parcel

__all__ = ["draw"]

BEFORE = Period("last_week", START - timedelta(days=7), START, "Europe/Paris")
COMPARED = Compared("previous_period", BEFORE, 2, {"net": "7000.00"})
COLUMNS = (
    Column("net", "Net sales", ColumnKind.MONEY, True, "EUR"),
    Column("returns", "Returns", ColumnKind.MONEY, True, "EUR"),
    Column("units", "Units", ColumnKind.INTEGER, True),
)


def texts(folder: Path, columns: tuple[Column, ...] = COLUMNS[:1], **changes: Any) -> tuple[str, str]:
    """Return the two bodies of a mail about a report that is compared: text, and HTML as it stands."""
    made = parcel(folder, **({"compared": COMPARED} | changes))
    made = replace(made, file=replace(made.file, columns=columns))
    message = email.message_from_bytes(bytes(build(made, "k", sender="r@s.example")), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    plain, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    return str(plain.get_content()), str(page.get_content())


# Mails --------------------------------------------------------------------------------------------------------------


def test_a_mail_says_each_total_beside_its_change(tmp_path: Path) -> None:
    totals = {"net": "8412.50", "returns": "0.00", "units": "41"}
    before = replace(COMPARED, totals={"net": "7491.10", "returns": "0", "units": "43"})
    plain, page = texts(tmp_path, COLUMNS, totals=totals, row_count=3, compared=before)
    lines = [" ".join(line.split()) for line in plain.splitlines()]
    for said in (
        "Rows 3 (up 50.0 % from 2, 9 to 15 Nov 2026)",
        "Net sales 8,412.50 EUR (up 12.3 % from 7,491.10, 9 to 15 Nov 2026)",
        "Returns 0.00 EUR (unchanged, 9 to 15 Nov 2026)",
        "Units 41 (down 4.7 % from 43, 9 to 15 Nov 2026)",
    ):
        assert said in lines
    assert "3 rows (up 50.0 % from 2, 9 to 15 Nov 2026). Complete until 22 Nov 2026 24:00 Paris." in page
    for said in ("(up 12.3 % from 7,491.10, 9 to 15 Nov 2026)", "(unchanged, ", "(down 4.7 % from 43, "):
        assert said in page
    # The changes stand below each other in a text of one width.
    assert len({line.index(" (") for line in plain.splitlines() if line.startswith(("Net", "Returns", "Units"))}) == 1


def test_a_mail_without_a_comparison_says_nothing_of_one(tmp_path: Path) -> None:
    for said in texts(tmp_path, compared=None):
        assert "8,412.50 EUR" in said
        assert " from " not in said
        assert "(up" not in said
        assert "unchanged" not in said


def test_what_came_from_nothing_or_is_below_it_has_no_percentage(tmp_path: Path) -> None:
    before = replace(COMPARED, row_count=0, totals={"net": "0", "returns": "-20.00"})
    plain, _ = texts(tmp_path, COLUMNS[:2], totals={"net": "5", "returns": "-30"}, row_count=1, compared=before)
    assert "(up from 0, 9 to 15 Nov 2026)" in plain
    assert "(up from 0.00, 9 to 15 Nov 2026)" in plain
    assert "(down from -20.00, 9 to 15 Nov 2026)" in plain
    assert "%" not in plain


def test_a_name_from_the_right_and_long_numbers_keep_their_order(tmp_path: Path) -> None:
    name, long = "מכירות נטו", "123456789012345678901234567890.12"
    columns = (replace(COLUMNS[0], title=name), replace(COLUMNS[1], key="long", title="Long"))
    before = replace(COMPARED, totals={"net": "7000.00", "long": "61728394506172839450617283945.06"})
    plain, page = texts(tmp_path, columns, totals={"net": "8412.50", "long": long}, compared=before)
    (line,) = [line for line in plain.splitlines() if name in line]
    # Kept apart (UAX 9), the name decides nothing outside: the first strong sign is of the line's own words.
    assert line.startswith(f"\u2068{name}\u2069 ")
    rest = line.partition("\u2069")[2]
    assert next(sign for sign in rest if unicodedata.bidirectional(sign) in ("L", "R", "AL")) == "E"
    assert rest.endswith("8,412.50 EUR (up 20.2 % from 7,000.00, 9 to 15 Nov 2026)")
    assert f"<bdi>{name}</bdi>" in page
    full = "123,456,789,012,345,678,901,234,567,890.12 EUR (up 100.0 % from 61,728,394,506,172,839,450,617,283,945.06,"
    assert full in plain
    assert "white-space:normal" in page.partition("(up 100.0 %")[0].rpartition("<span")[2]


def test_a_comparison_to_the_same_time_of_day_says_it(tmp_path: Path) -> None:
    start = START - timedelta(days=7)
    span = replace(BEFORE, name="this_week", end=start + timedelta(days=2, hours=8))
    plain, _ = texts(tmp_path, compared=replace(COMPARED, period=span))
    assert "(up 20.2 % from 7,000.00, 9 to 11 Nov 2026 until 08:00)" in plain


# Files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "said"), [("previous_period", "the period before"), ("year_before", "the same period a year before")]
)
def test_a_workbook_says_on_its_sheet_about_what_it_is_compared_with(tmp_path: Path, word: str, said: str) -> None:
    made = table(COLUMNS, [["8412.50", "0.00", 41]], row_count=1, totals={"net": "8412.50", "units": "41"})
    before = replace(COMPARED, word=word, totals={"net": "7000.00", "units": "43"})
    for name, compared in (("with", before), ("without", None)):
        shown = replace(made, about=replace(made.about, compared=compared))
        open_renderer("xlsx", {}).render(shown, tmp_path / f"{name}.xlsx")
    book, plain = (load_workbook(tmp_path / f"{name}.xlsx") for name in ("with", "without"))
    facts = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True)}
    assert facts["Compared with"] == said
    assert facts["Compared from"] == "2026-11-09 00:00:00 Europe/Paris"
    assert facts["Compared up to (excluded)"] == "2026-11-16 00:00:00 Europe/Paris"
    assert (facts["Rows"], facts["Rows, compared"]) == ("1", "2")
    assert (facts["Sum of Net sales (EUR)"], facts["Sum of Net sales (EUR), compared"]) == ("8412.50", "7000.00")
    assert (facts["Sum of Units"], facts["Sum of Units, compared"]) == ("41", "43")
    rows = [list(found["Report"].iter_rows(values_only=True)) for found in (book, plain)]
    assert rows[0] == rows[1]
    assert not any("ompared" in str(row[0]) for row in plain["About"].iter_rows(values_only=True))


def test_a_page_says_the_span_and_each_change(draw: Any) -> None:
    rows = [["8412.50", "0.00", 41]]
    page: Page = draw(table(COLUMNS, rows, compared=replace(COMPARED, totals={"net": "7000.00", "units": "43"})))
    assert "Compared with 9 to 15 Nov 2026." in page.all("p", "soft")
    assert page.cards["Rows"] == "1 down 50.0 % from 2"
    assert page.cards["Net sales"] == "8,412.50 EUR up 20.2 % from 7,000.00"
    assert page.cards["Units"] == "41 down 4.7 % from 43"
    assert page.cards["Returns"] == "0.00 EUR"
    fact = '<th scope="row">Sum of Net sales (EUR), compared</th><td><bdi>7000.00</bdi></td>'
    assert fact in page.source
    plain: Page = draw(table(COLUMNS, rows))
    assert "ompared" not in plain.source
    assert plain.cards["Rows"] == "1"
