"""Notices: what owners are told, an outbox of its own; and who paused a shop, a person or we."""

NOTICE = """
CREATE TABLE {ours}scheduler_notice (
  id VARCHAR(26) PRIMARY KEY,
  kind VARCHAR(16) NOT NULL,
  channel VARCHAR(16) NOT NULL,
  recipient VARCHAR(320) NOT NULL,
  shop VARCHAR(255) NOT NULL,
  schedule_id VARCHAR(64) NOT NULL,
  name TEXT NOT NULL,
  urgent INTEGER NOT NULL,
  is_open INTEGER NOT NULL,
  run_id VARCHAR(26),
  error_code VARCHAR(64),
  error TEXT,
  state VARCHAR(16) NOT NULL,
  holder VARCHAR(128),
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  told_at BIGINT
){options}"""


def up(migrator, db):  # type: ignore[no-untyped-def]
    """Add the table with its indexes, and the column."""
    ours = "scheduler." if db.kind == "postgres" else ""
    options = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if db.kind == "mysql" else ""
    db.execute_sql(NOTICE.format(ours=ours, options=options))
    db.execute_sql(f"ALTER TABLE {ours}scheduler_shop ADD COLUMN paused_by VARCHAR(64)")
    table = f"{ours}scheduler_notice"
    part = db.kind != "mysql"
    waiting = " WHERE state IN ('pending', 'sending')" if part else ""
    trouble = " WHERE is_open = 1" if part else ""
    first = "" if part else "state, "
    db.execute_sql(f"CREATE INDEX scheduler_notice_waiting ON {table} ({first}channel, recipient){waiting}")
    db.execute_sql(f"CREATE INDEX scheduler_notice_open ON {table} (shop, is_open, schedule_id){trouble}")
    db.execute_sql(f"CREATE INDEX scheduler_notice_told ON {table} (channel, recipient, told_at)")
