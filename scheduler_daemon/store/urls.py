"""Database URLs, taken as the app writes them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, unquote_to_bytes, urlsplit

from ..errors import UsageError
from ..lib.words import did_you_mean

POSTGRES = ("postgres", "postgresql")
SQLITE = ("sqlite", "file")
MYSQL = ("mysql", "mariadb")

#: What Prisma puts into a URL and libpq does not know (Prisma docs: connection URLs).
PRISMA_ONLY = frozenset(
    {"schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size"}
)


ESCAPES = "In a user name or password, write / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B and ] as %5D."


@dataclass(frozen=True, slots=True)
class Target:
    """Where the database is, read from its URL."""

    #: "sqlite", "postgres" or "mysql" (MariaDB too).
    kind: str
    #: The file (sqlite only).
    path: Path | None = None
    #: A libpq connection string without Prisma's own parameters; holds the password (postgres only).
    conninfo: str = field(default="", repr=False)
    #: The schema of the app's tables (postgres only).
    app_schema: str = "public"
    #: Whether a PgBouncer in transaction mode stands between (postgres only).
    pgbouncer: bool = False
    #: The database's name on its server (mysql only).
    name: str = ""
    #: Where the server is and who we are there, as the driver takes it; holds the password (mysql only).
    server: dict[str, Any] = field(default_factory=dict, repr=False)
    #: The URL without its password, for people.
    shown: str = ""


def read_url(url: str, base: Path | None = None) -> Target:
    """
    Read *url*: ``sqlite:///path``, ``file:./dev.sqlite`` or ``postgresql://…`` with Prisma's parameters.

    A relative ``file:`` is looked for in *base* (default: the working folder) and in ``prisma/`` below it, since
    Prisma reads it from its schema's folder. Raise UsageError for another form, or where two files fit.
    """
    scheme = url.split(":", 1)[0].lower() if ":" in url else ""
    if scheme in SQLITE:
        return _read_file_url(url, base or Path.cwd())
    if scheme in POSTGRES:
        return _read_postgres_url(url)
    if scheme in MYSQL:
        return _read_mysql_url(url)
    shown = scheme or "a text without a scheme"
    near = did_you_mean(scheme, (*POSTGRES, *SQLITE, *MYSQL))
    raise UsageError(
        f"The database URL starts with {shown!r}, which names no database we know.{near}",
        hint="Write sqlite:///path/to/file.db, file:./dev.sqlite, postgresql://user@host/name or mysql://user@host/name.",
    )


def _read_file_url(url: str, base: Path) -> Target:
    scheme, rest = url.split(":", 1)
    rest = unquote(rest.split("?", 1)[0])
    if scheme.lower() == "sqlite" and rest.startswith("///"):
        rest = rest[3:] if rest.startswith("////") else rest[2:]
    elif rest.startswith("//"):
        rest = "/" + rest.lstrip("/")
    if not rest.strip("/"):
        raise UsageError(f"The database URL {url!r} names no file.", hint="Write sqlite:///path/to/file.db.")
    try:
        path = Path(rest).expanduser()
    except RuntimeError:
        message = f"The database URL {url!r} names a home folder that does not exist."
        raise UsageError(message, hint="Write the whole path: sqlite:///path/to/file.db.") from None
    if not path.is_absolute():
        path = _find_relative(url, path, base)
    return Target("sqlite", path=path, shown=f"sqlite:{path}")


def _find_relative(url: str, path: Path, base: Path) -> Path:
    places = [(base / path).resolve(), (base / "prisma" / path).resolve()]
    found = [place for place in places if place.exists()]
    if len(found) > 1:
        listed = " and ".join(str(place) for place in found)
        raise UsageError(
            f"The database URL {url!r} is relative and fits two files: {listed}.",
            hint="Prisma reads it from its schema's folder. Write the whole path: file:/…",
        )
    return found[0] if found else places[0]


def _split(url: str) -> SplitResult:
    """Return the parts of a server's *url*; raise UsageError, which must not show them: one may be a password's."""
    try:
        parts = urlsplit(url)
        known = parts.port is None or parts.port > 0
    except ValueError:
        known = False
    # "user:12/34@host": what stands before the slash looks like a host and its port.
    if not known or ("@" in parts.path and "@" not in parts.netloc):
        message = "The database URL cannot be read: its host or its port is none, or a sign of the password ends it."
        raise UsageError(message, hint=f"Write scheme://user:password@host:port/name. {ESCAPES}") from None
    return parts


def _escaped(netloc: str) -> str:
    """Return *netloc* as libpq reads it; what it cannot read in a password stands in its error, whole."""
    who, at, where = netloc.rpartition("@")
    user, colon, password = (quote(unquote_to_bytes(part), safe="") for part in who.partition(":"))
    return f"{user}{':' if colon else ''}{password}{at}{where}"


def _of_first_host(url: str) -> tuple[str, str]:
    """
    Return *url* with its first host alone, and all its hosts; empty where there is one.

    Several stand where one server follows another (libpq, 32.1.1.3); who reads a URL's host knows one only.
    """
    head, slashes, rest = url.partition("://")
    netloc, _, _ = rest.partition("/")
    who, at, where = netloc.rpartition("@")
    if "," not in where:
        return url, ""
    return f"{head}{slashes}{who}{at}{where.split(',')[0]}{rest.removeprefix(netloc)}", where


def _check_hosts(hosts: str) -> None:
    for host in hosts.split(",") if hosts else ():
        if not _split(f"postgresql://{host}/name").hostname:
            message = f"The database URL names several hosts, {hosts}, and one of them is empty."
            raise UsageError(message, hint="Write postgresql://user:password@one:5432,two:5432/name.")


def _read_postgres_url(url: str) -> Target:
    one, hosts = _of_first_host(url)
    parts = _split(one)
    _check_hosts(hosts)
    if not parts.path.strip("/"):
        hint = f"Write postgresql://user@host:5432/name. {ESCAPES}"
        raise UsageError("The PostgreSQL URL names no database.", hint=hint)
    query = dict(parse_qsl(parts.query))
    kept = {key: value for key, value in query.items() if key not in PRISMA_ONLY}
    kept.setdefault("connect_timeout", "5")
    if hosts or "," in kept.get("host", ""):  # a standby takes no writes; after a switch the other one is found
        kept.setdefault("target_session_attrs", "read-write")
    options = "&".join(f"{key}={quote(value, safe='')}" for key, value in kept.items())
    user = f"{parts.username}@" if parts.username else ""
    host = parts.hostname or kept.get("host", "")
    port = f":{parts.port}" if parts.port else ""
    who, at, _ = _escaped(parts.netloc).rpartition("@")
    conninfo = f"postgresql://{who}{at}{hosts or parts.netloc.rpartition('@')[2]}{parts.path}?{options}"
    return Target(
        "postgres",
        conninfo=conninfo,
        app_schema=query.get("schema", "public"),
        pgbouncer=query.get("pgbouncer", "").lower() == "true",
        shown=f"postgresql://{user}{hosts or f'{host}{port}'}{parts.path}",
    )


def _read_mysql_url(url: str) -> Target:
    """Read ``mysql://user:password@host:3306/name`` with Prisma's `socket`, `sslcert` and `sslaccept`."""
    parts = _split(url)
    name = unquote(parts.path.strip("/"))
    if not name:
        raise UsageError("The MySQL URL names no database.", hint=f"Write mysql://user@host:3306/name. {ESCAPES}")
    query = dict(parse_qsl(parts.query))
    server: dict[str, Any] = {"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    if query.get("socket"):
        server["unix_socket"] = query["socket"]
    else:
        server |= {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    if query.get("sslcert"):
        server["ssl"] = {"ca": query["sslcert"]}
    elif query.get("sslaccept") == "strict":
        server["ssl"] = {"check_hostname": True}
    user = f"{parts.username}@" if parts.username else ""
    where = query.get("socket") or f"{parts.hostname or 'localhost'}{f':{parts.port}' if parts.port else ''}"
    return Target("mysql", name=name, server=server, shown=f"mysql://{user}{where}/{name}")
