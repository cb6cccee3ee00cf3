"""Every command as a stranger meets it: help, mistakes, JSON, pages, locales, terminals; and how light it starts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest

from scheduler_daemon.cli.main import COMMANDS, program
from scheduler_daemon.model import Recipient
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, now

__all__ = ["bare", "desk", "shop"]


def commands(group: click.Group = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*path, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


def find(words: tuple[str, ...]) -> click.Command:
    found: click.Command = program
    for word in words:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None
        found = inner
    return found


ALL = list(commands())


# Help ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_says_what_it_does_and_shows_an_example(words: tuple[str, ...], bare: Desk) -> None:
    done = bare.type(*words, "-h")
    assert done.code == 0
    assert f"Usage: scheduler {' '.join(words)}" in done.out
    examples = done.out.partition("Example")[2].splitlines()
    shown = [line for line in examples if f" {' '.join(words)}" in line and line.startswith("    scheduler ")]
    assert shown, done.out
    assert len(find(words).get_short_help_str(limit=70)) < 70
    assert not find(words).get_short_help_str(limit=70).endswith("...")


def test_the_program_s_help_names_every_command_and_the_way_to_completion(bare: Desk) -> None:
    done = bare.type("-h")
    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)
    assert "_SCHEDULER_COMPLETE=bash_source" in done.out


@pytest.mark.parametrize(
    ("line", "offered"), [("scheduler re", "reports"), ("scheduler reports w", "why"), ("scheduler --l", "--log-level")]
)
def test_the_tab_key_completes(line: str, offered: str, bare: Desk) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    start = "from scheduler_daemon.cli import main; main()"
    environ = bare.environ | words | {"_SCHEDULER_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-c", start], env=environ, capture_output=True, text=True, check=False)
    assert f"plain,{offered}" in done.stdout.splitlines()


HEAVY = ("pydantic", "structlog", "peewee", "rich", "jinja2", "requests", "graphql", "xlsxwriter", "smtplib")


@pytest.mark.parametrize(
    "words", [["--version"], ["status"], ["-h"], ["status", "--json"], ["reports", "-h"], ["reports", "next", "-"]]
)
def test_what_starts_often_imports_little(words: list[str], desk: Desk) -> None:
    desk.type("check-once")
    start = (
        "import sys\nfrom scheduler_daemon.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as left:\n    assert left.code in (0, None), left.code\n"
        "print('modules', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", start],
        env=desk.environ,
        input='{"every": "last working day 17:00"}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "modules"
    assert "click" in loaded
    assert [name for name in HEAVY if name in loaded] == []


# JSON and pages -----------------------------------------------------------------------------------------------------

#: A good invocation of each command that has --json, with the kind of its envelope.
JSON = {
    ("check-once",): (["--dry-run"], "due"),
    ("doctor",): (["--no-network"], "doctor"),
    ("shops", "list"): ([], "shops"),
    ("shops", "show"): ([SHOP], "shop"),
    ("shops", "check"): ([SHOP], "shop"),
    ("reports", "list"): ([], "reports"),
    ("reports", "show"): (["weekly-sales"], "report"),
    ("reports", "why"): (["weekly-sales"], "why"),
    ("reports", "run"): (["weekly-sales"], "run"),
    ("reports", "preview"): (["weekly-sales"], "preview"),
    ("reports", "backfill"): (["weekly-sales", "--from", "2026-01-01", "--to", "2026-01-01", "--yes"], "runs"),
    ("reports", "next"): (["weekly-sales"], "next"),
    ("reports", "types"): ([], "types"),
    ("history", "list"): ([], "runs"),
    ("history", "show"): (["RUN"], "run"),
    ("notices", "list"): ([], "notices"),
    ("history", "rerun"): (["RUN"], "run"),
    ("history", "resend"): (["RUN", "--yes"], "run"),
    ("history", "cancel"): (["QUEUED"], "run"),
    ("history", "prune"): (["--dry-run"], "prune"),
    ("pause",): (["--until", "1h"], "pause"),
    ("resume",): ([], "pause"),
    ("db", "status"): ([], "database"),
    ("config", "show"): ([], "config"),
    ("config", "check"): ([], "config_check"),
}


def with_json() -> set[tuple[str, ...]]:
    return {words for words in ALL if any("--json" in param.opts for param in find(words).params)}


def test_every_json_has_the_envelope(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    assert desk.type("check-once", "--json").json["kind"] == "runs"
    run = desk.type("history", "list", "--json").data[0]["id"]
    with desk.store() as store:
        waits = make_schedule(store, name="Waits", next_due_at=now() + timedelta(days=1))
        store.queueing.queue_by_hand(waits, "manual:later", now() + timedelta(hours=1))
        queued = store.history.last_of(waits.id)[0].id
    ids = {"RUN": run, "QUEUED": queued}
    assert set(JSON) == with_json() - {("status",)}
    for words, (more, kind) in JSON.items():
        done = desk.type(*words, *(ids.get(item, item) for item in more), "--json")
        assert done.code == 0, done
        assert (done.json["schema"], done.json["kind"]) == (1, kind)
        assert {"generated_at", "data", "next"} <= set(done.json)
    state = desk.type("status", "--json").json
    assert (state["schema"], state["isRunning"], state["runningJobs"], state["jobCount"]) == (1, False, [], 0)


def test_pages_hold_every_row_once(desk: Desk) -> None:
    with desk.store() as store:
        for number in range(7):
            make_schedule(store, name=f"R{number}", id=f"rs_{7 - number}", shop=f"shop-{number % 3}.myshopify.com")
        for item in store.schedules.all():
            assert item.schedule is not None
            store.queueing.queue_by_hand(item.schedule, "manual:x", now())
    for words, option, key, total in (
        (["reports", "list"], "--after", "id", 7),
        (["shops", "list"], "--after", "shop", 4),
        (["history", "list"], "--before", "id", 7),
    ):
        found, behind, pages = [], "", 0
        while behind is not None:
            done = desk.type(*words, "--limit", "3", "--json", *([option, behind] if behind else []))
            found += [item[key] for item in done.data]
            behind, pages = done.json["next"], pages + 1
        assert (len(found), len(set(found)), pages) == (total, total, (total + 2) // 3), words
    assert "More: scheduler history list --before" in desk.type("history", "list", "--limit", "3").out


def test_filters_of_the_list_of_reports(desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Mine", recipients=(Recipient("email", "Me@acme.example"),), owner="o@acme.example")
        make_schedule(store, name="Other", shop="other.myshopify.com")
    names = [item["name"] for item in desk.type("reports", "list", "--recipient", "me@acme.example", "--json").data]
    assert names == ["Mine"]
    assert [i["name"] for i in desk.type("reports", "list", "--owner", "o@acme.example", "--json").data] == ["Mine"]
    assert [i["name"] for i in desk.type("reports", "list", "--shop", "other.myshopify.com", "--json").data] == [
        "Other"
    ]
    assert desk.type("reports", "list", "--owner", "x@acme.example").out == "No report fits.\n"


# Which database, which words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["reports", "list"],
        ["reports", "why", "weekly-sales"],
        ["reports", "run", "weekly-sales"],
        ["history", "list"],
        ["shops", "list"],
        ["db", "upgrade"],
        ["check-once", "--json"],
    ],
    ids=" ".join,
)
def test_verbose_says_which_database_wherever_it_stands(words: list[str], desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    said = "Database ~/scheduler.db, delivery live"
    assert said in desk.type("-v", *words).err.splitlines()
    assert said in desk.type(*words, "--verbose").err.splitlines()
    assert said not in desk.type(*words).err.splitlines()


def test_check_once_and_doctor_always_say_which_database(desk: Desk) -> None:
    assert desk.type("check-once").err.splitlines()[0] == "Database ~/scheduler.db, delivery live"
    assert "~/scheduler.db" in desk.type("doctor", "--no-network").out
    status = desk.type("status").out.splitlines()
    assert status[0].endswith("delivery live")
    assert "database ~/scheduler.db" in status
    desk.set(delivery__mode="redirect", delivery__redirect_to="me@test.example")
    assert desk.type("check-once").err.startswith("Database ~/scheduler.db, delivery redirect to me@test.example\n")


def test_the_home_stays_clean(bare: Desk) -> None:
    assert bare.type("--version").out.startswith("scheduler ")
    bare.type("config", "check")
    assert list(Path(bare.root).iterdir()) == []


def test_edit_takes_copies_and_filters_away_again(desk: Desk) -> None:
    """Else a report had to be removed and made anew to be sent to fewer people."""
    with desk.store() as store:
        made = make_schedule(store, name="Weekly Sales", recipients=(Recipient("email", "a@acme.example"),))
    desk.set(email__host="127.0.0.1", email__security="none", email__from="r@sched.example")

    def after(*options: str) -> tuple[list[str], object]:
        done = desk.type("reports", "edit", made.id, *options)
        assert done.code == 0, done
        shown = desk.type("reports", "show", made.id, "--json").data
        return [item["address"] for item in shown["recipients"]], shown["filters"]

    everybody = ["a@acme.example", "b@acme.example", "c@acme.example"]
    given = after("--cc", "b@acme.example", "--bcc", "c@acme.example", "--filter", "tag=vip")
    assert given == (everybody, {"tag": "vip"})
    assert after("--cc", "", "--bcc", "", "--filter", "tag=") == (["a@acme.example"], {})


@pytest.mark.parametrize("named", [True, False], ids=["--config", "./scheduler.toml"])
def test_init_makes_the_database_of_a_configuration_that_was_written_by_hand(bare: Desk, named: bool) -> None:
    """The error of a missing database says to run it; another configuration in the home would be read by nobody."""
    file = bare.root / "scheduler.toml"
    file.write_text("[log]\nlevel = 'warning'\n")
    words = ("--config", str(file)) if named else ()
    lost = bare.type(*words, "check-once")
    assert (lost.code, "Run: scheduler init" in lost.err) == (3, True)
    done = bare.type(*words, "init")
    assert done.code == 0, done
    assert done.out.splitlines()[1] == "Created  ~/scheduler.db"
    assert file.read_text() == "[log]\nlevel = 'warning'\n"
    assert not (bare.root / ".config").exists()
    assert bare.type(*words, "check-once").code == 0
    again = bare.type(*words, "init")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_a_configuration_that_begins_with_a_mark_is_read(bare: Desk) -> None:
    (bare.root / "scheduler.toml").write_text("[state]\nmax_age = '1h'\n", encoding="utf-8-sig")
    assert bare.type("config", "check").code == 0
    assert "[state] cannot be read" not in bare.type("status").out


def test_days_of_a_custom_period_show_and_go_with_it(desk: Desk) -> None:
    """They stayed behind, and show said "last_week 2026-11-01 to 2026-11-07"."""
    with desk.store() as store:
        made = make_schedule(store, name="Weekly Sales")
    custom = ("--period", "custom", "--from", "2026-11-01", "--to-day", "2026-11-07")
    for options, days in ((custom, ["2026-11-01", "2026-11-07"]), (("--period", "last_week"), [None, None])):
        assert desk.type("reports", "edit", made.id, *options).code == 0
        shown = desk.type("reports", "show", made.id, "--json").data
        assert [shown["period_from"], shown["period_to"]] == days
    assert "last_week 2026" not in desk.type("reports", "show", made.id).out


def test_in_an_app_s_database_a_report_has_its_zone_written_out(desk: Desk) -> None:
    """The app's own pages read the column, and an empty zone is an error to them."""
    words = ("reports", "add", "--shop", SHOP, "--type", "orders", "--every", "daily 08:00", "--folder", "--name")
    assert desk.type(*words, "Ours").code == 0
    with desk.store() as store:
        store.notebook.remember("own", "0")
    assert desk.type(*words, "Theirs").code == 0
    with desk.store() as store:
        rows = dict(store.engine.read('SELECT "name", "timezone" FROM "ReportSchedule"'))
    assert rows == {"Ours": "", "Theirs": "Europe/Paris"}


def test_the_words_of_reports_types_stand_in_one_column(desk: Desk) -> None:
    """A column of 14 signs was too narrow for since_last_success, whose text began further right than the others."""
    lines = desk.type("reports", "types").out.split("\nperiods\n")[1].splitlines()
    begin = {re.match(r"  \w+ +", line).end() for line in lines if line.startswith("  ")}  # type: ignore[union-attr]
    assert len(begin) == 1
    assert any(line.startswith("  since_last_success  From") for line in lines)
