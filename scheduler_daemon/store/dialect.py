"""What one kind of database says differently from another; the statements themselves stand where they are used."""

from dataclasses import dataclass

#: Milliseconds since 1970 on the database's clock. SQLite before 3.42 has no `unixepoch('subsec')`; PostgreSQL's
#: `now()` stands still inside a transaction (notes on schedulers, E.8).
NOW_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
NOW_POSTGRES = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one kind of database."""

    #: "sqlite" or "postgres".
    kind: str
    #: An expression: milliseconds since 1970, UTC, on the database's clock.
    now: str
    #: Begins a write transaction; SQLite takes its write lock at once, or a later upgrade could fail at once.
    begin: str
    #: What stands for a value.
    mark: str
    #: The schema of our tables; None where an engine has none.
    ours: str | None
    #: The schema of the app's tables; None where an engine has none.
    apps: str | None
    #: Compares two values of which either may be NULL.
    same: str
    #: The smaller of two values.
    least: str

    def text(self, sql: str) -> str:
        """Return *sql*, written with ``?``, ``{ours}``, ``{app}`` and ``{now}``, in this engine's words."""
        ours = f"{self.ours}." if self.ours else ""
        apps = f'"{self.apps}".' if self.apps else ""
        made = sql.replace("{ours}", ours).replace("{app}", apps).replace("{now}", self.now)
        return made if self.mark == "?" else made.replace("%", "%%").replace("?", self.mark)


def dialect(kind: str, app_schema: str) -> Dialect:
    """Return the dialect of *kind*; *app_schema* is where the app's tables are, for engines with schemas."""
    if kind == "sqlite":
        return Dialect(kind, NOW_SQLITE, "BEGIN IMMEDIATE", "?", None, None, "IS", "MIN")
    return Dialect(kind, NOW_POSTGRES, "BEGIN", "%s", "scheduler", app_schema, "IS NOT DISTINCT FROM", "LEAST")
