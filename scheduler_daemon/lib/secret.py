"""A string that does not show itself."""


class Secret:
    """
    A token or password that prints as ``****`` wherever it turns up.

    *reveal* gives the text; call it only where it leaves the process.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("****", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not written down; reveal it where it leaves the process")
