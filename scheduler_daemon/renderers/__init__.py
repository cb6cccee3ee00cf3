"""What a file looks like: one module a format."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from ..errors import UsageError
from ..lib.words import did_you_mean
from .base import Renderer

KINDS = {
    "csv": "scheduler_daemon.renderers.csv:Csv",
    "xlsx": "scheduler_daemon.renderers.xlsx:Xlsx",
    "html": "scheduler_daemon.renderers.html:Html",
}


def open_renderer(kind: str, options: Mapping[str, Any]) -> Renderer:
    """Return the renderer *kind* with *options*; raise UsageError naming what is unknown or cannot be read."""
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS)
        message = f"{kind!r} is no file format.{near}"
        raise UsageError(message, code="unknown_format", hint=f"There are: {', '.join(KINDS)}.")
    from pydantic import ValidationError

    module, name = KINDS[kind].split(":")
    part = import_module(module)
    try:
        made = part.Options(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(item) for item in first["loc"])
        raise UsageError(f"Option {where!r} of the format {kind}: {first['msg']}.", code="unknown_format") from None
    return cast(Renderer, getattr(part, name)(made))
