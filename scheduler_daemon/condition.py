"""
Whether a report is sent: by its rows, by its totals, and by what they were the time before. Pure.

A condition is a small object among a schedule's options:
``{"when": "has_rows", "empty": "skip", "above": {"net": "1000"}, "down_by": {"net": "20"}, "repeat": "once"}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from .errors import UsageError
from .lib.figures import grouped
from .lib.words import did_you_mean, plural
from .model import Column

Word = TypeVar("Word", bound=StrEnum)


class When(StrEnum):
    """With which rows a report is sent."""

    #: With any.
    ALWAYS = "always"
    #: With at least one.
    HAS_ROWS = "has_rows"
    #: With none: an alarm for silence.
    NO_ROWS = "no_rows"


class Empty(StrEnum):
    """What happens to a report without rows."""

    #: It is sent like any other.
    SEND = "send"
    #: It is skipped.
    SKIP = "skip"
    #: Mails say that there is nothing, without a file.
    NOTE = "note"


class Repeat(StrEnum):
    """How often a condition that stays met sends."""

    #: Each time.
    ALWAYS = "always"
    #: When it was not met the time before.
    ONCE = "once"


class Kind(StrEnum):
    """How a total is compared."""

    #: More than the value.
    ABOVE = "above"
    #: Less than the value.
    BELOW = "below"
    #: At least so many percent more than the time before.
    UP_BY = "up_by"
    #: At least so many percent less than the time before.
    DOWN_BY = "down_by"

    @property
    def is_change(self) -> bool:
        """Whether it needs the total of the time before."""
        return self in (Kind.UP_BY, Kind.DOWN_BY)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One comparison of one total."""

    #: Key of the column whose total is compared.
    column: str
    #: How.
    kind: Kind
    #: The value, or the percentage.
    value: Decimal


@dataclass(frozen=True, slots=True)
class Condition:
    """When a report is sent; of several thresholds one is enough."""

    #: With which rows.
    when: When = When.ALWAYS
    #: What happens without rows.
    empty: Empty = Empty.SEND
    #: Whether it sends again while it stays met.
    repeat: Repeat = Repeat.ALWAYS
    #: The thresholds, in the order they were written.
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a condition says of a fetched table."""

    #: Whether the report is sent.
    sends: bool
    #: Whether the condition was met, sent or not: what `once` looks at the next time.
    met: bool
    #: Why it is not sent, as whole sentences; empty where it is.
    why: str = ""
    #: The totals that were judged, for the comparison of the next time.
    totals: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what the next judgement needs of this one."""
        return {"met": self.met, "totals": dict(self.totals)}


def read_condition(data: Mapping[str, Any]) -> Condition:
    """Return the condition that *data* says; raise UsageError `bad_condition` with the value and the way out."""
    known = ("when", "empty", "repeat", *Kind)
    for name in data:
        if name not in known:
            raise _bad(f"A condition has no {name!r}.{did_you_mean(str(name), known)}", f"It has: {', '.join(known)}.")
    made = Condition(
        when=_word(data, "when", When),
        empty=_word(data, "empty", Empty),
        repeat=_word(data, "repeat", Repeat),
        thresholds=tuple(
            Threshold(str(column), kind, read_value(kind, column, value))
            for kind in Kind
            for column, value in _object(data, kind).items()
        ),
    )
    if made.when is When.NO_ROWS and (made.empty is Empty.SKIP or made.thresholds):
        what = "empty = skip" if made.empty is Empty.SKIP else "a threshold"
        raise _bad(f"when = no_rows and {what} leave nothing to send.", "Leave one of them out.")
    if made.repeat is Repeat.ONCE and made.when is When.ALWAYS and not made.thresholds:
        raise _bad("repeat = once needs a condition that can change.", "Add --when or a threshold, or leave it out.")
    return made


