"""What a driver raises, turned into one error with a stable code, a sentence and a way out."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import SchedulerError, StoreError
from ..lib.descriptors import RAISE_LIMIT, is_limit, out_of_files, say_limit

#: Beginnings of SQLSTATE that waiting or another connection can cure: connection (08), insufficient resources (53),
#: operator intervention (57), serialization and deadlock (40), lock not available (55), a transaction in which nothing
#: happened for too long (25P03). PostgreSQL docs, appendix A.
PASSING = ("08", "53", "57", "40", "55", "25P03")

#: ENOSPC, as MySQL names it: "Got error 28 from storage engine", "(Errcode: 28 ...", "(errno: 28 ...".
NO_SPACE = re.compile(r"\b(?:error|err(?:no|code):) 28\b", re.IGNORECASE)

#: A deadlock, which only another program can bring about: ours all lock in one order (`leases.lock_shops`).
DEADLOCK = "In {} this program and another one waited for each other's rows; ours was told to try again."
LOCKED_HINT = "Another program is writing to it; wait, or find it with: fuser -v FILE."
SERVER_HINT = "Check that the server runs and that the URL names the right host, port, user and database."


@contextmanager
def translate(shown: str) -> Iterator[None]:
    """Raise StoreError for whatever the driver raises inside; *shown* names the database for people."""
    try:
        yield
    except SchedulerError:
        raise
    except Exception as error:
        made = _translated(error, shown)
        if made is None:
            raise
        if made.code == StoreError.code and made.retryable and out_of_files(error):
            made = no_more_files(shown)
        raise made from error


def no_more_files(shown: str) -> StoreError:
    """Return the error for a database that cannot be opened because of this process's own limit."""
    message = f"The database {shown} cannot be used: {say_limit()}."
    return StoreError(message, code="too_many_files", hint=f"{RAISE_LIMIT}.", retryable=True)


def _translated(error: Exception, shown: str) -> StoreError | None:
    origin: BaseException = getattr(error, "orig", None) or error  # Peewee wraps what the driver raised
    if isinstance(origin, sqlite3.Error):
        return _from_sqlite(origin, shown)
    module = type(origin).__module__
    if module.startswith("psycopg"):
        return _from_postgres(origin, shown)
    if module.startswith("pymysql"):
        return _from_mysql(origin, shown)
    if module.startswith("peewee"):
        return StoreError(f"The database {shown} cannot be used: {first_line(error)}.", retryable=True)
    if is_limit(origin):
        return no_more_files(shown)
    return None


def _from_sqlite(error: sqlite3.Error, shown: str) -> StoreError:
    text = str(error)
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in text:
        message = f"The database {shown} is locked by another program."
        return StoreError(message, code="database_locked", hint=LOCKED_HINT, retryable=True)
    if name.startswith("SQLITE_FULL") or "disk is full" in text:
        return _full(f"There is no space left for the database {shown}.")
    if name.startswith("SQLITE_READONLY") or "readonly" in text:
        message = f"The database {shown} cannot be written."
        hint = "Check the owner and the mode of the file and of its folder."
        return StoreError(message, code="database_readonly", hint=hint, retryable=True)
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT") or "not a database" in text:
        message = f"The file {shown} is not a database, or it is damaged: {text}."
        hint = "Check database.url; a damaged one is restored from a copy."
        return StoreError(message, code="database_foreign", hint=hint)
    if name.startswith("SQLITE_CANTOPEN"):
        hint = "Check that its folder exists and that this user may write there."
        return StoreError(f"The database {shown} cannot be opened.", hint=hint, retryable=True)
    if name.startswith("SQLITE_IOERR"):
        return StoreError(f"Reading or writing the database {shown} failed: {text}.", retryable=True)
    if isinstance(error, sqlite3.OperationalError) and "no such" in text:
        hint = "Run: scheduler db status."
        return StoreError(f"The database {shown} is not as expected: {text}.", code="database_outdated", hint=hint)
    return StoreError(f"The database {shown} refused a statement: {text}.")


def _from_postgres(error: BaseException, shown: str) -> StoreError:
    state = getattr(error, "sqlstate", None) or ""
    text = first_line(error)
    if (
        state.startswith(("28", "3D"))
        or "password authentication failed" in text
        or ("does not exist" in text and not state)
    ):
        return StoreError(f"The database {shown} refused us: {text}.", hint=SERVER_HINT, retryable=True)
    if state == "25006":
        message = f"The database {shown} is read-only (a standby?)."
        return StoreError(message, code="database_readonly", hint=SERVER_HINT, retryable=True)
    if state == "53100":
        return _full(f"The disk of the database {shown} is full.")
    if state == "40P01":
        return StoreError(DEADLOCK.format(shown), code="database_locked", retryable=True)
    if state == "55P03":
        return StoreError(f"A row of {shown} stays locked by another program.", code="database_locked", retryable=True)
    if state in ("42P01", "42703", "3F000"):
        hint = "Run: scheduler db status."
        return StoreError(f"The database {shown} is not as expected: {text}.", code="database_outdated", hint=hint)
    if state == "42501":
        hint = "Grant this user the right, or connect as another."
        return StoreError(f"The database {shown} does not allow it: {text}.", code="database_readonly", hint=hint)
    passing = not state or state.startswith(PASSING)
    if passing:
        return StoreError(f"The database {shown} does not answer: {text}.", hint=SERVER_HINT, retryable=True)
    return StoreError(f"The database {shown} refused a statement: {text}.")


#: What MySQL's numbers mean to us (MySQL docs: server error reference; 2xxx are the client's own).
MYSQL_REFUSED = (1044, 1045, 1049, 1698)
MYSQL_LOCKED = (1205,)
MYSQL_FULL = (1021, 1114, 3675)
#: A file of the server cannot be written, or its storage engine failed; the text has the system's number.
MYSQL_STORAGE = (3, 1026, 1030)
MYSQL_READONLY = (1142, 1143, 1227, 1290, 1792, 1836)
MYSQL_UNEXPECTED = (1054, 1146)


def _from_mysql(error: BaseException, shown: str) -> StoreError:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else first_line(error)
    if number in MYSQL_REFUSED:
        return StoreError(f"The database {shown} refused us: {text}.", hint=SERVER_HINT, retryable=True)
    if number == 1213:
        return StoreError(DEADLOCK.format(shown), code="database_locked", retryable=True)
    if number in MYSQL_LOCKED:
        return StoreError(f"A row of {shown} stays locked by another program.", code="database_locked", retryable=True)
    if number in MYSQL_FULL or (number in MYSQL_STORAGE and NO_SPACE.search(text)):
        return _full(f"The disk of the database {shown} is full.")
    if number in MYSQL_READONLY:
        return StoreError(
            f"The database {shown} does not allow it: {text}.",
            code="database_readonly",
            hint="Grant this user the right, or connect to the primary server.",
            retryable=number in (1290, 1792, 1836),
        )
    if number in MYSQL_UNEXPECTED:
        hint = "Run: scheduler db status."
        return StoreError(f"The database {shown} is not as expected: {text}.", code="database_outdated", hint=hint)
    if 2000 <= number < 3000 or number in (0, 1040, 1053, 1152, 1927, *MYSQL_STORAGE):
        return StoreError(f"The database {shown} does not answer: {text}.", hint=SERVER_HINT, retryable=True)
    return StoreError(f"The database {shown} refused a statement: {text}.")


def _full(message: str) -> StoreError:
    hint = "Make room on its disk; the daemon goes on by itself."
    return StoreError(message, code="disk_full", hint=hint, retryable=True)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")
