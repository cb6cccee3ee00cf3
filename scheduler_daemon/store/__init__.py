"""The database: the only part that imports peewee and knows the app's camelCase names. No row leaves it as such."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType

from ..errors import StoreError
from ..lib.clock import to_ms, utc_now
from . import schema
from .by_hand import ByHand
from .corridor import Corridor
from .cursors import Cursors
from .deliveries import Deliveries
from .engine import Engine
from .faces import Faces, styles
from .files import require_file
from .group import Execute
from .history import History
from .holder import new_holder
from .invariants import Invariants
from .judgements import Judgements
from .leases import Leases
from .mending import Mending
from .moments import Style
from .notebook import Notebook
from .notices import Notices
from .pauses import Pauses
from .pruning import Pruning
from .queueing import Queueing
from .resting import Resting
from .rights import require_rights
from .schedule_rows import SeenSchedule
from .schedules import Schedules
from .sessions import Sessions
from .shops import Shops
from .troubles import Troubles
from .urls import Target, read_url

__all__ = ["Execute", "SeenSchedule", "Store", "Target", "read_url"]

MODES = ("hold", "redirect", "live")


class Store:
    """One open database and everything that may be asked of it."""

    def __init__(
        self,
        target: Target,
        *,
        types: Mapping[str, str],
        holder: str = "",
        lease: timedelta = timedelta(seconds=60),
        create: bool = False,
        upgrade: bool = True,
        synchronous: str = "FULL",
    ) -> None:
        """
        Open *target*; *types* maps the report types of the table to ours.

        With *create* a missing SQLite file is made. With *upgrade* pending migrations run. Raise StoreError.
        """
        if target.path is not None and not create:
            require_file(target.path)
        self.target = target
        self.engine = Engine(target, synchronous=synchronous)
        try:
            self._prepare(upgrade)
        except BaseException:
            self.engine.close_thread()
            raise
        self.holder = holder or new_holder()
        self.types = dict(types)
        tables = self.engine.tables
        schedule = styles(self.engine, tables.report_schedule, tables.report_schedule.next_run_at)["next_run_at"]
        session = styles(self.engine, tables.session, tables.session.expires)["expires"]
        self.leases = Leases(self.engine, self.holder, lease)
        self.troubles = Troubles(self.engine)
        self.notices = Notices(self.engine, self.holder)
        self.corridor = Corridor(self.engine, self.leases, self._faces(), self.troubles)
        self.judgements = Judgements(self.engine, self.leases)
        self.by_hand = ByHand(self.engine, self.corridor)
        self.deliveries = Deliveries(self.engine, self.leases)
        self.cursors = Cursors(self.engine, self.types)
        self.queueing = Queueing(self.engine, schedule, self.troubles)
        self.schedules = Schedules(self.engine, schedule, self.types)
        self.shops = Shops(self.engine, self.troubles)
        self.sessions = Sessions(self.engine, session)
        self.history = History(self.engine)
        self.invariants = Invariants(self.engine)
        self.resting = Resting(self.engine)
        self.mending = Mending(self.engine)
        self.pruning = Pruning(self.engine)
        self.notebook = Notebook(self.engine, self.holder)
        self.pauses = Pauses(self.notebook)

    def _faces(self) -> Faces:
        """Return what the app sees; it has a `ReportHistory` of its own, or looks at our view of the ledger."""
        schedule, history = self.engine.tables.report_schedule, self.engine.tables.report_history
        name = history._meta.table_name
        has_table = bool(schema.columns(self.engine, name)) and not schema.is_view(self.engine, name)
        started = styles(self.engine, history, history.started_at)["started_at"] if has_table else Style.INTEGER
        last_run = styles(self.engine, schedule, schedule.last_run_at)["last_run_at"]
        return Faces(self.engine, has_table=has_table, last_run=last_run, history=started)

    def _prepare(self, upgrade: bool) -> None:
        path = self.target.path
        if path is not None and self.engine.created:
            with suppress(OSError):
                path.touch(mode=0o600)
        if upgrade:
            schema.upgrade(self.engine)
            return
        found = schema.status(self.engine)
        schema.refuse_newer(self.engine, found)
        if found.pending:
            raise StoreError(
                f"The database {self.target.shown} needs an upgrade ({found.pending[0]}).",
                code="database_outdated",
                hint="Run: scheduler db upgrade",
            )

    @property
    def own(self) -> bool:
        """Whether we made the app's tables: a database of our own."""
        return self.notebook.setting("own") == "1"

    @property
    def mode(self) -> str:
        """
        The delivery mode that the database remembers: "hold" until `go-live` on an app's database, else "live".

        Whatever is no mode is "hold": a value that nobody understands lets nothing leave.
        """
        found = self.notebook.setting("mode")
        return found if found in MODES else "hold"

    def remember_mode(self, mode: str) -> None:
        """Remember the delivery mode, one of `MODES`."""
        assert mode in MODES, mode
        self.notebook.remember("mode", mode)

    def require_rights(self, mode: str) -> None:
        """Raise StoreError `database_readonly` where the server does not let us write what the delivery mode needs."""
        require_rights(self.engine, apps=mode != "hold", history=self.corridor.faces.has_table)

    def skew_ms(self) -> int:
        """Return how far this machine's clock is ahead of the database's, milliseconds."""
        before = utc_now()
        theirs = int(self.engine.read("SELECT {now}")[0][0])
        return (to_ms(before) + to_ms(utc_now())) // 2 - theirs

    def close(self) -> None:
        """Close this thread's connection."""
        self.engine.close_thread()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
