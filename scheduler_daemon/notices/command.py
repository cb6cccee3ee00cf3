"""The operator's own program that is told of trouble: no shell, little environment, a time limit."""

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from ..errors import DeliveryError
from ..lib.clock import iso
from ..lib.words import redact
from ..model import Notice

#: What of our environment it gets: no secret of ours stands in these.
PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
#: Characters of its error output that are told.
MOST_SHOWN = 200
NICE = 10


def run_command(command: str, notices: Sequence[Notice], timeout: float) -> None:
    """Run *command* with *notices* as JSON on its standard input; raise DeliveryError unless it ends with 0 in time."""
    if not command:
        raise DeliveryError("notices.command is unset.", code="notices_unset")
    words = shlex.split(command)
    environ = {name: os.environ[name] for name in PASSED if name in os.environ}
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environ,
                start_new_session=True,
            )
        except OSError as error:
            raise _refused(f"{words[0]} cannot be run: {error.strerror}.") from error
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, process.pid, NICE)
        try:
            process.communicate(as_json(notices), timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise _refused(f"{words[0]} took longer than {timeout:g} s and was killed.") from None
        if process.returncode:
            errors.seek(0)
            said = redact(" ".join(errors.read(4096).decode(errors="replace").split()))[:MOST_SHOWN]
            raise _refused(f"{words[0]} ended with {process.returncode}: {said}")


def as_json(notices: Sequence[Notice]) -> bytes:
    """Return *notices* as the program reads them: one JSON document, UTF-8."""
    data = [
        {
            "kind": item.kind.value,
            "shop": item.shop,
            "schedule": item.schedule_id or None,
            "report": item.name,
            "run": item.run_id,
            "at": iso(item.created_at),
            "code": item.error_code,
            "message": item.error,
            "owner": item.recipient or None,
        }
        for item in notices
    ]
    return (json.dumps({"schema": 1, "kind": "notices", "data": data}, ensure_ascii=False) + "\n").encode()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _refused(message: str) -> DeliveryError:
    return DeliveryError(message, code="command_failed", hint="See: notices.command", retryable=True)
