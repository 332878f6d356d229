"""Count the records of landed files without the code that reads them into rows.

Formats and their spellings are listed here a second time on purpose: a mistake that
reader and audit shared would never be found.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, Protocol

import pyarrow.parquet as pq

from sluice.audit.opening import Bound, open_as_it_is, open_text

_BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf|[ \t\r\n])+")
# What holds brackets and commas that cut nothing, and those that do.
_DOUBLE, _SINGLE = r'"(?:[^"\\]|\\.)*+"', r"'(?:[^'\\]|\\.)*+'"
_COMMENT, _MARK = r"/\*.*?\*/|//[^\r\n]*+", r"[\[\]{},]"
# What Java's trim takes away, no character, and one that no text has.
_BLANK, _NONE, _SEPARATOR = "".join(map(chr, range(33))), "\0", "\x1f"


class _Named(Protocol):
    """A format with its options."""

    @property
    def name(self) -> str:
        """What ``cloudFiles.format`` calls it."""


class _TextOptions(Protocol):
    @property
    def whole_text(self) -> bool:
        """Whether a file is one row."""

    @property
    def line_sep(self) -> bytes | None:
        """What ends a line, None for any line end."""


class _CsvOptions(Protocol):
    header: bool
    separator: str
    quote: str
    escape: str
    comment: str
    encoding: str
    multi_line: bool
    skip_rows: int
    trims_start: bool
    max_content_bytes: int


class _JsonOptions(Protocol):
    @property
    def multi_line(self) -> bool:
        """Whether a file is one document."""

    @property
    def encoding(self) -> str:
        """What the bytes of a file stand for."""

    @property
    def line_sep(self) -> bytes | None:
        """What ends a line, None for any line end."""

    @property
    def single_quotes(self) -> bool:
        """Whether strings may be in single quotes."""

    @property
    def comments(self) -> bool:
        """Whether comments may be between tokens."""

    @property
    def max_content_bytes(self) -> int:
        """The most bytes of a line, or of a document."""


def count_records(path: str, source_format: _Named) -> int:
    """Count the records of one file in ``source_format``.

    Raises:
        OSError: the file cannot be read or decompressed.
        ValueError: the file as a whole is not of its format, or its reader fails on it.
    """
    try:
        return COUNTERS[source_format.name](path, source_format)
    except (OSError, ValueError):
        raise
    except Exception as error:
        # What libraries raise on bytes of others has no common type.
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _count_json(path: str, options: _JsonOptions) -> int:
    """Count what is not blank: lines or a document, and of arrays the elements."""
    plain = options.encoding == "utf-8" and options.line_sep is None
    by_line = plain and not options.multi_line
    bound = Bound(options.max_content_bytes, by_line=by_line)
    with open_text(path, options.encoding, bound) as stream:
        if by_line:
            return sum(_count_objects(line, options) for line in _whole_lines(stream))
        content = stream.read()
    if options.encoding != "utf-8":
        content = content.decode(options.encoding, "replace").encode()
    if options.multi_line:
        return _count_objects(content, options)
    ends = options.line_sep
    lines = content.splitlines() if ends is None else content.split(ends)
    return sum(_count_objects(line, options) for line in lines)


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines with what ends them; a long one is put together once."""
    begun: list[bytes] = []
    while block := stream.read(_BLOCK_BYTES):
        first, *others = block.splitlines(keepends=True)
        # A line end of two bytes may go on in this block.
        if begun and begun[-1].endswith(b"\n" if first == b"\n" else (b"\n", b"\r")):
            yield b"".join(begun)
            begun = []
        begun.append(first)
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun = [others[-1]]
    if begun:
        yield b"".join(begun)


def _count_objects(text: bytes, options: _JsonOptions) -> int:
    bare = text.removeprefix(_BOM).strip(_JSON_SPACE)
    if bare.startswith(_BOM):
        bare = _MARKS.sub(b"", bare)
    if not bare.startswith((b"[", b"/")):
        return int(bool(bare))
    shown = bare.decode("utf-8", "replace")
    if options.comments:
        shown = re.sub(rf"\A(?:[ \t\r\n]|{_COMMENT})+", "", shown, flags=re.DOTALL)
    if not shown.startswith("["):
        return bool(shown)
    try:
        # Numbers may be of any length.
        return len(json.loads(shown, parse_int=str, parse_float=str))
    except (ValueError, RecursionError):
        return _count_elements(shown, options)


