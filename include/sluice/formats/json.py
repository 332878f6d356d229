"""JSON to Arrow: blocks by pyarrow, odd ones record by record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.types as pt

from sluice.formats.base import FileRange, Format, ParsedBlock, Split
from sluice.formats.json_infer import decode_records, infer_schema
from sluice.formats.json_values import read_records, read_unknown_fields
from sluice.formats.streams import (
    CONTENT_LIMIT,
    DEFAULT_CONTENT_BYTES,
    line_blocks,
    read_content,
    read_heads,
)
from sluice.values import Option, parse_flag

_CAREFUL_RECORDS = 256
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_OPENING, _CLOSING = b"{}"
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class JsonFormat(Format):
    """One object a line, or with ``multi_line`` one object or an array of them a file.

    A line that is no object is a corrupt record.
    """

    name = "json"
    options = (
        Option(
            name="multiLine",
            default="false",
            meaning="a file is one JSON document, an object or an array of objects",
            parse=parse_flag,
            field="multi_line",
        ),
        CONTENT_LIMIT,
    )
    multi_line: bool = False
    max_content_bytes: int = DEFAULT_CONTENT_BYTES

    @property
    def split(self) -> Split:
        """By lines, but for documents."""
        return Split.NEVER if self.multi_line else Split.RANGES

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the columns of the objects in a sample, sorted by name."""
        split = document_records if self.multi_line else record_lines
        heads = read_heads(paths, max_bytes)
        records = (each for head in heads for each in decode_records(split(head)))
        return infer_schema(records, typed=typed)

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the objects whose lines begin in ``[start, end)``, or of a document."""
        limit = self.max_content_bytes
        if self.multi_line:
            yield from parse_document(read_content(part.stream, limit), columns)
            return
        for block in line_blocks(part.stream, part.start, part.end, limit=limit):
            yield from parse_block(block, columns)

    def parse_together(
        self, contents: Sequence[bytes], columns: pa.Schema, *, rescues: bool
    ) -> tuple[list[ParsedBlock], list[int]] | None:
        """Return the objects of many small files, which pyarrow reads at once."""
        del rescues
        if self.multi_line:
            return None
        files = [record_lines(content) for content in contents]
        lines = [line for file in files for line in file]
        return list(_parse_records(lines, columns)), [len(file) for file in files]


FORMAT = JsonFormat


def parse_block(block: bytes, columns: pa.Schema) -> Iterator[ParsedBlock]:
    """Parse complete lines, one JSON object each, into the types of ``columns``."""
    return _parse_records(record_lines(block), columns)


def record_lines(block: bytes) -> list[bytes]:
    """Return the lines of ``block`` that are not blank, without the space around them.

    A byte-order mark goes wherever a line begins with one, as in files put together.
    """
    lines = (line.removeprefix(_BOM).strip(_SPACE) for line in block.splitlines())
    return [line for line in lines if line]


def parse_document(content: bytes, columns: pa.Schema) -> Iterator[ParsedBlock]:
    """Parse a file that is one JSON object, or one array of them (``multiLine``)."""
    return _parse_records(document_records(content), columns)


def document_records(content: bytes) -> list[bytes]:
    """Return the records of a file that is one JSON object, or one array of them."""
    stripped = content.removeprefix(_BOM).strip(_SPACE)
    if stripped.startswith(b"["):
        return _elements(stripped)
    return [stripped] if stripped else []


def _parse_records(lines: Sequence[bytes], columns: pa.Schema) -> Iterator[ParsedBlock]:
    """Halve what does not fit: one odd record slows down only its neighbours."""
    if not lines:
        return
    parsed = _parse_fitting(lines, columns) or _parse_wider(lines, columns)
    if parsed is not None:
        yield parsed
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


def _parse_fitting(lines: Sequence[bytes], columns: pa.Schema) -> ParsedBlock | None:
    """Parse records whose every field has a column and fits it."""
    table = _parse_fast(lines, columns, unexpected="error")
    return None if table is None else ParsedBlock(table, None)


def _parse_wider(lines: Sequence[bytes], columns: pa.Schema) -> ParsedBlock | None:
    """Parse records that fit but for fields without a column, which are rescued."""
    if any(pt.is_nested(field.type) for field in columns):
        return None  # a field that is new in a nested object would be lost
    table = _parse_fast(lines, columns, unexpected="ignore")
    if table is None:
        return None
    records = read_unknown_fields(lines, columns)
    return None if records is None else ParsedBlock(table, records)


def _parse_fast(
    lines: Sequence[bytes], columns: pa.Schema, *, unexpected: str
) -> pa.Table | None:
    block = b"\n".join(lines)
    if not _is_safe(lines, columns) or not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(
                use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=columns, unexpected_field_behavior=unexpected
            ),
        )
    except pa.ArrowInvalid:
        return None
    # Two objects in a line become two rows there, and are no JSON record here.
    fits = table.schema.equals(columns) and table.num_rows == len(lines)
    # It makes infinity of an integer with more digits than a float can hold.
    return table if fits and not any(map(_has_infinity, table.columns)) else None


def _is_safe(lines: Sequence[bytes], columns: pa.Schema) -> bool:
    """Return True if pyarrow reads ``lines`` one record a line, and not crash.

    A line `null` crashes pyarrow 26 (a segmentation fault) or becomes an empty row. A
    line that begins and ends as an object holds whole objects, however many.
    """
    if not all(_is_plain(field.type) for field in columns):
        return False
    return all(line[0] == _OPENING and line[-1] == _CLOSING for line in lines)


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_infinity(values: pa.Array | pa.ChunkedArray) -> bool:
    kind = values.type
    if pt.is_floating(kind):
        return bool(pc.any(pc.is_inf(values)).as_py())
    if pt.is_struct(kind):
        return any(map(_has_infinity, values.flatten()))
    return pt.is_list(kind) and _has_infinity(pc.list_flatten(values))


def _is_plain(kind: pa.DataType) -> bool:
    if pt.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    if pt.is_list(kind):
        return _is_plain(kind.value_type)
    return pt.is_string(kind) or (pt.is_primitive(kind) and not pt.is_temporal(kind))


def _parse_carefully(lines: Sequence[bytes], columns: pa.Schema) -> ParsedBlock:
    records = read_records(lines, columns)
    arrays = [
        pa.array([record.values.get(field.name) for record in records], field.type)
        for field in columns
    ]
    return ParsedBlock(pa.Table.from_arrays(arrays, schema=columns), records)
