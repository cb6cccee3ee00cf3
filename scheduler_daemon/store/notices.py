"""The outbox of notices: taken by one process at a time, counted as told only once they were sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..lib.clock import EPOCH, from_ms, to_ms
from ..model import Notice, NoticeKind, NoticeState
from .engine import Engine
from .values import read_moment

#: Notices told in one mail; the others follow in the next.
MOST = 500
#: A process that takes notices and does not say what became of them within this is gone; milliseconds.
LOST = 600_000
#: For so long notices of trouble that lasts are kept beyond the others: a year and a month.
LASTS = timedelta(days=396)

#: `state IN (…)` stands in each as in the condition of its index: only so is a partial one used (DESIGN 9).
WAITING = """
SELECT channel, recipient, MAX(urgent), MIN(created_at), {now} FROM {ours}scheduler_notice
WHERE state IN ('pending', 'sending') AND state = 'pending' AND not_before <= {now}
GROUP BY channel, recipient"""
LAST_TOLD = "SELECT MAX(told_at) FROM {ours}scheduler_notice WHERE channel = ? AND recipient = ?"
TAKE = """
UPDATE {ours}scheduler_notice SET state = 'sending', holder = ?, attempts = attempts + 1, updated_at = {now}
WHERE state IN ('pending', 'sending') AND channel = ? AND recipient = ? AND state = 'pending' AND not_before <= {now}"""
TOLD = "UPDATE {ours}scheduler_notice SET state = 'told', told_at = {now}, updated_at = {now}"
AGAIN = "UPDATE {ours}scheduler_notice SET state = 'pending', not_before = {now} + ?, updated_at = {now}"
GIVE_UP = "UPDATE {ours}scheduler_notice SET state = 'failed', updated_at = {now}"
MINE = " WHERE state IN ('pending', 'sending') AND state = 'sending' AND holder = ? AND id IN "
RESCUE = """
UPDATE {ours}scheduler_notice SET state = 'pending', updated_at = {now}
WHERE state IN ('pending', 'sending') AND state = 'sending' AND (updated_at < {now} - ? OR updated_at > {now} + ?)"""
#: What a clock wrote that stood ahead: no wait outlasts its cap, and what "was told" in the future was told just now.
PULL = """
UPDATE {ours}scheduler_notice SET not_before = {now}
WHERE state IN ('pending', 'sending') AND state = 'pending' AND not_before > {now} + ?"""
UNTELL = "UPDATE {ours}scheduler_notice SET told_at = {now} WHERE channel = ? AND recipient = ? AND told_at > {now}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The notices that wait for one recipient."""

    #: The way they go: "email" or "command".
    channel: str
    #: The owner's mail address; empty means `notices.to`, or the command.
    recipient: str
    #: Whether one of them is to be told at once.
    urgent: bool
    #: When the oldest happened, UTC.
    since: datetime
    #: Now, on the database's clock, UTC.
    now: datetime
    #: When this recipient was told something last, UTC; None where never.
    last_told_at: datetime | None


