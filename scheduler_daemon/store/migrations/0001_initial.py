"""Our tables; and, on a database of our own, the app's three in exactly the app's form (DESIGN 5)."""

OURS = """
CREATE TABLE {ours}scheduler_setting (
  name VARCHAR(64) PRIMARY KEY,
  value TEXT NOT NULL
){options};
CREATE TABLE {ours}scheduler_schedule (
  schedule_id VARCHAR(64) PRIMARY KEY,
  rule {json},
  options {json} NOT NULL,
  rule_hash VARCHAR(64),
  mark VARCHAR(64),
  failures INTEGER NOT NULL DEFAULT 0,
  paused_at BIGINT,
  paused_reason TEXT,
  version INTEGER NOT NULL DEFAULT 0
){options};
CREATE TABLE {ours}scheduler_shop (
  shop VARCHAR(255) PRIMARY KEY,
  name TEXT,
  zone VARCHAR(64),
  currency VARCHAR(8),
  plan VARCHAR(64),
  scopes TEXT,
  checked_at BIGINT,
  paused_at BIGINT,
  paused_reason TEXT,
  holder VARCHAR(128),
  fence BIGINT NOT NULL DEFAULT 0,
  beat BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  next_work_at BIGINT NOT NULL DEFAULT 4611686018427387904
){options};
CREATE INDEX scheduler_shop_work ON {ours}scheduler_shop (next_work_at, lease_until);
CREATE TABLE {ours}scheduler_run (
  id VARCHAR(26) PRIMARY KEY,
  schedule_id VARCHAR(64) NOT NULL,
  shop VARCHAR(255) NOT NULL,
  "trigger" VARCHAR(16) NOT NULL,
  occurrence_key VARCHAR(64) NOT NULL,
  due_at BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 100,
  status VARCHAR(16) NOT NULL,
  reason VARCHAR(32),
  attempt INTEGER NOT NULL DEFAULT 0,
  lost_leases INTEGER NOT NULL DEFAULT 0,
  fence BIGINT,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  report {json} NOT NULL,
  period_start BIGINT,
  period_end BIGINT,
  record_count BIGINT,
  file_name TEXT,
  file_size BIGINT,
  sha256 VARCHAR(64),
  spool_path TEXT,
  error_code VARCHAR(64),
  error TEXT
){options};
CREATE UNIQUE INDEX scheduler_run_occurrence ON {ours}scheduler_run (schedule_id, "trigger", occurrence_key);
CREATE INDEX scheduler_run_waiting ON {ours}scheduler_run (shop, status, priority, due_at, id);
CREATE INDEX scheduler_run_finished ON {ours}scheduler_run (finished_at, status);
CREATE INDEX scheduler_run_schedule ON {ours}scheduler_run (schedule_id, due_at);
CREATE TABLE {ours}scheduler_attempt (
  run_id VARCHAR(26) NOT NULL,
  number INTEGER NOT NULL,
  holder VARCHAR(128) NOT NULL,
  fence BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  status VARCHAR(16) NOT NULL,
  error_code VARCHAR(64),
  error TEXT,
  timings {json},
  PRIMARY KEY (run_id, number)
){without_rowid}{options};
CREATE TABLE {ours}scheduler_node (
  node VARCHAR(128) PRIMARY KEY,
  host VARCHAR(255) NOT NULL,
  pid INTEGER NOT NULL,
  boot_id VARCHAR(64),
  version VARCHAR(32) NOT NULL,
  mode VARCHAR(16) NOT NULL,
  started_at BIGINT NOT NULL,
  last_good_at BIGINT,
  skew_ms BIGINT,
  snapshot {json}
){options};
CREATE TABLE {ours}scheduler_delivery (
  id VARCHAR(26) PRIMARY KEY,
  run_id VARCHAR(26) NOT NULL,
  channel VARCHAR(16) NOT NULL,
  recipient VARCHAR(320) NOT NULL,
  role VARCHAR(8) NOT NULL DEFAULT 'to',
  copy INTEGER NOT NULL DEFAULT 0,
  "key" VARCHAR(128) NOT NULL,
  state VARCHAR(16) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL DEFAULT 0,
  receipt {json},
  error_code VARCHAR(64),
  error TEXT,
  updated_at BIGINT NOT NULL
){options};
CREATE UNIQUE INDEX scheduler_delivery_key ON {ours}scheduler_delivery ("key");
CREATE UNIQUE INDEX scheduler_delivery_recipient ON {ours}scheduler_delivery (run_id, channel, recipient, copy);
CREATE INDEX scheduler_delivery_state ON {ours}scheduler_delivery (state, not_before)
"""

