"""Mistakes that the harness must find: each a change of a copy, the faults that bring it out, the check it fails."""

from dataclasses import dataclass, field

from .workbench import Change

NO_KEY = Change(
    "store/migrations/0001_initial.py",
    "CREATE UNIQUE INDEX scheduler_run_occurrence",
    "CREATE INDEX scheduler_run_occurrence",
)

#: "? >= 0" is true of every fence: the statement keeps its values and loses its guard.
ANY = "shop = ? AND ? >= 0"
FENCED = "shop = ? AND fence = ?"
NO_FENCE = (
    Change("store/leases.py", f"{FENCED} AND holder = ?", f"{ANY} AND ? <> ''"),
    Change("store/leases.py", f"scheduler_shop WHERE {FENCED}", f"scheduler_shop WHERE {ANY}"),
    Change("store/leases.py", f'\nWHERE {FENCED}"', f'\nWHERE {ANY}"'),
    Change("store/corridor.py", "id = ? AND fence = ? AND status", "id = ? AND ? >= 0 AND status", 2),
    Change("store/corridor.py", f"scheduler_shop WHERE {FENCED})", f"scheduler_shop WHERE {ANY})"),
    Change("store/corridor.py", f"scheduler_shop WHERE {FENCED} FOR", f"scheduler_shop WHERE {ANY} FOR"),
)

DELIVERED_FIRST = (
    Change(
        "deliver.py",
        "        try:\n            receipt = self._channel(",
        "        self._delivered(row, Receipt({}), hold)\n        try:\n            receipt = self._channel(",
    ),
    Change("deliver.py", "            self._delivered(row, receipt, hold)\n", "            pass\n"),
    Change(
        "store/deliveries.py",
        "        self._write(lease, delivery, self._begin_text, (delivery.id,), after)\n",
        "        return\n",
    ),
    Change("deliver.py", "            self._failed(run, row, error, hold)\n", "            pass\n"),
)

NEVER_SENDING = (Change("store/deliveries.py", "SET state = 'sending', updated_at", "SET updated_at"),)

CLOCKS = (
    "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
)
#: The database's clock plus AHEAD_MS is the clock of a daemon that is so much ahead.
OWN_CLOCK = (
    Change("store/dialect.py", "import re\n", "import os\nimport re\n"),
    *(
        Change("store/dialect.py", f'"{clock}",\n', f'"({clock} + " + os.environ.get("AHEAD_MS", "0") + ")",\n')
        for clock in CLOCKS
    ),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake."""

    #: What is wrong, in words.
    says: str
    changes: tuple[Change, ...]
    #: Checks of the oracle of which at least one must fail.
    caught_by: tuple[str, ...]
    #: Steps at which a daemon is killed to bring it out; none for a mistake that needs no fault.
    points: tuple[str, ...] = ()
    #: Whether it is frozen there beyond its lease instead.
    frozen: bool = False
    #: Environment of single daemons, by number.
    environ: dict[int, dict[str, str]] = field(default_factory=dict)


MUTANTS = {
    "no_fence": Mutant(
        "a lease is asked for by shop, not by fence",
        NO_FENCE,
        ("overlaps", "stale_results", "strangers"),
        ("handed",),
        frozen=True,
    ),
    "delivered_first": Mutant(
        "a delivery is committed as delivered before it is sent",
        DELIVERED_FIRST,
        ("delivered_was_taken",),
        ("sending",),
    ),
    "never_sending": Mutant(
        "nothing says that a delivery is being sent",
        NEVER_SENDING,
        ("mails_once",),
        ("sent",),
    ),
    "no_unique_key": Mutant(
        "the ledger takes an occurrence twice",
        (NO_KEY,),
        ("doubled",),
    ),
    "own_clock": Mutant(
        "leases are compared with the daemon's own clock, and one daemon's clock is ahead",
        OWN_CLOCK,
        ("lost_leases_explained", "strangers"),
        environ={1: {"AHEAD_MS": "10000"}},
    ),
}
