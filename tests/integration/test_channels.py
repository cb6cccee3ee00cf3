"""Mail through a real SMTP server and files in a real folder: what they say, and every ending told apart."""

import email
import email.policy
import fcntl
import os
import re
import resource
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scheduler_daemon.channels import Parcel
from scheduler_daemon.channels.email import Email
from scheduler_daemon.channels.folder import Folder
from scheduler_daemon.channels.folder import Options as FolderOptions
from scheduler_daemon.channels.message import BLOCK, LINE, build
from scheduler_daemon.errors import DeliveryError
from scheduler_daemon.lib import spans
from scheduler_daemon.model import Period, Recipient, Table
from scheduler_daemon.renderers.base import facts
from tests.posting import ABOUT, COLUMNS, CSV, END, START, TO, Handler, MailServer, Talk, free_port, open_email, parcel

ROOT = Path(__file__).parents[2]
FOLDER = Recipient("folder", "folder")
LATE = "the scheduler was not running when it was due, 23 Nov 07:00 UTC."


@pytest.fixture
def server() -> Iterator[tuple[Handler, Email]]:
    handler = Handler()
    with MailServer(handler, data_size_limit=20_000, enable_SMTPUTF8=True) as controller:
        channel = open_email(controller.port)
        yield handler, channel
        channel.close()


def read(data: bytes) -> EmailMessage:
    made = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(made, EmailMessage)
    return made


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


# What a mail says ---------------------------------------------------------------------------------------------------


