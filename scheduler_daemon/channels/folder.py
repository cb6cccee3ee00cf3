"""A folder on this machine: whole files under names made of a template, never outside it."""

import errno
import os
import re
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import DeliveryError
from ..lib.clock import utc_now
from ..lib.disk import code_of, reason, way_out
from ..lib.files import safe_name
from ..lib.zones import find_zone
from ..model import Receipt, Recipient
from . import inside
from .base import Commit, Parcel, nothing

FIELDS = {
    "shop": "the shop's domain without .myshopify.com",
    "report": "what people call the report",
    "type": "the report type",
    "period": "the name of the period",
    "from": "the period's first day",
    "to": "the period's last day",
    "date": "the due day",
    "ext": "the file's ending",
}
FIELD = re.compile(r"\{([^{}]*)\}")
#: The longest name in bytes; file systems take 255, and the key's part and the temporary name need room.
LONGEST = 200
#: How long a repeat recognises its own file; runs are final and spools empty long before.
KEEP = timedelta(days=35)


class Options(BaseModel):
    """The section `[folder]`: where report files are put."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, description="The folder; it is made when it is not there.")
    name: str = Field(
        "{shop}/{report}-{from}.{ext}",
        description=f"Name of a file below it, made of: {', '.join(FIELDS)} (in braces).",
    )

    @field_validator("path")
    @classmethod
    def _path_can_be(cls, value: str) -> str:
        try:
            Path(value).expanduser()
        except RuntimeError:
            raise ValueError(f"{value!r} names a home folder that does not exist") from None
        return value

    @field_validator("name")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        unknown = [name for name in FIELD.findall(value) if name not in FIELDS]
        if unknown or "{" in FIELD.sub("", value) or "}" in FIELD.sub("", value):
            raise ValueError(f"{value!r} has a field that does not exist; there are {', '.join(FIELDS)}")
        if any(part in ("", ".", "..") for part in value.split("/")):
            raise ValueError(
                f"{value!r} is no name below the folder; write it like {{shop}}/{{report}}-{{from}}.{{ext}}"
            )
        return value


class Folder:
    """Copies a report file into the folder; the same key replaces its own file and no other."""

    idempotent = True

    def __init__(self, options: Options) -> None:
        self.options = options
        self.root = Path(options.path).expanduser()

    def deliver(self, parcel: Parcel, recipient: Recipient, key: str, commit: Commit = nothing) -> Receipt:
        """Put the file into the folder; raise DeliveryError."""
        try:
            source = Path(parcel.file.path).open("rb")  # noqa: SIM115 (closed below, after an error of its own)
        except OSError as error:
            raise _gone(parcel, error.strerror or str(error)) from error
        try:
            with source:
                return Receipt({"path": str(self.root / self._put(parcel, source, key, commit))})
        except OSError as error:
            raise DeliveryError(
                f"The folder {self.root} cannot be written: {reason(error)}.",
                code=code_of(error, "folder_unavailable"),
                hint=f"{way_out(error, 'folder.path')}.",
                retryable=True,
            ) from error

    def close(self) -> None:
        """There is nothing to let go of."""

    def _put(self, parcel: Parcel, source: BinaryIO, key: str, commit: Commit) -> str:
        """
        Copy under a temporary name, choose the name, rename; return the path below the folder.

        A mark with the key is kept for each file, so that a repeat replaces its own file and never another's.
        """
        *folders, name = file_name(self.options.name, parcel).split("/")
        digest = sha256(key.encode()).hexdigest()
        temp, swept = inside.unfinished(digest), False
        with inside.opened(self.root, (inside.MARKS,)) as place, inside.opened(self.root, folders) as folder:
            if inside.copy(source, folder, temp) != parcel.file.size:
                inside.remove(folder, temp)
                raise _gone(parcel, "its size changed")
            try:
                commit()
                with inside.locked(place):
                    marks = inside.Marks(place)
                    chosen = _choose(marks, folder, folders, (name, _other_name(name, digest)), key)
                    os.rename(temp, chosen, src_dir_fd=folder, dst_dir_fd=folder)
                    os.fsync(folder)
                    with suppress(OSError):  # the file is there; old marks may wait
                        swept = marks.sweep(KEEP, utc_now())
            except BaseException:
                inside.remove(folder, temp)
                raise
        if swept:
            with suppress(OSError):  # as above
                inside.sweep_unfinished(self.root, utc_now())
        return "/".join((*folders, chosen))


def _choose(marks: inside.Marks, folder: int, folders: list[str], names: tuple[str, ...], key: str) -> str:
    """Return the first of *names* that has the key's own file, else the first that is free; mark it."""
    paths = {name: "/".join((*folders, name)) for name in names}
    for name in names:
        if marks.read(paths[name]) == key:
            return name
    for name in names:
        if not inside.exists(folder, name):
            marks.write(paths[name], key)
            return name
    raise OSError(errno.EEXIST, f"{names[0]} is there and is not ours")


def _other_name(name: str, digest: str) -> str:
    """Return the name for a file whose first name another key has: the same on every repeat."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{digest[:8]}.{ending}" if dot and stem else f"{name}-{digest[:8]}"


def _gone(parcel: Parcel, why: str) -> DeliveryError:
    message = f"The file {parcel.file.name} cannot be read from the spool: {why}."
    return DeliveryError(message, code="spool_missing", hint="It is made again.", retryable=True)


def file_name(template: str, parcel: Parcel) -> str:
    """Return the file's name below the folder; each value is made harmless, only the template may have slashes."""
    about = parcel.about
    zone = find_zone(about.zone)
    last = about.period.end - timedelta(milliseconds=1)
    values = {
        "shop": about.shop.removesuffix(".myshopify.com"),
        "report": about.title.lower(),
        "type": about.report_type,
        "period": about.period.name,
        "from": f"{about.period.start.astimezone(zone):%Y-%m-%d}",
        "to": f"{last.astimezone(zone):%Y-%m-%d}",
        "date": f"{about.due_at.astimezone(zone):%Y-%m-%d}",
        "ext": parcel.file.path.suffix.lstrip("."),
    }
    made = FIELD.sub(lambda found: safe_name(values[found[1]]), template)
    *folders, name = (part for part in made.split("/") if part not in ("", ".", ".."))
    return "/".join((*(safe_name(part, LONGEST) for part in folders), _with_its_ending(name)))


def _with_its_ending(name: str) -> str:
    """Return *name* harmless and not too long, its ending kept: programs go by it."""
    whole = safe_name(name, 10 * LONGEST)
    if len(whole.encode()) <= LONGEST:
        return whole
    stem, dot, ending = whole.rpartition(".")
    kept = f"{dot}{ending}" if len(ending.encode()) <= 16 else ""
    return safe_name(stem if kept else whole, LONGEST - len(kept.encode())) + kept
