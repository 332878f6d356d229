"""Open landed files without the code that opens them to read rows.

Codecs and their spellings are listed here a second time on purpose: a mistake that
reader and audit shared would never be found.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, cast

import pyarrow as pa

from sluice import storage
from sluice.paths import is_local

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


@dataclass(frozen=True)
class Bound:
    """The most bytes that a file holds, or ``by_line`` one of its lines."""

    most: int
    by_line: bool


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where a reader would need more than it may."""

    def __init__(self, stream: BinaryIO, bound: Bound) -> None:
        self._stream, self._bound = stream, bound
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        if self._size <= self._bound.most:
            end = bytes(buffer[:size]).rfind(b"\n") if self._bound.by_line else -1
            self._size = size - end - 1 if end >= 0 else self._size + size
        if self._size > self._bound.most:
            raise ValueError(
                f"more than {self._bound.most} bytes of it would be in memory at once"
            )
        return int(size)

    def close(self) -> None:
        self._stream.close()
        super().close()


_UNBOUND = Bound(sys.maxsize, by_line=False)


def open_text(
    path: str, encoding: str = "utf-8", bound: Bound = _UNBOUND
) -> io.BufferedReader:
    """Open what a file of text holds: unpacked, and UTF-16 with a mark as UTF-8."""
    stream = io.BufferedReader(open_as_it_is(path))
    head = stream.peek(10)
    named = CODECS.get(PurePosixPath(path).suffix.lower()) if head else None
    codec = next((name for form, name in _CONTENTS if form.match(head)), named)
    if codec is not None:
        stream = io.BufferedReader(_unpacked(stream, codec))
    stream = io.BufferedReader(_Bounded(stream, bound))
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


def open_as_it_is(path: str) -> pa.NativeFile:
    """Open a file, or what an object holds, packed as it may be."""
    if is_local(path):
        return pa.OSFile(path)
    folder, _, name = path.rpartition("/")
    return pa.BufferReader(storage.read(folder, name) or b"")
