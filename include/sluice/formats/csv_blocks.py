"""Rows of CSV text by pyarrow, after the lines that it reads otherwise were rewritten.

Nearly all lines are plain. Those with quotes in odd places, or too many or too few
cells, are found by their bytes, cut as Spark's parser cuts them, and written plainly.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from sluice.formats.csv_tokens import NO_CHARACTER, Cells, Dialect
from sluice.formats.streams import BLOCK_BYTES

_Positions = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]
_FEED, _RETURN = 10, 13
_LINE_END = re.compile(r"\r\n?|\n")
# What Java's trim takes away.
_SPACE = bytes(range(33))
csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True)
class Rows:
    """The cells of a block as columns of bytes.

    - ``columns``: by position, those that were asked for;
    - ``surplus``: by row, the cells from position ``width`` on;
    - ``corrupt``: by row, the text of a record with more cells than are allowed.
    """

    columns: dict[int, pa.Array]
    num_rows: int
    width: int
    surplus: dict[int, list[str]] = field(default_factory=dict)
    corrupt: dict[int, str] = field(default_factory=dict)


class _Lines:
    """Where the records of a block begin and end, one a line.

    A line end in quotes counts as one only where the dialect lets no record have it.
    """

    def __init__(self, block: bytes, dialect: Dialect) -> None:
        self.block = block
        self.raw = np.frombuffer(block, np.uint8)
        self.quotes = self.find(dialect.quote)
        breaks = np.flatnonzero(self.raw == _FEED)
        if b"\r" in block:
            returns = np.flatnonzero(self.raw == _RETURN)
            last = returns + 1 == len(block)
            alone = returns[last | (self.byte_at(returns + 1) != _FEED)]
            breaks = np.union1d(breaks, alone)
        if dialect.multi_line:
            breaks = self.outside_quotes(breaks)
        ends_two = (self.byte_at(breaks - 1) == _RETURN) & (self.raw[breaks] == _FEED)
        after, ends = breaks + 1, breaks - ends_two
        self.complete = int(after[-1]) if len(after) else 0
        if self.complete < len(block):
            after, ends = np.append(after, len(block)), np.append(ends, len(block))
        self.starts: _Positions = np.append(0, after[:-1])
        self.ends: _Positions = ends
        self.after: _Positions = after

    def find(self, character: str) -> _Positions:
        """Return where a character is, nowhere if it is none."""
        byte = character.encode("latin-1")
        if character == NO_CHARACTER or byte not in self.block:
            return np.empty(0, np.int64)
        found: _Positions = np.flatnonzero(self.raw == byte[0])
        return found

    def byte_at(self, positions: _Positions) -> npt.NDArray[np.uint8]:
        """Return the bytes at positions, a line feed before and behind the block."""
        inside = (positions >= 0) & (positions < len(self.raw))
        found = self.raw[np.where(inside, positions, 0)]
        found[~inside] = _FEED
        return found

    def line_of(self, positions: _Positions) -> _Positions:
        """Return the numbers of the lines that positions are in."""
        found: _Positions = np.searchsorted(self.starts, positions, side="right")
        return found - 1

    def outside_quotes(self, positions: _Positions) -> _Positions:
        """Return the positions that an even number of quotes is before."""
        if not len(self.quotes):
            return positions
        outside: _Flags = np.searchsorted(self.quotes, positions) % 2 == 0
        return positions[outside]

    def rewrite(
        self, numbers: _Positions, rule: Callable[[int, bytes], bytes | None]
    ) -> bytes:
        """Return the block with some of its lines replaced, or gone for None."""
        pieces: list[bytes] = []
        done = 0
        for number in numbers.tolist():
            start, end = int(self.starts[number]), int(self.ends[number])
            if done < start:
                pieces.append(self.block[done:start])
            line = rule(number, self.block[start:end])
            if line is not None:
                # An empty line must not be half of the line end before it.
                half = not line and pieces and pieces[-1].endswith(b"\r")
                pieces.append(b"\n\n" if half else line + b"\n")
            done = int(self.after[number])
        pieces.append(self.block[done:])
        return b"".join(pieces)


def written(dialect: Dialect) -> Dialect:
    """Return the dialect, one that pyarrow has, of what the functions below return."""
    if len(dialect.separator) > 1:
        return replace(dialect, separator=",", quote='"', escape='"')
    return replace(dialect, escape=dialect.quote)


def count_lines(block: bytes, dialect: Dialect) -> int:
    """Return how many records the lines of a block are."""
    return len(_Lines(block, dialect).starts) if block else 0


def written_lines(
    block: bytes, dialect: Dialect, numbers: Collection[int]
) -> dict[int, bytes]:
    """Return the lines of some records by the numbers that these have in a block."""
    if not numbers:
        return {}
    lines = _Lines(block, dialect)
    return {each: block[lines.starts[each] : lines.ends[each]] for each in numbers}


def plain_lines(block: bytes, dialect: Dialect, comment: bytes) -> bytes:
    """Return the records of whole lines, without blank ones and comments."""
    if not block:
        return block
    lines = _Lines(block, dialect)
    wrong = _wrong_lines(lines, dialect)
    first = lines.byte_at(lines.starts)
    suspect = (first <= _SPACE[-1]) | (lines.starts == lines.ends)
    if comment:
        suspect |= first == comment[0]

    def rule(number: int, line: bytes) -> bytes | None:
        ended = int(lines.ends[number]) < len(block)
        blank = _is_blank(line, dialect, ended=ended)
        if blank or (comment and line.startswith(comment)):
            return None
        return _rewritten(line, dialect) if wrong[number] else line

    numbers = np.flatnonzero(wrong | suspect)
    plain = lines.rewrite(numbers, rule) if len(numbers) else block
    # Lines with quotes have been trimmed as they were cut into cells.
    return plain if wrong.all() else _trimmed(plain, dialect)


def _is_blank(line: bytes, dialect: Dialect, *, ended: bool) -> bool:
    """Return True if Spark passes over a line, which may be one of a document.

    There it has space, and only where that is trimmed and the line has an end.
    """
    if not dialect.multi_line:
        return not line.strip(_SPACE)
    trimmed = dialect.trims_start and ended
    text = line.decode("latin-1")
    return not line or (trimmed and dialect.skip_space(text, 0) == len(text))


def plain_records(content: bytes, dialect: Dialect, comment: bytes) -> Iterator[bytes]:
    """Yield the records of a document, in which quotes may hold line ends."""
    position, text = 0, ""
    while position < len(content):
        block = content[position : position + BLOCK_BYTES]
        lines = _Lines(block, dialect)
        last = position + len(block) == len(content) and len(lines.quotes) % 2 == 0
        whole = len(block) if last else lines.complete
        if whole and not _wrong_lines(_Lines(block[:whole], dialect), dialect).any():
            yield plain_lines(block[:whole], dialect, comment)
            position += whole
            continue
        text = text or content.decode("latin-1")
        end = position + len(block)
        rows = []
        while position < end:
            row, position = _careful_record(text, position, dialect, comment)
            rows.append(row)
        yield b"".join(rows)


def first_record(
    content: bytes, dialect: Dialect, comment: bytes
) -> tuple[list[str | None], int]:
    """Return the cells of a document's first record, and where the next one begins."""
    text, position = content.decode("latin-1"), 0
    while position < len(text):
        behind = _behind_nothing(text, position, comment)
        if behind == position:
            cells = Cells(text, dialect, position)
            return list(cells), min(cells.position, len(text))
        position = behind
    return [], position


