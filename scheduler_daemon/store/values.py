"""Values of our own rows, which a person or a broken disk may have spoiled: each is read, or told as damage."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from ..lib.clock import EPOCH, from_ms

#: Milliseconds of the year 9999: a later moment, or one before 1970, is shown in no zone and was written by nobody.
LAST_MOMENT = 253_370_764_800_000
#: Characters of a bad value that are shown.
MOST_SHOWN = 60

Word = TypeVar("Word", bound=StrEnum)


def read_moment(value: Any) -> datetime | None:
    """Return the moment of a column of ours, UTC; None for NULL, and where it holds none."""
    return from_ms(value) if isinstance(value, int) and 0 <= value < LAST_MOMENT else None


class Values:
    """
    The values of a row by the name of their column.

    What cannot be read becomes a blank ("", 0, 1970, None), and a part of `sentence` says what stands there.
    """

    def __init__(self, names: Sequence[str], row: Sequence[Any]) -> None:
        self._row = dict(zip(names, row, strict=True))
        self._damage: list[str] = []

    def sentence(self) -> str:
        """Return what cannot be read, as a sentence; empty where everything can."""
        return f"Its row cannot be read: {'; '.join(self._damage)}." if self._damage else ""

    def raw(self, name: str) -> Any:
        """Return the value as the database gave it."""
        return self._row[name]

    def spoiled(self, name: str, what: str) -> None:
        """Note that the value of a column is not *what* it should be."""
        self._damage.append(f"{name} {str(self._row[name])[:MOST_SHOWN]!r} is {what}")

    def text(self, name: str) -> str:
        """Return a text."""
        return str(self._of(name, str, "no text", ""))

    def text_or_none(self, name: str) -> str | None:
        """Return a text, None for NULL."""
        return None if self._row[name] is None else self.text(name)

    def whole(self, name: str) -> int:
        """Return a whole number."""
        return int(self._of(name, int, "no whole number", 0))

    def whole_or_none(self, name: str) -> int | None:
        """Return a whole number, None for NULL."""
        return None if self._row[name] is None else self._of(name, int, "no whole number", None)

    def moment(self, name: str) -> datetime:
        """Return a moment, UTC; 1970 where it cannot be read."""
        found = read_moment(self._row[name])
        if found is None:
            self.spoiled(name, "no moment")
        return found or EPOCH

    def moment_or_none(self, name: str) -> datetime | None:
        """Return a moment, UTC; None for NULL and where it cannot be read."""
        if self._row[name] is None:
            return None
        found = self.moment(name)
        return None if found == EPOCH else found

    def word(self, name: str, kind: type[Word], blank: Word) -> Word:
        """Return one of the words of *kind*, *blank* where it is none of them."""
        try:
            return kind(self._row[name])
        except ValueError:
            self.spoiled(name, f"none of {', '.join(kind)}")
            return blank

    def _of(self, name: str, kind: type, what: str, blank: Any) -> Any:
        value = self._row[name]
        if isinstance(value, kind):
            return value
        self.spoiled(name, what)
        return blank
