"""Count the records of landed files without the code that reads them into rows.

Formats, codecs and their spellings are listed here a second time on purpose: a mistake
that reader and audit shared would never be found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol

import pyarrow as pa

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
    with _open(path) as stream:
        return COUNTERS[source_format.name](stream, source_format)


def _count_json(stream: pa.NativeFile, options: _JsonOptions) -> int:
    """Count lines that are not blank, or the elements of a document's array."""
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


def _open(path: str) -> pa.NativeFile:
    codec = CODECS.get(PurePosixPath(path).suffix.lower())
    if is_local(path):
        return pa.input_stream(path, compression=codec)
    folder, _, name = path.rpartition("/")
    content = pa.BufferReader(storage.read(folder, name) or b"")
    return pa.CompressedInputStream(content, codec) if codec else content


COUNTERS: Mapping[str, Callable[[pa.NativeFile, Any], int]] = {"json": _count_json}
"""How the records of each format are counted, given its options."""
