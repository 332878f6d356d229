"""The bytes of landed files: cut at lines, or as a whole, within a limit."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from sluice.values import Option, parse_bytes

BLOCK_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20
DEFAULT_CONTENT_BYTES = 512 << 20
_MOST_CONTENT_BYTES = (1 << 31) - 1


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
    meaning="the most bytes, decompressed, of one line, and of a file that is read "
    "as a whole: one value, a document (`multiLine`), UTF-16 and UTF-32. At most 2 "
    "GiB; a file with more is a bad file (`sluice.badFiles`). A worker needs a few "
    "times as much memory",
    parse=_parse_limit,
    field="max_content_bytes",
)
"""How much of its memory a worker gives to what cannot be read in parts."""


def read_content(stream: BinaryIO, limit: int, *, size: int | None = None) -> bytes:
    """Return all that a stream holds; ``size`` is how much that is, if it is known.

    Raises:
        BadFileError: it is more than ``limit`` bytes.
    """
    if size is None:
        content = b"".join(_pieces(stream, limit))
    else:
        content = stream.read(size + 1) if size <= limit else b""
    if len(content) > limit or (size or 0) > limit:
        raise too_much_error("it holds", limit)
    return content


def _pieces(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """Yield what a stream holds, and a byte more than ``limit`` where there is more."""
    left = limit + 1
    # A read gets memory for all that it asks for, which for a small file is much.
    while left and (piece := stream.read(min(_PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def read_line(stream: BinaryIO, limit: int) -> bytes:
    """Return what is left of a line, with the line feed that ends it.

    Raises:
        BadFileError: it is more than ``limit`` bytes.
    """
    line = stream.readline(limit + 1)
    if len(line) > limit:
        raise too_much_error("a line of it has", limit)
    return line


def too_much_error(subject: str, limit: int) -> BadFileError:
    """Return the error that ``subject``, which ends in a verb, has too many bytes."""
    return BadFileError(
        f"{subject} more than the {limit} bytes that option 'sluice.maxContentBytes' "
        "allows to be in memory at once"
    )


def line_blocks(
    stream: BinaryIO,
    start: int,
    end: int,
    *,
    position: int = 0,
    limit: int = DEFAULT_CONTENT_BYTES,
) -> Iterator[bytes]:
    """Yield blocks of the complete lines that begin in ``[start, end)``.

    Consecutive ranges share no line and miss none: a line that begins before ``end``
    is read to its end, one that began before ``start`` is passed over. What is before
    ``position``, where the stream is and a line begins, was read already.

    Raises:
        BadFileError: what a block needs to end with a line is more than ``limit``
            bytes.
    """
    if start > position:
        stream.seek(start - 1)
        position = start - 1 + _pass_line(stream)
    while position < end:
        block = stream.read(min(BLOCK_BYTES, end - position))
        if not block:
            return
        if not block.endswith(b"\n"):
            block += read_line(stream, limit)
        position += len(block)
        yield block


def ended(block: bytes) -> bytes:
    """Return lines with an end behind the last of them."""
    return block if not block or block.endswith((b"\n", b"\r")) else block + b"\n"


def joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join blocks of complete lines until they are worth a look."""
    waiting: list[bytes] = []
    size = 0
    for block in filter(None, blocks):
        waiting.append(ended(block))
        size += len(block)
        if size >= BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _pass_line(stream: BinaryIO) -> int:
    """Go behind the end of a line, and return how many bytes that is."""
    length = 0
    while part := stream.readline(BLOCK_BYTES):
        length += len(part)
        if part.endswith(b"\n"):
            break
    return length


def separated(
    stream: BinaryIO, separator: bytes, limit: int = DEFAULT_CONTENT_BYTES
) -> Iterator[list[bytes]]:
    """Yield what stands between separators, block by block; one at the end is none.

    A byte-order mark at the beginning is passed over.

    Raises:
        BadFileError: what is between two separators is more than ``limit`` bytes.
    """
    rest = stream.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)
    while block := stream.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(separator)
        if len(rest) > limit:
            raise too_much_error("a line of it has", limit)
        yield lines
    lines = rest.removesuffix(separator).split(separator) if rest else []
    yield lines
