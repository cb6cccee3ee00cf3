"""Mail through a real SMTP server and files in a real folder: every ending, told apart."""

import email
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from scheduler_daemon.channels import Parcel
from scheduler_daemon.channels.address import parse_address
from scheduler_daemon.channels.email import Email, Options
from scheduler_daemon.channels.folder import Folder
from scheduler_daemon.channels.folder import Options as FolderOptions
from scheduler_daemon.channels.message import build
from scheduler_daemon.errors import DeliveryError, UsageError
from scheduler_daemon.model import About, Column, ColumnKind, Period, Recipient, ReportFile

START = datetime(2026, 11, 15, 23, 0, tzinfo=UTC)
TO = (
    Recipient("email", "a@acme.example"),
    Recipient("email", "b@acme.example", "cc"),
    Recipient("email", "c@acme.example", "bcc"),
)


def parcel(folder: Path, title: str = "Weekly Sales", shop: str = "Acme") -> Parcel:
    path = folder / "weekly-sales.csv"
    path.write_bytes(b"Product,Net\r\nTea,12.50\r\n.\r\n")
    period = Period("last_week", START, START + timedelta(days=7), "Europe/Paris")
    about = About(
        title=title,
        report_type="sales-by-product",
        shop="acme.myshopify.com",
        shop_name=shop,
        period=period,
        zone="Europe/Paris",
        currency="EUR",
        due_at=period.end,
        made_at=period.end,
        row_count=1,
        totals={"net": "8412.50"},
        complete_until=period.end,
    )
    columns = (Column("net", "Net sales", ColumnKind.MONEY, True, "EUR"),)
    file = ReportFile(path, path.name, "text/csv", path.stat().st_size, "0" * 64, about, columns)
    return Parcel(file, about, TO, reply_to="owner@acme.example")


class Handler:
    """Keeps what it takes; refuses who is named."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes]] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((list(envelope.rcpt_tos), envelope.content))
        return "250 taken as 4711"


class SmallServer(Controller):
    """A server that takes messages of 20,000 bytes at most."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, data_size_limit=20_000, enable_SMTPUTF8=True)


