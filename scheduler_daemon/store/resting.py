"""The rest of a shop whose API does not answer: one run tries, the others wait with it and lose no attempt."""

from datetime import datetime, timedelta

from ..lib.clock import EPOCH, to_ms
from .engine import Engine
from .group import Execute
from .values import read_moment

#: So much earlier than those that were tried may the shop's other runs start.
AHEAD = timedelta(seconds=1)
#: Those that were not tried wait a second less: where one report alone is at fault, the next finds the shop well, and
#: where the shop is, each try is another run's.
UNTIL = "CASE WHEN attempt > 0 THEN ? ELSE ? END"
#: What is made already needs no API, and whoever asked by hand wants to know now. `error_code` says why a run waits.
REST = f"""
UPDATE {{ours}}scheduler_run SET not_before = {UNTIL}, error_code = COALESCE(error_code, ?), error = COALESCE(error, ?)
WHERE shop = ? AND status = 'queued' AND not_before < {UNTIL} AND spool_path IS NULL AND "trigger" <> 'manual'"""
TRIED = """
SELECT COUNT(*) FROM {ours}scheduler_run
WHERE shop = ? AND status = 'queued' AND attempt > 0 AND error_code IN ('shop_unavailable', 'timeout') AND id <> ?"""
RESTING = """
SELECT shop, COUNT(*), MIN(not_before) FROM {ours}scheduler_run
WHERE status = 'queued' AND attempt = 0 AND error_code IS NOT NULL AND not_before > {now} GROUP BY shop ORDER BY shop"""


class Resting:
    """Writes and reads the waits of runs that were not tried, because another one of their shop met no answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._rest_text = engine.text(REST)

    def rest(self, execute: Execute, shop: str, until: datetime, code: str, sentence: str) -> None:
        """Let the shop's queued runs wait until a moment; in the transaction that closes the attempt."""
        at = (to_ms(until), to_ms(until - AHEAD))
        execute(self._rest_text, (*at, code, sentence, shop, *at))

    def tried(self, shop: str, run_id: str) -> int:
        """Return how many other runs of the shop were tried, met no answer, and wait."""
        return int(self.engine.read(TRIED, (shop, run_id))[0][0])

    def shops(self) -> list[tuple[str, int, datetime]]:
        """Return the shops that rest, each with the number of runs that were not tried, and until when."""
        return [(shop, number, read_moment(until) or EPOCH) for shop, number, until in self.engine.read(RESTING)]
