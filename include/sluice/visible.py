"""Texts of others as people may see them: names and values that came with files."""

from __future__ import annotations

import logging
import shlex
import sys
from typing import Any


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


def shell_glob(path: str) -> str:
    """Return what names ``path`` to a command, quoted for a shell.

    A path that is spelled out means its file. Where a terminal would not show it as it
    is, each character that a pattern could take for another is any character.
    """
    if not path.isprintable():
        odd = "*?[]{}\\"
        path = "".join(
            each if each.isprintable() and each not in odd else "?" for each in path
        )
    return shlex.quote(path)


class _VisibleFormatter(logging.Formatter):
    """Lines of a log in which names of others begin no line of their own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's
        return visible_lines(super().formatException(ei))


def log_visibly(layout: str) -> None:
    """Have the process log to stderr, each record as ``layout`` and on one line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter(layout))
    logging.basicConfig(handlers=[handler])
