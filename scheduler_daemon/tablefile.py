"""A table on disk: its header as JSON, its rows as a JSON array a line."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import RunError
from .lib.figures import EXACT
from .model import About, Column, ColumnKind, Compared, Period, Row, Table

ROWS = "rows.jsonl"
HEADER = "table.json"
#: Lines read at once.
BATCH = 200


@dataclass(frozen=True, slots=True)
class SpooledRows:
    """The rows of a table on disk; each iteration reads them anew, one at a time."""

    #: The file: a JSON array a line.
    path: Path

    def __iter__(self) -> Iterator[Row]:
        # Many lines as one array: a call of the decoder for each line costs a third of reading it.
        with self.path.open(encoding="utf-8") as file:
            while lines := list(islice(file, BATCH)):
                yield from json.loads(f"[{','.join(lines)}]")


class Tally:
    """Counts rows and sums their columns marked *total* while they pass, every cent kept; holds none of them."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.row_count = 0
        self._summed = [(index, column.key) for index, column in enumerate(columns) if column.total]
        self._sums = dict.fromkeys((key for _, key in self._summed), Decimal(0))

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield *rows*, each one counted."""
        for row in rows:
            self.row_count += 1
            for index, key in self._summed:
                cell = row[index]
                if cell is not None:
                    self._sums[key] = EXACT.add(self._sums[key], Decimal(str(cell)))
            yield row

    @property
    def totals(self) -> dict[str, str]:
        """Return the sums so far, as decimal text by column key."""
        return {key: str(value) for key, value in self._sums.items()}


def header_to_json(table: Table, digest: str = "") -> str:
    """
    Return the columns and facts of *table* as JSON, for another process or a later attempt.

    *digest* is the SHA-256 of the file that was made of it, once there is one.
    """
    about = asdict(table.about) | {"totals": dict(table.about.totals)}
    columns = [[c.key, c.title, c.kind.value, c.total, c.currency] for c in table.columns]
    data = {"columns": columns, "about": about, "file": digest}
    return json.dumps(data, ensure_ascii=False, default=datetime.isoformat)


def open_table(folder: Path, digest: str = "") -> Table:
    """
    Return the table that `Spool.write_rows` left in *folder*.

    Raise RunError `spool_missing` where its header is none of ours, or of another file than the one with this *digest*;
    OSError where it cannot be read.
    """
    try:
        data = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        # A header of an older version names no file.
        if digest and data.get("file", digest) != digest:
            raise _unusable(folder, "it is of another file")
        columns = tuple(
            Column(key, title, ColumnKind(kind), total, cur) for key, title, kind, total, cur in data["columns"]
        )
        return Table(columns, SpooledRows(folder / ROWS), _about(data["about"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unusable(folder, f"{type(error).__name__}: {error}") from error


def _unusable(folder: Path, why: str) -> RunError:
    message = f"What the spool says of the report in {folder / HEADER} cannot be used: {why}."
    hint = "The report is fetched again; nothing is to be done."
    return RunError(message, code="spool_missing", hint=hint, retryable=True)


def _about(data: dict[str, Any]) -> About:
    period, compared = _period(data.pop("period")), data.pop("compared", None)
    for name in ("due_at", "made_at", "complete_until"):
        data[name] = None if data[name] is None else datetime.fromisoformat(data[name])
    if compared is not None:
        compared = Compared(**(compared | {"period": _period(compared["period"])}))
    return About(**(data | {"notes": tuple(data["notes"])}), period=period, compared=compared)


def _period(data: dict[str, Any]) -> Period:
    start, end = (datetime.fromisoformat(data[name]) for name in ("start", "end"))
    return Period(data["name"], start, end, data["zone"])
