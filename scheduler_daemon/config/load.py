"""From flags, environment, file and defaults to one checked Config; all problems at once."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..channels.email import Options as EmailSection
from ..channels.folder import Options as FolderSection
from ..config_light import PREFIX, find_config_file, read_toml, state_folder
from ..errors import ConfigError
from ..lib.secret import Secret
from ..lib.words import did_you_mean, say_length
from ..model import LONGEST_LEASE
from .sections import Config

Problems = list[tuple[str, str]]

#: Sections by name; the two optional ones are channels that are not configured when they are absent.
SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
} | {"email": EmailSection, "folder": FolderSection}

#: Keys that name a place: an empty one would be the current folder, or nowhere.
PLACES = {
    *(("state", "file"), ("spool", "dir"), ("folder", "path"), ("email", "host"), ("email", "from")),
    *(("database", "url"), ("database", "url_file"), ("shopify", "client_secret_file"), ("email", "password_file")),
}

SECRETS = {("database", "url"), ("shopify", "client_secret"), ("email", "password")}


def load_config(
    path: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """
    Return the configuration: *overrides* ("section.key") win over *environ*, that over the file, that over defaults.

    Raise ConfigError with every problem as (key path, sentence).
    """
    file = find_config_file(path, environ)
    problems: Problems = []
    data: dict[str, Any] = _read_file(file) if file else {}
    origin = {f"{s}.{k}": str(file) for s, keys in data.items() if isinstance(keys, dict) for k in keys}
    for name, value in _from_environment(environ, problems):
        _put(data, origin, name, value, "environment")
    for name, value in (overrides or {}).items():
        _put(data, origin, name, value, "command line")
    _check_names(data, problems)
    _check_places(data, problems)
    _read_secret_files(data, file, environ, problems)
    _defaults(data, origin, environ)
    try:
        config = Config(**data, source=file, origin=origin)
    except ValidationError as error:
        told = {path for path, _ in problems}
        problems += [made for item in error.errors() if (made := _problem(item))[0] not in told]
    except TypeError as error:
        problems.append(("", str(error)))
    if not problems:
        problems += _check_together(config)
    if problems:
        where = f" in {file}" if file else ""
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ConfigError(
            f"The configuration has {count}{where}.", problems=problems, hint="See: scheduler config example"
        )
    return config


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return read_toml(file)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text.", problems=[("", str(error))]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML.", problems=[("", str(error))]) from None
    except OSError as error:
        raise ConfigError(
            f"The configuration {file} cannot be read: {error.strerror}.", hint="Check --config, its owner and mode."
        ) from None


def _from_environment(environ: Mapping[str, str], problems: Problems) -> list[tuple[str, str]]:
    found = []
    for name, value in environ.items():
        if name.startswith(PREFIX) and "__" in name:
            section, _, key = name.removeprefix(PREFIX).lower().partition("__")
            found.append((f"{section}.{key}", value))
    if environ.get("DATABASE_URL") and not any(name == "database.url" for name, _ in found):
        found.append(("database.url?", environ["DATABASE_URL"]))
    return found


def _put(data: dict[str, Any], origin: dict[str, str], name: str, value: str, source: str) -> None:
    section, _, key = name.partition(".")
    weak = key.endswith("?")
    key = key.rstrip("?")
    keys = data.setdefault(section, {})
    if isinstance(keys, dict) and not (weak and (key in keys or f"{key}_file" in keys)):
        keys[key] = value
        origin[f"{section}.{key}"] = "DATABASE_URL" if weak else source


def _check_names(data: dict[str, Any], problems: Problems) -> None:
    known = {*SECTIONS, "types"}
    for section in list(data):
        if section not in known:
            problems.append((section, f"There is no section [{section}].{did_you_mean(section, known)}"))
            del data[section]
        elif not isinstance(data[section], dict):
            problems.append((section, f"{section} is a section: write [{section}]."))
            del data[section]
        elif section != "types":
            _check_keys(section, data[section], problems)


def _check_keys(section: str, keys: dict[str, Any], problems: Problems) -> None:
    known = {field.alias or name for name, field in SECTIONS[section].model_fields.items()}
    known |= {f"{key}_file" for name, key in SECRETS if name == section}
    for key in list(keys):
        if key not in known:
            problems.append((f"{section}.{key}", f"There is no key {key} in [{section}].{did_you_mean(key, known)}"))
            del keys[key]


def _check_places(data: dict[str, Any], problems: Problems) -> None:
    """Refuse what names no place, and take it out; `~name` of a user who does not exist is no place either."""
    for section, key in sorted(PLACES):
        value = data.get(section, {}).get(key)
        if not isinstance(value, str):
            continue
        problem = "" if value.strip() else "It is empty: write a value, or leave the key out."
        if not problem and value.startswith("~"):
            try:
                Path(value).expanduser()
            except RuntimeError:
                problem = f"{value!r} names a home folder that does not exist."
        if problem:
            problems.append((f"{section}.{key}", problem))
            del data[section][key]


def _read_secret_files(data: dict[str, Any], file: Path | None, environ: Mapping[str, str], problems: Problems) -> None:
    for section, key in sorted(SECRETS):
        keys = data.get(section, {})
        named = keys.pop(f"{key}_file", None)
        if named is None or key in keys:
            continue
        path = Path(str(named)).expanduser()
        if not path.is_absolute():
            path = Path(environ.get("CREDENTIALS_DIRECTORY") or (file.parent if file else Path.cwd())) / path
        try:
            keys[key] = Secret(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            problems.append((f"{section}.{key}_file", f"{path} cannot be read: {error}"))


def _defaults(data: dict[str, Any], origin: dict[str, str], environ: Mapping[str, str]) -> None:
    folder = state_folder(environ)
    places = {("state", "file"): folder / "state.json", ("spool", "dir"): folder / "spool"}
    for (section, key), value in places.items():
        keys = data.setdefault(section, {})
        keys.setdefault(key, value)
        keys[key] = Path(str(keys[key])).expanduser()
    database = data.setdefault("database", {})
    database.setdefault("url", f"sqlite://{folder / 'scheduler.db'}")


def _problem(item: Any) -> tuple[str, str]:
    path = ".".join(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return path, "This key is needed."
    value = item.get("input")
    secret = tuple(item["loc"][:2]) in SECRETS
    shown = "" if secret or item["type"] == "value_error" else f" (it is {value!r})"
    return path, f"{message}{shown}."


def _check_together(config: Config) -> Problems:
    problems: Problems = []
    daemon = config.daemon
    if daemon.lease > LONGEST_LEASE:
        problems.append(("daemon.lease", f"The lease must be at most {say_length(LONGEST_LEASE)}."))
    if daemon.beat * 2 > daemon.lease:
        problems.append(("daemon.beat", "The lease must be at least twice as long as the beat."))
    if config.delivery.mode == "redirect" and not config.delivery.redirect_to:
        problems.append(("delivery.redirect_to", "The mode redirect needs an address."))
    if daemon.timezone:
        from ..lib.zones import find_zone

        try:
            find_zone(daemon.timezone)
        except KeyError:
            problems.append(("daemon.timezone", f"{daemon.timezone!r} is no time zone."))
    return problems
