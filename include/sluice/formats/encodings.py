"""What the bytes of a text stand for: the option ``encoding``, and text as UTF-8."""

from __future__ import annotations

import codecs

from sluice.values import Option

UTF8 = "utf-8"


def to_utf8(content: bytes, encoding: str) -> bytes:
    """Return text of an encoding as UTF-8; what is no text stays no text."""
    if encoding == UTF8:
        return content
    errors = "replace" if is_wide(encoding) else "surrogateescape"
    return content.decode(encoding, errors).encode(UTF8, "surrogateescape")


def is_wide(encoding: str) -> bool:
    """Return True if the bytes of a text do not show where its lines end."""
    return encoding.startswith(("utf-16", "utf-32"))


def _parse_encoding(text: str) -> str:
    message = "an encoding in which a line feed is one byte, UTF-16 or UTF-32"
    try:
        name = codecs.lookup(text.strip()).name
        plain = "\n,".encode(name) == b"\n,"
    except (LookupError, UnicodeError):
        raise ValueError(message) from None
    if not plain and not is_wide(name):
        raise ValueError(message)
    return name


ENCODING = Option(
    name="encoding",
    aliases=("charset",),
    default="UTF-8",
    meaning="any of Python's in which a line feed is one byte; UTF-16 and UTF-32, of "
    "which one task reads a file. Never guessed, but for a byte-order mark of UTF-16 "
    "or UTF-32",
    parse=_parse_encoding,
    field="encoding",
)
"""The option of formats whose files are text."""
