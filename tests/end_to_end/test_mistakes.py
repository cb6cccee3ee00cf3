"""One mistake in each command, and more: a sentence naming the value, the way out, the exit status of DESIGN 7."""

import shlex
import subprocess
import sys

import click
import pytest

from scheduler_daemon.when.recurrence import sentence
from scheduler_daemon.when.spoken import read_words
from tests.end_to_end.desk import Desk, bare, desk, shop
from tests.end_to_end.test_commands import ALL, find
from tests.making import make_schedule

__all__ = ["bare", "desk", "shop"]

#: Command, exit status (DESIGN 7), what happened with which value, the way out.
MISTAKES = [
    ("stats", 2, "no command 'stats'", "Did you mean 'status'?"),
    ("reports lst", 2, "no command 'lst'", "Did you mean 'list'?"),
    ("run --jsn", 2, "No such option '--jsn'", "scheduler run -h"),
    ("--config /no/such.toml run", 2, "/no/such.toml cannot be read", "Check --config"),
    ("--log-level loud status", 3, "'loud' is not one of", "scheduler -h"),
    ("status --colour", 3, "No such option '--colour'", "scheduler status -h"),
    ("notices list --limit 0", 2, "'0' is no whole number", "scheduler notices list -h"),
    ("notices mute --for soon", 2, "'soon' cannot be read", "--for 8h"),
    ("notices list --before foo", 2, "'foo' is no notice's id", "scheduler notices list"),
    ("notices unmute now", 2, "unexpected extra argument (now)", "scheduler notices unmute -h"),
    ("notices test --to me", 2, "No such option '--to'", "scheduler notices test -h"),
    ("check-once --timeout soon", 2, "--timeout 'soon'", '"90s"'),
    ("check-once --timeout 5", 2, "--timeout '5' is no length", '"90s"'),
    ("check-once --timeout -1", 2, "--timeout '-1' is no length", '"90s"'),
    ("history cancel 01J --timeout 5", 2, "--timeout '5' is no length", '"90s"'),
    ("history prune --older-than 5", 2, "5", "90d"),
    ("notices mute --for 8", 2, "'8' cannot be read", "--for 8h"),
    ("pause --until 2", 2, "--until '2' is no moment", '"2h"'),
    ("check-once --shop acme", 2, "'acme' is no shop's domain", "name.myshopify.com"),
    ("check-once --shop tset.myshopify.com", 2, "no shop tset.myshopify.com", "Did you mean 'test.myshopify.com'?"),
    ("check-once --report 'Weekly Sale'", 2, "no report 'Weekly Sale'", "Did you mean 'Weekly Sales'?"),
    ("init --smtp-host mail:port", 2, "'port' is no port", "smtp.example.com:587"),
    ("demo --orders 5", 2, "No such option '--orders'", "scheduler demo -h"),
    ("doctor --no-netwerk", 2, "No such option '--no-netwerk'", "scheduler doctor -h"),
    ("go-live", 2, "Nobody is there to confirm", "--yes"),
    ("pause --until yesterday", 2, "--until 'yesterday' is no moment", '"2h"'),
    ("pause --until 2020-01-01", 2, "is not ahead", '"2h"'),
    ("resume x", 2, "unexpected extra argument", "scheduler resume -h"),
    ("db upgrade now", 2, "unexpected extra argument", "scheduler db upgrade -h"),
    ("db status --jsn", 2, "No such option '--jsn'", "scheduler db status -h"),
    ("config show --secrets", 2, "No such option '--secrets'", "scheduler config show -h"),
    ("config check x", 2, "unexpected extra argument", "scheduler config check -h"),
    ("config example x", 2, "unexpected extra argument", "scheduler config example -h"),
    ("shops add Acme.com", 2, "'Acme.com' is no shop's domain", "name.myshopify.com"),
    ("shops add a.myshopify.com --token-file /no/file", 2, "/no/file cannot be read", "owner and mode"),
    ("shops add a.myshopify.com --access magic", 2, "'magic' is not one of", "scheduler shops add -h"),
    ("shops add a.myshopify.com", 2, "The token is empty", "in a file"),
    ("shops list --limit 0", 2, "'0' is no whole number from 1", "scheduler shops list -h"),
    ("shops list --after x", 2, "'x' is no shop's domain", "name.myshopify.com"),
    ("shops show b.myshopify.com", 2, "no shop b.myshopify.com", "scheduler shops add"),
    ("shops check b.myshopify.com", 1, "b.myshopify.com has no offline session", "scheduler shops add"),
    ("shops pause b.myshopify.com", 2, "no shop b.myshopify.com", "scheduler shops add"),
    ("shops resume", 2, "Missing argument 'DOMAIN'", "scheduler shops resume [OPTIONS] DOMAIN"),
    ("shops remove test.myshopify.com", 2, "Nobody is there to confirm", "--yes"),
    ("reports add --shop test.myshopify.com --every 'daily noon'", 2, "--type is needed", "scheduler reports add -h"),
    (
        "reports add --shop test.myshopify.com --type orders --every mondy",
        2,
        "'mondy' is not understood",
        "monday 08:00",
    ),
    ("reports edit weekly-sales", 2, "nothing to change", "scheduler reports edit -h"),
    ("reports edit weekly-sales --type ordres", 2, "'ordres' is no report type", "Did you mean 'orders'?"),
    ("reports edit weekly-sales --zone Europe/Pari", 2, "'Europe/Pari' is no time zone", "Did you mean"),
    ("reports edit weekly-sales --format docx", 2, "'docx'", "csv"),
    ("reports edit weekly-sales --period lastweek", 2, "'lastweek' is no period", "Did you mean 'last_week'?"),
    ("reports edit weekly-sales --period custom --from x", 2, "x", "--from"),
    ("reports edit weekly-sales --from 2026-11-01", 2, "this report's is last_7_days", "--period custom"),
    ("reports edit weekly-sales --period last_week --to-day 2026-11-01", 2, "--from and --to-day", "leave them out"),
    ("reports edit weekly-sales --period custom", 2, "needs its first and its last day", "--from and --to-day"),
    ("reports edit weekly-sales --filter financial_status=payed", 2, "cannot be 'payed': it is 'paid'", "include_test"),
    ("reports edit weekly-sales --filter colour=", 2, "no filter 'colour'", "There are"),
    ("reports edit weekly-sales --to ''", 2, "'' is no mail address", "name@example.com"),
    ("reports edit weekly-sales --filter include_test=maybe", 2, "cannot be 'maybe'", "include_cancelled"),
    ("reports edit weekly-sales --columns nmae", 2, "no column 'nmae'", "Did you mean 'name'?"),
    ("reports edit weekly-sales --filter status", 2, "'status' has no value", "name=value"),
    ("reports edit weekly-sales --filter colour=red", 2, "'colour'", "There are"),
    ("reports edit weekly-sales --to me@", 2, "'me@' is no mail address", "name@example.com"),
    ("reports edit weekly-sales --owner me", 2, "'me' is no mail address", "name@example.com"),
    ("reports edit weekly-sales --priority -1", 2, "'-1' is no whole number from 0 to 1000", "reports edit -h"),
    ("reports edit weekly-sales --catch-up some", 2, "'some' is not one of", "reports edit -h"),
    ("reports edit weekly-sales --overlap no", 2, "'no' is not one of", "reports edit -h"),
    ("reports edit weekly-sales --name ''", 2, "name is empty", "Weekly Sales"),
    ("reports edit weekly-sales --every 'monday 8 until 2020-01-01'", 2, "lies in the past", '"every Monday at 08:00"'),
    ("reports edit weekly-sales --every 'once 2020-01-01 08:00'", 2, "lies in the past", "later moment"),
    ("reports edit weekly-sales --every '61 * * * *'", 2, "'61 * * * *' cannot be read", "The nearest that works"),
    ("reports list --owner me", 2, "'me' is no mail address", "name@example.com"),
    ("reports list --limit many", 2, "'many' is no whole number", "scheduler reports list -h"),
    ("reports list --after nobody", 2, "no report 'nobody'", "scheduler reports list"),
    ("reports show weekly", 2, "no report 'weekly'", "scheduler reports list"),
    ("reports why", 2, "Missing argument 'REPORT'", "scheduler reports why [OPTIONS] REPORT"),
    ("reports why x --runs 1000", 2, "'1000' is no whole number from 0 to 200", "scheduler reports why -h"),
    ("reports run x", 2, "no report 'x'", "scheduler reports list"),
    (f"reports run weekly-sales --key {'k' * 60}", 2, "has 60 characters", "57"),
    ("reports next --all --zone Europe/Pari", 2, "'Europe/Pari' is no time zone", "Did you mean"),
    ("reports edit weekly-sales --jitter 5", 2, "'5' is not a length", "10m"),
    ("reports edit weekly-sales --jitter 3d", 2, "--jitter 3d is more than 1 d", "--jitter"),
    ("reports edit weekly-sales --catch-up-window soon", 2, "'soon' is not a length", "10m"),
    ("reports edit weekly-sales --week-start someday", 2, "'someday' is no day of the week", "A week begins on monday"),
    ("reports edit weekly-sales --period custom --from 2026-02-31 --to-day 2026-03-05", 2, "no 31 February", "--from"),
    ("reports edit weekly-sales --every 'every 31 feb at 8'", 2, "There is no 31 February", "last day of February"),
    ("reports run weekly-sales --send-to me", 2, "'me' is no mail address", "name@example.com"),
    ("reports run weekly-sales --send-to me@acme.example", 2, "--send-to needs a mail server", "[email]"),
    ("reports preview x", 2, "no report 'x'", "scheduler reports list"),
    ("reports preview weekly-sales --rows 101", 2, "'101' is no whole number from 1 to 100", "reports preview -h"),
    ("reports backfill weekly-sales --from 1.11.2026 --to 2026-11-02", 2, "'1.11.2026' is no day", "2026-11-01"),
    ("reports backfill weekly-sales --from 2026-11-02", 2, "Missing option '--to'", "scheduler reports backfill"),
    ("reports edit weekly-sales --above total", 2, "'total' names no column and value", "--above net=1000"),
    ("reports edit weekly-sales --when never", 2, "'never' is not one of", "reports edit -h"),
    ("reports next weekly-sales --count 0", 2, "'0' is no whole number from 1", "scheduler reports next -h"),
    ("reports pause x", 2, "no report 'x'", "scheduler reports list"),
    ("reports resume ''", 2, "id or name is empty", "scheduler reports list"),
    ("reports remove weekly-sales", 2, "Nobody is there to confirm", "--yes"),
    ("reports types orders", 2, "unexpected extra argument", "scheduler reports types -h"),
    ("history list --status done", 2, "'done' is not one of", "succeeded"),
    ("history list --before 01XYZ", 2, "'01XYZ' is no run", "scheduler history list"),
    ("history list --report none", 2, "no report 'none'", "scheduler reports list"),
    ("history rerun NOPE1234", 2, "'NOPE1234' is no run", "scheduler history list"),
    ("history resend NOPE1234 --missed --to a@b.example", 2, "--to and --missed do not go together", "one of them"),
    ("history cancel NOPE1234", 2, "'NOPE1234' is no run", "scheduler history list"),
    ("history prune --older-than 90", 2, "--older-than '90' is no length of time", '"90d"'),
    ("history show NOPE1234", 2, "'NOPE1234' is no run", "scheduler history list"),
]


