"""Count the records of landed files without the code that reads them into rows.

Formats, codecs and their spellings are listed here a second time on purpose: a mistake
that reader and audit shared would never be found.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sluice import storage
from sluice.paths import is_local

_BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf|[ \t\r\n])+")
# What holds brackets and commas that cut nothing, and those that do.
_DOUBLE, _SINGLE = r'"(?:[^"\\]|\\.)*+"', r"'(?:[^'\\]|\\.)*+'"
_COMMENT, _MARK = r"/\*.*?\*/|//[^\r\n]*+", r"[\[\]{},]"
# What Java's trim takes away, no character, and one that no text has.
_BLANK, _NONE, _SEPARATOR = "".join(map(chr, range(33))), "\0", "\x1f"
CODECS = {
    ".br": "brotli",
    ".bz2": "bz2",
    ".deflate": "deflate",
    ".gz": "gzip",
    ".gzip": "gzip",
    ".lz4": "lz4",
    ".zst": "zstd",
    ".zstd": "zstd",
}
_CONTENTS = [
    (re.compile(rb"\x1f\x8b\x08"), "gzip"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bz2"),
    (re.compile(rb"\(\xb5/\xfd"), "zstd"),
    (re.compile(rb"\x04\x22M\x18"), "lz4"),
]
_UTF_32 = re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff")
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff")


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
    with _open(path, options.encoding) as stream:
        plain = options.encoding == "utf-8" and options.line_sep is None
        if plain and not options.multi_line:
            return _count_lines(stream, options)
        content = stream.read()
    if options.encoding != "utf-8":
        content = content.decode(options.encoding, "replace").encode()
    if options.multi_line:
        return _count_objects(content, options)
    ends = options.line_sep
    lines = content.splitlines() if ends is None else content.split(ends)
    return sum(_count_objects(line, options) for line in lines)


def _count_lines(stream: BinaryIO, options: _JsonOptions) -> int:
    count, rest = 0, b""
    while block := stream.read(_BLOCK_BYTES):
        lines = (rest + block).splitlines(keepends=True)
        # The last line may go on in the next block, as may a line end of two bytes.
        rest = lines.pop()
        count += sum(_count_objects(line, options) for line in lines)
    return count + _count_objects(rest, options)


def _count_objects(text: bytes, options: _JsonOptions) -> int:
    bare = text.removeprefix(_BOM).strip(_JSON_SPACE)
    if bare.startswith(_BOM):
        bare = _MARKS.sub(b"", bare)
    if not bare.startswith((b"[", b"/")):
        return bool(bare)
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
    strings = _DOUBLE + (f"|{_SINGLE}" if options.single_quotes else "")
    hidden = f"({strings})" + (f"|{_COMMENT}" if options.comments else "")
    bare = re.sub(
        hidden, lambda found: "0" if found[1] else " ", array, flags=re.DOTALL
    )
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


def _count_csv(path: str, options: _CsvOptions) -> int:
    """Count the lines that are neither blank nor comments, or the records of quotes."""
    encoding = "utf-8-sig" if options.encoding == "utf-8" else options.encoding
    # In quotes a line end is part of the record, elsewhere it is any of three.
    ends = "" if options.multi_line else None
    with _open(path, options.encoding) as stream:
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
    end = re.compile(rb"\r\n?|\n")
    if options.line_sep is not None:
        end = re.compile(re.escape(options.line_sep))
    count, rest = 0, b""
    with _open(path) as stream:
        if stream.peek(len(_BOM)).startswith(_BOM):
            stream.read(len(_BOM))
        while block := stream.read(_BLOCK_BYTES):
            text = rest + block
            # An end may go on in the next block, and be one of two bytes.
            ends = [each for each in end.finditer(text) if each.end() < len(text)]
            count += len(ends)
            rest = text[ends[-1].end() :] if ends else text
    return count + bool(rest)


def _count_parquet(path: str, _options: object) -> int:
    """Return how many rows the footer names."""
    with _open_as_it_is(path) as stream:
        return int(pq.read_metadata(stream).num_rows)


def _count_file(path: str, _options: object) -> int:
    """Count the file itself, unless it is empty."""
    with _open_as_it_is(path) as stream:
        return int(stream.size() > 0)


def _open(path: str, encoding: str = "utf-8") -> io.BufferedReader:
    """Open what a file of text holds: unpacked, and UTF-16 with a mark as UTF-8."""
    stream = io.BufferedReader(_open_as_it_is(path))
    head = stream.peek(10)
    named = CODECS.get(PurePosixPath(path).suffix.lower()) if head else None
    codec = next((name for form, name in _CONTENTS if form.match(head)), named)
    if codec is not None:
        stream = io.BufferedReader(_unpacked(stream, codec))
    return _as_utf8(stream) if encoding == "utf-8" else stream


def _unpacked(stream: io.BufferedReader, codec: str) -> io.RawIOBase:
    if codec == "gzip":
        return _Gunzipped(stream)
    # pyarrow's reader of gzip takes what Hadoop calls deflate.
    codec = "gzip" if codec == "deflate" else codec
    return cast("io.RawIOBase", pa.CompressedInputStream(stream, codec))


def _as_utf8(stream: io.BufferedReader) -> io.BufferedReader:
    head = stream.peek(4)
    if _UTF_32.match(head):
        encoding = "utf-32"
    elif _UTF_16.match(head):
        encoding = "utf-16"
    else:
        return stream
    text = stream.read().decode(encoding, "replace")
    return io.BufferedReader(cast("io.RawIOBase", io.BytesIO(text.encode())))


class _Gunzipped(io.RawIOBase):
    """Every member of a gzip file, and no zero bytes behind them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._members = gzip.GzipFile(fileobj=stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            return self._members.readinto(buffer)
        except (EOFError, zlib.error) as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        self._stream.close()
        super().close()


def _open_as_it_is(path: str) -> pa.NativeFile:
    if is_local(path):
        return pa.OSFile(path)
    folder, _, name = path.rpartition("/")
    return pa.BufferReader(storage.read(folder, name) or b"")


COUNTERS: Mapping[str, Callable[[str, Any], int]] = {
    "json": _count_json,
    "csv": _count_csv,
    "parquet": _count_parquet,
    "text": _count_text,
    "binaryFile": _count_file,
}
"""How the records of a file are counted, given its path and the format's options."""