def test_a_mail_says_what_it_is_and_carries_the_file(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    receipt = channel.deliver(parcel(tmp_path), TO[0], "run:key:0")
    ((rcpt, content),) = handler.taken
    message = read(content)
    assert rcpt == ["a@acme.example"]
    assert message["Subject"] == "Weekly Sales, Acme: 16 to 22 Nov 2026, 1 row until 22 Nov 24:00 Paris"
    assert (message["To"], message["Cc"]) == ("a@acme.example", "b@acme.example")
    assert (message["From"], message["Reply-To"]) == ("r@sched.example", "owner@acme.example")
    assert message["Message-ID"] == receipt.facts["message_id"]
    assert "4711" in receipt.facts["reply"]
    for kind in ("plain", "html"):
        said = body(message, kind)
        for words in ("Weekly Sales", "Acme", "16 to 22 Nov 2026, Paris time (Europe/Paris)", "8,412.50 EUR"):
            assert words in said
        assert re.search(r"Complete until\s+22 Nov 2026 24:00 Paris", said)
        assert "Late" not in said
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "weekly-sales.csv"
    assert attachment.get_payload(decode=True) == b"Product,Net\r\nTea,12.50\r\n.\r\n"


def test_a_late_mail_says_why(tmp_path: Path) -> None:
    message = read(bytes(build(parcel(tmp_path, late_because=LATE), "k", sender="r@s.example")))
    assert message["Subject"].endswith(
        "Paris; late because the scheduler was not running when it was due, 23 Nov 07:00 UTC"
    )
    for kind in ("plain", "html"):
        assert f"Late because {LATE}" in body(message, kind)


def test_a_mail_of_unfinished_numbers_says_how_far_they_go(tmp_path: Path) -> None:
    made = datetime(2026, 11, 20, 13, 5, 59, tzinfo=UTC)
    message = read(bytes(build(parcel(tmp_path, complete_until=made, row_count=1234), "k", sender="r@s.example")))
    assert "1,234 rows until 20 Nov 14:05 Paris" in message["Subject"]
    assert "20 Nov 2026 14:05 Paris" in body(message, "plain")


def test_a_mail_without_rows_says_so(tmp_path: Path) -> None:
    message = read(bytes(build(parcel(tmp_path, row_count=0, totals={"net": "0"}), "k", sender="r@s.example")))
    assert "0 rows" in message["Subject"]
    assert "There are no rows" in body(message, "plain")
    assert "0.00 EUR" in body(message, "html")


def test_lines_that_begin_with_dots_arrive(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    channel.deliver(parcel(tmp_path, title="..dots"), TO[0], "k")
    assert body(read(handler.taken[0][1]), "plain").startswith("..dots")


def test_a_name_from_the_right_leaves_the_period_in_order(tmp_path: Path) -> None:
    message = read(bytes(build(parcel(tmp_path, shop_name="דגש"), "k", sender="r@s.example")))
    assert "\u2068דגש\u2069: 16 to 22 Nov" in message["Subject"]


def test_names_from_the_right_are_kept_apart_in_the_text_too(tmp_path: Path) -> None:
    names = {"shop_name": "דגש", "title": "דגש דגש", "name": "דגש דגש.csv"}
    said = body(read(bytes(build(parcel(tmp_path, **names), "k", sender="r@s.example"))), "plain")
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == "\u2068דגש דגש\u2069"
    assert "Shop \u2068דגש\u2069" in lines
    assert f"Attached: \u2068דגש דגש.csv\u2069 ({len(CSV)} bytes)" in lines
    plain = body(read(bytes(build(parcel(tmp_path, shop_name="Été"), "k", sender="r@s.example"))), "plain")
    assert "\u2068" not in plain


def test_a_files_own_facts_keep_a_shop_from_the_right_apart_from_its_domain() -> None:
    table = Table(COLUMNS, (), replace(ABOUT, shop_name="דגש"))
    assert ("Shop", "\u2068דגש\u2069 (acme.myshopify.com)") in facts(table)


def test_a_sender_may_have_a_name(tmp_path: Path) -> None:
    message = read(bytes(build(parcel(tmp_path), "k", sender="Tée & Co <r@s.example>")))
    assert message["From"].addresses[0].display_name == "Tée & Co"
    assert message["Message-ID"].endswith("@s.example>")


@pytest.mark.parametrize(
    ("first", "after", "said"),
    [
        ("2026-11-22", "2026-11-23", "Sun 22 Nov 2026"),
        ("2026-11-16", "2026-11-23", "16 to 22 Nov 2026"),
        ("2026-10-28", "2026-11-04", "28 Oct to 3 Nov 2026"),
        ("2026-12-28", "2027-01-04", "28 Dec 2026 to 3 Jan 2027"),
        ("2026-02-01", "2026-03-01", "February 2026"),
        ("2025-01-01", "2026-01-01", "2025"),
        ("2026-11-01", "2026-11-23T08:00", "1 to 23 Nov 2026 until 08:00"),
        ("2026-11-22T08:00", "2026-11-23T08:00", "22 Nov 2026 08:00 to 23 Nov 2026 08:00"),
        ("2026-11-23", "2026-11-23", "23 Nov 2026 00:00 to 23 Nov 2026 00:00"),
    ],
)
def test_a_period_is_said_as_people_say_it(first: str, after: str, said: str) -> None:
    zone = spans.find_zone("Europe/Paris")
    start, end = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (first, after))
    assert spans.days(start, end, "Europe/Paris") == said


def test_a_day_that_begins_at_one_ends_at_twenty_four() -> None:
    # Chile skips the midnight before 6 September 2026: that day begins at 01:00 (04:00 UTC).
    assert spans.until(datetime(2026, 9, 6, 4, tzinfo=UTC), "America/Santiago") == "5 Sep 2026 24:00 Santiago"
    assert spans.until(datetime(2026, 9, 6, 4, 1, tzinfo=UTC), "Etc/GMT+3") == "6 Sep 2026 01:01 Etc/GMT+3"


# Copies -------------------------------------------------------------------------------------------------------------


def test_a_blind_copy_is_in_no_header_and_all_copies_have_the_same(
    server: tuple[Handler, Email], tmp_path: Path
) -> None:
    handler, channel = server
    for number, recipient in enumerate(TO):
        channel.deliver(parcel(tmp_path), recipient, f"key{number}")
    assert [rcpt for rcpt, _ in handler.taken] == [["a@acme.example"], ["b@acme.example"], ["c@acme.example"]]
    assert not any(b"c@acme.example" in content for _, content in handler.taken)
    assert len({(read(content)["To"], read(content)["Cc"], read(content)["Bcc"]) for _, content in handler.taken}) == 1


def test_only_blind_copies_still_have_a_to(tmp_path: Path) -> None:
    message = read(bytes(build(parcel(tmp_path, to=TO[2:]), "k", sender="Acme <r@s.example>")))
    assert (message["To"], message["Cc"]) == ("r@s.example", None)


@pytest.mark.parametrize(
    ("owner", "option", "answers"),
    [
        ("owner@acme.example", "desk@acme.example", "owner@acme.example"),
        ("", "desk@acme.example", "desk@acme.example"),
        ("nobody in particular", "desk@acme.example", "desk@acme.example"),
        ("", "", None),
    ],
)
def test_answers_go_to_the_owner(tmp_path: Path, owner: str, option: str, answers: str | None) -> None:
    message = read(bytes(build(parcel(tmp_path, owner=owner), "k", sender="r@s.example", reply_to=option)))
    assert message["Reply-To"] == answers
    assert ("Answers to this mail go to" in body(message, "plain")) is (answers is not None)


def test_the_same_key_gives_the_same_bytes_in_another_process_too(tmp_path: Path) -> None:
    one = bytes(build(parcel(tmp_path, shop_name="Thé"), "k", sender="r@s.example"))
    code = """
        import sys
        from pathlib import Path
        from scheduler_daemon.channels.message import build
        from tests.posting import parcel
        sys.stdout.buffer.write(bytes(build(parcel(Path(sys.argv[1]), shop_name="Thé"), "k", sender="r@s.example")))
    """
    environ = {"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        check=True,
    )
    assert done.stdout == one
    assert bytes(build(parcel(tmp_path, shop_name="Thé"), "other", sender="r@s.example")) != one


# Large files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, LINE - 1, LINE, LINE + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_a_file_of_any_size_arrives_whole_and_its_mails_size_is_known(tmp_path: Path, size: int) -> None:
    content = bytes(number * 7 % 256 for number in range(size))
    with Talk() as talk:
        channel = open_email(talk.port)
        mail = build(parcel(tmp_path, content), "k", sender="r@sched.example")
        channel.deliver(parcel(tmp_path, content), TO[0], "k")
        channel.close()
    (taken,) = talk.mails
    assert (taken, len(taken)) == (bytes(mail), mail.size)
    (attachment,) = read(taken).iter_attachments()
    assert attachment.get_payload(decode=True) == content
    assert any(f"size={mail.size}".encode() in line for line in talk.heard[0])


def test_a_mail_bigger_than_the_server_takes_is_not_begun(server: tuple[Handler, Email], tmp_path: Path) -> None:
    handler, channel = server
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(parcel(tmp_path, b"x" * 18_000), TO[0], "k")
    assert (caught.value.code, caught.value.retryable, handler.taken) == ("message_too_big", False, [])
    assert "takes 20,000" in caught.value.message


def huge(folder: Path, size: int) -> Parcel:
    """A file of *size* bytes that takes no room on the disk."""
    made = parcel(folder)
    with made.file.path.open("r+b") as file:
        file.truncate(size)
    return replace(made, file=replace(made.file, size=size))


def test_a_mail_that_is_too_big_is_refused_before_its_file_is_read(
    server: tuple[Handler, Email], tmp_path: Path
) -> None:
    _, channel = server
    made = huge(tmp_path, 1 << 32)
    tracemalloc.start()
    with pytest.raises(DeliveryError, match=r"has 5,\d{3},\d{3},\d{3} bytes"):
        channel.deliver(made, TO[0], "k")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_big_file_is_sent_without_being_in_memory(tmp_path: Path) -> None:
    made = huge(tmp_path, 25_000_000)
    with Talk() as talk:
        talk.keep = False
        channel = open_email(talk.port, timeout="60s")
        tracemalloc.start()
        channel.deliver(made, TO[0], "k")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        channel.close()
    assert len(talk.mails) == 1
    assert peak < 5_000_000


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_is_gone_or_changed_is_not_sent(tmp_path: Path, gone: bool) -> None:
    made = parcel(tmp_path)
    if gone:
        made.file.path.unlink()
    else:
        made.file.path.write_bytes(b"cut")
    with Talk() as talk:
        for channel in (open_email(talk.port), Folder(FolderOptions(path=str(tmp_path / "out")))):
            with pytest.raises(DeliveryError) as caught:
                channel.deliver(made, TO[0], "k")
            assert (caught.value.code, caught.value.retryable) == ("spool_missing", True)
            channel.close()
        assert b"DATA" not in talk.bytes_heard
    assert [path.name for path in (tmp_path / "out").rglob("*.csv")] == []


def test_a_file_that_shrinks_while_it_is_sent_leaves_no_mail(tmp_path: Path) -> None:
    made = parcel(tmp_path)

    def shrink() -> str:
        made.file.path.write_bytes(b"cut")
        return "354 go"

    with Talk(data=[shrink, "354 go"]) as talk:
        channel = open_email(talk.port)
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(made, TO[0], "k")
        assert (caught.value.code, caught.value.retryable, caught.value.ambiguous) == ("spool_missing", True, False)
        channel.deliver(parcel(tmp_path), TO[0], "k2")
        channel.close()
    assert (len(talk.heard), len(talk.mails)) == (2, 1)
    # Nothing followed on the broken connection that could have become a part of a mail.
    (cut,) = talk.cut
    assert cut.endswith(b64encode(b"cut") + b"\r\n")


# The folder ---------------------------------------------------------------------------------------------------------


def put(folder: Path, made: Parcel, key: str = "run1:abc:0", **options: Any) -> Path:
    channel = Folder(FolderOptions(path=str(folder), **options))
    return Path(channel.deliver(made, FOLDER, key).facts["path"])


def files(folder: Path) -> list[str]:
    """Return the files that people see below *folder*."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not any(part.startswith(".") for part in path.parts))


def test_a_folder_gets_the_file_under_its_template(tmp_path: Path) -> None:
    path = put(tmp_path / "out", parcel(tmp_path))
    assert path == tmp_path / "out" / "acme" / "weekly-sales-2026-11-16.csv"
    assert path.read_bytes() == (tmp_path / "weekly-sales.csv").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_every_field_of_the_template_is_filled(tmp_path: Path) -> None:
    template = "{shop}/{type}/{period}/{report} {from} {to} {date}.{ext}"
    path = put(tmp_path / "out", parcel(tmp_path), name=template)
    expected = "acme/sales-by-product/last_week/weekly-sales-2026-11-16-2026-11-22-2026-11-23.csv"
    assert str(path.relative_to(tmp_path / "out")) == expected


def test_a_repeat_replaces_its_own_file_and_no_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = put(out, parcel(tmp_path, b"one"), "run1:abc:0")
    others = [put(out, parcel(tmp_path, key.encode()), key) for key in ("run2:abc:0", "run3:abc:0", "run4:abc:0")]
    assert len({first, *others}) == 4
    assert put(out, parcel(tmp_path, b"one again"), "run1:abc:0") == first
    assert put(out, parcel(tmp_path, b"three again"), "run3:abc:0") == others[1]
    assert first.read_bytes() == b"one again"
    assert [path.read_bytes() for path in others] == [b"run2:abc:0", b"three again", b"run4:abc:0"]
    assert len(files(out)) == 4


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "acme").mkdir(parents=True)
    theirs = out / "acme" / "weekly-sales-2026-11-16.csv"
    theirs.write_text("theirs")
    ours = put(out, parcel(tmp_path))
    assert ours != theirs
    assert put(out, parcel(tmp_path)) == ours
    assert theirs.read_text() == "theirs"


def test_a_name_is_free_again_when_its_file_was_taken_away(tmp_path: Path) -> None:
    first = put(tmp_path / "out", parcel(tmp_path), "run1:abc:0")
    first.unlink()
    assert put(tmp_path / "out", parcel(tmp_path), "run2:abc:0") == first
    assert put(tmp_path / "out", parcel(tmp_path), "run1:abc:0") != first


def test_what_a_killed_attempt_left_is_cleaned_up_by_its_repeat(tmp_path: Path) -> None:
    # Written by hand as a kill in the middle of the copy leaves it: the process is gone, its half a file is not.
    path = put(tmp_path / "out", parcel(tmp_path))
    with pytest.raises(DeliveryError):
        put(tmp_path / "out", replace(parcel(tmp_path), file=replace(parcel(tmp_path).file, size=99)))
    half = path.with_name(".0000.part")
    path.rename(half)
    assert put(tmp_path / "out", parcel(tmp_path)) == path
    assert files(tmp_path / "out") == ["acme/weekly-sales-2026-11-16.csv"]


def test_old_marks_are_swept_and_the_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = put(out, parcel(tmp_path), "run1:abc:0")
    for path in (out / ".delivered").iterdir():
        os.utime(path, (0, 0))
    put(out, parcel(tmp_path, title="Other"), "run2:abc:0")
    marks = [path.read_text() for path in (out / ".delivered").iterdir() if path.name != "swept"]
    assert marks == ["run2:abc:0\nacme/other-2026-11-16.csv\n"]
    assert first.exists()


def test_what_a_run_that_was_given_up_left_is_swept_a_day_later_and_nothing_else(tmp_path: Path) -> None:
    """Three lost leases end a run in quarantine; no repeat of it comes to clean up after it."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    part = f".{'0a' * 16}.part"
    (out / "other-shop").mkdir(parents=True)
    elsewhere.mkdir()
    (out / "link").symlink_to(elsewhere)
    old = [out / "other-shop" / part, out / part]
    kept = [out / "other-shop" / name for name in ("theirs.part", ".0a0a.part", f"{part}.csv", f".{'1b' * 16}.part")]
    kept.append(elsewhere / part)
    for path in (*old, *kept):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 90_000,) * 2)
    os.utime(kept[3], (time.time() - 80_000,) * 2)  # somebody may be at work at it
    path = put(out, parcel(tmp_path))
    assert [item.exists() for item in (*old, *kept, path)] == [False] * 2 + [True] * 6


