"""Report files opened with other programs, and the spool beneath them."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from scheduler_daemon.errors import RenderError, RunError, UsageError
from scheduler_daemon.model import About, Column, ColumnKind, Period, ReportFile, Run, RunStatus, Table, Trigger
from scheduler_daemon.renderers import KINDS, open_renderer
from scheduler_daemon.renderers.child import render_in_child
from scheduler_daemon.spool import Spool
from scheduler_daemon.tablefile import HEADER, header_to_json
from scheduler_daemon.tablefile import ROWS as ROWS_FILE

COLUMNS = (
    Column("sku", "SKU"),
    Column("product", "=Product"),
    Column("units", "Units", ColumnKind.INTEGER, total=True),
    Column("net", "Net sales", ColumnKind.MONEY, total=True, currency="EUR"),
    Column("sold", "Sold", ColumnKind.MOMENT),
    Column("paid", "Paid", ColumnKind.BOOLEAN),
)
ROWS: list[list[Any]] = [
    ["0042", '=HYPERLINK("http://x")', 3, "-12.30", "2026-10-25T00:30:00Z", True],
    ["007", '+Plus, "quoted"\nline 🍵', 1, "1234567890123456.78", "2026-10-25T01:30:00Z", False],
    ["", "＝full\x00\x0bwidth", None, None, None, None],  # noqa: RUF001 (full-width on purpose)
]
START = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)


def table(rows: Iterable[Any] = ROWS) -> Table:
    about = About(
        title="Weekly Sales",
        report_type="sales-by-product",
        shop="acme.myshopify.com",
        shop_name="Acme <b>",
        period=Period("last_week", START, START + timedelta(days=7, hours=1), "Europe/Paris"),
        zone="Europe/Paris",
        currency="EUR",
        due_at=START + timedelta(days=7),
        made_at=START + timedelta(days=7),
        api_version="2026-10",
        query="query { orders }",
        notes=("A note.",),
    )
    return Table(COLUMNS, rows, about)


@pytest.fixture
def spooled(tmp_path: Path) -> tuple[Spool, Table]:
    spool = Spool(tmp_path / "spool")
    return spool, spool.write_rows("RUN1", table())


def render(kind: str, made: Table, folder: Path, **options: Any) -> Path:
    path = folder / f"file.{kind}"
    open_renderer(kind, options).render(made, path)
    return path


def test_the_spool_counts_and_sums_exactly(spooled: tuple[Spool, Table]) -> None:
    _, made = spooled
    assert made.about.row_count == 3
    assert made.about.totals == {"units": "4", "net": "1234567890123444.48"}
    assert [list(row) for row in made.rows] == [list(row) for row in made.rows] == ROWS


def test_csv_keeps_text_as_text_and_runs_nothing(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    path = render("csv", spooled[1], tmp_path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        head, first, second, third = csv.reader(file)
    assert head == ["SKU", "'=Product", "Units", "Net sales (EUR)", "Sold", "Paid"]
    assert first == ["0042", '\'=HYPERLINK("http://x")', "3", "-12.30", "2026-10-25 02:30:00", "yes"]
    assert second[3:5] == ["1234567890123456.78", "2026-10-25 02:30:00"]
    assert second[1].startswith("'+Plus")
    assert third[1].startswith("'＝")  # noqa: RUF001 (full-width on purpose)


def test_xlsx_is_typed_and_says_what_it_is(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    book = openpyxl.load_workbook(render("xlsx", spooled[1], tmp_path))
    sheet = book["Report"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F4"
    assert (sheet["A2"].value, sheet["B2"].value, sheet["B2"].data_type) == ("0042", '=HYPERLINK("http://x")', "s")
    assert (sheet["C2"].value, sheet["D2"].value) == (3, -12.3)
    assert sheet["D3"].value == "1234567890123456.78"
    assert sheet["E2"].value == datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 (wall time)
    facts = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert facts["Period from"] == "2026-10-25 00:00:00 Europe/Paris"
    assert (facts["API version"], facts["Rows"], facts["Note"]) == ("2026-10", "3", "A note.")


def test_the_same_table_gives_the_same_workbook(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    one = render("xlsx", spooled[1], tmp_path).read_bytes()
    assert render("xlsx", spooled[1], tmp_path).read_bytes() == one


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_is_a_whole_file(kind: str, tmp_path: Path) -> None:
    made = Spool(tmp_path / "spool").write_rows("RUN2", table([]))
    assert render(kind, made, tmp_path).stat().st_size > 0


def test_an_unknown_format_or_option_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'xlsx'"):
        open_renderer("xslx", {})
    with pytest.raises(UsageError, match="bomb"):
        open_renderer("csv", {"bomb": True})


def test_a_child_renders_the_same_file(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    spool, made = spooled
    target = tmp_path / "child.xlsx"
    render_in_child("xlsx", {}, spool.folder("RUN1"), target, lambda: None)
    assert target.read_bytes() == render("xlsx", made, tmp_path).read_bytes()


def test_a_defect_in_a_child_says_where_it_lies(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    spool, _ = spooled
    spool.folder("RUN1").joinpath(ROWS_FILE).write_text('["0042"]\n', encoding="utf-8")
    with pytest.raises(RenderError, match=r"A defect of the renderer, at xlsx\.py:\d+: ValueError"):
        render_in_child("xlsx", {}, spool.folder("RUN1"), tmp_path / "x.xlsx", lambda: None)


def test_a_child_is_killed_when_the_attempt_is_over(spooled: tuple[Spool, Table], tmp_path: Path) -> None:
    def over() -> None:
        raise RunError("over", code="deadline_passed")

    spool, _ = spooled
    spool.write_rows("LONG", table(ROWS * 30_000))
    with pytest.raises(RunError, match="over"):
        render_in_child("xlsx", {}, spool.folder("LONG"), tmp_path / "x.xlsx", over)
    assert not (tmp_path / "x.xlsx").exists()


def finished(spool: Spool, made: Table) -> tuple[ReportFile, Run]:
    """Make the file of run RUN1; return it with the run as the ledger then has it."""
    temp = render("csv", made, spool.folder("RUN1"))
    file = spool.finish_file("RUN1", temp, "weekly.csv", "text/csv", made)
    moment = datetime.now(UTC)
    run = Run("RUN1", "s", "a", Trigger.SCHEDULE, "k", moment, moment, RunStatus.QUEUED, moment, None)
    return file, replace(run, spool_path=spool.relative(file), sha256=file.sha256)


def test_a_file_is_found_again_only_as_it_was(spooled: tuple[Spool, Table]) -> None:
    spool, made = spooled
    file, run = finished(spool, made)
    assert spool.open_file(run, "text/csv").about == made.about
    file.path.write_bytes(b"changed")
    for wrong in (run, replace(run, spool_path="../../etc/passwd"), replace(run, spool_path=None)):
        with pytest.raises(RunError) as caught:
            spool.open_file(wrong, "text/csv")
        assert caught.value.code == "spool_missing"


#: What may stand where a header should: cut off, of another program, of another version.
FOREIGN = ["", '{"columns": [["sku", "S', "null", "[]", '"text"', '{"columns": 7}', "[" * 100_000, "\ufeff{}"]
FOREIGN += ['{"columns": [], "about": null}', '{"columns": [["sku"]], "about": {}}', '{"columns": [], "about": "x"}']


@pytest.mark.parametrize("text", FOREIGN, ids=lambda text: text[:20] or "nothing")
def test_a_header_that_is_none_of_ours_is_told_and_the_report_is_fetched_again(
    spooled: tuple[Spool, Table], tmp_path: Path, text: str
) -> None:
    spool, made = spooled
    file, run = finished(spool, made)
    (file.path.parent / HEADER).write_text(text, encoding="utf-8")
    for read in (
        lambda: spool.open_file(run, "text/csv"),
        lambda: render_in_child("xlsx", {}, file.path.parent, tmp_path / "x.xlsx", lambda: None),
    ):
        with pytest.raises(RunError, match=r"^What the spool says of the report in .* cannot be used: ") as caught:
            read()
        assert (caught.value.code, caught.value.retryable) == ("spool_missing", True)
        assert len(caught.value.message) < 400


def test_a_header_of_another_holder_tells_nothing_of_the_file(spooled: tuple[Spool, Table]) -> None:
    """Who lost the run, and still writes, must not change what the mail of its successor's file says."""
    spool, made = spooled
    file, run = finished(spool, made)
    header = file.path.parent / HEADER
    whole = header.read_text(encoding="utf-8")
    spool.write_about("RUN1", replace(made, about=replace(made.about, row_count=7)))
    with pytest.raises(RunError, match="it is of another file") as caught:
        spool.open_file(run, "text/csv")
    assert caught.value.code == "spool_missing"
    header.write_text(whole.replace(f', "file": "{file.sha256}"', ""), encoding="utf-8")  # as an older version wrote it
    assert header.read_text(encoding="utf-8") != whole
    assert spool.open_file(run, "text/csv").about == made.about


def test_a_header_is_replaced_whole(spooled: tuple[Spool, Table]) -> None:
    spool, made = spooled
    header = spool.folder("RUN1") / HEADER
    left = header.with_name(f".{HEADER}-killed")
    left.touch()
    with header.open(encoding="utf-8") as reader:
        spool.write_about("RUN1", replace(made, about=replace(made.about, row_count=7)))
        assert reader.read() == header_to_json(made)
    spool.write_rows("RUN1", made)
    assert not left.exists()
