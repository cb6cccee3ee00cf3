"""What a disk's refusals mean and what helps: told apart in one place for the spool, renderers, folders, commands."""

import errno

from .descriptors import RAISE_LIMIT, TOO_MANY

#: No room on the disk, in the user's quota, or in the process's limit on the size of files.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: No right to it.
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
#: The place is not there, or is no folder.
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ESTALE)


def code_of(error: OSError, otherwise: str) -> str:
    """Return `disk_full`, `too_many_files`, `folder_unavailable` for a place that cannot be used, else *otherwise*."""
    if error.errno in FULL:
        return "disk_full"
    if error.errno in TOO_MANY:
        return "too_many_files"
    return "folder_unavailable" if error.errno in (*FORBIDDEN, *MISSING, errno.EEXIST) else otherwise


def way_out(error: OSError, setting: str) -> str:
    """Return what to do about it; *setting* is the option that names the place."""
    if error.errno == errno.EFBIG:
        return "Raise the limit on the size of files (LimitFSIZE= in the unit)"
    if error.errno in FULL:
        return f"Make room there, or set {setting}"
    if error.errno in FORBIDDEN:
        return f"Check its owner and mode, and {setting}"
    if error.errno in MISSING:
        return f"Check that it is there, and {setting}"
    if error.errno == errno.EEXIST:
        return f"Something else has its name: move that away, or set {setting}"
    if error.errno in TOO_MANY:
        return RAISE_LIMIT
    return f"Check the disk (its errors are in the system's log), and {setting}"


def reason(error: OSError) -> str:
    """Return why, in the system's words, without a full stop."""
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
