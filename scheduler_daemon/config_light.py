"""Finding files without any library: `status` must start fast (DESIGN 7)."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PREFIX = "SCHEDULER_"


def find_config_file(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file that counts, in the order of DESIGN 7; None where there is none."""
    if explicit is not None:
        return explicit
    named = environ.get("SCHEDULER_CONFIG")
    if named:
        return Path(named)
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path("scheduler.toml"), home / "scheduler-daemon/config.toml", Path("/etc/scheduler-daemon/config.toml")]
    return next((place for place in places if place.is_file()), None)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder where the daemon's own files are unless the configuration says otherwise."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0 and Path("/var/lib/scheduler-daemon").is_dir():
        return Path("/var/lib/scheduler-daemon")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "scheduler-daemon"


def state_settings(explicit: Path | None, environ: Mapping[str, str]) -> tuple[Path, str]:
    """Return the state file and `state.max_age` as text, from the environment, the file or the defaults."""
    file = find_config_file(explicit, environ)
    section: Mapping[str, Any] = {}
    if file is not None:
        with file.open("rb") as opened:
            section = tomllib.load(opened).get("state", {})
    named = environ.get(f"{PREFIX}STATE__FILE") or section.get("file")
    path = Path(str(named)).expanduser() if named else state_folder(environ) / "state.json"
    return path, str(environ.get(f"{PREFIX}STATE__MAX_AGE") or section.get("max_age") or "15m")
