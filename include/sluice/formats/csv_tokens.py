"""Cut one CSV record into cells as Spark's parser does, quotes that are wrong included.

This is the careful path, a character at a time where a cell has quotes. It works on
bytes as Latin-1 text, so that every byte is one character and comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_LINE_ENDS = "\r\n"
NO_CHARACTER = "\0"


@dataclass(frozen=True)
class Dialect:
    r"""How records are written: text of Latin-1 characters, one for each byte.

    ``quote`` and ``escape`` are ``"\0"`` where there is none.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    multi_line: bool = False
    trims_start: bool = False
    trims_end: bool = False

    @cached_property
    def cell_end(self) -> re.Pattern[str]:
        """What ends a cell without quotes."""
        ends = "|\r|\n" if self.multi_line else ""
        return re.compile(re.escape(self.separator) + ends)

    @cached_property
    def special(self) -> re.Pattern[str]:
        """What means something in quotes."""
        return re.compile(f"[{re.escape(self.quote)}{re.escape(self.escape)}]")

    @property
    def escape_of_escape(self) -> str:
        """What makes an escape a plain character."""
        return NO_CHARACTER if self.quote == self.escape else self.escape


class Cells:
    """The cells of the record of ``text`` that begins at ``position``.

    A cell is None where nothing is written, and empty where it is quoted.
    """

    def __init__(self, text: str, dialect: Dialect, position: int = 0) -> None:
        self.position = position
        self._text = text
        self._dialect = dialect

    def __iter__(self) -> Iterator[str | None]:
        """Yield the cells; then ``position`` is behind the end of the record."""
        dialect, text = self._dialect, self._text
        while True:
            start = self.position
            if dialect.trims_start:
                start = self._skip_space(start)
            if text.startswith(dialect.quote, start) and dialect.quote != NO_CHARACTER:
                yield self._quoted(start)
            else:
                yield self._plain(start)
            if not text.startswith(dialect.separator, self.position):
                break
            self.position += len(dialect.separator)
        end = self.position
        self.position += 2 if text.startswith("\r\n", end) else 1

    def _skip_space(self, start: int) -> int:
        while (
            start < len(self._text)
            and self._text[start] <= " "
            and not self._ends_cell(start)
        ):
            start += 1
        return start

    def _ends_cell(self, position: int) -> bool:
        return (
            position >= len(self._text)
            or self._dialect.cell_end.match(self._text, position) is not None
        )

    def _plain(self, start: int) -> str | None:
        return self._to_end(start) or None

    def _to_end(self, start: int) -> str:
        """Return what is left of a cell, whatever it holds, and go to its end."""
        found = self._dialect.cell_end.search(self._text, start)
        self.position = found.start() if found else len(self._text)
        value = self._text[start : self.position]
        return _trim_end(value) if self._dialect.trims_end else value

    def _quoted(self, start: int) -> str:
        """Return a cell that begins with a quote.

        What follows a closing quote, and is no space, makes all of it plain text.
        """
        text, dialect = self._text, self._dialect
        quote, escape = dialect.quote, dialect.escape
        value: list[str] = []
        before, at = NO_CHARACTER, start + 1
        while at < len(text):
            if before == quote and (text[at] <= " " or self._ends_cell(at)):
                return self._closed(value, at)
            if text[at] in {quote, escape}:
                if before == quote != escape and text[at] == escape:
                    return self._spoiled(value, at)
                added, before = _meaning(before, text[at], dialect)
                value.append(added)
                at += 1
                continue
            if before == quote:
                return self._spoiled(value, at)
            if before == escape != NO_CHARACTER:
                value.append(escape)
            found = dialect.special.search(text, at)
            end = found.start() if found else len(text)
            value.append(text[at:end])
            before, at = text[end : end + 1], end + 1
        self.position = len(text)
        return "".join(value) if len(text) > start + 1 else quote

    def _closed(self, value: list[str], at: int) -> str:
        """Pass over space behind a closing quote, unless more of the cell follows."""
        end = self._skip_space(at)
        if not self._ends_cell(end):
            return self._spoiled(value, at)
        self.position = end
        return "".join(value)

    def _spoiled(self, value: list[str], at: int) -> str:
        """Return a cell whose quotes turned out to be no quotes."""
        quote = self._dialect.quote
        return f"{quote}{''.join(value)}{quote}{self._to_end(at)}"


def _meaning(before: str, special: str, dialect: Dialect) -> tuple[str, str]:
    """Return what a quote or an escape adds to a cell, and what is before the next."""
    quote, escape = dialect.quote, dialect.escape
    if special == escape and before == dialect.escape_of_escape != NO_CHARACTER:
        return escape, NO_CHARACTER
    if before == escape != NO_CHARACTER:
        return (quote, NO_CHARACTER) if special == quote else (before, special)
    return (quote if special == before == quote else ""), special


def _trim_end(value: str) -> str:
    end = len(value)
    while end and value[end - 1] <= " ":
        end -= 1
    return value[:end]