@pytest.mark.parametrize(
    "title",
    [
        *("../../etc/passwd", "..", "/etc/passwd", "a/../../b", "\x00", "CON", "nul.csv", ".hidden", "a\\..\\b"),
        *("x" * 500, "茶" * 256, "🍵🍵", "-rf", "a\nb", "=cmd()", "\u202etxt.exe", ".delivered", "%2e%2e%2f", "~root"),
    ],
)
def test_no_title_leads_out_of_the_folder(tmp_path: Path, title: str) -> None:
    out = tmp_path / "out"
    path = put(out, parcel(tmp_path, title=title), name="{report}.{ext}")
    assert path.resolve().parent == out.resolve()
    assert path.suffix == ".csv"
    assert not path.name.startswith((".", "-"))
    assert len(path.name.encode()) <= 220
    assert files(tmp_path) == sorted([f"out/{path.name}", "weekly-sales.csv"])


def test_a_long_name_keeps_its_ending(tmp_path: Path) -> None:
    made = parcel(tmp_path, title="t" * 256, shop="s" * 60 + ".myshopify.com")
    template = "{shop}-{report}-{from}-{to}-{date}.{ext}"
    first, second = (put(tmp_path / "out", made, key, name=template) for key in ("k1", "k2"))
    assert (first.suffix, second.suffix) == (".csv", ".csv")
    assert first != second


