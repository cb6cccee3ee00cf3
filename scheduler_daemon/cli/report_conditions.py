"""The flags of `reports add` and `edit` that say on which condition a report is sent."""

from collections.abc import Mapping
from typing import Any

import click

from ..condition import Empty, Kind, Repeat, When, read_condition
from ..errors import UsageError

OPTIONS = [
    click.option(
        "--when", type=click.Choice([item.value for item in When]), help="Only with rows, only without, or always."
    ),
    click.option(
        "--empty",
        type=click.Choice([item.value for item in Empty]),
        help="Without rows: send it, skip it, or a note alone.",
    ),
    click.option("--above", multiple=True, help="Only if a total is above: COLUMN=VALUE; may be repeated."),
    click.option("--below", multiple=True, help="Only if a total is below: COLUMN=VALUE; may be repeated."),
    click.option("--up-by", multiple=True, help="Only if it rose by: COLUMN=PERCENT; may be repeated."),
    click.option("--down-by", multiple=True, help="Only if it fell by: COLUMN=PERCENT; may be repeated."),
    click.option(
        "--repeat", type=click.Choice([item.value for item in Repeat]), help="While it stays met: each time, or once."
    ),
    click.option("--no-condition", is_flag=True, default=None, help="Send it always (other flags add anew)."),
]


def read_flags(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the condition *old* with what was given; ``COLUMN=`` without a value takes a threshold away.

    Raise UsageError `bad_condition`.
    """
    made: dict[str, Any] = {} if given.get("no_condition") else dict(old)
    for name, default in (("when", When.ALWAYS), ("empty", Empty.SEND), ("repeat", Repeat.ALWAYS)):
        if given.get(name):
            made[name] = str(given[name])
        if made.get(name) == default:
            del made[name]
    for kind in Kind:
        limits = dict(made.pop(kind.value, {}))
        for item in given.get(kind.value) or ():
            column, equals, value = item.partition("=")
            if not equals or not column.strip():
                option = kind.value.replace("_", "-")
                hint = f"Write it like: --{option} net={'10' if kind.is_change else '1000'}"
                raise UsageError(f"--{option} {item!r} names no column and value.", code="bad_condition", hint=hint)
            limits[column.strip()] = value.strip().removesuffix("%").strip()
        limits = {column: value for column, value in limits.items() if value != ""}
        if limits:
            made[kind.value] = limits
    read_condition(made)
    return made
