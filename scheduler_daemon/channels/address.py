"""Mail addresses, read strictly."""

import re

from ..errors import UsageError

ADDRESS = re.compile(
    r"[^\s@<>(),:;\"\\\[\]\x00-\x1f\x7f]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_]{2,63}", re.UNICODE
)
#: A sender may be on a machine without a full name: reports@localhost.
SENDER = re.compile(r"[^\s@<>(),:;\"\\\[\]\x00-\x1f\x7f]{1,64}@[^\W_](?:[\w.-]{0,251}[^\W_])?")
NAMED = re.compile(r"([^<>]*?)\s*<([^<>]+)>")


def parse_address(text: str) -> str:
    """Return *text* if it is exactly one mail address, without a name; raise UsageError `bad_address`."""
    made = text.strip()
    local = made.rpartition("@")[0]
    if (
        len(made) > 254
        or not made.isprintable()
        or not ADDRESS.fullmatch(made)
        or local.startswith(".")
        or local.endswith(".")
        or ".." in local
    ):
        raise UsageError(
            f"{text!r} is no mail address.",
            code="bad_address",
            hint="Write it alone, like name@example.com.",
        )
    return made


def read_sender(text: str) -> tuple[str, str]:
    """
    Return the name (it may be empty) and the address of a sender: ``Acme Reports <reports@acme.example>`` or bare.

    Raise ValueError with a sentence for the configuration.
    """
    found = NAMED.fullmatch(text.strip())
    name, address = (found[1].strip().strip('"').strip(), found[2].strip()) if found else ("", text.strip())
    if not SENDER.fullmatch(address) or not text.isprintable():
        raise ValueError(f"{text!r} is no sender; write reports@example.com or Our Shop <reports@example.com>")
    return name, address


def for_the_wire(address: str) -> str:
    """
    Return *address* with its domain in ASCII (IDNA 2008), as every mail server takes it.

    The part before the @ stays; where that is not ASCII the server must know SMTPUTF8 (RFC 6531). Raise UsageError
    `bad_address` for a domain that no name server can hold.
    """
    if address.isascii():
        return address
    import idna

    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except idna.IDNAError as error:
        raise UsageError(f"{address!r} has a domain that cannot exist: {error}.", code="bad_address") from None