@pytest.mark.parametrize(
    "name", ["", "/", "/etc/{report}", "../{report}", "{shop}/../../x", "a//b", "{shop}/", "{nope}", "{", "a}", "."]
)
def test_a_template_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FolderOptions(path="out", name=name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "template", ["{shop}/{report}.{ext}", "{shop}/deep/{report}.{ext}", "a/{shop}/b/{report}.{ext}"]
)
def test_a_link_planted_in_the_folder_is_not_followed(tmp_path: Path, template: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted = out / Path(template.split("{shop}")[0]) / "acme"
    planted.parent.mkdir(parents=True)
    planted.symlink_to(elsewhere)
    with pytest.raises(DeliveryError) as caught:
        put(out, parcel(tmp_path), name=template)
    assert (caught.value.code, caught.value.retryable) == ("folder_unavailable", True)
    assert "'acme' in it is no folder, or a link" in caught.value.message
    assert list(elsewhere.iterdir()) == []


def test_links_planted_for_names_are_not_followed(tmp_path: Path) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("precious")
    path = put(out, parcel(tmp_path))
    for name in (path, *(out / ".delivered").iterdir()):
        name.unlink()
        name.symlink_to(victim)
    made = put(out, parcel(tmp_path))
    assert victim.read_text() == "precious"
    assert made.read_bytes() == (tmp_path / "weekly-sales.csv").read_bytes()
    assert not made.is_symlink()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    put(tmp_path / "out", parcel(tmp_path))
    assert files(tmp_path / "disk") == ["acme/weekly-sales-2026-11-16.csv"]


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DeliveryError) as caught:
        put(tmp_path / "out", parcel(tmp_path))
    assert (caught.value.code, caught.value.retryable) == ("folder_unavailable", True)
    assert str(tmp_path / "out") in caught.value.message
    assert "Something else has its name" in caught.value.hint
    assert "folder.path" in caught.value.hint


