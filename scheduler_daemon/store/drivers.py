"""The one import of peewee, with no more drivers than the database at hand needs."""

import sys
from types import ModuleType
from typing import Any

from ..errors import UsageError

#: peewee imports every driver it finds (25 MiB of them, DESIGN 9); these stay out unless asked for.
DRIVERS = {"postgres": "psycopg", "mysql": "pymysql"}
OTHERS = ("psycopg2", "psycopg2cffi", "pymysql", "MySQLdb")


def peewee(kind: str = "sqlite") -> Any:
    """
    Return the module peewee, loaded with the driver for *kind*.

    Raise UsageError where the driver is not installed.
    """
    if "peewee" in sys.modules:
        _need_driver(sys.modules["peewee"], kind)
        return sys.modules["peewee"]
    wanted = DRIVERS.get(kind)
    hidden = [name for name in (*OTHERS, *DRIVERS.values()) if name != wanted and name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import peewee as module
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
    _need_driver(module, kind)
    return module


def _need_driver(module: ModuleType, kind: str) -> None:
    if kind == "postgres" and module.psycopg is None:
        raise UsageError(
            "The PostgreSQL driver is not installed.",
            hint='Install it with: pip install "scheduler-daemon[postgres]".',
        )
