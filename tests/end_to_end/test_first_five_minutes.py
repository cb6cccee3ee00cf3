"""What a newcomer sees, on a pseudo-terminal against the simulator and a real mail server; and what leaks from it."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from scheduler_daemon.simulator import SimShop, Simulator
from scheduler_daemon.simulator.mailbox import Mailbox

ROOT = str(Path(__file__).parents[2])


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
        shown += child.before
        child.close()
        self.seen += shown
        assert child.exitstatus == 0, shown
        return shown


def test_the_first_five_minutes(tmp_path: Path) -> None:
    shop = SimShop("acme.myshopify.com", orders=900, zone="Europe/Paris", name="Acme", access="client")
    with Simulator([shop]) as simulator, Mailbox(tmp_path / "mail") as mailbox:
        terminal = Terminal(
            tmp_path,
            SCHEDULER_SHOPIFY__BASE_URL=simulator.base_url,
            SCHEDULER_SHOPIFY__CLIENT_ID=shop.client_id,
            SCHEDULER_SHOPIFY__CLIENT_SECRET=shop.client_secret,
        )
        shown = terminal.type(
            "init",
            ("SMTP host", f"127.0.0.1:{mailbox.port}"),
            ("User", "me@acme.example"),
            ("Password", "hunter2-secret"),
        )
        assert "signed in" in shown
        shown = terminal.type("shops add acme.myshopify.com", ("Access: 1", "1"))
        assert "Acme, Europe/Paris, EUR, scopes" in shown
        shown = terminal.type(
            "reports add",
            ("Shop [acme.myshopify.com]", ""),
            ("Type", "sales-by-product"),
            ("Period [last_week]", ""),
            ("Format [xlsx]", ""),
            ("When", "monday 08:00"),
            ("Send to", "me@acme.example"),
            ("Make one now?", ""),
        )
        assert "Every Monday at 08:00, Europe/Paris; next: Mon" in shown
        assert "delivered to 1" in shown
        assert "No reports due to run" in terminal.type("check-once")
        assert terminal.type("status").startswith("SCHEDULER OK - 1 report, 0 overdue, next Mon")
    assert terminal.questions <= 14
    (mail,) = (tmp_path / "mail").glob("*.eml")
    assert b'filename="sales-by-product-' in mail.read_bytes()
    secrets = [shop.token, shop.client_secret, "hunter2-secret"]
    assert not [secret for secret in secrets if secret in terminal.seen]


def test_the_demo_shows_the_product_and_leaves_nothing_else(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    shown = terminal.type("demo")
    assert "4 succeeded, 1 failed (on purpose)" in shown
    assert "FAILED token_refused" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler-demo"]
    assert len(list((tmp_path / "scheduler-demo" / "mail").glob("*.eml"))) == 4
    assert len([p for p in (tmp_path / "scheduler-demo" / "reports").rglob("*.*") if not p.name.startswith(".")]) == 4


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("stats", "Did you mean 'status'?"),
        ("reports add --shop acme.example.com --type orders --every daily", "no shop's domain"),
        ("reports add --shop a.myshopify.com --type ordres --every 'x'", "Did you mean 'orders'?"),
        ("history show NOPE1234", "is no run in the history"),
        ("shops check b.myshopify.com", "has no offline session"),
        ("shops pause b.myshopify.com", "There is no shop"),
        ("check-once --timeout -1", "is negative"),
    ],
)
def test_a_mistake_gets_a_sentence_and_a_way_out(command: str, said: str, tmp_path: Path) -> None:
    import shlex
    import subprocess

    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": ROOT}
    start = [sys.executable, "-m", "scheduler_daemon"]
    subprocess.run([*start, "init"], env=environ, check=True, capture_output=True)
    done = subprocess.run([*start, *shlex.split(command)], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
