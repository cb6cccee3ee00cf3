"""Files that are whole or not there, and names that stay in their folder."""

import glob
import os
import pwd
import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

#: Names that Windows shares refuse; a report may end up on one.
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))}
)


def fsync_folder(path: Path) -> None:
    """Make the names in the folder *path* survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """
    Replace *path* by *data* so that a reader sees the old file or the new one, never a part.

    Temporary file beside it, fsync, rename, fsync of the folder. Raise OSError; the old file then stands. What no
    other process needs after a power cut need not be *durable*: it waits for no disk.
    """
    fd, name = mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    if durable:
        fsync_folder(path.parent)


def sweep_temporary(path: Path) -> None:
    """Remove what `write_atomically` left beside *path* when its process was killed; only for *path*'s one writer."""
    for left in path.parent.glob(f".{glob.escape(path.name)}-*"):
        with suppress(OSError):
            left.unlink()


def home_folder() -> Path:
    """Return this user's home; `/` where there is none (a container's user may have neither HOME nor a name)."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def user_name(uid: int) -> str:
    """Return the name of the user *uid*, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def owner_for_root(path: Path) -> str:
    """
    Return whose *path* is where we are root and somebody else owns it, or its nearest folder that is there; else "".

    What root makes there the owner cannot open, and a daemon that runs as the owner would fail from then on.
    """
    if os.geteuid() != 0:
        return ""
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    owner = nearest.stat().st_uid
    return user_name(owner) if owner != 0 else ""


def safe_name(text: str, limit: int = 120) -> str:
    """
    Return *text* as one harmless file name of at most *limit* bytes.

    Letters and digits of any script stay (NFC); everything else but ``. _ -`` becomes ``-``; no leading dot, no
    reserved name, never empty.
    """
    plain = unicodedata.normalize("NFC", text)
    kept = re.sub(r"[^\w.\-]+", "-", plain).strip("-. ")
    kept = kept.encode()[:limit].decode(errors="ignore").rstrip("-. ")
    if not kept or kept.split(".")[0].lower() in RESERVED:
        kept = f"report-{kept}".rstrip("-")
    return kept
