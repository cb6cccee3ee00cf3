"""
The spans in which no schedule runs at all, in one setting: the one that lasts, and those that ended of late.

A span that ended stays for a while: what came due in it, while no daemon looked, is skipped and not caught up.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ..lib.clock import from_ms, to_ms
from ..model import Pause
from .notebook import Notebook

NAME = "pauses"
#: A span that ended is forgotten after this: no daemon is down for so long and then catches up.
REMEMBERED = timedelta(days=60)


class Pauses:
    """Begins, ends and lists the pauses of everything."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook

    def all(self) -> tuple[Pause, ...]:
        """Return the spans, the oldest first; none where the setting cannot be read."""
        text = self.notebook.setting(NAME)
        try:
            return tuple(_read(item) for item in json.loads(text)) if text else ()
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return ()

    def current(self, now: datetime) -> Pause | None:
        """Return the pause that holds at *now*; None while there is none."""
        return next((item for item in reversed(self.all()) if item.holds(now)), None)

    def begin(self, now: datetime, until: datetime | None, note: str) -> Pause:
        """Pause everything from *now* on; a pause that lasts already gets the new end and note. Return it."""
        current = self.current(now)
        made = Pause(current.since if current else now, until, note)
        self._write([*(item for item in self.all() if item != current), made], now)
        return made

    def end(self, now: datetime) -> Pause | None:
        """End the pause that lasts; return it as it was, or None where there was none."""
        current = self.current(now)
        if current is not None:
            kept = [replace(item, until=now) if item == current else item for item in self.all()]
            self._write(kept, now)
        return current

    def _write(self, pauses: Sequence[Pause], now: datetime) -> None:
        kept = [item for item in pauses if item.until is None or item.until > now - REMEMBERED]
        self.notebook.remember(NAME, json.dumps([_written(item) for item in kept], ensure_ascii=False))


def _read(data: dict[str, object]) -> Pause:
    until = data.get("until")
    since, note = data["since"], data.get("note")
    return Pause(from_ms(int(str(since))), None if until is None else from_ms(int(str(until))), str(note or ""))


def _written(pause: Pause) -> dict[str, object]:
    until = None if pause.until is None else to_ms(pause.until)
    return {"since": to_ms(pause.since), "until": until, "note": pause.note}
