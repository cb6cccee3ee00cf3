"""The few lines that mails say about a report."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..changes import amount_with_unit, change_of, change_of_rows, in_brackets
from ..lib import spans
from ..lib.words import isolated, plural
from ..model import About, ReportFile

#: Controls (C0, C1, line and paragraph separators) to spaces; embedding, override and isolate signs (UAX 9) to nothing.
SIGNS: dict[int, str | None] = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " "),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)),
}


NOTHING = "There are no rows: nothing happened in this period, or nothing that fits the filters."
#: Addresses that a redirected mail names; the others are counted.
MOST = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What a mail says about a report file, in words; text and HTML are two forms of it."""

    #: What people call the report.
    title: str
    #: The shop's own name.
    shop: str
    #: What it is about, with its zone: ``16 to 22 Nov 2026, Paris time (Europe/Paris)``.
    period: str
    #: How many rows: ``198``.
    rows: str
    #: How that changed: ``(up 10.0 % from 180, 9 to 15 Nov 2026)``; empty where the report is compared with nothing.
    rows_change: str
    #: How far the numbers are complete: ``22 Nov 2026 24:00 Paris``.
    complete: str
    #: Why it is late, as a whole sentence; empty where it is not.
    late: str
    #: Sentences that the reader must know.
    notes: tuple[str, ...]
    #: The totals as (name, value, how it changed or nothing).
    totals: tuple[tuple[str, str, str], ...]
    #: The attached file: ``weekly-sales-2026-11-16.csv (14 kB)``; empty where none is.
    file: str
    #: That the mail was redirected, and to whom it would have gone; empty where it was not.
    redirected: str


def summarise(file: ReportFile, *, attached: bool = True, instead_of: Sequence[str] | None = None) -> Summary:
    """Return what a mail says about *file*; no error text is ever in it."""
    about = file.about
    named = f"{spans.place(about.zone)} time"
    if spans.place(about.zone) != about.zone:
        named += f" ({about.zone})"
    return Summary(
        title=one_line(about.title),
        shop=one_line(about.shop_name),
        period=f"{spans.days(about.period.start, about.period.end, about.zone)}, {named}",
        rows=f"{about.row_count:,}",
        rows_change=in_brackets(change_of_rows(about), about),
        complete=spans.until(about.complete_until or about.period.end, about.zone),
        late=f"Late because {one_line(about.late_because, 2000)}" if about.late_because else "",
        notes=(*((NOTHING,) if not about.row_count else ()), *(one_line(note, 2000) for note in about.notes)),
        totals=tuple(_totals(file)),
        file=f"{isolated(one_line(file.name))} ({size(file.size)})" if attached else "",
        redirected=redirected(instead_of),
    )


def redirected(instead_of: Sequence[str] | None) -> str:
    """Return the sentence of a mail that was redirected, with the first addresses; nothing where it was not."""
    if instead_of is None:
        return ""
    names = ", ".join(one_line(name) for name in instead_of[:MOST])
    more = f" and {plural(len(instead_of) - MOST, 'other')}" if len(instead_of) > MOST else ""
    would = f" It would have gone to {names}{more}." if names else ""
    return f"This mail was redirected to this address (delivery.mode is redirect).{would}"


def subject(about: About) -> str:
    """
    Return the subject: report, shop, period, rows and how far they are complete, then why it is late.

    ``Weekly Sales, Acme: 16 to 22 Nov 2026, 198 rows until 22 Nov 24:00 Paris``. The most telling words come first,
    because mail programs cut the end off.
    """
    complete = spans.until(about.complete_until or about.period.end, about.zone, year=False)
    title, shop = isolated(one_line(about.title, 80)), isolated(one_line(about.shop_name, 60))
    days = spans.days(about.period.start, about.period.end, about.zone)
    made = f"{title}, {shop}: {days}, {plural(about.row_count, 'row')} until {complete}"
    return f"{made}; late because {one_line(about.late_because, 160).rstrip('.')}" if about.late_because else made


def size(number: int) -> str:
    """Return a number of bytes for people: ``14 kB``, ``2.4 MB``."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1000:.0f} kB" if number < 999_500 else f"{number / 1_000_000:.1f} MB"


def one_line(text: str, limit: int = 200) -> str:
    """
    Return *text* fit for one line of a mail, of at most *limit* characters.

    Line ends and other controls become spaces, so that no shop title adds a header; signs that turn the direction of
    what follows are left out, so that none disguises the rest; a lone surrogate, which no mail can hold, becomes "?".
    """
    held = text.encode("utf-8", errors="replace").decode("utf-8").translate(SIGNS)
    return " ".join(held.split())[:limit].rstrip()


def _totals(file: ReportFile) -> list[tuple[str, str, str]]:
    about = file.about
    return [
        (one_line(column.title), amount_with_unit(column, value), in_brackets(change_of(about, column), about))
        for column in file.columns
        if (value := about.totals.get(column.key)) is not None
    ]