#: Prisma's own words for its columns, by engine (`prisma migrate` of the app's schema).
APPS = """
CREATE TABLE {app}"Session" (
  "id" {name} NOT NULL{pk},
  "shop" {name} NOT NULL,
  "state" {name} NOT NULL,
  "isOnline" BOOLEAN NOT NULL DEFAULT false,
  "scope" {long},
  "expires" {moment},
  "accessToken" {long} NOT NULL,
  "userId" BIGINT,
  "firstName" {name},
  "lastName" {name},
  "email" {name},
  "accountOwner" BOOLEAN NOT NULL DEFAULT false,
  "locale" {name},
  "collaborator" BOOLEAN DEFAULT false,
  "emailVerified" BOOLEAN DEFAULT false,
  "refreshToken" {long},
  "refreshTokenExpires" {moment}{pk_session}
);
CREATE TABLE {app}"ReportSchedule" (
  "id" {name} NOT NULL{pk},
  "shop" {name} NOT NULL,
  "name" {name} NOT NULL,
  "reportType" {name} NOT NULL,
  "filters" {app_json},
  "frequency" {name} NOT NULL,
  "dayOfWeek" INTEGER,
  "dayOfMonth" INTEGER,
  "time" {name} NOT NULL,
  "timezone" {name} NOT NULL DEFAULT 'UTC',
  "recipients" {long} NOT NULL,
  "isActive" BOOLEAN NOT NULL DEFAULT true,
  "nextRunAt" {moment},
  "lastRunAt" {moment},
  "createdAt" {moment} NOT NULL DEFAULT {current},
  "updatedAt" {moment} NOT NULL{pk_schedule}
);
CREATE INDEX "ReportSchedule_isActive_nextRunAt_idx" ON {app}"ReportSchedule" ("isActive", "nextRunAt");
CREATE INDEX "ReportSchedule_shop_idx" ON {app}"ReportSchedule" ("shop");
CREATE VIEW {app}"ReportHistory" AS
SELECT id AS "id", schedule_id AS "reportScheduleId", shop AS "shop",
  CASE WHEN status IN ('queued', 'running') THEN 'RUNNING' WHEN status = 'succeeded' THEN 'SUCCESS' ELSE 'FAILED' END
    AS "status",
  {started} AS "startedAt", {finished} AS "completedAt",
  record_count AS "recordCount", file_name AS "fileName", error AS "error"
FROM {ours}scheduler_run
WHERE started_at IS NOT NULL OR reason = 'no_session'
"""


def up(migrator, db):  # type: ignore[no-untyped-def]
    """Create everything; the database says through `app_schema` and `make_app` what is wanted."""
    words = postgres_words(db.app_schema) if db.kind == "postgres" else WORDS[db.kind]
    statements = OURS + (";" + APPS if db.make_app else "")
    for statement in statements.split(";"):
        if statement.strip():
            db.execute_sql(statement.format(**words))


SQLITE_WORDS = {
    "name": "TEXT",
    "long": "TEXT",
    "current": "CURRENT_TIMESTAMP",
    "ours": "",
    "app": "",
    "json": "TEXT",
    "app_json": "JSONB",
    "moment": "DATETIME",
    "pk": " PRIMARY KEY",
    "pk_session": "",
    "pk_schedule": "",
    "without_rowid": " WITHOUT ROWID",
    "options": "",
    "started": "COALESCE(started_at, queued_at)",
    "finished": "finished_at",
}

MYSQL_WORDS = {
    "name": "VARCHAR(191)",
    "long": "TEXT",
    "current": "CURRENT_TIMESTAMP(3)",
    "ours": "",
    "app": "",
    "json": "LONGTEXT",
    "app_json": "JSON",
    "moment": "DATETIME(3)",
    "pk": " PRIMARY KEY",
    "pk_session": "",
    "pk_schedule": "",
    "without_rowid": "",
    "options": " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "started": "TIMESTAMPADD(MICROSECOND, COALESCE(started_at, queued_at) * 1000, '1970-01-01 00:00:00.000')",
    "finished": "TIMESTAMPADD(MICROSECOND, finished_at * 1000, '1970-01-01 00:00:00.000')",
}
WORDS = {"sqlite": SQLITE_WORDS, "mysql": MYSQL_WORDS}


def postgres_words(app_schema: str) -> dict[str, str]:
    """Return PostgreSQL's words for what differs."""
    moment = "to_timestamp({} / 1000.0) AT TIME ZONE 'UTC'"
    return {
        "name": "TEXT",
        "long": "TEXT",
        "current": "CURRENT_TIMESTAMP",
        "ours": "scheduler.",
        "app": f'"{app_schema}".',
        "json": "TEXT",
        "app_json": "JSONB",
        "moment": "TIMESTAMP(3)",
        "pk": "",
        "pk_session": ',\n  CONSTRAINT "Session_pkey" PRIMARY KEY ("id")',
        "pk_schedule": ',\n  CONSTRAINT "ReportSchedule_pkey" PRIMARY KEY ("id")',
        "without_rowid": "",
        "options": "",
        "started": moment.format("COALESCE(started_at, queued_at)"),
        "finished": moment.format("finished_at"),
    }