@pytest.mark.parametrize(("command", "code", "what", "way_out"), MISTAKES, ids=[item[0][:60] for item in MISTAKES])
def test_a_mistake_gets_a_sentence_and_a_way_out(command: str, code: int, what: str, way_out: str, desk: Desk) -> None:
    with desk.store() as store:
        make_schedule(store, name="Weekly Sales")
    words = shlex.split(command)
    done = desk.type(*words)
    assert done.code == code, done
    assert any(line.startswith("Error: ") for line in done.err.splitlines())
    assert what in done.err
    assert way_out in done.err
    assert "Traceback" not in done.err
    assert "defect" not in done.err
    told = desk.type(*words, "--json")
    assert told.code == code
    error = told.json["error"]
    assert (told.json["schema"], set(error)) == (1, {"code", "message", "hint"})


def test_every_command_has_a_mistake_of_its_own() -> None:
    groups = {words for words in ALL if isinstance(find(words), click.Group)}
    tried = {words for words in ALL for item in MISTAKES if f" {item[0]} ".find(f" {' '.join(words)} ") >= 0}
    assert set(ALL) - groups - tried == set()


def test_a_word_that_is_not_utf_8_is_named(bare: Desk) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"scheduler_daemon", b"reports", b"show", b"\xff\xfe"],
        env=bare.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr


