"""An SQLite file before it is opened: whose it is, what it is, where it lies."""

import os
import pwd
from pathlib import Path

from ..errors import StoreError

#: File systems on which SQLite's WAL and locks are not safe (SQLite docs: WAL, "Disadvantages").
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph", "glusterfs"})

HEADER = b"SQLite format 3\x00"


def check_file(path: Path) -> None:
    """
    Refuse a file that must not be opened, and make the folder of a new one (mode 0700).

    Raise StoreError: another user's file or folder (with the command to use instead), a network file system, a
    file that is no database.
    """
    folder = path.parent
    if not folder.exists():
        _make_folder(folder)
    _check_owner(path)
    kind = file_system(folder)
    if kind in NETWORK:
        raise StoreError(
            f"The database {path} lies on a network file system ({kind}), where SQLite is not safe.",
            code="database_network",
            hint="Put it on a local disk, or use PostgreSQL.",
        )
    if path.exists():
        _check_header(path)


def own_or_new(path: Path) -> bool:
    """Whether *path* does not exist yet or is empty: then we make it, in our own journal mode."""
    return not path.exists() or path.stat().st_size == 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} of the database cannot be made: {error.strerror}.",
            code="database_readonly",
            hint="Make it for this user, or set database.url.",
        ) from error


def _check_owner(path: Path) -> None:
    """Root must not leave files that the daemon's user cannot open; another user must not start an empty database."""
    place = path if path.exists() else path.parent
    owner, me = place.stat().st_uid, os.geteuid()
    if me == 0 and owner != 0:
        raise StoreError(
            f"The database {path} belongs to the user {user_name(owner)}; run as root, its new files would be root's.",
            code="database_owner",
            hint=f"Run the command as that user: sudo -u {user_name(owner)} scheduler …",
        )
    needed = os.R_OK | os.W_OK | (0 if path.exists() else os.X_OK)
    if me not in (owner, 0) and not os.access(place, needed):
        raise StoreError(
            f"The database {path} belongs to the user {user_name(owner)}, and {user_name(me)} may not write it.",
            code="database_owner",
            hint=f"Run the command as that user: sudo -u {user_name(owner)} scheduler …",
        )


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StoreError(
            f"The database {path} cannot be read: {error.strerror}.",
            code="database_owner",
            hint="Check its owner and mode, or run the command as the daemon's user.",
        ) from error
    if head not in (b"", HEADER):
        raise StoreError(
            f"The file {path} is not an SQLite database.",
            code="database_foreign",
            hint="Check database.url.",
        )


def user_name(uid: int) -> str:
    """Return the name of the user *uid*, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def file_system(folder: Path) -> str:
    """Return the type of the file system that *folder* lies on, or an empty text where it cannot be told."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    real = str(folder.resolve())
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, fields[2]
    return kind
