"""The bytes of landed files: decompressed, cut at lines, or only their beginnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BufferedReader
from typing import BinaryIO, cast

import pyarrow as pa

from sluice import storage
from sluice.values import Option, parse_bytes

BLOCK_BYTES = 8 << 20
CODECS = {"gz": "gzip", "bz2": "bz2", "zst": "zstd", "lz4": "lz4", "br": "brotli"}
"""The endings of compressed files, in lower case, and their codecs in pyarrow."""
DEFAULT_CONTENT_BYTES = 512 << 20
_MOST_CONTENT_BYTES = (1 << 31) - 1
_LOG = logging.getLogger(__name__)


class BadFileError(OSError):
    """A file as a whole cannot be read in its format; the message is the reason."""


def _parse_limit(text: str) -> int:
    limit = parse_bytes(text)
    if limit > _MOST_CONTENT_BYTES:
        message = f"at most {_MOST_CONTENT_BYTES} bytes, which is all a value can hold"
        raise ValueError(message)
    return limit


CONTENT_LIMIT = Option(
    name="sluice.maxContentBytes",
    default="512m",
    meaning="the most bytes of a file that becomes one value; a larger one is bad",
    parse=_parse_limit,
    field="max_content_bytes",
)
"""How much of its memory a worker gives to a file that is one row."""


def codec_of(path: str) -> str | None:
    """Return the codec that the ending of ``path`` names, in any case."""
    return CODECS.get(path.rsplit(".", 1)[-1].lower())


def open_decompressed(path: str, codec: str | None) -> BinaryIO:
    """Open a file for reading what it holds; ``codec`` is what it is compressed by."""
    stream = storage.open_input(path)
    if codec is None:
        return stream
    return cast("BinaryIO", BufferedReader(pa.CompressedInputStream(stream, codec)))


def read_content(stream: BinaryIO, limit: int, *, size: int | None = None) -> bytes:
    """Return all that a stream holds; ``size`` is how much that is, if it is known.

    Raises:
        BadFileError: it is more than ``limit`` bytes.
    """
    expected = limit if size is None else size
    if expected <= limit:
        content = stream.read(expected + 1)
        if len(content) <= limit:
            return content
    raise BadFileError(
        f"it holds more than the {limit} bytes that option 'sluice.maxContentBytes' "
        "allows one value to have"
    )


def read_heads(paths: Sequence[str], max_bytes: int) -> Iterator[bytes]:
    """Yield at most the first ``max_bytes`` of each file, decompressed, in order.

    A file that cannot be read is passed over with a warning.
    """
    with ThreadPoolExecutor(max_workers=8) as readers:
        yield from readers.map(partial(_read_head, max_bytes=max_bytes), paths)


def _read_head(path: str, max_bytes: int) -> bytes:
    try:
        with open_decompressed(path, codec_of(path)) as stream:
            return stream.read(max_bytes)
    except OSError as error:
        _LOG.warning("schema inference passes over %r: %s", path, error)
        return b""


def line_blocks(
    stream: BinaryIO,
    start: int,
    end: int,
    block_bytes: int = BLOCK_BYTES,
    *,
    position: int = 0,
) -> Iterator[bytes]:
    """Yield blocks of the complete lines that begin in ``[start, end)``.

    Consecutive ranges share no line and miss none: a line that begins before ``end``
    is read to its end, one that began before ``start`` is passed over. What is before
    ``position``, where the stream is and a line begins, was read already.
    """
    if start > position:
        stream.seek(start - 1)
        position = start - 1 + len(stream.readline())
    while position < end:
        block = stream.read(min(block_bytes, end - position))
        if not block:
            return
        if not block.endswith(b"\n"):
            block += stream.readline()
        position += len(block)
        yield block