def test_no_database_is_an_error_and_never_a_new_one(bare: Desk) -> None:
    for words in (["check-once"], ["reports", "list"], ["history", "list"], ["reports", "run", "x"], ["db", "status"]):
        done = bare.type(*words)
        assert (done.code, "There is no database" in done.err, "scheduler init" in done.err) == (3, True, True), words
    assert not (bare.root / "scheduler.db").exists()


def test_spoken_recurrences() -> None:
    said = {
        "monday 8am": "Every Monday at 08:00",
        "every weekday at noon": "Every weekday at 12:00",
        "Mon and Thu at 8:30 pm": "Every Monday and Thursday at 20:30",
        "daily midnight": "Every day at 00:00",
        "monthly on the 1st at 08:00": "Every month on day 1 at 08:00",
        "monthly last day 08:00": "Every month on the last day at 08:00",
        "every 15 minutes": "Every 15 minutes",
        "every 2 hours": "Every 2 hours at :00",
        "0 9 * * 1-5": "Every weekday at 09:00 (cron 0 9 * * 1-5)",
        "0 9 1 * *": "Every month on day 1 at 09:00 (cron 0 9 1 * *)",
        "once 2026-12-24T08:00": "Once, on 2026-12-24 at 08:00",
    }
    assert {words: sentence(read_words(words)) for words in said} == said


