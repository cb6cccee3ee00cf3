"""
What the end of a run means beyond its own row: notices, pauses, the end of trouble; in the ledger's own transactions.

A notice is *open* while the trouble it tells of lasts. An open one of the same schedule makes a further failure wait
for the next digest, and whom one was told, or waits for, is told of the recovery too.
"""

from collections.abc import Sequence
from typing import Any

from ..lib.clock import to_ms, utc_now
from ..lib.ids import new_ulid
from ..model import Lease, NoticeKind, NoticeState, Run, Trouble
from .engine import Engine
from .group import Execute

#: A way to a person or to the command: channel and recipient of a notice.
Way = tuple[str, str]

INSERT = """
INSERT INTO {ours}scheduler_notice (id, kind, channel, recipient, shop, schedule_id, name, urgent, is_open, run_id,
  error_code, error, state, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', {now}, {now})"""
KNOWN = """
SELECT state, channel, recipient, kind FROM {ours}scheduler_notice WHERE shop = ? AND is_open = 1 AND schedule_id = ?"""
TROUBLED = """
SELECT schedule_id, MAX(COALESCE(run_id, '')) FROM {ours}scheduler_notice
WHERE shop = ? AND is_open = 1 GROUP BY schedule_id"""
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

    def of_shop(self, shop: str) -> dict[str, str]:
        """
        Return the shop's schedules of which trouble is open, each with the id of the latest run that is told of.

        Schedule "" stands for the shop itself; the id is empty where no run is told of.
        """
        return {str(schedule_id): str(run_id) for schedule_id, run_id in self.engine.read(TROUBLED, (shop,))}

    def ended(
        self,
        execute: Execute,
        lease: Lease,
        run: Run,
        trouble: Trouble,
        token: str = "",
        owners: Sequence[str] = ("",),
    ) -> None:
        """
        Write what follows from the end of *run*.

        *token* is a mark of the token that was refused: a shop that we paused goes on by itself once it has another.
        *owners* are told where the shop pauses: mail addresses, "" for `notices.to`.
        """
        if trouble.recovered:
            self.recovered(execute, run.shop, run.schedule_id, run.name, run.id)
            execute(self._texts[FORGET_FAILURES], (run.schedule_id,))
            return
        if trouble.late:
            self._late(execute, run, (trouble.code, trouble.sentence))
        elif trouble.told:
            self.failed(execute, run, trouble.code, trouble.sentence)
        if trouble.permanent:
            self._count_failure(execute, run, trouble)
        if trouble.closes_shop:
            by = f"{trouble.code}:{token}"[:64]
            if execute(self._texts[PAUSE_SHOP], (trouble.sentence, by, lease.shop, lease.fence)).rowcount == 1:
                told = (trouble.code, trouble.sentence)
                ways = self._ways(*owners)
                self._add(execute, NoticeKind.SHOP_PAUSED, ways, run.shop, "", run.shop, urgent=True, error=told)

    def failed(self, execute: Execute, run: Run, code: str, sentence: str) -> None:
        """Tell that *run* did not reach everyone: at once where no trouble of its schedule is open."""
        self.note_failure(execute, run.shop, run.schedule_id, run.name, run.owner, run.id, (code, sentence))

    def note_failure(
        self, execute: Execute, shop: str, schedule_id: str, name: str, owner: str, run_id: str, error: tuple[str, str]
    ) -> None:
        """Tell of a failure of a schedule, whose row perhaps cannot be read."""
        known = {kind for _, _, _, kind in execute(self._texts[KNOWN], (shop, schedule_id)).fetchall()}
        urgent, ways = known <= {NoticeKind.LATE}, self._ways(owner)
        self._add(execute, NoticeKind.FAILED, ways, shop, schedule_id, name, run_id, urgent=urgent, error=error)

    def _late(self, execute: Execute, run: Run, error: tuple[str, str]) -> None:
        """Tell once that *run* is late, where no other trouble of its schedule is open."""
        if execute(self._texts[KNOWN], (run.shop, run.schedule_id)).fetchone() is None:
            named, ways = (run.shop, run.schedule_id, run.name, run.id), self._ways(run.owner)
            self._add(execute, NoticeKind.LATE, ways, *named, urgent=True, error=error)

    def recovered(self, execute: Execute, shop: str, schedule_id: str, name: str, run_id: str | None) -> None:
        """
        Close the trouble of a schedule ("" for the shop), and tell of its end whoever is told of the trouble itself.

        A notice of it that still waits is sent, and its end with it or after it: nobody is left with bad news alone.
        """
        known = execute(self._texts[KNOWN], (shop, schedule_id)).fetchall()
        if not known:
            return
        execute(self._texts[CLOSE], (shop, schedule_id))
        ways = dict.fromkeys((way, to) for state, way, to, _ in known if state != NoticeState.FAILED)
        kind = NoticeKind.RECOVERED if schedule_id else NoticeKind.SHOP_RESUMED
        self._add(execute, kind, tuple(ways), shop, schedule_id, name, run_id, urgent=True)

    def _count_failure(self, execute: Execute, run: Run, trouble: Trouble) -> None:
        execute(self._texts[COUNT_FAILURE], (run.schedule_id,))
        if not self.pause_after:
            return
        why = f"{self.pause_after} failures in a row that no retry can cure; the last: {trouble.sentence}"
        if execute(self._texts[PAUSE], (why, run.schedule_id, self.pause_after)).rowcount == 1:
            told = (trouble.code, why)
            self._add(
                *(execute, NoticeKind.PAUSED, self._ways(run.owner), run.shop, run.schedule_id, run.name, run.id),
                urgent=True,
                error=told,
            )

    def _ways(self, *owners: str) -> Sequence[Way]:
        """Return the ways to *owners* (mail addresses, "" for `notices.to`), and to the command."""
        mails = tuple(("email", owner) for owner in owners)
        return (*mails, ("command", "")) if self.command else mails

    def _add(
        self,
        execute: Execute,
        kind: NoticeKind,
        ways: Sequence[Way],
        shop: str,
        schedule_id: str,
        name: str,
        run_id: str | None = None,
        *,
        urgent: bool,
        error: tuple[str | None, str | None] = (None, None),
    ) -> None:
        opens = kind not in (NoticeKind.RECOVERED, NoticeKind.SHOP_RESUMED)
        for channel, recipient in ways:
            # A millisecond apart, so that their ids keep the order in which they were told.
            self._last = max(to_ms(utc_now()), self._last + 1)
            key: list[Any] = [new_ulid(self._last), kind.value, channel, recipient, shop, schedule_id, name]
            execute(self._texts[INSERT], (*key, int(urgent), int(opens), run_id, *error))
