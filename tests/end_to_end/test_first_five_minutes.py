"""What a newcomer sees, on a pseudo-terminal against the simulator and a real mail server; and what leaks from it."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect

from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.mailbox import Mailbox
from tests.end_to_end.test_old_service import wait_for

ROOT = str(Path(__file__).parents[2])
#: What moves the cursor and colours the text of a terminal (ECMA-48, control sequences).
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Types commands as a person would, in a home of its own."""

    def __init__(self, home: Path, **more: str) -> None:
        self.cwd = str(home)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "PYTHONPATH": ROOT, **more}
        self.questions = 0
        self.seen = ""

    def type(self, command: str, *answers: tuple[str, str]) -> str:
        words = ["-m", "scheduler_daemon", *command.split()]
        child = pexpect.spawn(sys.executable, words, env=self.environ, encoding="utf-8", timeout=30, cwd=self.cwd)
        shown = ""
        for question, answer in answers:
            child.expect_exact(question)
            shown += child.before
            child.sendline(answer)
            self.questions += 1
        child.expect(pexpect.EOF)
        shown = ESCAPES.sub("", shown + child.before)
        child.close()
        self.seen += shown
        assert child.exitstatus == 0, shown
        return shown

    @contextmanager
    def start(self, command: str) -> Iterator[None]:
        """Let a command run on a terminal of its own meanwhile."""
        words = ["-m", "scheduler_daemon", command]
        child = pexpect.spawn(sys.executable, words, env=self.environ, encoding="utf-8", timeout=30, cwd=self.cwd)
        try:
            child.expect_exact("Database ~/.local/state/scheduler-daemon/scheduler.db, delivery live")
            yield
            child.sendintr()
            child.expect(pexpect.EOF)
        finally:
            child.close(force=True)
        assert child.exitstatus == 0


def test_the_first_five_minutes(tmp_path: Path) -> None:
    shop = SimShop("acme.myshopify.com", orders=900, zone="Europe/Paris", name="Acme", access="client")
    with Simulator([shop]) as simulator, Mailbox(tmp_path / "mail") as mailbox:
        terminal = Terminal(tmp_path, SCHEDULER_SHOPIFY__BASE_URL=simulator.base_url)
        shown = terminal.type(
            "init",
            ("SMTP host", f"127.0.0.1:{mailbox.port}"),
            ("User", "me@acme.example"),
            ("Password", "hunter2-secret"),
        )
        assert "OK       signed in without encryption. Trouble will be told to me@acme.example." in shown
        assert "Wrote    ~/.config/scheduler-daemon/config.toml" in shown
        assert "Created  ~/.local/state/scheduler-daemon/scheduler.db" in shown
        shown = terminal.type(
            "shops add acme.myshopify.com",
            ("Access: 1", "1"),
            ("Client id", shop.client_id),
            ("Client secret", shop.client_secret),
        )
        assert "OK       Acme, Europe/Paris, EUR, scopes" in shown
        assert "Kept     client id and secret in ~/.config/scheduler-daemon/config.toml" in shown
        shown = terminal.type(
            "reports add",
            ("Shop [acme.myshopify.com]", ""),
            ("Type", "sales-by-product"),
            ("Period [last_week]", ""),
            ("Compare with (previous_period, year_before, none) [none]", ""),
            ("Format [xlsx]", ""),
            ("When", "monday 08:00"),
            ("Send to", "me@acme.example"),
            ("Make one now?", ""),
        )
        assert "Every Monday at 08:00, Europe/Paris; next: Mon" in shown
        made, sent, period = shown.splitlines()[-3:]
        assert made.startswith("OK       ")
        assert " rows, sales-by-product-" in made
        assert sent.startswith("OK       delivered to me@acme.example in ")
        assert period.startswith("Period   ")
        assert ", Europe/Paris. Net sales " in period
        shown = terminal.type("check-once")
        assert shown.startswith("Database ~/.local/state/scheduler-daemon/scheduler.db, delivery live")
        assert "No reports due to run" in shown
        assert shown.splitlines()[-1].startswith("Next: Mon ")
        shop.expire()  # a day later: the daemon renews the token with what was kept
        with terminal.start("run"):
            shown = wait_for(lambda: " slots free" in (said := terminal.type("status")) and said)
            assert shown.startswith("SCHEDULER OK - 1 report, 0 overdue, next Mon")
            assert "Next: keep it running with systemd" in shown
            terminal.type("doctor")
    assert terminal.questions <= 15
    (mail,) = (tmp_path / "mail").glob("*.eml")
    assert b'filename="sales-by-product-' in mail.read_bytes()
    for name in ("config.toml", "smtp-password", "shopify-client-secret"):
        assert (tmp_path / ".config" / "scheduler-daemon" / name).stat().st_mode & 0o077 == 0
    # What was answered stands in its section, so that an option below it is changed by taking its # away.
    file = tmp_path / ".config" / "scheduler-daemon" / "config.toml"
    text = file.read_text(encoding="utf-8")
    assert [text.count(f"[{name}]") for name in ("email", "notices", "shopify")] == [1, 1, 1]
    for line in ('reply_to = ""', 'digest = "1h"', "share = 1.0"):
        assert f"\n# {line}\n" in text
        text = text.replace(f"\n# {line}\n", f"\n{line}\n")
    file.write_text(text, encoding="utf-8")
    terminal.type("config check")
    secrets = [shop.token, shop.client_secret, "hunter2-secret"]
    assert not [secret for secret in secrets if secret in terminal.seen]


