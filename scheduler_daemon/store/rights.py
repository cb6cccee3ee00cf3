"""What a server must let us write, asked before the first report is due: statements that change no row."""

from ..errors import StoreError
from .engine import Engine

#: Our tables, each with a column of its own. All rights are needed on each.
OURS = {
    "scheduler_setting": "name",
    "scheduler_schedule": "schedule_id",
    "scheduler_shop": "shop",
    "scheduler_run": "id",
    "scheduler_attempt": "run_id",
    "scheduler_delivery": "id",
    "scheduler_node": "node",
    "scheduler_notice": "id",
}
#: Both kinds of server ask for the right before they look at the condition.
STATEMENTS = {
    "INSERT": "INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",
    "UPDATE": "UPDATE {table} SET {column} = {column} WHERE 1 = 0",
    "DELETE": "DELETE FROM {table} WHERE 1 = 0",
}


def require_rights(engine: Engine, *, apps: bool, history: bool) -> None:
    """
    Raise StoreError `database_readonly` naming each right that the server does not grant us; nothing on SQLite.

    *apps*: whether the app's schedules are written, too (not while delivery is on hold); *history*: whether the app has
    a `ReportHistory` of its own. Other StoreErrors where the server does not answer.
    """
    if engine.is_sqlite:
        return
    wanted = [(right, f"{{ours}}{table}", column) for table, column in OURS.items() for right in STATEMENTS]
    if apps:
        wanted += [("UPDATE", '{app}"ReportSchedule"', name) for name in ('"nextRunAt"', '"lastRunAt"')]
        wanted += [(right, '{app}"ReportHistory"', '"status"') for right in ("INSERT", "UPDATE") if history]
    lacking: dict[str, list[str]] = {}
    for right, table, column in wanted:
        if not _may(engine, STATEMENTS[right].replace("{table}", table).replace("{column}", column)):
            rights = lacking.setdefault(engine.text(table).replace('"', ""), [])
            rights += [right] if right not in rights else []
    if not lacking:
        return
    by_rights: dict[str, list[str]] = {}
    for table, rights in lacking.items():
        by_rights.setdefault(", ".join(rights), []).append(table)
    said = "; ".join(f"{rights} on {', '.join(tables)}" for rights, tables in by_rights.items())
    raise StoreError(
        f"The database {engine.target.shown} does not let us write; we lack: {said}.",
        code="database_readonly",
        hint="Grant that to the user of database.url, or name another user (on a standby: the primary server).",
    )


def _may(engine: Engine, sql: str) -> bool:
    try:
        engine.write(sql)
    except StoreError as error:
        if error.code != "database_readonly":
            raise
        return False
    return True
