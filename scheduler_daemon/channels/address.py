"""Mail addresses, read strictly."""

import re

from ..errors import UsageError

ADDRESS = re.compile(
    r"[^\s@<>(),:;\"\\\[\]\x00-\x1f\x7f]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_]{2,63}", re.UNICODE
)


def parse_address(text: str) -> str:
    """Return *text* if it is exactly one mail address, without a name; raise UsageError `bad_address`."""
    made = text.strip()
    local = made.rpartition("@")[0]
    if len(made) > 254 or not ADDRESS.fullmatch(made) or local.startswith(".") or local.endswith(".") or ".." in local:
        raise UsageError(
            f"{text!r} is no mail address.",
            code="bad_address",
            hint="Write it alone, like name@example.com.",
        )
    return made
