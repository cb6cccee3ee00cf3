"""Types that option models share: lengths with a unit, and secrets."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from .secret import Secret
from .words import parse_length, parse_size


def _read_length(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f'{value!r} has no unit; write a length like "90s", "5m" or "1h30m"')
    return parse_length(value)


def _read_secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("a secret is a text")
    return Secret(value)


def _read_size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return parse_size(str(value))


#: A number of bytes, written with its unit.
Size = Annotated[int, BeforeValidator(_read_size)]

#: A length of time, written with its unit.
Length = Annotated[timedelta, BeforeValidator(_read_length)]

#: A text that prints as ``****``.
SecretText = Annotated[Secret, BeforeValidator(_read_secret), PlainSerializer(lambda _: "****", return_type=str)]
