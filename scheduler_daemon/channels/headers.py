"""
The headers of a mail, written by hand: ASCII on the wire, the same bytes in every version of Python.

The standard library reads a header's text before it writes it: an encoded word in a shop's name is decoded, line ends
and all, and adds a header (CVE-2024-6923); folding loses spaces between words that are not ASCII. Here text is only
ever encoded. Forms: RFC 5322, RFC 2047 (encoded words), RFC 2231 (file names), RFC 6532 (addresses in UTF-8).
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from urllib.parse import quote

#: The longest line in characters (RFC 5322, 2.1.1), and the longest encoded word (RFC 2047, 2).
LINE = 76
#: Bytes of UTF-8 in one encoded word: 75 less "=?utf-8?b?" and "?=" in base64.
WORD = 45
#: Signs that a quoted text holds as they are; the rest of ASCII's printable ones stand escaped.
ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\"})


def text_header(name: str, text: str) -> str:
    """Return the header *name* with *text*, which is one line without controls; folded, without its line end."""
    if not text.isascii() or "=?" in text or any(len(word) > LINE - 2 for word in (*text.split(), name)):
        return f"{name}: {_encoded(text)}"
    lines, line = [], f"{name}:"
    for word in text.split():
        if len(line) + 1 + len(word) > LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])


def address_header(name: str, addresses: Sequence[str]) -> str:
    """Return the header *name* with *addresses*, as `mailbox` and `unreachable` make them, one on a line."""
    return f"{name}: " + ",\r\n ".join(addresses)


def mailbox(address: str, name: str = "") -> str:
    """Return an address, with its *name* where there is one."""
    if not name:
        return address
    plain = name.isascii() and "=?" not in name and len(name) < LINE
    shown = f'"{name.translate(ESCAPED)}"' if plain else _encoded(name)
    return f"{shown} <{address}>"


def unreachable(address: str) -> str:
    """Return an address that this server cannot carry as an empty group: to be read only (RFC 6857, 3.1.9)."""
    return f"{_encoded(address)}:;"


def file_parameter(name: str) -> str:
    """Return the parameter that names an attached file; a long one in parts, a line each (RFC 2231, 3)."""
    if name.isascii():
        return f'filename="{name.translate(ESCAPED)}"'
    parts = [quote(part, safe="") for part in _parts(name, WORD // 3)]
    if len(parts) == 1:
        return f"filename*=utf-8''{parts[0]}"
    parts[0] = f"utf-8''{parts[0]}"
    return ";\r\n ".join(f"filename*{number}*={part}" for number, part in enumerate(parts))


def _encoded(text: str) -> str:
    """Return *text* as encoded words, a line each; white space between them does not count (RFC 2047, 6.2)."""
    return "\r\n ".join(f"=?utf-8?b?{b64encode(part).decode('ascii')}?=" for part in _parts(text))


def _parts(text: str, most: int = WORD) -> Iterator[bytes]:
    """Yield the UTF-8 of *text* in parts of at most *most* bytes; none cuts a character."""
    part = b""
    for sign in text:
        code = sign.encode()
        if len(part) + len(code) > most:
            yield part
            part = b""
        part += code
    yield part
