"""An SQLite file before it is opened: whose it is, what it is, where it lies."""

import os
import shlex
import stat
from pathlib import Path
from weakref import finalize

from ..errors import StoreError
from ..lib.descriptors import is_limit
from ..lib.files import owner_for_root
from ..lib.files import user_name as user_name
from .faults import no_more_files

#: File systems on which SQLite's WAL and locks are not safe (SQLite docs: WAL, "Disadvantages").
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph", "glusterfs"})

#: How the files end that SQLite makes beside a database.
BESIDE = ("-wal", "-shm", "-journal")
HEADER = b"SQLite format 3\x00"


def check_file(path: Path) -> None:
    """
    Refuse a file that must not be opened, and make the folder of a new one (mode 0700).

    Raise StoreError: another user's file or folder (with the command to use instead), one that may only be read, a
    network file system, something that is no database.
    """
    there = look(path)
    folder = path.parent
    if there is None and look(folder) is None:
        _make_folder(folder)
    _check_owner(path, folder, there)
    kind = file_system(folder)
    if kind in NETWORK:
        raise StoreError(
            f"The database {path} lies on a network file system ({kind}), where SQLite is not safe.",
            code="database_network",
            hint="Put it on a local disk, or use PostgreSQL.",
        )
    if there is not None:
        _check_header(path)


def require_file(path: Path) -> None:
    """Raise StoreError where there is no database at *path*, or an empty file: a new one must not hide that."""
    there = look(path)
    if there is not None and (there.st_size or not stat.S_ISREG(there.st_mode)):
        return
    raise StoreError(
        f"There is no database {path}." if there is None else f"The database {path} is empty.",
        hint="Run: scheduler init. Or name the right one: --config, database.url, the right user.",
    )


def look(path: Path) -> os.stat_result | None:
    """Return what the system says of *path*, None where nothing is there; raise StoreError where we may not look."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        closed = next(place for place in path.parents if _may_look(place))
        raise _not_ours(path, closed, closed.stat().st_uid) from None
    except OSError as error:
        message = f"The database {path} cannot be opened: {error.strerror}."
        raise StoreError(message, code="database_foreign", hint="Check database.url.") from error


class OpenedFile:
    """
    The file that was opened, to be told apart from another one at its path, or none.

    SQLite notices neither: it goes on in a file that nobody can open any more, and all that it writes is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Keeps the inode's number from being given to another file. O_PATH (Linux): closing any other descriptor would
        # let go of SQLite's locks (SQLite docs: How To Corrupt, 2.2).
        kind = getattr(os, "O_PATH", None)
        if kind is not None:
            descriptor = os.open(path, kind | os.O_CLOEXEC)
            finalize(self, os.close, descriptor)
            self.known = _number(os.fstat(descriptor))
        else:
            self.known = _number(path.stat())

    def require(self) -> None:
        """Raise StoreError, for which waiting may help, unless the file is still at its path; costs microseconds."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            what, hint = "was removed", "Put it back"
        except OSError:
            return  # we may not look, which says nothing; SQLite says what it can do
        else:
            if _number(found) == self.known:
                return
            what, hint = "was replaced by another file", "Put the old one back"
        raise StoreError(
            f"The database {self.path} {what} while it was open; nothing more is done until it is back.",
            hint=f"{hint}, or restart whatever runs here to take what is there now.",
            retryable=True,
        )


def _number(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _may_look(place: Path) -> bool:
    try:
        place.stat()
    except OSError:
        return False
    return True


def own_or_new(path: Path) -> bool:
    """Whether *path* does not exist yet or is empty: then we make it, in our own journal mode."""
    return not path.exists() or path.stat().st_size == 0


def _make_folder(folder: Path) -> None:
    if owner_for_root(folder):
        nearest = next(place for place in folder.parents if place.exists())
        raise _not_ours(folder, nearest, nearest.stat().st_uid)
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} of the database cannot be made: {error.strerror}.",
            code="database_readonly",
            hint="Make it for this user, or set database.url.",
        ) from error


def _check_owner(path: Path, folder: Path, there: os.stat_result | None) -> None:
    """Root must not leave files that the daemon's user cannot open; whoever may only read must not start."""
    owner = (there or folder.stat()).st_uid
    if os.geteuid() == 0 and owner != 0:
        raise _not_ours(path, path if there else folder, owner)
    # SQLite writes its log and its locks beside the file; one that another user left there closes the database, too.
    beside = [Path(f"{path}{end}") for end in BESIDE]
    places = [folder] if there is None else [path, folder, *(file for file in beside if file.exists())]
    for place in places:
        needed = os.W_OK | (os.X_OK if place is folder else os.R_OK)
        if os.access(place, needed):
            continue
        owner = place.stat().st_uid
        if owner != os.geteuid() and not os.statvfs(place).f_flag & os.ST_RDONLY:
            raise _not_ours(path, place, owner, give=folder.stat().st_uid == os.geteuid() or owner == 0)
        raise StoreError(
            f"The database {path} cannot be used: {place} may not be written.",
            code="database_readonly",
            hint=f"Check the mode of {place} and whether its disk is mounted read-only.",
        )


def _not_ours(path: Path, place: Path, owner: int, *, give: bool = False) -> StoreError:
    """
    Return the error for a database of another user; *place* is what belongs to them.

    With *give* that may be a mistake: somebody worked as root, or copied a file into our folder.
    """
    me, whose = user_name(os.geteuid()), user_name(owner)
    inside = place in path.parents
    what = "" if place == path else f" lies in {place}, which" if inside else f" has a file {place} beside it, which"
    end = "its new files would be root's" if os.geteuid() == 0 else f"{me} may not write it"
    hint = f"Run the command as that user: sudo -u {whose} scheduler …"
    if give:
        hint = f"If it shall be {me}'s: sudo chown {me} {shlex.quote(str(place))}. Else {hint[0].lower()}{hint[1:]}"
    return StoreError(
        f"The database {path}{what} belongs to the user {whose}, and {end}.", code="database_owner", hint=hint
    )


def _check_header(path: Path) -> None:
    if path.is_dir():
        message = f"The database {path} is a folder."
        raise StoreError(message, code="database_foreign", hint="Check database.url; it names a file.")
    if not path.is_file():
        raise StoreError(f"The database {path} is no file.", code="database_foreign", hint="Check database.url.")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        if is_limit(error):
            raise no_more_files(f"sqlite:{path}") from error
        raise StoreError(
            f"The database {path} cannot be read: {error.strerror}.",
            code="database_readonly",
            hint="Check its mode and its disk.",
        ) from error
    if head not in (b"", HEADER):
        raise StoreError(
            f"The file {path} is not an SQLite database.",
            code="database_foreign",
            hint="Check database.url.",
        )


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
