"""Connections as Shopify pages them: cursors, sizes, edges and nodes."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from graphql import GraphQLError

#: Shopify gives this many nodes in a page at most.
MOST = 250
BAD = {"code": "BAD_REQUEST"}


def connection(items: Sequence[Any]) -> Callable[..., dict[str, Any]]:
    """Return a field of a short list; cursors are positions."""

    def page(_info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> dict[str, Any]:
        only_forward(rest)
        start = read_cursor(after, "L", 1)[0] + 1 if after else 0
        size = page_size(first)
        part = list(items[start : start + size])
        cursors = [make_cursor("L", start + index) for index in range(len(part))]
        return connected(part, cursors, start + size < len(items))

    return page


def connected(nodes: list[Any], cursors: list[str], more: bool) -> dict[str, Any]:
    """Return a connection's page."""
    info = {"hasNextPage": more, "endCursor": cursors[-1] if cursors else None, "hasPreviousPage": False}
    info["startCursor"] = cursors[0] if cursors else None
    edges = [{"node": node, "cursor": cursor} for node, cursor in zip(nodes, cursors, strict=True)]
    return {"nodes": nodes, "edges": edges, "pageInfo": info}


def only_forward(arguments: dict[str, Any]) -> None:
    """Raise GraphQLError for ways to page that the simulator does not know."""
    for name in ("last", "before"):
        if arguments.get(name) is not None:
            raise GraphQLError(f"the simulator pages forward only, not by {name}")


def page_size(first: int | None) -> int:
    """Return the number of nodes asked for."""
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions=BAD)
    if first < 1:
        raise GraphQLError("first must be at least 1", extensions=BAD)
    if first > MOST:
        raise GraphQLError(f"first cannot exceed {MOST}", extensions=BAD)
    return first


def make_cursor(kind: str, *numbers: int) -> str:
    """Return an opaque cursor into a list of a *kind*, made of what its `read_cursor` needs."""
    return base64.b64encode(".".join([kind, *map(str, numbers)]).encode()).decode()


def read_cursor(text: str, kind: str, count: int) -> list[int]:
    """Return the *count* numbers that `make_cursor` hid; raise GraphQLError for anything else."""
    try:
        found, *numbers = base64.b64decode(text, validate=True).decode().split(".")
        if found != kind or len(numbers) != count:
            raise ValueError(found)
        return [int(number) for number in numbers]
    except ValueError:
        raise GraphQLError(f"invalid cursor for current pagination: {text}", extensions=BAD) from None


class Later(Sequence[Any]):
    """A list whose items are made when they are shown."""

    def __init__(self, items: Sequence[Any], make: Callable[[Any], Any]) -> None:
        self.items, self.make = items, make

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        found = self.items[index]
        return [self.make(item) for item in found] if isinstance(index, slice) else self.make(found)
