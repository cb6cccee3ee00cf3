"""File systems that are full, small or read-only, laid over folders; only root may."""

import subprocess
from pathlib import Path


class covered:  # noqa: N801 (a context manager)
    """A tmpfs over a folder; taken away even where something has it open."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder, self.options = folder, options

    def __enter__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", self.options, "none", str(self.folder)]
        subprocess.run(words, check=True, capture_output=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True, capture_output=True)


def uncover(folder: Path) -> None:
    """Take away what a sitting that was killed left mounted below *folder*."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for place in reversed(mounted):
        if Path(place).is_relative_to(folder.resolve()):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def may_mount(folder: Path) -> bool:
    """Whether this machine lets us lay file systems over folders."""
    try:
        with covered(folder / "probe", "size=64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
