"""Which report of a shop goes first."""

from dataclasses import replace

import pytest

from scheduler_daemon.config import load_config
from scheduler_daemon.errors import ConfigError
from scheduler_daemon.model import Recipient, Recurrence, Report, RuleKind, Schedule
from scheduler_daemon.priority import Rules, priority_of, read_ranks

PLAIN = Schedule(
    "s", "a.myshopify.com", "Orders", Report("orders", "Orders"), Recurrence(RuleKind.DAILY), "UTC", recipients=()
)
CROWD = tuple(Recipient("email", f"{number}@acme.example") for number in range(10))


def test_a_report_of_which_no_rule_speaks_is_ordinary() -> None:
    assert priority_of(PLAIN, Rules()) == 100
    assert priority_of(replace(PLAIN, recipients=CROWD), Rules(read_ranks("sales-by-product=20"), many=11)) == 100


def test_the_smallest_that_a_rule_gives_counts_and_a_priority_of_its_own_wins() -> None:
    rules = Rules(read_ranks("orders=60, sales-by-product=150"), many=10, many_priority=40)
    assert priority_of(PLAIN, rules) == 60
    assert priority_of(replace(PLAIN, recipients=CROWD), rules) == 40
    assert priority_of(replace(PLAIN, report=Report("sales-by-product", "Sales")), rules) == 150
    assert priority_of(replace(PLAIN, recipients=CROWD, priority=90), rules) == 90


@pytest.mark.parametrize("text", ["orders", "orders=soon", "=5", "orders=1;2"])
def test_priorities_that_cannot_be_read_are_refused_with_the_value(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(None, {"priority.types": text}, {})
    assert [key for key, _ in refused.value.problems] == ["priority.types"]
    assert text in refused.value.problems[0][1]
