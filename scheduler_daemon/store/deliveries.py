"""
The outbox: one row for each recipient of a run, written before anything is sent.

`pending -> sending` is committed at the last moment at which nothing can have gone out (a mail's final dot is still to
come), and the channel's answer after it. What is found in `sending` later may have gone out (DESIGN 6); what failed
before that moment has not, and goes on from `pending`.

A commit whose answer was lost is made again, and recognised: the row already is what it should become.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from ..errors import LeaseLost
from ..lib.clock import to_ms
from ..model import Delivery, DeliveryState, Lease, Receipt
from .cancelling import CLOSE_PENDING
from .engine import Engine
from .group import Execute
from .leases import Leases

BEGIN = """
UPDATE {ours}scheduler_delivery SET state = 'sending', updated_at = {now}
WHERE id = ? AND state IN ('pending', 'sending')"""

END = """
UPDATE {ours}scheduler_delivery SET state = ?, receipt = ?, error_code = ?, error = ?, not_before = ?,
  attempts = attempts + 1, updated_at = {now}
WHERE id = ? AND attempts = ? AND state IN ('pending', 'sending')"""

RECALL = """
UPDATE {ours}scheduler_delivery SET state = ?, receipt = ?, error_code = NULL, error = NULL, updated_at = {now}
WHERE id = ? AND state = 'unknown'"""

IS_SO = "SELECT 1 FROM {ours}scheduler_delivery WHERE id = ? AND state = ? AND attempts = ?"


class Deliveries:
    """What a holder may write about the deliveries of its run."""

    def __init__(self, engine: Engine, leases: Leases) -> None:
        self.engine = engine
        self.leases = leases
        self._begin_text, self._end_text = engine.text(BEGIN), engine.text(END)
        self._recall_text, self._is_so_text = engine.text(RECALL), engine.text(IS_SO)
        self._give_up_text = engine.text(CLOSE_PENDING)

    def begin(self, lease: Lease, delivery: Delivery) -> None:
        """Commit that *delivery* goes out now; raise LeaseLost where that is no longer ours to do."""
        after = (DeliveryState.SENDING, delivery.attempts)
        self._write(lease, delivery, self._begin_text, (delivery.id,), after)

    def end(
        self,
        lease: Lease,
        delivery: Delivery,
        state: DeliveryState,
        *,
        receipt: Receipt | None = None,
        error: tuple[str, str] | None = None,
        not_before: datetime | None = None,
    ) -> None:
        """Commit how the sending of *delivery* ended; raise LeaseLost where a new holder has judged it."""
        code, sentence = error if error else (None, None)
        wait = 0 if not_before is None else to_ms(not_before)
        known = (delivery.id, delivery.attempts)
        values = (state.value, _facts(receipt), code, sentence, wait, *known)
        self._write(lease, delivery, self._end_text, values, (state, delivery.attempts + 1))

    def recall(self, lease: Lease, delivery: Delivery, state: DeliveryState, receipt: Receipt | None) -> None:
        """Commit what became of an `unknown` *delivery* after all: `delivered`, or `pending` again; raise LeaseLost."""
        values = (state.value, _facts(receipt), delivery.id)
        self._write(lease, delivery, self._recall_text, values, (state, delivery.attempts))

    def give_up(self, lease: Lease, run_id: str, error: tuple[str, str]) -> None:
        """Commit that what is still `pending` of a run is not sent, and why; raise LeaseLost."""

        def close(execute: Execute) -> None:
            self.leases.require(lease, execute)
            execute(self._give_up_text, (*error, run_id))

        self.engine.together(close)

    def _write(
        self, lease: Lease, delivery: Delivery, text: str, values: Sequence[object], after: tuple[DeliveryState, int]
    ) -> None:
        """Run *text*; where it fits no row, the row must have the state and attempts *after*: else raise LeaseLost."""
        state, attempts = after

        def steps(execute: Execute) -> None:
            self.leases.require(lease, execute)
            if execute(text, values).rowcount == 1:
                return
            if execute(self._is_so_text, (delivery.id, state.value, attempts)).fetchone() is None:
                raise LeaseLost(f"Delivery {delivery.id} is no longer ours.")

        self.engine.together(steps)


def _facts(receipt: Receipt | None) -> str | None:
    return None if receipt is None else json.dumps(dict(receipt.facts), ensure_ascii=False)