class Notices:
    """Reads and moves the rows of `scheduler_notice`."""

    def __init__(self, engine: Engine, holder: str) -> None:
        self.engine = engine
        self.holder = holder
        self.row = engine.tables.notice

    def waiting(self) -> list[Waiting]:
        """Return who has something to be told now, by recipient; what was told in the future was told just now."""
        made = []
        for channel, recipient, urgent, since, now in self.engine.read(WAITING):
            last, at = read_moment(self.engine.read(LAST_TOLD, (channel, recipient))[0][0]), from_ms(int(now))
            if last is not None and last > at:
                with self.engine.transaction():
                    self.engine.count(UNTELL, (channel, recipient))
                last = at
            made.append(Waiting(channel, recipient, bool(urgent), min(read_moment(since) or EPOCH, at), at, last))
        return made

    def take(self, group: Waiting) -> list[Notice]:
        """Take what waits for a recipient, for this process alone, the oldest first; the surplus waits on."""
        with self.engine.transaction():
            if self.engine.count(TAKE, (self.holder, group.channel, group.recipient)) == 0:
                return []
        row = self.row
        mine = (row.state == "sending") & (row.holder == self.holder) & (row.channel == group.channel)
        query = row.select().where(mine, row.recipient == group.recipient).order_by(row.id)
        taken = [notice_from_row(found) for found in self.engine.fetch_named(query)]
        if len(taken) > MOST:
            self.put_back([item.id for item in taken[MOST:]], timedelta(0))
        return taken[:MOST]

    def told(self, ids: Sequence[str]) -> None:
        """Write down that they were sent."""
        self._move(TOLD, (), ids)

    def put_back(self, ids: Sequence[str], wait: timedelta) -> None:
        """Let them wait again, for *wait* at least."""
        self._move(AGAIN, (int(wait.total_seconds() * 1000),), ids)

    def give_up(self, ids: Sequence[str]) -> None:
        """Write down that they could not be sent for days, and are not tried again."""
        self._move(GIVE_UP, (), ids)

    def rescue(self, cap: timedelta) -> int:
        """Put back what a process took that is gone, and let nothing wait longer than *cap*; return the number."""
        with self.engine.transaction():
            pulled = self.engine.count(PULL, (int(cap.total_seconds() * 1000),))
            return self.engine.count(RESCUE, (LOST, LOST)) + pulled

    def forget(self, before: datetime) -> int:
        """
        Remove notices that were told, or given up, and happened before a moment; return the number.

        One of trouble that lasts stays for `LASTS` longer: its end is to be told, of a yearly report too.
        """
        row = self.row
        over = row.state.in_([NoticeState.TOLD.value, NoticeState.FAILED.value])
        old = (row.is_open == 0) | (row.created_at < to_ms(before - LASTS))
        return self.engine.change(row.delete().where(row.created_at < to_ms(before), over, old))

    def latest(self, limit: int = 50, before: str = "") -> list[Notice]:
        """Return the latest notices, the newest first; *before* (an id) goes on where a page ended."""
        row = self.row
        query = row.select().order_by(row.id.desc()).limit(limit)
        return [
            notice_from_row(found)
            for found in self.engine.fetch_named(query.where(row.id < before) if before else query)
        ]

    def untold(self, since: timedelta) -> int:
        """Return how many wait for longer than *since* although tried, or were given up though the trouble lasts."""
        row, now = self.row, to_ms(from_ms(int(self.engine.read("SELECT {now}")[0][0])) - since)
        late = (row.state.in_(["pending", "sending"])) & (row.attempts > 0) & (row.created_at < now)
        given_up = (row.state == NoticeState.FAILED.value) & (row.is_open == self.engine.tables.sql("1"))
        return sum(self.engine.tally(row.select(row.id).where(which), MOST) for which in (late, given_up))

    def _move(self, sql: str, values: Sequence[Any], ids: Sequence[str]) -> None:
        with self.engine.transaction():
            for start in range(0, len(ids), MOST):
                part = ids[start : start + MOST]
                marks = ", ".join("?" * len(part))
                self.engine.count(f"{sql}{MINE}({marks})", (*values, self.holder, *part))


def notice_from_row(row: dict[str, Any]) -> Notice:
    """Return the Notice of a row of `scheduler_notice`."""
    same = ("id", "channel", "recipient", "shop", "schedule_id", "name", "run_id", "error_code", "error", "attempts")
    return Notice(
        kind=NoticeKind(row["kind"]),
        state=NoticeState(row["state"]),
        urgent=bool(row["urgent"]),
        created_at=read_moment(row["created_at"]) or EPOCH,
        not_before=read_moment(row["not_before"] or None),
        told_at=read_moment(row["told_at"]),
        **{name: row[name] for name in same},
    )
