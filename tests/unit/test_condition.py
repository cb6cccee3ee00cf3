"""Conditions: what is sent, what is not, and why."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_daemon.condition import Judgement, check_condition, judge, read_condition, say_condition
from scheduler_daemon.errors import UsageError
from scheduler_daemon.model import Column, ColumnKind

COLUMNS = (Column("name", "Order"), Column("net", "Net sales", ColumnKind.MONEY, True, "EUR"))


def judged(data: dict[str, Any], rows: int, net: str, earlier: dict[str, Any] | None = None) -> Judgement:
    return judge(read_condition(data), rows, COLUMNS, {"net": net}, earlier)


@pytest.mark.parametrize(
    ("data", "rows", "sends"),
    [
        ({}, 0, True),
        ({"when": "has_rows"}, 0, False),
        ({"when": "has_rows"}, 1, True),
        ({"when": "no_rows"}, 0, True),
        ({"when": "no_rows"}, 2, False),
        ({"empty": "skip"}, 0, False),
        ({"empty": "note"}, 0, True),
    ],
)
def test_rows(data: dict[str, Any], rows: int, sends: bool) -> None:
    made = judged(data, rows, "0")
    assert (made.sends, bool(made.why)) == (sends, not sends)


BEFORE = {"met": False, "totals": {"net": "1000.00"}}


@pytest.mark.parametrize(
    ("data", "net", "earlier", "sends", "why"),
    [
        ({"above": {"net": "1000"}}, "1000.00", None, False, "Net sales: 1,000.00, not above 1,000."),
        ({"above": {"net": "1000"}}, "1000.01", None, True, ""),
        ({"below": {"net": 0}}, "-0.01", None, True, ""),
        ({"below": {"net": "0"}}, "0.00", None, False, "Net sales: 0.00, not below 0."),
        ({"up_by": {"net": "10%"}}, "1100.00", BEFORE, True, ""),
        ({"up_by": {"net": "10"}}, "1099.99", BEFORE, False, "Net sales: 1,099.99, 1,000.00 before, not up by 10 %."),
        ({"down_by": {"net": "12.5"}}, "875", BEFORE, True, ""),
        ({"down_by": {"net": "12.5"}}, "1875", BEFORE, False, "Net sales: 1,875, 1,000.00 before, not down by 12.5 %."),
        (
            {"up_by": {"net": "10"}},
            *("5", None, False, "Net sales: 5; nothing before to compare it with (up by 10 %)."),
        ),
        ({"up_by": {"net": "10"}}, "0.01", {"totals": {"net": "0"}}, True, ""),
        ({"down_by": {"net": "10"}}, "0", {"totals": {"net": "0"}}, False, "Net sales: 0, 0 before, not down by 10 %."),
        ({"down_by": {"net": "50"}}, "-150", {"totals": {"net": "-100"}}, True, ""),
        # One of several is enough.
        ({"above": {"net": "5000"}, "below": {"net": "100"}}, "50", None, True, ""),
    ],
)
def test_thresholds(data: dict[str, Any], net: str, earlier: dict[str, Any] | None, sends: bool, why: str) -> None:
    made = judged(data, 3, net, earlier)
    assert (made.sends, made.why) == (sends, why)
    assert made.to_json()["totals"] == {"net": net}


def test_once_sends_when_the_state_changes() -> None:
    data = {"above": {"net": "100"}, "repeat": "once"}
    earlier, sent = None, []
    for net in ("150", "160", "90", "101", "102"):
        made = judged(data, 1, net, earlier)
        sent.append(made.sends)
        earlier = made.to_json()
    assert sent == [True, False, False, True, False]
    assert judged(data, 1, "102", earlier).why.endswith("So it was the time before, and it is sent once.")
    rows = {"when": "has_rows", "repeat": "once"}
    assert judged(rows, 1, "0", {"met": False}).sends
    assert not judged(rows, 1, "0", {"met": True}).sends


@given(
    st.decimals("0.01", "1000000", places=2), st.decimals("-50", "50", places=2), st.decimals("0.01", "40", places=2)
)
def test_a_change_is_judged_without_rounding(before: Decimal, change: Decimal, value: Decimal) -> None:
    total = before + before * change / 100
    earlier = {"totals": {"net": str(before)}}
    assert judged({"up_by": {"net": str(value)}}, 1, str(total), earlier).sends == (change >= value)
    assert judged({"down_by": {"net": str(value)}}, 1, str(total), earlier).sends == (-change >= value)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"wen": "always"}, "Did you mean 'when'?"),
        ({"when": "has_row"}, "Did you mean 'has_rows'?"),
        ({"empty": "maybe"}, "'maybe'"),
        ({"above": {"net": "1,000"}}, "'1,000'"),
        ({"above": {"net": "NaN"}}, "'NaN'"),
        ({"above": {"net": True}}, "True"),
        ({"above": "1000"}, "'1000'"),
        ({"up_by": {"net": "-5"}}, "-5"),
        ({"below": {"net": "1e99"}}, "1e99"),
        ({"above": {"nett": "1"}}, "Did you mean 'net'?"),
        ({"above": {"name": "1"}}, "no total of 'name'"),
        ({"when": "no_rows", "empty": "skip"}, "nothing to send"),
        ({"repeat": "once"}, "that can change"),
    ],
)
def test_what_cannot_be_is_named_with_the_way_out(data: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as told:
        check_condition(data, COLUMNS)
    assert (told.value.code, bool(told.value.hint)) == ("bad_condition", True)
    assert named in told.value.message


def test_a_condition_in_words() -> None:
    data = {"when": "has_rows", "above": {"net": "1000"}, "down_by": {"net": "20"}, "repeat": "once"}
    assert say_condition(data) == "has rows; net above 1,000 or net down by 20 %; once"
    assert say_condition({"empty": "note"}) == "without rows: note"
    assert say_condition({}) == ""
