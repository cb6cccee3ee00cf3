"""Finding files without any library: `status` must start fast (DESIGN 7)."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .lib.files import home_folder

PREFIX = "SCHEDULER_"
#: Where the systemd unit keeps what is the daemon's (`StateDirectory`).
SERVICE = Path("/var/lib/scheduler-daemon")
#: The machine's configuration.
MACHINE = Path("/etc/scheduler-daemon/config.toml")


def find_config_file(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """
    Return the configuration file that counts, in the order of DESIGN 7; None where there is none.

    A folder of this user's that cannot be looked into (a HOME that sudo left behind) has none; one that was named, and
    the machine's own, count all the same, so that the reader says what is wrong and no other database is taken.
    """
    if explicit is not None:
        return explicit
    named = environ.get("SCHEDULER_CONFIG")
    if named:
        return Path(named)
    own = (Path("scheduler.toml"), config_home(environ) / "scheduler-daemon/config.toml")
    found = next((place for place in own if is_there(place, hidden=False)), None)
    if found is None and is_there(MACHINE, hidden=True):
        return MACHINE
    return found


def read_toml(file: Path) -> dict[str, Any]:
    """Return what *file* holds, also behind the mark that some editors begin a text with; raise what reading raises."""
    return tomllib.loads(file.read_text(encoding="utf-8-sig"))


def config_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of this user's configurations."""
    return Path(environ.get("XDG_CONFIG_HOME") or home_folder() / ".config")


def is_there(place: Path, *, hidden: bool) -> bool:
    """Whether *place* is a file; *hidden* is the answer where this user may not look, or the disk does not say."""
    try:
        return place.is_file()
    except OSError:
        return hidden


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder where the daemon's own files are unless the configuration says otherwise."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if SERVICE.is_dir() and os.geteuid() in (0, SERVICE.stat().st_uid):
        return SERVICE
    return Path(environ.get("XDG_STATE_HOME") or home_folder() / ".local/state") / "scheduler-daemon"


def state_settings(explicit: Path | None, environ: Mapping[str, str], *, read: bool = True) -> tuple[Path, str]:
    """
    Return the state file and `state.max_age` as text, from the environment, the file or the defaults.

    The file is left out where it is not to be *read*.
    """
    file = find_config_file(explicit, environ) if read else None
    section: Mapping[str, Any] = {}
    if file is not None:
        section = read_toml(file).get("state", {})
        if not isinstance(section, dict):
            raise ValueError("state is a section: write [state]")
    named = environ.get(f"{PREFIX}STATE__FILE", section.get("file"))
    if named is not None and not str(named).strip():
        raise ValueError("state.file is empty")
    path = Path(str(named)).expanduser() if named else _default_state_file(environ)
    return path, str(environ.get(f"{PREFIX}STATE__MAX_AGE") or section.get("max_age") or "15m")


def _default_state_file(environ: Mapping[str, str]) -> Path:
    """Return this user's state file; where there is none, the service's: anyone may ask how it is."""
    mine, service = state_folder(environ) / "state.json", SERVICE / "state.json"
    return service if not is_there(mine, hidden=False) and is_there(service, hidden=True) else mine
