"""Beside the app on a server: its history has a foreign key, and it deletes schedules whose runs still wait."""

from collections.abc import Iterator

import pytest

from scheduler_daemon.model import Outcome, RunStatus
from scheduler_daemon.store import Store
from tests.conftest import open_test_store
from tests.integration.test_store import queue_due
from tests.making import make_schedule

#: The app's own table, as Prisma makes it: a schedule that is deleted takes its history with it.
HISTORY = """
CREATE TABLE {app}"ReportHistory" (
  "id" {text} NOT NULL PRIMARY KEY,
  "reportScheduleId" {text} NOT NULL,
  "shop" {text} NOT NULL,
  "status" {text} NOT NULL,
  "startedAt" {moment} NOT NULL,
  "completedAt" {moment},
  "recordCount" INTEGER,
  "fileName" {text},
  "error" TEXT,
  FOREIGN KEY ("reportScheduleId") REFERENCES {app}"ReportSchedule" ("id") ON DELETE CASCADE ON UPDATE CASCADE
){options}"""
WORDS = {
    "postgres": {"{text}": "TEXT", "{moment}": "TIMESTAMP(3)", "{options}": ""},
    "mysql": {"{text}": "VARCHAR(191)", "{moment}": "DATETIME(3)"},
}


@pytest.fixture(params=["postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of each kind that keeps foreign keys."""
    return str(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def beside(database_url: str) -> Iterator[Store]:
    """A store on tables of which the app's history is a table of its own."""
    with open_test_store(database_url) as store:
        words = dict(WORDS[store.engine.kind])
        if store.engine.kind == "mysql":
            asked = store.engine.read("SHOW TABLE STATUS LIKE 'ReportSchedule'")[0]
            words["{options}"] = f" ENGINE={asked[1]} COLLATE={asked[14]}"
            shown = store.engine.read("SHOW COLUMNS FROM ReportSchedule LIKE 'id'")[0][1]
            words["{text}"] = str(shown)
        sql = HISTORY
        for mark, word in words.items():
            sql = sql.replace(mark, word)
        store.engine.write('DROP VIEW {app}"ReportHistory"')
        store.engine.write(sql)
    with open_test_store(database_url) as store:
        assert store.corridor.faces.has_table
        yield store


def test_a_schedule_that_the_app_deleted_keeps_no_shop_waiting(beside: Store) -> None:
    kept, deleted = make_schedule(beside, name="kept"), make_schedule(beside, name="deleted")
    assert queue_due(beside) == 2
    beside.engine.write('DELETE FROM {app}"ReportSchedule" WHERE "id" = ?', (deleted.id,))
    (lease,) = beside.leases.claim(8)
    _, first = beside.corridor.enter(lease, ())
    assert first is not None
    second = beside.corridor.finish(lease, first, Outcome(RunStatus.SUCCEEDED), go_on=True)
    assert second is not None
    assert beside.corridor.finish(lease, second, Outcome(RunStatus.SUCCEEDED), go_on=True) is None
    assert beside.corridor.leave(lease, [first.schedule_id, second.schedule_id])
    assert {run.status for run in beside.history.latest()} == {RunStatus.SUCCEEDED}
    rows = beside.engine.read('SELECT "reportScheduleId", "status" FROM {app}"ReportHistory"')
    assert [tuple(row) for row in rows] == [(kept.id, "SUCCESS")]
