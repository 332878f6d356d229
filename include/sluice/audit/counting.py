"""Count the records of landed files without the code that reads them into rows.

Formats, codecs and their spellings are listed here a second time on purpose: a mistake
that reader and audit shared would never be found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from sluice import storage
from sluice.paths import is_local

_BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
CODECS = {
    ".br": "brotli",
    ".bz2": "bz2",
    ".gz": "gzip",
    ".lz4": "lz4",
    ".zst": "zstd",
}


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


class _JsonOptions(Protocol):
    @property
    def multi_line(self) -> bool:
        """Whether a file is one document."""


def count_records(path: str, source_format: _Named) -> int:
    """Count the records of one file in ``source_format``.

    Raises:
        OSError: the file cannot be read or decompressed.
        ValueError: the file as a whole is not of its format.
    """
    return COUNTERS[source_format.name](path, source_format)


def _count_json(path: str, options: _JsonOptions) -> int:
    """Count lines that are not blank, or the elements of a document's array."""
    with _open(path) as stream:
        if not options.multi_line:
            return _count_lines(stream)
        value = json.loads(stream.read().removeprefix(_BOM))
    return len(value) if isinstance(value, list) else 1


def _count_lines(stream: pa.NativeFile) -> int:
    count, rest = 0, stream.read(len(_BOM)).removeprefix(_BOM)
    while block := stream.read(_BLOCK_BYTES):
        lines = (rest + block).splitlines(keepends=True)
        # The last line may go on in the next block, as may a line end of two bytes.
        rest = lines.pop()
        count += sum(map(bool, map(bytes.strip, lines)))
    return count + bool(rest.strip())


def _count_text(path: str, options: _TextOptions) -> int:
    """Count what ends a line, and a last line without an end."""
    if options.whole_text:
        return _count_file(path, options)
    end = re.compile(rb"\r\n?|\n")
    if options.line_sep is not None:
        end = re.compile(re.escape(options.line_sep))
    count, rest = 0, b""
    with _open(path) as stream:
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


def _open(path: str) -> pa.NativeFile:
    codec = CODECS.get(PurePosixPath(path).suffix.lower())
    stream = _open_as_it_is(path)
    return pa.CompressedInputStream(stream, codec) if codec else stream


def _open_as_it_is(path: str) -> pa.NativeFile:
    if is_local(path):
        return pa.OSFile(path)
    folder, _, name = path.rpartition("/")
    return pa.BufferReader(storage.read(folder, name) or b"")


COUNTERS: Mapping[str, Callable[[str, Any], int]] = {
    "json": _count_json,
    "parquet": _count_parquet,
    "text": _count_text,
    "binaryFile": _count_file,
}
"""How the records of a file are counted, given its path and the format's options."""
