"""
What the end of a run means beyond its own row: notices, pauses, the end of trouble; in the ledger's own transactions.

A notice is *open* while the trouble it tells of lasts. An open one of the same schedule makes a further failure wait
for the next digest, and only where one was told does a success tell of the recovery.
"""

from typing import Any

from ..lib.clock import to_ms, utc_now
from ..lib.ids import new_ulid
from ..model import Lease, NoticeKind, NoticeState, Run, Trouble
from .engine import Engine
from .group import Execute

INSERT = """
INSERT INTO {ours}scheduler_notice (id, kind, channel, recipient, shop, schedule_id, name, urgent, is_open, run_id,
  error_code, error, state, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', {now}, {now})"""
KNOWN = """
SELECT state FROM {ours}scheduler_notice WHERE shop = ? AND is_open = 1 AND schedule_id = ?"""
TROUBLED = "SELECT DISTINCT schedule_id FROM {ours}scheduler_notice WHERE shop = ? AND is_open = 1"
CLOSE = "UPDATE {ours}scheduler_notice SET is_open = 0 WHERE shop = ? AND is_open = 1 AND schedule_id = ?"

COUNT_FAILURE = """
INSERT INTO {ours}scheduler_schedule (schedule_id, options, failures) VALUES (?, '{}', 1)
ON CONFLICT (schedule_id) DO UPDATE SET failures = scheduler_schedule.failures + 1"""
FORGET_FAILURES = "UPDATE {ours}scheduler_schedule SET failures = 0 WHERE schedule_id = ? AND failures > 0"
PAUSE = """
UPDATE {ours}scheduler_schedule SET paused_at = {now}, paused_reason = ?
WHERE schedule_id = ? AND failures >= ? AND paused_at IS NULL"""
PAUSE_SHOP = """
UPDATE {ours}scheduler_shop SET paused_at = {now}, paused_reason = ?, paused_by = ?
WHERE shop = ? AND fence = ? AND paused_at IS NULL"""


class Troubles:
    """Writes what follows from the end of a run; every call stands inside the transaction of *execute*."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: Whether a command is told, too (`notices.command`).
        self.command = False
        #: Permanent failures in a row that pause a schedule; 0 is never.
        self.pause_after = 0
        self._last = 0
        texts = (INSERT, KNOWN, CLOSE, COUNT_FAILURE, FORGET_FAILURES, PAUSE, PAUSE_SHOP)
        self._texts = {sql: engine.text(sql) for sql in texts}

    def of_shop(self, shop: str) -> set[str]:
        """Return the ids of the shop's schedules of which trouble is open; "" stands for the shop itself."""
        return {str(row[0]) for row in self.engine.read(TROUBLED, (shop,))}

    def ended(self, execute: Execute, lease: Lease, run: Run, trouble: Trouble, token: str = "") -> None:
        """
        Write what follows from the end of *run*.

        *token* is a mark of the token that was refused: a shop that we paused goes on by itself once it has another.
        """
        if trouble.recovered:
            self.recovered(execute, run.shop, run.schedule_id, run.name, run.owner, run.id)
            execute(self._texts[FORGET_FAILURES], (run.schedule_id,))
            return
        if trouble.told:
            self.failed(execute, run, trouble.code, trouble.sentence)
        if trouble.permanent:
            self._count_failure(execute, run, trouble)
        if trouble.closes_shop:
            by = f"{trouble.code}:{token}"[:64]
            if execute(self._texts[PAUSE_SHOP], (trouble.sentence, by, lease.shop, lease.fence)).rowcount == 1:
                told = (trouble.code, trouble.sentence)
                self._add(execute, NoticeKind.SHOP_PAUSED, "", run.shop, "", run.shop, urgent=True, error=told)

    def failed(self, execute: Execute, run: Run, code: str, sentence: str) -> None:
        """Tell that *run* did not reach everyone: at once where no trouble of its schedule is open."""
        self.note_failure(execute, run.shop, run.schedule_id, run.name, run.owner, run.id, (code, sentence))

    def note_failure(
        self, execute: Execute, shop: str, schedule_id: str, name: str, owner: str, run_id: str, error: tuple[str, str]
    ) -> None:
        """Tell of a failure of a schedule, whose row perhaps cannot be read."""
        known = execute(self._texts[KNOWN], (shop, schedule_id)).fetchone() is not None
        self._add(execute, NoticeKind.FAILED, owner, shop, schedule_id, name, run_id, urgent=not known, error=error)

    def recovered(
        self, execute: Execute, shop: str, schedule_id: str, name: str, owner: str, run_id: str | None
    ) -> None:
        """Close the trouble of a schedule ("" for the shop), and tell of its end where it was told itself."""
        states = {row[0] for row in execute(self._texts[KNOWN], (shop, schedule_id)).fetchall()}
        if not states:
            return
        execute(self._texts[CLOSE], (shop, schedule_id))
        if NoticeState.TOLD in states:
            kind = NoticeKind.RECOVERED if schedule_id else NoticeKind.SHOP_RESUMED
            self._add(execute, kind, owner, shop, schedule_id, name, run_id, urgent=True)

    def _count_failure(self, execute: Execute, run: Run, trouble: Trouble) -> None:
        execute(self._texts[COUNT_FAILURE], (run.schedule_id,))
        if not self.pause_after:
            return
        why = f"{self.pause_after} failures in a row that no retry can cure; the last: {trouble.sentence}"
        if execute(self._texts[PAUSE], (why, run.schedule_id, self.pause_after)).rowcount == 1:
            told = (trouble.code, why)
            self._add(
                *(execute, NoticeKind.PAUSED, run.owner, run.shop, run.schedule_id, run.name, run.id),
                urgent=True,
                error=told,
            )

    def _add(
        self,
        execute: Execute,
        kind: NoticeKind,
        owner: str,
        shop: str,
        schedule_id: str,
        name: str,
        run_id: str | None = None,
        *,
        urgent: bool,
        error: tuple[str | None, str | None] = (None, None),
    ) -> None:
        opens = kind not in (NoticeKind.RECOVERED, NoticeKind.SHOP_RESUMED)
        ways: list[tuple[str, str]] = [("email", owner)]
        if self.command:
            ways.append(("command", ""))
        for channel, recipient in ways:
            # A millisecond apart, so that their ids keep the order in which they were told.
            self._last = max(to_ms(utc_now()), self._last + 1)
            key: list[Any] = [new_ulid(self._last), kind.value, channel, recipient, shop, schedule_id, name]
            execute(self._texts[INSERT], (*key, int(urgent), int(opens), run_id, *error))
