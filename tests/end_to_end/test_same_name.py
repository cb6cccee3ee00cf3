"""A second report of one name: told with the id of the first, asked about on a terminal, never refused."""

from pathlib import Path

import pytest

from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.end_to_end.test_first_five_minutes import Terminal
from tests.making import SHOP, make_schedule

__all__ = ["bare", "desk", "shop"]

WORDS = ("reports", "add", "--shop", SHOP, "--type", "orders", "--every", "daily 07:30")


def names(desk: Desk) -> list[str]:
    return sorted(item["name"] for item in desk.type("reports", "list", "--json").data)


@pytest.mark.parametrize("name", ["Weekly Sales", "weekly-sales"])
def test_a_second_report_of_the_name_is_added_with_a_warning_that_names_the_first(desk: Desk, name: str) -> None:
    with desk.store() as store:
        first = make_schedule(store, name="Weekly Sales")
    done = desk.type(*WORDS, "--name", name)
    assert done.code == 0
    assert f"Warning  {SHOP} has a report 'Weekly Sales' already ({first.id})." in done.err
    assert "Warning" not in done.out
    assert len(names(desk)) == 2


def test_another_name_another_shop_and_the_report_itself_warn_of_nothing(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales", shop="other.myshopify.com")
        own = make_schedule(store, name="Monthly Sales")
    for words in ((*WORDS, "--name", "Weekly Sales"), ("reports", "edit", own.id, "--name", "Monthly sales")):
        done = desk.type(*words)
        assert (done.code, done.err) == (0, "")


def test_an_edit_to_a_name_that_is_taken_warns(desk: Desk) -> None:
    with desk.store() as store:
        first, second = make_schedule(store, name="Weekly Sales"), make_schedule(store, name="Sales")
    done = desk.type("reports", "edit", second.id, "--name", "Weekly Sales")
    assert (done.code, first.id in done.err) == (0, True)
    assert names(desk) == ["Weekly Sales", "Weekly Sales"]


def test_on_a_terminal_it_is_a_question(desk: Desk, tmp_path: Path) -> None:
    with desk.store() as store:
        first = make_schedule(store, name="Orders")
    terminal = Terminal(tmp_path, **{name: text for name, text in desk.environ.items() if name != "PATH"})
    command = f"reports add --shop {SHOP} --type orders --every @daily"
    question = f"already ({first.id}). Add another of that name?"
    terminal.type(command, (question, "y"))
    assert names(desk) == ["Orders", "Orders"]
    with pytest.raises(AssertionError, match="Aborted"):
        terminal.type(command, ("Add another of that name?", "n"))
    assert names(desk) == ["Orders", "Orders"]
    assert "Add another" not in terminal.type(f"{command} --yes")
    assert len(names(desk)) == 3
