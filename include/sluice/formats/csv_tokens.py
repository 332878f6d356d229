"""Cut one CSV record into cells as Spark's parser does, quotes that are wrong included.

This is the careful path, a character at a time where a cell has quotes. It works on
bytes as Latin-1 text, so that every byte is one character and comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from sluice.formats.streams import BadFileError

NO_CHARACTER = "\0"
_SHOWN_CHARACTERS = 80


class OddQuotes(StrEnum):
    """What becomes of a cell in which more follows a quote that seems to close it.

    - ``STOP_AT_DELIMITER``: all of it, quotes too, is text up to the next separator;
    - ``STOP_AT_CLOSING_QUOTE``: it ends at a quote that a separator follows;
    - ``BACK_TO_DELIMITER``: separators before that quote end cells after all;
    - ``SKIP_VALUE``: it is null;
    - ``RAISE_ERROR``: its file is bad.
    """

    STOP_AT_DELIMITER = "STOP_AT_DELIMITER"
    STOP_AT_CLOSING_QUOTE = "STOP_AT_CLOSING_QUOTE"
    BACK_TO_DELIMITER = "BACK_TO_DELIMITER"
    SKIP_VALUE = "SKIP_VALUE"
    RAISE_ERROR = "RAISE_ERROR"


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
    odd_quotes: OddQuotes = OddQuotes.STOP_AT_DELIMITER

    @cached_property
    def cell_end(self) -> re.Pattern[str]:
        """What ends a cell without quotes."""
        ends = "|\r|\n" if self.multi_line else ""
        return re.compile(re.escape(self.separator) + ends)

    @cached_property
    def special(self) -> re.Pattern[str]:
        """What means something in quotes."""
        return re.compile(f"[{re.escape(self.quote)}{re.escape(self.escape)}]")

    @cached_property
    def marks(self) -> frozenset[str]:
        """What means something in quotes, as characters."""
        return frozenset((self.quote, self.escape))

    @property
    def escape_of_escape(self) -> str:
        """What makes an escape a plain character."""
        return NO_CHARACTER if self.quote == self.escape else self.escape

    def ends_cell(self, text: str, position: int) -> bool:
        """Return True if a cell ends at a position of a text."""
        return position >= len(text) or self.cell_end.match(text, position) is not None

    def skip_space(self, text: str, start: int) -> int:
        """Return where the space of a cell ends that begins at ``start``."""
        while start < len(text) and text[start] <= " ":
            if self.ends_cell(text, start):
                break
            start += 1
        return start

    def rest_of_cell(self, text: str, start: int) -> tuple[str, int]:
        """Return what is left of a cell, whatever it holds, and where it ends."""
        found = self.cell_end.search(text, start)
        end = found.start() if found else len(text)
        value = text[start:end]
        return _trim_end(value) if self.trims_end else value, end


class Cells:
    """The cells of the record of ``text`` that begins at ``position``.

    A cell is None where nothing is written, and empty where it is quoted.
    """

    def __init__(self, text: str, dialect: Dialect, position: int = 0) -> None:
        self.position = position
        self._text = text
        self._dialect = dialect

    def __iter__(self) -> Iterator[str | None]:
        """Yield the cells; then ``position`` is behind the end of the record.

        Raises:
            BadFileError: quotes are in odd places, where the dialect allows none.
        """
        dialect, text = self._dialect, self._text
        while True:
            start = self.position
            if dialect.trims_start:
                start = dialect.skip_space(text, start)
            if text.startswith(dialect.quote, start) and dialect.quote != NO_CHARACTER:
                quoted = _Quoted(text, dialect, start)
                yield from quoted.cells()
                self.position = quoted.at
            else:
                value, self.position = dialect.rest_of_cell(text, start)
                yield value or None
            if not text.startswith(dialect.separator, self.position):
                break
            self.position += len(dialect.separator)
        end = self.position
        self.position += 2 if text.startswith("\r\n", end) else 1


class _Quoted:
    """A cell of ``text`` that begins with a quote, read up to ``at``.

    What it holds are parts in two lists: in the first no separator begins.
    """

    def __init__(self, text: str, dialect: Dialect, start: int) -> None:
        self.at = start + 1
        self._start = start
        self._text = text
        self._dialect = dialect
        self._settled: list[str] = []
        self._value: list[str] = []
        self._before = NO_CHARACTER
        self._reopened = False

    def cells(self) -> Iterator[str | None]:
        """Yield the cell, several where it is cut back; then ``at`` is its end."""
        text, dialect = self._text, self._dialect
        while self.at < len(text):
            if self._before == dialect.quote:
                end = dialect.skip_space(text, self.at)
                if dialect.ends_cell(text, end):
                    self.at = end
                    break
                if end > self.at or text[end] != dialect.quote:
                    if not self._goes_on(end):
                        yield self._give_up(end)
                        return
                    yield from self._reopen(end)
                    continue
            if self._take() and self._reopened and dialect.ends_cell(text, self.at):
                break
        self.at = min(self.at, len(text))
        alone = self._start + 1 == len(text)
        yield dialect.quote if alone else self._whole()

    def _take(self) -> bool:
        """Take a quote or an escape, or text before it; return True if not text."""
        text, dialect, at = self._text, self._dialect, self.at
        if text[at] in dialect.marks:
            added, self._before = _meaning(self._before, text[at], dialect)
            self._value.append(added)
            self.at += 1
            return True
        if self._before == dialect.escape != NO_CHARACTER:
            self._value.append(dialect.escape)
        found = dialect.special.search(text, at)
        end = found.start() if found else len(text)
        self._value.append(text[at:end])
        self._before, self.at = text[end : end + 1], end + 1
        return False

    def _goes_on(self, behind_space: int) -> bool:
        rule = self._dialect.odd_quotes
        back = rule is OddQuotes.BACK_TO_DELIMITER and behind_space == self.at
        return back or rule is OddQuotes.STOP_AT_CLOSING_QUOTE

    def _reopen(self, behind_space: int) -> Iterator[str]:
        """Go on within quotes; yield what are cells of their own after all."""
        text, dialect = self._text, self._dialect
        after = text[behind_space]
        if dialect.odd_quotes is OddQuotes.BACK_TO_DELIMITER:
            yield from self._cut_back()
            self._value.append(after)
            self._before = NO_CHARACTER
        else:
            self._value += [dialect.quote, text[self.at : behind_space]]
            if behind_space == self.at or after not in dialect.marks:
                self._value.append(after)
            self._before = after
        self._reopened |= behind_space == self.at
        self.at = behind_space + 1

    def _cut_back(self) -> Iterator[str]:
        """Yield the cells that end within the value; keep the last of it.

        Only what came since the last time is searched, and as much before it as the
        beginning of a separator may be.
        """
        dialect = self._dialect
        *cells, last = dialect.cell_end.split("".join(self._value))
        if cells:
            first = "".join((*self._settled, cells[0]))
            self._settled = []
            yield from (first, *cells[1:])
        kept = max(0, len(last) - len(dialect.separator) + 1)
        self._settled.append(last[:kept])
        self._value = [last[kept:]]

    def _whole(self) -> str:
        return "".join((*self._settled, *self._value))

    def _give_up(self, behind_space: int) -> str | None:
        """Go to the end of a cell whose quotes turned out to be none; return it."""
        text, dialect = self._text, self._dialect
        rest, end = dialect.rest_of_cell(text, self.at)
        if dialect.odd_quotes is OddQuotes.RAISE_ERROR:
            shown = text[self._start : end][:_SHOWN_CHARACTERS]
            raise BadFileError(
                f"a quote within quotes is not escaped: {shown!r}; escape it, or set "
                "option 'unescapedQuoteHandling' to another value"
            )
        if dialect.odd_quotes is OddQuotes.SKIP_VALUE:
            self.at = end
            return None
        first, second = text[behind_space], text[behind_space + 1 : behind_space + 2]
        plain = behind_space > self.at and not self._reopened
        if plain and end == len(text) and first != dialect.quote == second:
            rest += second  # as Spark's parser has it
        self.at = end
        return f"{dialect.quote}{self._whole()}{dialect.quote}{rest}"


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
