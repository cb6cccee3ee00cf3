"""The one import of peewee, with no more drivers than the database at hand needs."""

import sys
from types import ModuleType
from typing import Any

from ..errors import UsageError

#: peewee imports every driver it finds (25 MiB of them, DESIGN 9); these stay out unless asked for.
DRIVERS = {"postgres": "psycopg", "mysql": "pymysql"}
OTHERS = ("psycopg2", "psycopg2cffi", "pymysql", "MySQLdb")


def peewee(*kinds: str) -> Any:
    """
    Return the module peewee, loaded with the drivers for *kinds* of database ("postgres", "mysql").

    Raise UsageError where one is not installed. The first call decides what is loaded.
    """
    if "peewee" not in sys.modules:
        wanted = {DRIVERS[kind] for kind in kinds if kind in DRIVERS}
        hidden = [name for name in (*OTHERS, *DRIVERS.values()) if name not in wanted and name not in sys.modules]
        for name in hidden:
            sys.modules[name] = None  # type: ignore[assignment]
        try:
            import peewee  # noqa: F401 (loaded here, with no more drivers than asked for)
        finally:
            for name in hidden:
                sys.modules.pop(name, None)
    module = sys.modules["peewee"]
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