def test_a_tz_that_is_no_zone_is_named(desk: Desk) -> None:
    nonsense = {"TZ": "Nonsense/Zone"}
    paused = desk.spawn("pause", "--until", "2099-12-24 08:00", **nonsense)
    assert (paused.code, "'Nonsense/Zone'" in paused.err, "--zone" in paused.err) == (2, True, True)
    assert desk.spawn("pause", "--until", "2099-12-24 08:00", "--zone", "Europe/Paris", **nonsense).code == 0
    assert desk.spawn("resume", **nonsense).code == 0
    calendar = desk.spawn("reports", "next", "--all", **nonsense)
    assert (calendar.code, calendar.err.count("'Nonsense/Zone'")) == (0, 1)
    assert "TZ='Nonsense/Zone' is no time zone" in desk.spawn("doctor", "--no-network", **nonsense).out
    refused = desk.spawn("run", **nonsense, SCHEDULER_DAEMON__CHECK_EVERY="0 9 * * *")
    assert (refused.code, "daemon.timezone" in refused.err) == (2, True)


def test_no_question_is_given_a_full_stop(desk: Desk) -> None:
    with desk.store() as store:
        made = make_schedule(store, name="Weekly", zone="Europe/Pariss")
    said = [desk.type("reports", *words, made.id).err for words in (("next",), ("run",), ("preview",))]
    assert desk.type("check-once").code == 1
    said += [desk.type("reports", "why", made.id).out, desk.type("check-once").out]
    for text in said:
        assert "Did you mean 'Europe/Paris'?" in text
        assert "?." not in text