@pytest.fixture
def server() -> Iterator[tuple[Handler, Email]]:
    handler = Handler()
    controller = SmallServer(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    channel = open_email(controller.port)
    yield handler, channel
    channel.close()
    controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_email(port: int) -> Email:
    return Email(Options(host="127.0.0.1", port=port, security="none", timeout="2s", **{"from": "r@sched.example"}))


def test_a_mail_says_what_it_is_and_carries_the_file(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    receipt = channel.deliver(parcel(tmp_path), TO[0], "run:key:0")
    ((rcpt, content),) = handler.taken
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert rcpt == ["a@acme.example"]
    assert message["Subject"] == "Weekly Sales – Acme – 16 to 22 Nov 2026"
    assert (message["To"], message["Cc"], message["Reply-To"]) == (
        "a@acme.example",
        "b@acme.example",
        "owner@acme.example",
    )
    assert message["Message-ID"] == receipt.facts["message_id"]
    assert "4711" in receipt.facts["reply"]
    text = message.get_body(("plain",)).get_content()
    assert "22 Nov 2026 24:00 Europe/Paris" in text
    assert "8,412.50 EUR" in text
    (attachment,) = message.iter_attachments()
    assert attachment.get_content().replace("\r\n", "\n") == "Product,Net\nTea,12.50\n.\n"


def test_a_blind_copy_is_in_no_header(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    for number, recipient in enumerate(TO):
        channel.deliver(parcel(tmp_path), recipient, f"key{number}")
    assert [rcpt for rcpt, _ in handler.taken] == [["a@acme.example"], ["b@acme.example"], ["c@acme.example"]]
    assert not any(b"c@acme.example" in content for _, content in handler.taken)


def test_the_same_key_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (build(parcel(tmp_path), TO[0], "k", sender="r@s.example").as_bytes() for _ in range(2))
    assert one == two


def test_a_title_with_line_ends_adds_no_header(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    channel.deliver(parcel(tmp_path, title="Sales\r\nBcc: evil@x.example"), TO[0], "k")
    message = email.message_from_bytes(handler.taken[0][1], policy=email.policy.default)
    assert message["Bcc"] is None
    assert "evil@x.example" in message["Subject"]


@pytest.mark.parametrize(("reply", "retryable"), [("550 no such user", False), ("450 try later", True)])
def test_a_refused_address_is_told_and_the_next_still_goes(
    server: tuple[Handler, Email], tmp_path: Path, reply: str, retryable: bool
) -> None:
    handler, channel = server
    handler.refuse["a@acme.example"] = reply
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(parcel(tmp_path), TO[0], "k1")
    assert (caught.value.code, caught.value.retryable) == ("smtp_refused", retryable)
    assert reply[4:] in caught.value.message
    channel.deliver(parcel(tmp_path), TO[1], "k2")
    assert [rcpt for rcpt, _ in handler.taken] == [["b@acme.example"]]


def test_a_mail_bigger_than_the_server_takes_is_not_begun(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    big = parcel(tmp_path)
    big.file.path.write_bytes(b"x" * 18_000)
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(big, TO[0], "k")
    assert (caught.value.code, caught.value.retryable, handler.taken) == ("message_too_big", False, [])


def test_a_server_that_is_down_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_email(free_port()).deliver(parcel(tmp_path), TO[0], "k")
    assert (caught.value.code, caught.value.retryable, caught.value.ambiguous) == ("smtp_unavailable", True, False)


def talk(until: str) -> tuple[int, Callable[[], None]]:
    """Speak SMTP by hand and hang up *until* the named moment: "body" or "dot"."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            stream.write(b"220 hi\r\n")
            stream.flush()
            while line := stream.readline():
                verb = line.upper()
                if verb.startswith(b"DATA"):
                    stream.write(b"354 go\r\n")
                    stream.flush()
                    if until == "body":
                        return
                    while stream.readline() not in (b".\r\n", b""):
                        pass
                    return
                stream.write(b"250 ok\r\n")
                stream.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def stop() -> None:
        thread.join(5)
        listener.close()

    return listener.getsockname()[1], stop


def test_an_answer_lost_after_the_final_dot_is_unknown(tmp_path: Path) -> None:
    port, stop = talk("dot")
    channel = open_email(port)
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(parcel(tmp_path), TO[0], "k")
    stop()
    assert (caught.value.code, caught.value.ambiguous) == ("smtp_unknown", True)


@pytest.mark.parametrize(
    "text", ["", "a", "a@b", "a@b.example\r\nBcc: x@y.example", "A <a@b.example>", "a@b.example, c@d.example"]
)
def test_an_address_that_is_not_exactly_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.code == "bad_address"


def test_a_folder_gets_the_file_under_its_template(tmp_path: Path) -> None:
    folder = Folder(FolderOptions(path=str(tmp_path / "out")))
    receipt = folder.deliver(parcel(tmp_path), Recipient("folder", "folder"), "run1:abc:0")
    path = Path(receipt.facts["path"])
    assert path == tmp_path / "out" / "acme" / "weekly-sales-2026-11-16.csv"
    assert path.read_bytes() == (tmp_path / "weekly-sales.csv").read_bytes()


def test_a_repeat_replaces_its_own_file_and_no_other(tmp_path: Path) -> None:
    folder = Folder(FolderOptions(path=str(tmp_path / "out")))
    to = Recipient("folder", "folder")
    first = folder.deliver(parcel(tmp_path), to, "run1:abc:0").facts["path"]
    assert folder.deliver(parcel(tmp_path), to, "run1:abc:0").facts["path"] == first
    other = folder.deliver(parcel(tmp_path), to, "run2:abc:0").facts["path"]
    assert other != first
    assert len(list((tmp_path / "out").rglob("*.csv"))) == 2


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "..", "/etc/passwd", "a/../../b", "\x00", "CON", ".hidden", "a\\..\\b", "x" * 500]
)
def test_no_title_leads_out_of_the_folder(tmp_path: Path, title: str) -> None:
    folder = Folder(FolderOptions(path=str(tmp_path / "out"), name="{report}.{ext}"))
    path = Path(folder.deliver(parcel(tmp_path, title=title), Recipient("folder", "folder"), "k:1:0").facts["path"])
    assert path.resolve().parent == (tmp_path / "out").resolve()
    assert not path.name.startswith(".")


def test_a_link_planted_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "acme").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeliveryError) as caught:
        Folder(FolderOptions(path=str(out))).deliver(parcel(tmp_path), Recipient("folder", "folder"), "k:1:0")
    assert caught.value.code == "folder_unavailable"
    assert list((tmp_path / "elsewhere").iterdir()) == []
