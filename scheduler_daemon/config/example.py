"""The example file, the README's table and `config show`, all from the one description."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from ..lib.words import say_length
from .load import SECRETS, SECTIONS
from .sections import Config

HEAD = """\
# Configuration of scheduler-daemon. Every option stands here with its default; to change one,
# take the # away from it and from the [section] above it.
# Any option may also come from the environment: SCHEDULER_SECTION__KEY, like SCHEDULER_DAEMON__WORKERS=4.
# Lengths have a unit: "90s", "5m", "1h30m". A secret may be named by a file: password_file = "/path".
"""

#: Defaults that depend on the machine, in words.
PLACES = {"database.url": "sqlite:///…/scheduler.db", "state.file": "…/state.json", "spool.dir": "…/spool"}


def options() -> Iterator[tuple[str, str, str, str]]:
    """Yield (section, key, default as TOML, description) of every option, in order."""
    for section in Config.model_fields:
        if section == "types":
            yield "types", "<the app's type>", '"orders"', str(Config.model_fields[section].description)
        model = SECTIONS.get(section)
        for name, field in model.model_fields.items() if model else ():
            key = field.alias or name
            yield section, key, _toml(f"{section}.{key}", field), str(field.description)
            if (section, key) in SECRETS:
                yield section, f"{key}_file", '""', f"File that holds {key}."


def _toml(path: str, field: Any) -> str:
    if path in PLACES:
        return f'"{PLACES[path]}"'
    if field.is_required():
        return '"…"'
    value = field.get_default(call_default_factory=True)
    if value is None:
        return '""'
    if isinstance(value, timedelta):
        return f'"{_length(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{}"
    return str(value) if isinstance(value, (int, float)) else f'"{value}"'


def _length(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def example(chosen: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Return the text of config.example.toml, with the *chosen* lines of some sections in their places."""
    lines = [HEAD]
    current = ""
    for section, key, default, description in options():
        if section != current:
            lines += [f"[{section}]", *chosen[section], ""] if section in chosen else [f"# [{section}]"]
            current = section
        shown = f'"{key}"' if key.startswith("<") else key
        lines += [f"# {description}", f"# {shown} = {default}", ""]
    return "\n".join(lines)


def markdown_table() -> str:
    """Return the README's table of options."""
    lines = ["| option | default | what it does |", "| --- | --- | --- |"]
    for section, key, default, description in options():
        lines.append(f"| `{section}.{key}` | `{default}` | {description} |")
    return "\n".join(lines)


def shown(config: Config) -> list[tuple[str, str, str]]:
    """Return (key path, value, where it came from) of every option; secrets print as ****."""
    found = []
    for section in Config.model_fields:
        value = getattr(config, section)
        if section in ("source", "origin"):
            continue
        items = value.items() if isinstance(value, dict) else _fields(value)
        for key, item in items:
            path = f"{section}.{key}"
            text = say_length(item) if isinstance(item, timedelta) else ("" if item is None else str(item))
            found.append((path, text, config.origin.get(path, "default")))
    return found


def _fields(model: BaseModel | None) -> list[tuple[str, Any]]:
    if model is None:
        return []
    return [(field.alias or name, getattr(model, name)) for name, field in type(model).model_fields.items()]
