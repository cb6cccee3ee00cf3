"""
The trail of one sending: a file beside the report that outlives the process which sends it.

The ledger says `sending` from the commit before a mail's final dot to the commit of the server's answer. A process that
is killed in between leaves in doubt whether the mail went out, though most of that time is not the mail server's but
the database's. So three words are written to a file, into the page cache, which a killed process leaves behind:
`about` before the commit, `going` before the dot, `taken` and the receipt once the server has answered. The file is
locked as long as its process lives. Whoever takes the run over reads there what the ledger cannot know.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .lib.boot import boot_id
from .lib.files import safe_name
from .model import Receipt


class Word(StrEnum):
    """How far a sending came."""

    #: Nothing has gone out.
    ABOUT = "about"
    #: It may have gone out.
    GOING = "going"
    #: It was taken.
    TAKEN = "taken"


@dataclass(slots=True)
class Trail:
    """The trail of a sending that this process does."""

    path: Path
    #: The open file, locked; -1 where the disk takes none, and a lost process then leaves its deliveries `unknown`.
    fd: int = -1

    def begin(self) -> None:
        """
        Write `about` in a new file, or none where the disk takes none.

        Raise OSError where an older trail can be neither replaced nor removed: it would speak for this sending.
        """
        self.close()
        self.path.unlink(missing_ok=True)
        try:
            self.fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._forget()
        else:
            if not self._write(f"{Word.ABOUT} {boot_id()}"):
                self._forget()

    def going(self) -> None:
        """Write `going`; raise OSError where the file would go on saying that nothing went out."""
        if self.fd < 0:
            return
        written = self._write(Word.GOING)
        if not written:
            self._forget()

    def taken(self, receipt: Receipt) -> None:
        """Write `taken` with the receipt."""
        self._write(f"{Word.TAKEN} {json.dumps(dict(receipt.facts))}")

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _write(self, line: str) -> bool:
        """Write one line whole, or say that it could not be."""
        data = f"{line}\n".encode()
        try:
            return self.fd >= 0 and os.write(self.fd, data) == len(data)
        except OSError:
            return False

    def _forget(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def trail(folder: Path, delivery_id: str) -> Trail:
    """Return the trail of a delivery, kept in the *folder* of its run; nothing is written yet."""
    return Trail(folder / f"sending-{safe_name(delivery_id)}")


def read(path: Path) -> tuple[Word, Receipt | None]:
    """
    Return how far the sending at *path* came, and the receipt of one that was taken.

    GOING is the answer wherever it is in doubt: no file, a process that still lives (frozen, or hanging), a line cut
    off, or, short of `taken`, a machine that was started anew since (its page cache is lost).
    """
    try:
        with path.open("rb") as file:
            free = _is_free(file.fileno())  # asked first: from then on nobody writes any more
            data = file.read()
    except OSError:
        return Word.GOING, None
    first, *others = data.decode("utf-8", "replace").split("\n")
    for line in others:
        if line.startswith(Word.TAKEN):
            return Word.TAKEN, _receipt(line.removeprefix(Word.TAKEN))
    untouched = data.endswith(b"\n") and not any(others)
    if free and untouched and first == f"{Word.ABOUT} {boot_id()}" and boot_id():
        return Word.ABOUT, None
    return Word.GOING, None


def _is_free(fd: int) -> bool:
    """Whether the process that wrote it is gone."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _receipt(text: str) -> Receipt:
    try:
        facts = json.loads(text)
    except ValueError:  # cut off by the kill: it was taken all the same
        facts = {}
    return Receipt(facts if isinstance(facts, dict) else {})
