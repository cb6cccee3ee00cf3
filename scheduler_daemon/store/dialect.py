"""What one kind of database says differently from another; the statements themselves stand where they are used."""

import re
from dataclasses import dataclass

#: Milliseconds since 1970 on the database's clock. SQLite before 3.42 has no `unixepoch('subsec')`; PostgreSQL's
#: `now()` stands still inside a transaction; MySQL's `NOW()` is in the session's zone (notes on schedulers, E.8).
NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgres": "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
}
UPSERT = re.compile(r"ON CONFLICT \([^)]*\)\s+DO UPDATE\s+SET")
EXCLUDED = re.compile(r'excluded\.("?\w+"?)')
KEEP = re.compile(r"(INSERT INTO \S+\s*\(\s*(\"?\w+\"?).*?)ON CONFLICT DO NOTHING", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one kind of database."""

    #: "sqlite", "postgres" or "mysql" (MariaDB too).
    kind: str
    #: The schema of our tables; None where an engine has none.
    ours: str | None = None
    #: The schema of the app's tables; None where an engine has none.
    apps: str | None = None
    #: Begins a write transaction; SQLite takes its write lock at once, or a later upgrade could fail at once.
    begin: str = "BEGIN"
    #: What stands for a value.
    mark: str = "%s"
    #: Compares two values of which either may be NULL.
    same: str = "IS NOT DISTINCT FROM"
    #: The smaller of two values.
    least: str = "LEAST"
    #: Whether an UPDATE can return its rows.
    returning: bool = True
    #: What locks a selected row until the end of the transaction; empty where there is one writer anyway.
    lock: str = " FOR UPDATE"
    #: What keeps a selected row from being deleted until the end of the transaction.
    share: str = " FOR KEY SHARE"

    def text(self, sql: str) -> str:
        """
        Return *sql*, written with ``?``, ``{ours}``, ``{app}``, ``{now}``, ``{share}`` and ``{of_run}``, in its words.

        ``{of_run}`` stands behind the table of deliveries where those of one run are changed.
        """
        ours = f"{self.ours}." if self.ours else ""
        apps = f'"{self.apps}".' if self.apps else ""
        made = sql.replace("{ours}", ours).replace("{app}", apps).replace("{now}", NOW[self.kind])
        made = made.replace("{share}", self.share)
        if self.mark != "?":
            made = made.replace("%", "%%").replace("?", self.mark)
        # InnoDB locks every row that it looks at, and through the index of states those are other shops' too.
        made = made.replace("{of_run}", " FORCE INDEX (scheduler_delivery_recipient)" if self.kind == "mysql" else "")
        if self.kind == "mysql":
            made = UPSERT.sub("ON DUPLICATE KEY UPDATE", EXCLUDED.sub(r"VALUES(\1)", made))
            made = KEEP.sub(r"\1ON DUPLICATE KEY UPDATE \2 = \2", made)
        return made


def dialect(kind: str, app_schema: str) -> Dialect:
    """Return the dialect of *kind*; *app_schema* is where the app's tables are, for engines with schemas."""
    if kind == "sqlite":
        return Dialect(kind, begin="BEGIN IMMEDIATE", mark="?", same="IS", least="MIN", lock="", share="")
    if kind == "mysql":
        return Dialect(kind, same="<=>", returning=False, share=" LOCK IN SHARE MODE")
    return Dialect(kind, ours="scheduler", apps=app_schema)
