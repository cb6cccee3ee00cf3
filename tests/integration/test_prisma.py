"""Beside the app: its tables in its own forms on SQLite, both of Prisma's moment styles, and a first contact."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from scheduler_daemon.errors import StoreError, UsageError
from scheduler_daemon.lib.clock import to_ms
from scheduler_daemon.model import Outcome, RunStatus
from scheduler_daemon.store import read_url
from scheduler_daemon.store.moments import Style, decode, encode
from scheduler_daemon.when import timetable
from tests.conftest import open_test_store
from tests.making import now
from tests.posting import free_port

APP = """
CREATE TABLE "Session" ("id" TEXT NOT NULL PRIMARY KEY, "shop" TEXT NOT NULL, "state" TEXT NOT NULL,
  "isOnline" BOOLEAN NOT NULL DEFAULT false, "scope" TEXT, "expires" DATETIME, "accessToken" TEXT NOT NULL,
  "userId" BIGINT, "refreshToken" TEXT, "refreshTokenExpires" DATETIME);
CREATE TABLE "ReportSchedule" ("id" TEXT NOT NULL PRIMARY KEY, "shop" TEXT NOT NULL, "name" TEXT NOT NULL,
  "reportType" TEXT NOT NULL, "filters" JSONB, "frequency" TEXT NOT NULL, "dayOfWeek" INTEGER, "dayOfMonth" INTEGER,
  "time" TEXT NOT NULL, "timezone" TEXT NOT NULL DEFAULT 'UTC', "recipients" TEXT NOT NULL,
  "isActive" BOOLEAN NOT NULL DEFAULT true, "nextRunAt" DATETIME, "lastRunAt" DATETIME,
  "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME NOT NULL);
CREATE INDEX "ReportSchedule_isActive_nextRunAt_idx" ON "ReportSchedule"("isActive", "nextRunAt");
CREATE TABLE "ReportHistory" ("id" TEXT NOT NULL PRIMARY KEY, "reportScheduleId" TEXT NOT NULL, "shop" TEXT NOT NULL,
  "status" TEXT NOT NULL, "startedAt" DATETIME NOT NULL, "completedAt" DATETIME, "recordCount" INTEGER,
  "fileName" TEXT, "error" TEXT);
"""


@pytest.fixture
def app_database(tmp_path: Path) -> Path:
    """A database as the app made it."""
    path = tmp_path / "app.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(APP)
    return path


def insert(path: Path, name: str, moment: object, **changes: object) -> None:
    """Insert a schedule as the app would."""
    values = {"id": name, "shop": "test.myshopify.com", "name": name, "reportType": "orders", "frequency": "DAILY"}
    values |= {"time": "08:00", "recipients": '["a@b.example"]', "nextRunAt": moment, "updatedAt": 0, **changes}
    names = ", ".join(f'"{key}"' for key in values)
    with sqlite3.connect(path) as connection:
        marks = ", ".join("?" * len(values))
        connection.execute(f'INSERT INTO "ReportSchedule" ({names}) VALUES ({marks})', tuple(values.values()))


def test_a_first_contact_with_the_apps_database_holds_delivery(app_database: Path) -> None:
    with open_test_store(f"file:{app_database}") as store:
        assert not store.own
        assert store.mode == "hold"


def test_both_moment_styles_in_one_column_are_due_at_their_moment(app_database: Path) -> None:
    moment = now()
    past, future = moment - timedelta(seconds=1), moment + timedelta(hours=1)
    insert(app_database, "int-due", to_ms(past))
    insert(app_database, "text-due", encode(past, Style.TEXT))
    insert(app_database, "zulu-due", past.strftime("%Y-%m-%dT%H:%M:%SZ"))
    insert(app_database, "int-later", to_ms(future))
    insert(app_database, "text-later", encode(future, Style.TEXT))
    with open_test_store(f"file:{app_database}") as store:
        assert {item.name for item in store.cursors.due(moment)} == {"int-due", "text-due", "zulu-due"}
        earliest = store.cursors.next_due_at()
        assert earliest is not None
        assert earliest.replace(microsecond=0) == past.replace(microsecond=0)


def test_a_cursor_is_written_in_the_style_it_was_read_in(app_database: Path) -> None:
    moment = now()
    insert(app_database, "int", to_ms(moment - timedelta(seconds=1)))
    insert(app_database, "text", encode(moment - timedelta(seconds=1), Style.TEXT))
    with open_test_store(f"file:{app_database}") as store:
        due = store.cursors.due(moment)
        store.queueing.queue([(item, timetable.plan(item.schedule, moment)) for item in due if item.schedule], moment)
        rows = dict(store.engine.read('SELECT "id", typeof("nextRunAt") FROM "ReportSchedule"'))
    assert rows == {"int": "integer", "text": "text"}


def test_the_due_question_uses_the_index_in_both_styles(app_database: Path) -> None:
    with open_test_store(f"file:{app_database}") as store:
        row = store.engine.tables.report_schedule
        for condition in store.cursors.not_after(now()):
            sql, values = row.select(row.id).where(store.cursors.ours, condition).sql()
            plan = store.engine.read(f"EXPLAIN QUERY PLAN {sql}", values)
            assert "ReportSchedule_isActive_nextRunAt_idx" in str(plan)


def test_the_apps_history_is_written_in_its_words(app_database: Path) -> None:
    moment = now()
    insert(app_database, "one", to_ms(moment - timedelta(seconds=1)))
    with open_test_store(f"file:{app_database}") as store:
        due = store.cursors.due(moment)
        store.queueing.queue([(item, timetable.plan(item.schedule, moment)) for item in due if item.schedule], moment)
        (lease,) = store.leases.claim(1)
        _, run = store.corridor.enter(lease, ())
        assert run is not None
        running = store.engine.read('SELECT "status", "reportScheduleId" FROM "ReportHistory"')
        assert running == [("RUNNING", "one")]
        outcome = Outcome(RunStatus.PARTIAL, error_code="smtp_refused", error="1 of 2 delivered.")
        store.corridor.finish(lease, run, outcome, go_on=False)
        (row,) = store.engine.read('SELECT "status", "error", "completedAt" FROM "ReportHistory"')
    assert row[:2] == ("FAILED", "1 of 2 delivered.")
    assert row[2] is not None


@pytest.mark.parametrize(("style", "kind"), [(Style.TEXT, "text"), (Style.INTEGER, "integer")])
def test_empty_columns_get_the_style_of_the_app(app_database: Path, style: Style, kind: str) -> None:
    """Before its first run the app's `lastRunAt` and `ReportHistory` are empty, and say nothing of its style."""
    moment = now()
    written = encode(moment, style)
    insert(app_database, "due", encode(moment - timedelta(seconds=1), style), createdAt=written, updatedAt=written)
    insert(app_database, "new", None, createdAt="2026-11-23 10:00:00", updatedAt=written)
    with open_test_store(f"file:{app_database}") as store:
        due = [*store.cursors.due(moment), *store.cursors.without_cursor()]
        store.queueing.queue([(item, timetable.plan(item.schedule, moment)) for item in due if item.schedule], moment)
        (lease,) = store.leases.claim(1)
        _, run = store.corridor.enter(lease, ())
        assert run is not None
        store.corridor.finish(lease, run, Outcome(RunStatus.SUCCEEDED), go_on=False)
        store.corridor.leave(lease, [run.schedule_id])
    with sqlite3.connect(app_database) as connection:
        last = 'SELECT typeof("lastRunAt") FROM "ReportSchedule" WHERE "id" = \'due\''
        assert connection.execute(last).fetchall() == [(kind,)]
        rows = connection.execute('SELECT typeof("startedAt"), typeof("completedAt") FROM "ReportHistory"').fetchall()
        assert rows == [(kind, kind)]
        cursors = connection.execute('SELECT DISTINCT typeof("nextRunAt") FROM "ReportSchedule"').fetchall()
        assert cursors == [(kind,)]


def test_what_comes_next_is_the_earliest_of_both_styles_and_can_be_read(app_database: Path) -> None:
    moment = now()
    insert(app_database, "later", to_ms(moment + timedelta(days=30)))
    insert(app_database, "sooner", encode(moment + timedelta(hours=1), Style.TEXT))
    insert(app_database, "unreadable", to_ms(moment - timedelta(hours=1)), timezone="Mars/Base")
    with open_test_store(f"file:{app_database}") as store:
        assert [item.name for item in store.schedules.upcoming(2)] == ["sooner", "later"]


def test_a_foreign_report_type_is_counted_and_never_due(app_database: Path) -> None:
    insert(app_database, "other", to_ms(now() - timedelta(days=1)), reportType="inventory")
    with open_test_store(f"file:{app_database}") as store:
        assert store.cursors.due(now()) == []
        assert store.schedules.counts() == {"reports": 0, "foreign": 1}


def test_the_apps_tables_are_never_altered(app_database: Path) -> None:
    def tables() -> list[tuple[str, str]]:
        with sqlite3.connect(app_database) as connection:
            wanted = ("Session", "ReportSchedule", "ReportHistory")
            sql = f"SELECT name, sql FROM sqlite_master WHERE tbl_name IN {wanted} ORDER BY name"
            return list(connection.execute(sql))

    before = tables()
    open_test_store(f"file:{app_database}").close()
    assert tables() == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1764000000000, datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        (1764000000, datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        ("2025-11-24T16:00:00.000+00:00", datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        ("2025-11-24T17:00:00+01:00", datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        ("2025-11-24 16:00:00", datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_stored_moment_is_read_in_every_style(value: object, expected: datetime | None) -> None:
    assert decode(value) == expected


def test_a_relative_prisma_url_that_fits_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prisma").mkdir()
    for folder in (tmp_path, tmp_path / "prisma"):
        (folder / "dev.sqlite").touch()
    with pytest.raises(UsageError, match=r"two files"):
        read_url("file:./dev.sqlite", tmp_path)


def test_prismas_own_parameters_do_not_reach_the_driver() -> None:
    url = "postgresql://u:p%40ss@db:5433/shop?schema=app&connection_limit=5&pgbouncer=true&sslmode=require"
    target = read_url(url)
    assert (target.app_schema, target.pgbouncer) == ("app", True)
    assert "schema=" not in target.conninfo
    assert "sslmode=require" in target.conninfo
    assert "p%40ss" not in target.shown + repr(target)


@pytest.mark.parametrize("password", ["hush%hush", "hush%zz", "h@hush"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_password_that_was_not_escaped_is_taken_as_it_is(scheme: str, password: str) -> None:
    """libpq shows the whole password that it cannot read."""
    url = f"{scheme}://me:{password}@127.0.0.1:1/shop"
    target = read_url(url)
    assert (conninfo_to_dict(target.conninfo) if target.conninfo else target.server)["password"] == password
    with pytest.raises(StoreError) as refused:
        open_test_store(url)
    assert refused.value.code == "database_unavailable"
    assert "hush" not in refused.value.message + refused.value.hint + target.shown


@pytest.mark.parametrize("password", ["hush[hush", "hush/hush", "12/hush", "hush?hush", "hush#hush"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_password_that_ends_the_url_is_refused_without_showing_it(scheme: str, password: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_url(f"{scheme}://me:{password}@127.0.0.1:1/shop")
    assert "/ as %2F" in refused.value.hint
    assert "hush" not in refused.value.message + refused.value.hint


def test_what_was_escaped_stays_so() -> None:
    target = read_url("postgresql://m%40e:p%2Fs%25%C3%A9@[::1]:5433/shop")
    made = conninfo_to_dict(target.conninfo)
    assert (made["user"], made["password"], made["host"], made["port"]) == ("m@e", "p/s%é", "::1", "5433")


def with_hosts(url: str, second: bool) -> str:
    """Return *url* with a host that does not answer before its own, or behind it; some servers have a socket only."""
    parts = urlsplit(url)
    who, at, where = parts.netloc.rpartition("@")
    if where:
        dead = f"127.0.0.1:{free_port()}"
        hosts = f"{where},{dead}" if second else f"{dead},{where}"
        return parts._replace(netloc=f"{who}{at}{hosts}").geturl()
    folder = dict(parse_qsl(parts.query))["host"]
    hosts = f"{folder},/nowhere" if second else f"/nowhere,{folder}"
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | {"host": hosts})).geturl()


@pytest.mark.parametrize("second", [True, False])
def test_of_several_hosts_the_one_that_takes_writes_is_used(postgres_database: str, second: bool) -> None:
    url = with_hosts(postgres_database, second)
    with closing(open_test_store(url)) as store:
        assert [tuple(row) for row in store.engine.read("SELECT 1")] == [(1,)]
    assert conninfo_to_dict(read_url(url).conninfo)["target_session_attrs"] == "read-write"
    assert conninfo_to_dict(read_url("postgresql://me:x@one:5432,two/shop").conninfo)["host"] == "one,two"


@pytest.mark.parametrize("hosts", ["one,", "one:99999,two", "one,two:x"])
def test_a_host_of_several_that_is_none_is_refused_without_the_password(hosts: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_url(f"postgresql://me:secret@{hosts}/shop")
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, only a text\n")
    with pytest.raises(StoreError) as caught:
        open_test_store(f"sqlite://{path}")
    assert caught.value.code == "database_foreign"