def _count_elements(array: str, options: _JsonOptions) -> int:
    """Count what the commas of an array separate; 1 where it does not end as one."""
    bare = _bare(array, options)
    depth = commas = 0
    for mark in re.finditer(_MARK, bare):
        depth += (mark[0] in "[{") - (mark[0] in "]}")
        commas += depth == 1 and mark[0] == ","
        if not depth:
            inside, behind = bare[1 : mark.start()], bare[mark.end() :]
            space = _JSON_SPACE.decode()
            return (
                1
                if behind.strip(space)
                else commas + bool(commas or inside.strip(space))
            )
    return 1


def _bare(text: str, options: _JsonOptions) -> str:
    """Return text with ``0`` for each string, and space for each comment.

    What has no end is looked for once: no later one of its kind has an end either.
    """
    hidden = {'"': _DOUBLE} | ({"'": _SINGLE} if options.single_quotes else {})
    if options.comments:
        hidden |= {"/*": r"/\*.*?\*/", "//": r"//[^\r\n]*+"}
    pieces, position = [], 0
    begins = re.compile("|".join(map(re.escape, hidden)))
    ends = {each: re.compile(form, re.DOTALL) for each, form in hidden.items()}
    while begin := begins.search(text, position):
        kind = begin[0]
        found = ends[kind].match(text, begin.start()) if kind in ends else None
        pieces.append(text[position : begin.start()])
        if found is None:
            ends.pop(kind, None)
            pieces.append(text[begin.start()])
            position = begin.start() + 1
        else:
            pieces.append(" " if kind.startswith("/") else "0")
            position = found.end()
    return "".join([*pieces, text[position:]])


def _count_csv(path: str, options: _CsvOptions) -> int:
    """Count the lines that are neither blank nor comments, or the records of quotes."""
    encoding = "utf-8-sig" if options.encoding == "utf-8" else options.encoding
    # In quotes a line end is part of the record, elsewhere it is any of three.
    ends = "" if options.multi_line else None
    bound = Bound(options.max_content_bytes, by_line=not options.multi_line)
    with open_text(path, options.encoding, bound) as stream:
        text = io.TextIOWrapper(stream, encoding, "replace", newline=ends)
        lines = islice(text, options.skip_rows, None)
        records = _records(lines, options) if options.multi_line else _lines(lines)
        comment = options.comment or None
        found = (each for each in records if not (comment and each.startswith(comment)))
        count = sum(1 for _ in found)
    return max(count - options.header, 0)


def _lines(lines: Iterator[str]) -> Iterator[str]:
    return filter(lambda line: line.strip(_BLANK), lines)


def _records(lines: Iterator[str], options: _CsvOptions) -> Iterator[str]:
    """Yield the first cell of each record, by Python's own reader.

    What an escape hides from a record's structure is taken away before.
    """
    separator = options.separator.encode("latin-1").decode()
    quote, escape = options.quote, options.escape
    if escape not in {quote, _NONE}:
        hidden = re.compile(f"{re.escape(escape)}[{re.escape(escape + quote)}]")
        lines = (hidden.sub("", line) for line in lines)
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        (line.replace(separator, _SEPARATOR) for line in lines),
        delimiter=_SEPARATOR,
        quotechar=None if quote == _NONE else quote,
        quoting=csv.QUOTE_NONE if quote == _NONE else csv.QUOTE_MINIMAL,
        skipinitialspace=options.trims_start,
    )
    return (record[0] for record in reader if record)


def _count_text(path: str, options: _TextOptions) -> int:
    """Count what ends a line, and a last line without an end."""
    if options.whole_text:
        return _count_file(path, options)
    end, longest = re.compile(rb"\r\n?|\n"), 2
    if options.line_sep is not None:
        end, longest = re.compile(re.escape(options.line_sep)), len(options.line_sep)
    count, rest = 0, b""
    with open_text(path) as stream:
        if stream.peek(len(_BOM)).startswith(_BOM):
            stream.read(len(_BOM))
        while block := stream.read(_BLOCK_BYTES):
            text = rest + block
            # An end may go on in the next block, and be one of two bytes.
            ends = [each for each in end.finditer(text) if each.end() < len(text)]
            count += len(ends)
            # No more of a line than may be part of its end.
            rest = text[ends[-1].end() if ends else 0 :][-longest:]
    return count + bool(rest)


def _count_parquet(path: str, _options: object) -> int:
    """Return how many rows the footer names."""
    with open_as_it_is(path) as stream:
        return int(pq.read_metadata(stream).num_rows)


def _count_file(path: str, _options: object) -> int:
    """Count the file itself, unless it is empty."""
    with open_as_it_is(path) as stream:
        return int(stream.size() > 0)


COUNTERS: Mapping[str, Callable[[str, Any], int]] = {
    "json": _count_json,
    "csv": _count_csv,
    "parquet": _count_parquet,
    "text": _count_text,
    "binaryFile": _count_file,
}
"""How the records of a file are counted, given its path and the format's options."""
