"""The trail of a sending: what it says of a process that was killed, froze, or lived before a restart."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler_daemon.model import Receipt
from scheduler_daemon.trail import Word, read, trail

SENDER = """
import sys
from pathlib import Path
from scheduler_daemon.model import Receipt
from scheduler_daemon.trail import trail
left = trail(Path(sys.argv[1]), "d1")
steps = {"about": left.begin, "going": left.going, "taken": lambda: left.taken(Receipt({"reply": "250 queued"}))}
for word in steps:
    steps[word]()
    if word == sys.argv[2]:
        break
print("there", flush=True)
sys.stdin.read()
"""


@contextmanager
def sender(folder: Path, word: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that sends as far as *word* and stays there."""
    command = [sys.executable, "-c", SENDER, str(folder), word]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        yield process
        process.kill()


@pytest.mark.parametrize("word", list(Word))
def test_a_killed_process_leaves_how_far_it_came(tmp_path: Path, word: Word) -> None:
    path = trail(tmp_path, "d1").path
    with sender(tmp_path, word) as process:
        process.kill()
        process.wait()
        found, receipt = read(path)
    assert found is word
    assert receipt == (Receipt({"reply": "250 queued"}) if word is Word.TAKEN else None)


def test_a_process_that_is_frozen_may_still_send(tmp_path: Path) -> None:
    with sender(tmp_path, Word.ABOUT) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert read(trail(tmp_path, "d1").path) == (Word.GOING, None)
        os.kill(process.pid, signal.SIGCONT)


def test_what_a_frozen_process_was_told_counts(tmp_path: Path) -> None:
    with sender(tmp_path, Word.TAKEN):
        assert read(trail(tmp_path, "d1").path)[0] is Word.TAKEN


def test_after_a_new_start_of_the_machine_only_a_receipt_counts(tmp_path: Path) -> None:
    """A page cache that was lost may have held that it went out."""
    path = trail(tmp_path, "d1").path
    path.write_text("about 0123456789abcdef0123456789abcdef\n", encoding="utf-8")
    assert read(path) == (Word.GOING, None)
    path.write_text("about 0123456789abcdef0123456789abcdef\ntaken {}\n", encoding="utf-8")
    assert read(path) == (Word.TAKEN, Receipt({}))


@pytest.mark.parametrize("cut", ["", "abo", "about", "\n", "about x\ngo"])
def test_a_line_that_was_cut_off_leaves_it_in_doubt(tmp_path: Path, cut: str) -> None:
    path = trail(tmp_path, "d1").path
    path.write_text(cut, encoding="utf-8")
    assert read(path) == (Word.GOING, None)


def test_no_trail_leaves_it_in_doubt(tmp_path: Path) -> None:
    assert read(trail(tmp_path, "d1").path) == (Word.GOING, None)


def test_a_new_sending_does_not_take_over_the_word_of_the_last_one(tmp_path: Path) -> None:
    first, second = trail(tmp_path, "d1"), trail(tmp_path, "d1")
    first.begin()
    first.going()
    second.begin()
    first.taken(Receipt({}))
    second.close()
    assert read(second.path)[0] is Word.ABOUT


def test_a_folder_that_takes_no_file_leaves_no_trail_and_stops_no_mail(tmp_path: Path) -> None:
    left = trail(tmp_path / "gone", "d1")
    left.begin()
    left.going()
    left.taken(Receipt({}))
    left.close()
    assert read(left.path) == (Word.GOING, None)
