"""The folder of fetched rows and finished files: written once, read again by renderers, retries and children."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from .errors import RunError
from .lib.disk import FULL, code_of, reason, way_out
from .lib.files import owner_for_root, safe_name, sweep_temporary, write_atomically
from .model import ReportFile, Run, Table
from .tablefile import HEADER, ROWS, SpooledRows, Tally, header_to_json, open_table

#: The beginning of the names of what is not finished.
MAKING = ".making-"


class Spool:
    """One folder per run below *root*, readable by nobody else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        #: Bytes in it when it was last looked through.
        self._used = 0

    def folder(self, run_id: str) -> Path:
        """Return the run's folder, made when it is not there."""
        folder = self.root / safe_name(run_id)
        with disk_faults(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def require_space(self, needed: int, quota: int = 0) -> None:
        """
        Raise RunError: `disk_full` with less than *needed* bytes free, `spool_full` where *quota* is used up.

        `folder_unavailable` where the folder cannot be made, or is another user's while we are root.
        """
        owner = owner_for_root(self.root)
        if owner:
            message = f"The spool {self.root} belongs to the user {owner}; run as root, its new files would be root's."
            hint = f"Run the command as that user: sudo -u {owner} scheduler …"
            raise RunError(message, code="folder_unavailable", hint=hint, retryable=True)
        with disk_faults(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(self.root).free
        if free < needed:
            message = (
                f"Only {free // 1_000_000} MB are free in the spool {self.root}, {needed // 1_000_000} are needed."
            )
            hint = "Make room, or set spool.dir; the report is tried again."
            raise RunError(message, code="disk_full", hint=hint, retryable=True)
        if quota and self._used > quota:
            message = f"The spool {self.root} holds {self._used // 1_000_000} MB, more than its quota."
            hint = "Its files wait to be delivered: see scheduler history list, or raise spool.quota."
            raise RunError(message, code="spool_full", hint=hint, retryable=True)

    def write_rows(self, run_id: str, table: Table) -> Table:
        """
        Stream *table*'s rows to disk, counting them and summing the columns marked *total*.

        Return the same table with rows that may be read again and again, its count and its totals right.
        """
        folder, tally = self.folder(run_id), Tally(table.columns)
        # A new file each time: whoever lost the run, and still writes, writes into the old one.
        with disk_faults(folder):
            (folder / ROWS).unlink(missing_ok=True)
            for left in folder.glob(f"{MAKING}*"):
                _remove(left)
            sweep_temporary(folder / HEADER)
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        with disk_faults(folder), (folder / ROWS).open("w", encoding="utf-8") as file:
            for row in tally.passing(table.rows):
                file.write(encode(list(row)) + "\n")
        about = replace(table.about, row_count=tally.row_count, totals=tally.totals)
        return self.write_about(run_id, Table(table.columns, SpooledRows(folder / ROWS), about))

    def write_about(self, run_id: str, table: Table) -> Table:
        """Write down what *table* says about itself, for renderers; its rows stay. Return it."""
        folder = self.folder(run_id)
        with disk_faults(folder):
            write_atomically(folder / HEADER, header_to_json(table).encode(), 0o600, durable=False)
        return table

    @contextmanager
    def making(self, run_id: str, extension: str) -> Iterator[Path]:
        """
        Yield where a renderer may write the run's file until `finish_file`, in a folder of this attempt alone.

        The folder is removed at the end; what a killed process leaves is removed by the next attempt or by `sweep`.
        """
        folder = self.folder(run_id)
        with disk_faults(folder):
            made = Path(mkdtemp(prefix=MAKING, dir=folder))
        try:
            yield made / f"file.{extension}"
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def finish_file(self, run_id: str, temp: Path, name: str, media_type: str, table: Table) -> ReportFile:
        """
        Make *temp* durable under the name people see, and what it is about; return it with its size and digest.

        The header names the digest: what another holder of the run wrote there tells nothing of this file.
        """
        # Long enough for a long title's day and ending.
        target = self.folder(run_id) / safe_name(name, 200)
        digest, size = sha256(), 0
        with disk_faults(temp), temp.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
            os.fsync(file.fileno())
            temp.replace(target)
            # Its fsync of the folder is the file's too.
            write_atomically(target.parent / HEADER, header_to_json(table, digest.hexdigest()).encode(), 0o600)
        return ReportFile(target, target.name, media_type, size, digest.hexdigest(), table.about, table.columns)

    def relative(self, file: ReportFile) -> str:
        """Return the file's path as the ledger holds it."""
        return str(file.path.relative_to(self.root))

    def open_file(self, run: Run, media_type: str) -> ReportFile:
        """Return the file of an earlier attempt; raise RunError `spool_missing` unless it is the same bytes."""
        path = (self.root / (run.spool_path or "-")).resolve()
        inside = path.is_relative_to(self.root.resolve())
        header = path.parent / HEADER
        if not (run.spool_path and inside and path.is_file() and header.is_file()):
            raise RunError(f"The file of run {run.id} is no longer in the spool.", code="spool_missing")
        with disk_faults(path), path.open("rb") as file:
            digest, size = sha256(), 0
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        if digest.hexdigest() != run.sha256:
            raise RunError(f"The file of run {run.id} in the spool was changed.", code="spool_missing")
        with disk_faults(header):
            table = open_table(path.parent, digest.hexdigest())
        return ReportFile(path, path.name, media_type, size, digest.hexdigest(), table.about, table.columns)

    def discard_rows(self, run_id: str) -> None:
        """Remove the run's rows once its file is made."""
        with suppress(OSError):  # the file is made: what is left over is swept
            (self.folder(run_id) / ROWS).unlink(missing_ok=True)

    def discard(self, run_ids: Iterable[str]) -> int:
        """Remove the folders of runs that are no longer in the ledger; return how many there were."""
        removed = 0
        for folder in (self.root / safe_name(run_id) for run_id in run_ids):
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed

    def touch(self, run_id: str) -> None:
        """Let the run's folder count as new: it is about to be used again."""
        with suppress(OSError):  # whoever may read it but not change it gets what is there
            os.utime(self.root / safe_name(run_id))

    def sweep(
        self,
        keep: timedelta,
        now: datetime,
        open_runs: Callable[[], set[str]],
        quota: int = 0,
        attempt: timedelta = timedelta(hours=1),
    ) -> int:
        """
        Remove the folders of finished runs that are older than *keep*, and the oldest ones beyond *quota* bytes.

        *open_runs* returns the ids of unfinished runs, whose files are still to be delivered: it is asked when the
        folders are known, so that the folder of a run that began meanwhile is none of them. What nobody has written to
        for longer than an *attempt* may take is left from a killed one and goes, whosever it is. Return the number of
        folders removed.
        """
        self._sweep_left_over(now.timestamp() - attempt.total_seconds())
        found = sorted(self._folders(), key=lambda item: item[0])
        keep_runs = open_runs()
        total = sum(size for _, size, _ in found)
        removed = 0
        for changed, size, folder in found:
            old = now.timestamp() - changed > keep.total_seconds()
            if folder.name not in keep_runs and (old or (quota and total > quota)):
                shutil.rmtree(folder, ignore_errors=True)
                total -= size
                removed += 1
        self._used = total
        return removed

    def _sweep_left_over(self, before: float) -> None:
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            with suppress(OSError):  # another daemon may remove it meanwhile
                for left in folder.glob(f"{MAKING}*"):
                    _remove_unless_written(left, before)

    def _folders(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each run's folder last changed (seconds since 1970), its bytes and its path."""
        if not self.root.is_dir():
            return
        for folder in self.root.iterdir():
            with suppress(OSError):  # another daemon may remove it meanwhile
                if folder.is_dir() and not folder.is_symlink():
                    yield folder.stat().st_mtime, sum(file.lstat().st_size for file in folder.rglob("*")), folder


def _remove_unless_written(left: Path, before: float) -> None:
    """Remove what was left over where nothing in it was written since *before* (seconds since 1970)."""
    with suppress(OSError):  # its attempt may end meanwhile
        if max(path.lstat().st_mtime for path in (left, *left.rglob("*"))) < before:
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def disk_faults(path: Path, otherwise: str = "folder_unavailable") -> Iterator[None]:
    """
    Raise RunError for whatever the disk says inside about *path*: it passes, so the report is tried again.

    *otherwise* is the code where neither the room nor the place is the trouble.
    """
    try:
        yield
    except OSError as error:
        raise from_disk(error, path, otherwise) from error


def from_disk(error: OSError, path: Path, otherwise: str) -> RunError:
    """Return the error for what the disk said about *path*, or about the file that it names itself."""
    place = error.filename if isinstance(error.filename, str) else path
    message = f"The spool cannot be used: {place}: {reason(error)}."
    if error.errno in FULL:
        message = f"There is no space left for {place}: {reason(error)}."
    hint = f"{way_out(error, 'spool.dir')}; the report is tried again."
    return RunError(message, code=code_of(error, otherwise), hint=hint, retryable=True)
