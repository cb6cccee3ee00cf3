"""The one import of peewee, with no more drivers than the database at hand needs."""

from types import ModuleType
from typing import Any

from ..errors import UsageError
from ..lib.imports import import_without

#: peewee imports every driver it finds (25 MiB of them, DESIGN 9); these stay out unless asked for.
DRIVERS = {"postgres": "psycopg", "mysql": "pymysql"}
OTHERS = ("psycopg2", "psycopg2cffi", "pymysql", "MySQLdb")


def peewee(*kinds: str) -> Any:
    """
    Return the module peewee, loaded with the drivers for *kinds* of database ("postgres", "mysql").

    Raise UsageError where one is not installed. The first call decides what is loaded.
    """
    wanted = {DRIVERS[kind] for kind in kinds if kind in DRIVERS}
    module = import_without("peewee", (name for name in (*OTHERS, *DRIVERS.values()) if name not in wanted))
    for kind in kinds:
        _need_driver(module, kind)
    return module


def _need_driver(module: ModuleType, kind: str) -> None:
    names = {"postgres": ("psycopg", "PostgreSQL"), "mysql": ("mysql", "MySQL")}
    if kind in names and getattr(module, names[kind][0]) is None:
        raise UsageError(
            f"The {names[kind][1]} driver is not installed.",
            hint=f'Install it with: pip install "scheduler-daemon[{kind}]".',
        )