def _behind_nothing(text: str, position: int, comment: bytes) -> int:
    """Return what is behind a line end or a comment, ``position`` where none begins."""
    if text[position] in "\r\n":
        return position + 1
    if comment and text.startswith(comment.decode("latin-1"), position):
        found = _LINE_END.search(text, position)
        return found.end() if found else len(text)
    return position


def _careful_record(
    text: str, position: int, dialect: Dialect, comment: bytes
) -> tuple[bytes, int]:
    behind = _behind_nothing(text, position, comment)
    if behind != position:
        return b"", behind
    cells = Cells(text, dialect, position)
    row = _write(cells, dialect)
    ended = text[cells.position - 1 : cells.position] in {"\r", "\n"}
    is_blank = not row and dialect.trims_start and ended
    return b"" if is_blank else row + b"\n", cells.position


def _wrong_lines(lines: _Lines, dialect: Dialect) -> _Flags:
    """Return for each line if pyarrow would cut it otherwise than Spark's parser."""
    wrong = np.zeros(len(lines.starts), np.bool_)
    if len(dialect.separator) > 1:
        return ~wrong
    quotes = lines.quotes
    if not len(quotes):
        return wrong
    if dialect.trims_start or dialect.trims_end:
        return ~wrong
    neighbours = {_FEED, _RETURN, ord(dialect.separator)}
    if dialect.quote == dialect.escape:
        neighbours.add(ord(dialect.quote))
    opens = _is_one_of(lines.byte_at(quotes - 1), neighbours)
    closes = _is_one_of(lines.byte_at(quotes + 1), neighbours)
    escapes = lines.find(dialect.escape if dialect.escape != dialect.quote else "\0")
    if not len(escapes) and opens[::2].all() and closes[1::2].all():
        breaks = lines.ends
        if len(lines.outside_quotes(breaks)) == len(breaks) and len(quotes) % 2 == 0:
            return wrong
    line = lines.line_of(quotes)
    place = np.arange(len(quotes)) - np.searchsorted(quotes, lines.starts)[line]
    wrong[line[~np.where(place % 2 == 0, opens, closes)]] = True
    counts = np.bincount(line, minlength=len(wrong))
    wrong |= counts % 2 == 1
    escaped = lines.line_of(escapes)
    wrong[escaped[counts[escaped] > 0]] = True
    return wrong


