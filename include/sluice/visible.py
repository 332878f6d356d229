"""Texts of others as people may see them: names and values that came with files."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return ``text`` on one line, with what is no printable character written out.

    Such characters move a terminal's cursor, fill its clipboard, or turn the direction
    of what is read. They become what Python's ``repr`` has for them.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def visible_lines(text: str) -> str:
    """Return ``text`` the same way, but for the ends of its lines, which stay."""
    return "\n".join(map(visible, text.split("\n")))
