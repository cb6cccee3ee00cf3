"""
The walk, step by step: a daemon is killed, or frozen beyond its lease, at each named step; a peer must take over.

The first daemon is the peer and stays alive. Each of the others is a victim with a thread of its own here, which takes
the next step, waits until the daemon comes to it and dies, sees a peer take over, and starts it again.
"""

import queue
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from .databases import Base, Sql
from .fleet import LEASE, Node
from .held import as_rows, held_by, wait_for_peer
from .watcher import FaultLog
from .workbench import NAMES
from .world import World

#: Seconds within which a daemon at work comes to every step, on top of them the patience of the sitting.
#: A step that it never comes to is a failure.
REACHED = 60.0
#: Seconds after a kill after which nobody is waited for any more; the oracle judges the time that it took.
PATIENCE = LEASE + 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to a victim."""

    point: str
    #: SIGKILL or SIGSTOP.
    number: signal.Signals = signal.SIGKILL
    #: It dies when it comes there this often.
    times: int = 1
    #: Seconds that the thread stays there after a freeze, so that the heartbeat's thread comes first.
    pause: float = 0.0

    def __str__(self) -> str:
        return f"{'killed' if self.number == signal.SIGKILL else 'frozen'} at {self.point}, time {self.times}"


def kills(points: Sequence[str] = NAMES) -> tuple[Step, ...]:
    """Return a kill at each of *points*; every other one at the second time that the daemon comes there."""
    return tuple(Step(point, signal.SIGKILL, 1 + number % 2) for number, point in enumerate(points))


def freezes(points: Sequence[str] = NAMES) -> tuple[Step, ...]:
    """Return a freeze at each of *points*."""
    return tuple(Step(point, signal.SIGSTOP) for point in points)


class Walk:
    """Goes over steps with as many victims as there are daemons besides the peer."""

    def __init__(self, base: Base, nodes: Sequence[Node], world: World, log: FaultLog, patience: float) -> None:
        self.base, self.victims, self.world, self.log = base, nodes[1:], world, log
        self.reached = REACHED + patience
        #: Steps to which no daemon came.
        self.missed: list[str] = []
        self.trouble: list[str] = []
        self._guard = threading.Lock()

    def go(self, steps: Sequence[Step]) -> None:
        """Do all *steps*; who is killed at the last ones stays dead, and the peer does what is left."""
        left: queue.SimpleQueue[Step] = queue.SimpleQueue()
        for step in steps:
            left.put(step)
        hands = [threading.Thread(target=self._hand, args=(node, left), daemon=True) for node in self.victims]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()

    def _hand(self, node: Node, left: "queue.SimpleQueue[Step]") -> None:
        sql = Sql(self.base)
        try:
            while True:
                try:
                    step = left.get_nowait()
                except queue.Empty:
                    return
                self._do(node, step, sql)
                if not left.empty() and not node.alive():
                    node.start()
                    node.wait_ready()
        except Exception as error:
            with self._guard:
                self.trouble.append(f"daemon {node.number}: {type(error).__name__}: {error}")
        finally:
            sql.close()

    def _do(self, node: Node, step: Step, sql: Sql) -> None:
        node.arm(step.point, step.number, step.times, step.pause)
        if not node.sprung(step.point, self.reached):
            with self._guard:
                self.missed.append(str(step))
            return
        if step.number == signal.SIGKILL:
            self._killed(node, step, sql)
        else:
            self._frozen(node, step, sql)

    def _killed(self, node: Node, step: Step, sql: Sql) -> None:
        at = node.kill()  # it has killed itself; this waits until it is gone
        held = held_by(sql, node.pids[-1])
        wait_for_peer(sql, held, PATIENCE)
        facts = {"node": node.number, "point": step.point, "held": as_rows(held)}
        self.log.add("kill", at, **facts, measured=True, walk=True, until=at)

    def _frozen(self, node: Node, step: Step, sql: Sql) -> None:
        begun = node.send(signal.SIGSTOP)  # it has stopped itself; a second time does no harm
        held = held_by(sql, node.pids[-1])
        for item in held if step.pause else ():
            # So that the peer is still at work on the shop when the frozen one wakes.
            self.world.shops[item.shop].script([{"fault": "slow", "seconds": 2.5}] * 2)
        # In an open transaction it keeps the database's lock, and no peer gets through.
        locked = step.point.endswith("_uncommitted")
        wait_for_peer(sql, held, 1.5 * LEASE if locked or not held else PATIENCE)
        woken = node.thaw(1.0)
        self.log.add("freeze", begun, node=node.number, point=step.point, held=as_rows(held), until=woken)
