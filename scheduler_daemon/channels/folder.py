"""A folder on this machine: whole files under names made of a template, never outside it."""

import errno
import os
import re
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import DeliveryError
from ..lib.files import fsync_folder, safe_name, write_atomically
from ..lib.zones import find_zone
from ..model import Receipt, Recipient
from .base import Parcel

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
FULL = (errno.ENOSPC, errno.EDQUOT)


class Options(BaseModel):
    """The section `[folder]`: where report files are put."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="The folder; it is made when it is not there.")
    name: str = Field(
        "{shop}/{report}-{from}.{ext}",
        description=f"Name of a file below it, made of: {', '.join(FIELDS)} (in braces).",
    )

    @field_validator("name")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        unknown = [name for name in FIELD.findall(value) if name not in FIELDS]
        if unknown or "{" in FIELD.sub("", value) or "}" in FIELD.sub("", value):
            raise ValueError(f"{value!r} has a field that does not exist; there are {', '.join(FIELDS)}")
        return value


class Folder:
    """Copies a report file into the folder; the same key replaces its own file and no other."""

    idempotent = True

    def __init__(self, options: Options) -> None:
        self.options = options
        self.root = Path(options.path).expanduser()

    def deliver(self, parcel: Parcel, recipient: Recipient, key: str) -> Receipt:
        """Put the file into the folder; raise DeliveryError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            path = self._place(parcel, key)
            write_atomically(path, Path(parcel.file.path).read_bytes(), mode=0o640)
        except OSError as error:
            full = error.errno in FULL
            raise DeliveryError(
                f"The folder {self.root} cannot be written: {error.strerror or error}.",
                code="disk_full" if full else "folder_unavailable",
                hint="Make room." if full else "Check its owner and mode, and folder.path.",
                retryable=True,
            ) from error
        return Receipt({"path": str(path)})

    def close(self) -> None:
        """There is nothing to let go of."""

    def _place(self, parcel: Parcel, key: str) -> Path:
        """
        Return where the file goes: the template's name, with the key's beginning added where another key has it.

        Beside each file lies a hidden one with its key, so that a repeat replaces its own file and never another's.
        """
        base = self.root.resolve()
        path = base
        for part in file_name(self.options.name, parcel).split("/"):
            path = path / part
        self._make_inside(path.parent, base)
        for tried in (path, path.with_name(f"{path.stem}-{safe_name(key)[-12:]}{path.suffix}")):
            mark = tried.with_name(f".{tried.name}.key")
            if not mark.exists() and not os.path.lexists(tried):
                mark.write_text(key, encoding="utf-8")
                fsync_folder(tried.parent)
                return tried
            if mark.is_file() and not mark.is_symlink() and mark.read_text(encoding="utf-8") == key:
                return tried
        raise OSError(errno.EEXIST, f"{path.name} is there and is not ours")

    def _make_inside(self, folder: Path, base: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(base):
            raise OSError(errno.EPERM, f"{folder} leads out of the folder")


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
    return "/".join(safe_name(part, 200) for part in made.split("/") if part not in ("", ".", ".."))