def _is_one_of(found: npt.NDArray[np.uint8], wanted: Collection[int]) -> _Flags:
    flags = np.zeros(256, np.bool_)
    flags[list(wanted)] = True
    return flags[found]


def _rewritten(line: bytes, dialect: Dialect) -> bytes:
    return _write(Cells(line.decode("latin-1"), dialect), dialect)


def _write(cells: Iterable[str | None], dialect: Dialect) -> bytes:
    target = written(dialect)
    quote = target.quote
    if quote == NO_CHARACTER:
        return target.separator.join(cell or "" for cell in cells).encode("latin-1")
    texts = (
        "" if cell is None else f"{quote}{cell.replace(quote, quote * 2)}{quote}"
        for cell in cells
    )
    return target.separator.join(texts).encode("latin-1")


def _trimmed(block: bytes, dialect: Dialect) -> bytes:
    """Return lines without quotes trimmed, where the dialect trims."""
    separator = dialect.separator.encode("latin-1")
    space = b"[%b]+" % re.escape(bytes(set(_SPACE) - set(b"\r\n" + separator)))
    if dialect.trims_start:
        start = rb"(\A|[\r\n]|%b)%b" % (re.escape(separator), space)
        block = re.sub(start, rb"\1", block)
    if dialect.trims_end:
        end = rb"%b(\Z|[\r\n]|%b)" % (space, re.escape(separator))
        block = re.sub(end, rb"\1", block)
    return block


def read_rows(
    block: bytes, dialect: Dialect, width: int, *, wanted: Collection[int], limit: int
) -> Rows:
    """Read plain records of ``width`` cells; of more where most have more.

    Of the columns only those in ``wanted`` are returned, of the rows all.
    """
    try:
        return _read(block, dialect, width, wanted)
    except pa.ArrowInvalid:
        even, surplus, corrupt, width = _even_out(block, dialect, width, limit)
    rows = _read(even, dialect, width, wanted)
    return replace(rows, surplus=surplus, corrupt=corrupt)


def _read(block: bytes, dialect: Dialect, width: int, wanted: Collection[int]) -> Rows:
    quote = dialect.quote
    included = [number for number in range(width) if number in wanted] or [0]
    if block.startswith(BOM_UTF8):
        # pyarrow takes away one where its input begins, here with any line of a file.
        block = BOM_UTF8 + block
    table = pyarrow.csv.read_csv(
        pa.BufferReader(block),
        pyarrow.csv.ReadOptions(
            use_threads=False,
            block_size=len(block) + 1,
            column_names=[str(number) for number in range(width)],
        ),
        pyarrow.csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=False if quote == NO_CHARACTER else quote,
            newlines_in_values=dialect.multi_line,
            ignore_empty_lines=False,
        ),
        pyarrow.csv.ConvertOptions(
            column_types={str(number): pa.binary() for number in included},
            include_columns=[str(number) for number in included],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = (column.combine_chunks() for column in table.columns)
    return Rows(dict(zip(included, columns, strict=True)), table.num_rows, width)


def _even_out(
    block: bytes, dialect: Dialect, least: int, limit: int
) -> tuple[bytes, dict[int, list[str]], dict[int, str], int]:
    """Give all records as many cells as most of them have, and as columns need."""
    lines = _Lines(block, dialect)
    separators = lines.outside_quotes(lines.find(dialect.separator))
    first = np.searchsorted(separators, lines.starts)
    counts = np.searchsorted(separators, lines.ends) - first + 1
    width = max(least, int(np.bincount(np.minimum(counts, limit)).argmax()))
    surplus: dict[int, list[str]] = {}
    corrupt: dict[int, str] = {}
    separator = dialect.separator.encode()

    def rule(number: int, line: bytes) -> bytes:
        count = int(counts[number])
        if count > limit:
            corrupt[number] = line.decode("utf-8", "backslashreplace")
            return separator * (width - 1)
        if count < width:
            return line + separator * (width - count)
        end = int(separators[first[number] + width - 1] - lines.starts[number])
        surplus[number] = _cut(line[end + 1 :], dialect)
        return line[:end]

    even = lines.rewrite(np.flatnonzero(counts != width), rule)
    return even, surplus, corrupt, width


def _cut(cells: bytes, dialect: Dialect) -> list[str]:
    text = cells.decode("utf-8", "backslashreplace")
    if dialect.quote == NO_CHARACTER:
        return text.split(dialect.separator)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=dialect.separator, quotechar=dialect.quote)
    return next(reader, [])