PUT = """
    import sys
    from pathlib import Path
    from scheduler_daemon.channels.folder import Folder, Options
    from scheduler_daemon.errors import DeliveryError
    from scheduler_daemon.model import Recipient
    from tests.posting import parcel
    out, spool, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    made = parcel(spool, b"x" * size)
    try:
        Folder(Options(path=str(out))).deliver(made, Recipient("folder", "folder"), "k")
    except DeliveryError as error:
        left = [str(path) for path in out.rglob("*") if path.is_file()]
        print(error.code, error.retryable, left, error.message)
    else:
        print("delivered")
"""


def put_elsewhere(before: list[str], *args: Path | int) -> str:
    command = [*before, sys.executable, "-c", textwrap.dedent(PUT), *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    out, spool = tmp_path / "out", tmp_path / "spool"
    out.mkdir(mode=0o555)
    spool.mkdir()
    before: list[str] = []
    if os.geteuid() == 0:  # root may write everywhere, unless it gives that right up
        if shutil.which("setpriv") is None:
            pytest.skip(
                "this runs as root, and setpriv, which takes root's right to write everywhere, is not installed"
            )
        before = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    told = put_elsewhere(before, out, spool, 10)
    assert told == f"folder_unavailable True [] The folder {out} cannot be written: Permission denied."


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    out, spool = tmp_path / "out", tmp_path / "spool"
    out.mkdir()
    spool.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: a small disk needs a name space of its own")
    # A disk of 64 kB, seen by this command and its children only.
    inner = f'mount -t tmpfs -o size=64k none {out} && exec "$@"'
    small = ["unshare", "--map-root-user", "--mount", "sh", "-c", inner, "sh"]
    if (tried := subprocess.run([*small, "true"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"a small disk cannot be mounted here: {tried.stderr.strip()}")
    assert put_elsewhere(small, out, spool, 1000) == "delivered"
    told = put_elsewhere(small, out, spool, 1_000_000)
    assert told.startswith("disk_full True [] The folder")
    assert told.endswith("No space left on device.")


def test_a_write_that_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    path = put(tmp_path / "out", parcel(tmp_path, b"old"))
    made = parcel(tmp_path, b"x" * 300_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DeliveryError) as caught:
            put(tmp_path / "out", made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.code, caught.value.retryable) == ("disk_full", True)
    assert "LimitFSIZE" in caught.value.hint
    assert path.read_bytes() == b"old"
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_two_processes_at_once_never_share_a_name(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from scheduler_daemon.channels.folder import Folder, Options
        from scheduler_daemon.model import Recipient
        from tests.posting import parcel
        out, spool, mine = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
        spool.mkdir()
        channel = Folder(Options(path=str(out), name="{report}.{ext}"))
        for number in range(25):
            key = f"{mine}{number}"
            made = parcel(spool, key.encode(), title=f"Report {number}")
            print(channel.deliver(made, Recipient("folder", "folder"), key).facts["path"], key)
    """
    commands = [
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "out"), str(tmp_path / mine), mine]
        for mine in "abc"
    ]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [line.rsplit(" ", 1) for child in running for line in child.communicate()[0].splitlines()]
    assert [child.returncode for child in running] == [0, 0, 0]
    assert len({path for path, _ in told}) == 75
    assert all(Path(path).read_text() == key for path, key in told)


def test_a_name_is_chosen_under_a_lock(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, parcel(tmp_path))
    place = os.open(out / ".delivered", os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    other = threading.Thread(target=put, args=(out, parcel(tmp_path, title="Other"), "run2:abc:0"))
    other.start()
    other.join(0.3)
    assert files(out) == ["acme/weekly-sales-2026-11-16.csv"]
    os.close(place)
    other.join(30)
    assert files(out) == ["acme/other-2026-11-16.csv", "acme/weekly-sales-2026-11-16.csv"]


def test_a_period_of_a_day_in_another_zone_names_that_day(tmp_path: Path) -> None:
    period = Period("yesterday", START + timedelta(hours=16), START + timedelta(hours=40), "Asia/Tokyo")
    made = parcel(tmp_path, period=period, zone="Asia/Tokyo", complete_until=END)
    assert put(tmp_path / "out", made).name == "weekly-sales-2026-11-17.csv"


def test_a_server_that_is_down_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_email(free_port()).deliver(parcel(tmp_path), TO[0], "k")
    assert (caught.value.code, caught.value.retryable, caught.value.ambiguous) == ("smtp_unavailable", True, False)
    assert "Connection refused" in caught.value.message
