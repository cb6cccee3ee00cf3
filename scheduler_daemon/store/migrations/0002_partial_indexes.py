"""
The ledger's indexes hold only the rows that are asked for: waiting, running, finished.

A run used to move through two whole indexes at each change of its status, most of the time behind a thousand finished
ones. Queries must name the same words as an index's condition, as constants (DESIGN 9). MySQL has no partial indexes;
it keeps the whole ones and gets one by status.
"""


def up(migrator, db):  # type: ignore[no-untyped-def]
    """Replace two whole indexes by three partial ones."""
    if db.kind == "mysql":
        db.execute_sql("CREATE INDEX scheduler_run_status ON scheduler_run (status, not_before)")
        return
    ours = "scheduler." if db.kind == "postgres" else ""
    db.execute_sql(f"DROP INDEX {ours}scheduler_run_waiting")
    db.execute_sql(f"DROP INDEX {ours}scheduler_run_finished")
    table = f"{ours}scheduler_run"
    for name, columns, condition in (
        ("queued", "shop, priority, due_at, id", "status = 'queued'"),
        ("running", "shop, fence", "status = 'running'"),
        ("finished", "finished_at, status", "finished_at IS NOT NULL"),
    ):
        db.execute_sql(f"CREATE INDEX scheduler_run_{name} ON {table} ({columns}) WHERE {condition}")