def test_an_answer_that_is_wrong_is_asked_again(tmp_path: Path) -> None:
    shop = SimShop("acme.myshopify.com", orders=50, zone="Europe/Paris", name="Acme")
    with Simulator([shop]) as simulator, Mailbox(tmp_path / "mail") as mailbox:
        terminal = Terminal(tmp_path, SCHEDULER_SHOPIFY__BASE_URL=simulator.base_url)
        shown = terminal.type(
            "init",
            ("SMTP host", "mail server"),
            ("SMTP host", "127.0.0.1:1"),
            ("User", "AKIA0EXAMPLE"),
            ("Password", "x"),
            ("From", "me"),
            ("From", "me@acme.example"),
            ("Answer again?", "y"),
            ("SMTP host", f"127.0.0.1:{mailbox.port}"),
            ("User", ""),
            ("From", "me@acme.example"),
        )
        assert "names no mail server" in shown
        assert "Problem  The mail server 127.0.0.1 does not answer" in shown
        assert "'me' is no mail address" in shown
        assert "OK       connected without encryption." in shown
        assert shown.index("Trying 127.0.0.1:1 ") < shown.index("Problem  The mail server")
        shown = terminal.type(
            "shops add acme.myshopify.com", ("Access: 1", "3"), ("Access: 1", "2"), ("Token", shop.token)
        )
        assert "OK       Acme, " in shown
        shown = terminal.type(
            "reports add",
            ("Shop [acme.myshopify.com]", "acme"),
            ("Shop [acme.myshopify.com]", ""),
            ("Type", "order"),
            ("Type", "orders"),
            ("Period [last_week]", "week"),
            ("Period [last_week]", "yesterday"),
            ("year_before, none) [none]", "last_year"),
            ("year_before, none) [none]", "year_before"),
            ("Format [xlsx]", "xls"),
            ("Format [xlsx]", "csv"),
            ("When", "mondays"),
            ("When", "weekdays 8am"),
            ("Send to", "me"),
            ("Send to", "me@acme.example, you@acme.example"),
            ("Make one now?", "n"),
        )
        for said in ("no shop's domain", "Did you mean 'orders'", "is no period", "'xls'", "names no time of day"):
            assert said in shown
        assert "Every weekday at 08:00, Europe/Paris; next: " in shown
        assert "'last_year' is no comparison" in shown
        assert "year_before" in terminal.type("reports show orders")
    assert shop.token not in terminal.seen


def test_the_demo_shows_the_product_and_leaves_nothing_else(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    shown = terminal.type("demo")
    assert "4 succeeded, 1 failed (on purpose)" in shown
    assert "FAILED token_refused" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler-demo"]
    assert len(list((tmp_path / "scheduler-demo" / "mail").glob("*.eml"))) == 4
    assert len([p for p in (tmp_path / "scheduler-demo" / "reports").rglob("*.*") if not p.name.startswith(".")]) == 4
