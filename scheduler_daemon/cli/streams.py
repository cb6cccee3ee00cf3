"""Standard output and error whose reader may go away: ``scheduler history list | head -1`` is no error."""

import io
import sys
from typing import Any


class Pipe(io.FileIO):
    """
    A stream's file that takes whatever nobody reads any more.

    So a command does its work to the end and its exit status says how that went, as if all had been read. Of results
    (standard output) a full disk is another matter: that raises OSError as ever. What is said beside them (standard
    error, *lossy*) may be lost: a report must not stay away because a log has no room.
    """

    gone = False
    lossy = False

    def write(self, data: Any) -> int:
        """Write *data*, or forget it once the reader is gone; return how many bytes were taken."""
        size = memoryview(data).nbytes
        if self.gone:
            return size
        try:
            return super().write(data)
        except BrokenPipeError:
            self.gone = True
            return size
        except OSError:
            if not self.lossy:
                raise
            return size


def outlast_readers() -> None:
    """Let standard output and error be written on `Pipe`."""
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        if not isinstance(old, io.TextIOWrapper):
            continue
        old.flush()
        raw = Pipe(old.fileno(), "wb", closefd=False)
        raw.lossy = name == "stderr"
        live = name == "stderr" or raw.isatty()
        made = io.TextIOWrapper(io.BufferedWriter(raw), old.encoding, old.errors, line_buffering=live)
        setattr(sys, name, made)


def reader_gone() -> bool:
    """Whether nobody reads standard output any more, so that what has no end of its own had better end."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, Pipe) and raw.gone
