"""Newline-delimited JSON to Arrow: whole blocks by pyarrow, odd ones record by record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.types as pt

from sluice.source.rescue import Record, read_records

BLOCK_BYTES = 8 << 20
_CAREFUL_RECORDS = 64
_BOM = b"\xef\xbb\xbf"
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class ParsedBlock:
    """Rows of one block: typed columns, and the records of the careful path if taken.

    ``records`` is None where every value fitted, so nothing has to be rescued.
    """

    columns: pa.Table
    records: list[Record] | None


def parse_block(block: bytes, columns: pa.Schema) -> Iterator[ParsedBlock]:
    """Parse complete lines, one JSON object each, into the types of ``columns``."""
    lines = [line for line in block.removeprefix(_BOM).splitlines() if line.strip()]
    return _parse_records(lines, columns)


def parse_document(content: bytes, columns: pa.Schema) -> Iterator[ParsedBlock]:
    """Parse a file that is one JSON object, or one array of them (``multiLine``)."""
    stripped = content.removeprefix(_BOM).strip()
    if stripped.startswith(b"["):
        return _parse_records(_elements(stripped), columns)
    return _parse_records([stripped] if stripped else [], columns)


def _parse_records(
    lines: Sequence[bytes], columns: pa.Schema
) -> Iterator[ParsedBlock]:
    """Halve what does not fit, so that one odd record slows down only its neighbours."""
    if not lines:
        return
    table = _parse_fast(lines, columns)
    if table is not None:
        yield ParsedBlock(table, None)
    elif len(lines) <= _CAREFUL_RECORDS:
        yield _parse_carefully(lines, columns)
    else:
        middle = len(lines) // 2
        yield from _parse_records(lines[:middle], columns)
        yield from _parse_records(lines[middle:], columns)


def _elements(array: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _ARRAY.decode(array)]
    except (msgspec.DecodeError, RecursionError):
        return [array]


def line_blocks(
    stream: BinaryIO, start: int, end: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """Yield blocks of the complete lines that begin in ``[start, end)``.

    Consecutive ranges share no line and miss none: a line that begins before ``end``
    is read to its end, one that began before ``start`` is passed over.
    """
    position = start
    if start:
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


def _parse_fast(lines: Sequence[bytes], columns: pa.Schema) -> pa.Table | None:
    # A line `null` crashes pyarrow 26 (a segmentation fault) or becomes an empty row:
    # only lines that begin as objects go there.
    if not all(line.lstrip()[:1] == b"{" for line in lines):
        return None
    if not all(_is_plain(field.type) for field in columns):
        return None
    block = b"\n".join(lines)
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(
                use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=columns, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    # Two objects in a line become two rows there, and are no JSON record here.
    fits = table.schema.equals(columns) and table.num_rows == len(lines)
    return table if fits else None


def _is_plain(kind: pa.DataType) -> bool:
    if pt.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    if pt.is_list(kind):
        return _is_plain(kind.value_type)
    return pt.is_string(kind) or pt.is_primitive(kind) and not pt.is_temporal(kind)


def _parse_carefully(lines: Sequence[bytes], columns: pa.Schema) -> ParsedBlock:
    records = read_records(lines, columns)
    arrays = [
        pa.array([record.values.get(field.name) for record in records], field.type)
        for field in columns
    ]
    return ParsedBlock(pa.Table.from_arrays(arrays, schema=columns), records)