def read_value(kind: Kind, column: object, value: object) -> Decimal:
    """Return the number of a threshold; raise UsageError `bad_condition`."""
    try:
        number = Decimal(str(value).strip().removesuffix("%").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or isinstance(value, bool):
        raise _bad(f"{kind.value} {column}: {value!r} is no number.", "Write it like 1000 or 12.5, without separators.")
    if kind.is_change and number <= 0:
        raise _bad(f"{kind.value} {column}: {value} is no change.", "Write a percentage above 0, like 10.")
    if abs(number.adjusted()) > 30:
        raise _bad(f"{kind.value} {column}: {value} is beyond any total.", "Write a smaller number.")
    return number


def check_condition(data: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Raise UsageError `bad_condition` where the condition cannot be read or names a column without a total."""
    totals = [column.key for column in columns if column.total]
    for item in read_condition(data).thresholds:
        if item.column not in totals:
            near = did_you_mean(item.column, totals)
            listed = ", ".join(totals) or "none"
            message = f"{item.kind.value} {item.column}: the report shows no total of {item.column!r}.{near}"
            raise _bad(message, f"Totals of its columns: {listed}.")


def judge(
    condition: Condition,
    row_count: int,
    columns: Sequence[Column],
    totals: Mapping[str, str],
    earlier: Mapping[str, Any] | None,
) -> Judgement:
    """
    Say whether a report with these rows and totals is sent.

    *earlier* is `Judgement.to_json` of the occurrence before; without one nothing is up or down, and the condition was
    not met. Raise UsageError `bad_condition` where a threshold's column has no total.
    """
    kept = {item.column: totals[item.column] for item in condition.thresholds if item.column in totals}
    why = _of_rows(condition, row_count)
    if not why and condition.thresholds:
        said = [_compare(item, columns, totals, (earlier or {}).get("totals") or {}) for item in condition.thresholds]
        if not any(met for met, _ in said):
            why = " ".join(text for _, text in said)
        elif _again(condition, earlier):
            why = " ".join(text for met, text in said if met) + " So it was the time before, and it is sent once."
            return Judgement(False, True, why, kept)
    elif not why and _again(condition, earlier):
        return Judgement(False, True, "So it was the time before, and it is sent once.", kept)
    return Judgement(not why, not why, why, kept)


def _again(condition: Condition, earlier: Mapping[str, Any] | None) -> bool:
    return condition.repeat is Repeat.ONCE and bool((earlier or {}).get("met"))


def _of_rows(condition: Condition, row_count: int) -> str:
    """Return why the number of rows keeps the report; empty where it does not."""
    if row_count and condition.when is When.NO_ROWS:
        verb = "is" if row_count == 1 else "are"
        return f"There {verb} {plural(row_count, 'row')}, and it is sent when there is none."
    if not row_count and (condition.when is When.HAS_ROWS or condition.empty is Empty.SKIP):
        return "There are no rows."
    return ""


def _compare(
    item: Threshold, columns: Sequence[Column], totals: Mapping[str, str], before: Mapping[str, Any]
) -> tuple[bool, str]:
    """Return whether the threshold is reached, and a sentence that says what is so."""
    check = {column.key: column for column in columns}
    if item.column not in totals or item.column not in check:
        raise _bad(f"The report shows no total of {item.column!r}.", "Choose the column, or change the condition.")
    total, title, value = Decimal(totals[item.column]), check[item.column].title, _shown(item.value)
    now = f"{title}: {_shown(total)}"
    if not item.kind.is_change:
        met = total > item.value if item.kind is Kind.ABOVE else total < item.value
        return met, f"{now}, {'' if met else 'not '}{item.kind.value} {value}."
    words = f"{'up' if item.kind is Kind.UP_BY else 'down'} by {value} %"
    last = before.get(item.column)
    if last is None:
        return False, f"{now}; nothing before to compare it with ({words})."
    change = total - Decimal(str(last))
    if item.kind is Kind.DOWN_BY:
        change = -change
    # From nothing to something is more than any percentage.
    met = change > 0 and (change * 100 >= item.value * abs(Decimal(str(last))))
    return met, f"{now}, {_shown(Decimal(str(last)))} before, {'' if met else 'not '}{words}."


def say_condition(data: Mapping[str, Any]) -> str:
    """Return the condition in words: ``has rows; net above 1,000 or down by 20 %; once``; empty where there is none."""
    if not data:
        return ""
    found = read_condition(data)
    said = [
        f"{item.column} {item.kind.value.replace('_', ' ')} {_shown(item.value)}{' %' if item.kind.is_change else ''}"
        for item in found.thresholds
    ]
    parts = [
        *([found.when.value.replace("_", " ")] if found.when is not When.ALWAYS else []),
        *([" or ".join(said)] if said else []),
        *([f"without rows: {found.empty.value}"] if found.empty is not Empty.SEND else []),
        *(["once"] if found.repeat is Repeat.ONCE else []),
    ]
    return "; ".join(parts)


def is_note(data: Mapping[str, Any], row_count: int) -> bool:
    """Whether mails go without a file: there are no rows, and the report asked for a note then."""
    return not row_count and data.get("empty") == Empty.NOTE


def _shown(number: Decimal) -> str:
    return grouped(format(number, "f"))


def _word(data: Mapping[str, Any], name: str, kind: type[Word]) -> Word:
    """Return the word that *data* has under *name*, or the first one, the default."""
    words = [item.value for item in kind]
    value = data.get(name) or words[0]
    if value not in words:
        near = did_you_mean(str(value), words)
        raise _bad(f"{name} = {value!r} is none.{near}", f"There are: {', '.join(words)}.")
    return kind(value)


def _object(data: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    found = data.get(kind.value) or {}
    if not isinstance(found, Mapping):
        raise _bad(f"{kind.value} = {str(found)[:80]!r} is no object.", 'Write it like {"net": "1000"}.')
    return found


def _bad(message: str, hint: str) -> UsageError:
    return UsageError(message, code="bad_condition", hint=hint)
