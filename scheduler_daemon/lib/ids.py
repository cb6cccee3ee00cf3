"""Identifiers that sort by the moment they were made."""

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_ulid(now_ms: int) -> str:
    """
    Return a ULID: 48 bits of *now_ms* (milliseconds since 1970) and 80 random bits.

    26 characters of Crockford's base 32, as in the ULID specification.
    """
    number = (now_ms & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
