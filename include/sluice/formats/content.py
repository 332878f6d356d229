"""What a landed file holds: its content says how it is packed, its name helps out."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

import pyarrow as pa

from sluice import storage
from sluice.formats.encodings import UTF8
from sluice.formats.limits import LimitedContent
from sluice.formats.streams import BadFileError

CODECS = {
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bz2",
    "zst": "zstd",
    "zstd": "zstd",
    "lz4": "lz4",
    "br": "brotli",
    "deflate": "deflate",
}
"""The endings of compressed files, in lower case, and how they are packed."""
REFUSED = {"snappy": "snappy", "xz": "xz", "zip": "a ZIP archive"}
"""The endings of files that are packed in a way no format reads."""
_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
# "BZh" alone may begin a text: a digit and the first block, or the end, follow.
_BZIP2, _BZIP2_BLOCKS = b"BZh", (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
_OTHERS = {
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "a ZIP archive",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"PAR1\x15": "Parquet",
    b"Obj\x01": "Avro",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEAD = 16
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """An opened file, at the beginning of what it holds.

    - ``is_plain``: whether that is the file's own bytes; if so, they can be sought.
    """

    stream: BinaryIO
    is_plain: bool


def may_be_plain(path: str) -> bool:
    """Return False if the ending of ``path``, in any case, names a packed file."""
    return _ending(path) not in CODECS | REFUSED


def open_content(
    location: str,
    *,
    is_utf8: bool = True,
    most: int = sys.maxsize,
    within: Sequence[str] = (),
) -> Content:
    """Open a file of text and unpack it, up to ``most`` bytes.

    ``is_utf8`` lets a byte-order mark decide. With ``within`` the file must lie in one
    of these folders.

    Raises:
        BadFileError: it is no text, or packed in a way that is not read.
    """
    stream = _buffered(storage.open_input(location, within=within))
    try:
        return _unpacked(stream, location, is_utf8=is_utf8, most=most)
    except BaseException:
        stream.close()
        raise


def _unpacked(
    stream: io.BufferedReader, path: str, *, is_utf8: bool, most: int
) -> Content:
    head = stream.peek(_HEAD)
    codec = codec_of(head, path)
    if codec is not None:
        unpacked = LimitedContent(_UNPACKED[codec](stream), most)
        stream = io.BufferedReader(unpacked)
        head = stream.peek(_HEAD)
        require_text(head)
    encoding = _first(_MARKS, head) if is_utf8 else None
    if encoding is not None:
        stream = io.BufferedReader(_Decoded(stream, encoding))
    return Content(stream, is_plain=codec is None and encoding is None)


def codec_of(head: bytes, path: str) -> str | None:
    """Return how a file is packed that begins with ``head``, None where it is not.

    Raises:
        BadFileError: it is packed in a way that is not read, or no text.
    """
    found = _first(_MAGIC, head)
    if found is None and head.startswith(_BZIP2) and head[4:10] in _BZIP2_BLOCKS:
        found = "bz2"
    if found is not None or not head:
        return found
    require_text(head)
    ending = _ending(path)
    if ending in REFUSED:
        raise _other_error(REFUSED[ending])
    return CODECS.get(ending)


def is_packed(content: bytes, path: str, *, is_utf8: bool) -> bool:
    """Return True if a file that begins so is compressed, or text of UTF-16 or UTF-32.

    Raises:
        BadFileError: it is packed in a way that is not read, or no text.
    """
    head = content[:_HEAD]
    is_wide = is_utf8 and _first(_MARKS, head) is not None
    return is_wide or codec_of(head, path) is not None


def require_text(head: bytes) -> None:
    """Refuse what begins as files do that hold no text.

    Raises:
        BadFileError: it does.
    """
    found = _first(_OTHERS, head)
    if found is not None:
        raise _other_error(found)


def read_heads(
    paths: Sequence[str], max_bytes: int, *, is_utf8: bool = True
) -> Iterator[bytes]:
    """Yield at most the first ``max_bytes`` of each file, unpacked, in order.

    A file that cannot be read is passed over with a warning.
    """
    read = partial(_read_head, max_bytes=max_bytes, is_utf8=is_utf8)
    with ThreadPoolExecutor(max_workers=8) as readers:
        yield from readers.map(read, paths)


def _read_head(path: str, max_bytes: int, *, is_utf8: bool) -> bytes:
    try:
        with open_content(path, is_utf8=is_utf8).stream as stream:
            return stream.read(max_bytes)
    except OSError as error:
        _LOG.warning("schema inference passes over %r: %s", path, error)
        return b""


def _ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def _first(beginnings: dict[bytes, str], head: bytes) -> str | None:
    if not head.startswith(tuple(beginnings)):
        return None  # the usual case, by one call
    return next(each for key, each in beginnings.items() if head.startswith(key))


def _other_error(found: str) -> BadFileError:
    return BadFileError(
        f"it is {found}, which is not read here; land it as it should be read, plain "
        "or compressed by gzip, bzip2, zstd, lz4 or brotli, or set cloudFiles.format "
        "to what it is"
    )


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    return cast("io.BufferedReader", stream)


class _Gzip(io.RawIOBase):
    """The members of a gzip file; zero bytes behind them are padding, as for gzip.

    pyarrow's own reader takes padding for damage.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._file = gzip.GzipFile(fileobj=stream, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            content = self._file.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadFileError(f"its gzip content is damaged: {error}") from error
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Decoded(io.RawIOBase):
    """Text of another encoding, as UTF-8; what is no text becomes U+FFFD."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)("replace").decode
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            block = self._stream.read(1 << 20)
            self._rest = self._decode(block, not block).encode(UTF8)
            if not block:
                break
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


def _by_pyarrow(codec: str) -> Callable[[BinaryIO], io.RawIOBase]:
    def opened(stream: BinaryIO) -> io.RawIOBase:
        return cast("io.RawIOBase", pa.CompressedInputStream(stream, codec))

    return opened


_UNPACKED: dict[str, Callable[[BinaryIO], io.RawIOBase]] = {
    "gzip": _Gzip,
    "bz2": _by_pyarrow("bz2"),
    "zstd": _by_pyarrow("zstd"),
    "lz4": _by_pyarrow("lz4"),
    "brotli": _by_pyarrow("brotli"),
    # Its reader of gzip takes zlib's header too, which is what Hadoop writes.
    "deflate": _by_pyarrow("gzip"),
}
