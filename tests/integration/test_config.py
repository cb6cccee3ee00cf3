"""Configurations with traps in them: refused with a sentence that names the key, before anything is opened."""

from pathlib import Path

import pytest

from scheduler_daemon.config import load_config
from scheduler_daemon.errors import ConfigError
from tests.end_to_end.desk import Desk, bare, shop

__all__ = ["bare", "shop"]

#: What else a section needs.
NEEDED = {"email": 'from = "r@sched.example"\nhost = "localhost"\n', "folder": 'path = "reports"\n'}


def problems(folder: Path, section: str, key: str, value: str, environ: bool = False) -> list[tuple[str, str]]:
    file = folder / "scheduler.toml"
    others = "".join(f"{line}\n" for line in NEEDED.get(section, "").splitlines() if not line.startswith(f"{key} "))
    line = "" if environ else f"{key} = '{value}'\n"
    file.write_text(f"[{section}]\n{others}{line}")
    variables = {f"SCHEDULER_{section}__{key}".upper(): value} if environ else {}
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ=variables)
    return list(caught.value.problems)


@pytest.mark.parametrize("environ", [False, True], ids=["file", "environment"])
@pytest.mark.parametrize("value", ["", "  "], ids=["empty", "blank"])
@pytest.mark.parametrize(
    "name",
    [
        *("folder.path", "state.file", "spool.dir", "email.host", "email.from", "database.url"),
        *("database.url_file", "shopify.client_secret_file", "email.password_file"),
    ],
)
def test_a_place_that_is_empty_is_no_place(tmp_path: Path, name: str, value: str, environ: bool) -> None:
    section, _, key = name.partition(".")
    assert problems(tmp_path, section, key, value, environ) == [
        (name, "It is empty: write a value, or leave the key out.")
    ]


@pytest.mark.parametrize("name", ["state.file", "spool.dir", "folder.path"])
def test_a_home_that_does_not_exist_is_no_place(tmp_path: Path, name: str) -> None:
    section, _, key = name.partition(".")
    assert problems(tmp_path, section, key, "~nobody-of-that-name/x") == [
        (name, "'~nobody-of-that-name/x' names a home folder that does not exist.")
    ]


def test_no_command_takes_an_empty_state_file_for_another(bare: Desk) -> None:
    bare.set(state__file="")
    done = bare.type("status")
    assert (done.code, "state.file is empty" in done.out) == (3, True)
    done = bare.type("run")
    assert (done.code, "state.file: It is empty" in done.err) == (2, True)


def test_config_check_reads_the_database_s_url(bare: Desk) -> None:
    bare.set(database__url="oracle://somewhere/x")
    done = bare.type("config", "check")
    assert (done.code, "database.url: The database URL starts with 'oracle'" in done.err) == (2, True), done.err
    bare.set(database__url="postgresql://nobody@192.0.2.1/x")
    assert bare.type("config", "check").code == 0


def test_the_environment_gives_a_table_as_text(tmp_path: Path) -> None:
    name = "SCHEDULER_REPORTS__WEEK_START_OF"
    text = "one.myshopify.com=sunday, two.myshopify.com = friday"
    config = load_config(environ={name: text, "HOME": str(tmp_path)})
    assert config.reports.week_start_of == {"one.myshopify.com": "sunday", "two.myshopify.com": "friday"}
    with pytest.raises(ConfigError) as caught:
        load_config(environ={name: "one.myshopify.com", "HOME": str(tmp_path)})
    assert "Write 'one.myshopify.com' as name.myshopify.com=sunday" in str(caught.value.problems)
