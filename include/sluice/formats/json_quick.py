"""The types of many JSON objects at once, where pyarrow reads them as we do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.types as pt

from sluice.formats.csv_values import convert
from sluice.formats.moments import Formats

_OPENING, _CLOSING = b"{", b"}"
# Values nested some thousands deep crash pyarrow 26 (a segmentation fault).
_MOST_OPENINGS = 500
_NO_OPENINGS = bytes(set(range(256)) - set(b"{[\n"))
_LONG_LIMIT = 2.0**63
_FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)


def read_objects(block: bytes, count: int, **parse: object) -> pa.Table | None:
    """Return ``count`` objects, one a line, None where pyarrow may be wrong.

    ``parse`` are options of pyarrow's parser. Every line begins and ends as an object.
    """
    if not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(
                use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pyarrow.json.ParseOptions(**parse),
        )
    except pa.ArrowInvalid:
        return None
    # Two objects in a line become two rows there, and are no JSON record here.
    return table if table.num_rows == count else None


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def are_objects(lines: Sequence[bytes]) -> bool:
    """Return True if every line begins and ends as an object, and so holds whole ones.

    A line `null` crashes pyarrow 26 (a segmentation fault) or becomes an empty row.
    """
    return all(line[:1] == _OPENING and line[-1:] == _CLOSING for line in lines)


def types_of_fields(block: bytes) -> list[pa.Field] | None:
    """Return the fields of objects, one a line, None where pyarrow may be wrong.

    Strings may come back as times, which some of them look like.
    """
    between = block.count(b"\n") - block.endswith(b"\n")
    if not _holds_objects(block, between) or not _is_shallow(block, between + 1):
        return None
    table = read_objects(block, between + 1)
    if table is None or not all(map(_is_exact, table.columns)):
        return None
    return list(table.schema)


def _holds_objects(block: bytes, between: int) -> bool:
    """Return True if every line begins and ends as an object; see ``are_objects``.

    ``between`` is how many line feeds have a line behind them.
    """
    is_whole = block.startswith(_OPENING) and block.endswith((b"}", b"}\n"))
    return is_whole and block.count(b"}\n{") == between


def _is_shallow(block: bytes, lines: int) -> bool:
    if b"[" not in block and block.count(_OPENING) == lines:
        return True  # flat objects, the usual case
    openings = block.translate(None, _NO_OPENINGS).split(b"\n")
    return max(map(len, openings)) <= _MOST_OPENINGS


def _is_exact(values: pa.Array | pa.ChunkedArray) -> bool:
    """Return True if no number of a column was an integer of more than 64 bits.

    It would be a float there, and the words NaN and Infinity, which JSON lacks, too.
    """
    kind = values.type
    if pt.is_floating(kind):
        return pc.all(pc.less(pc.abs(values), _LONG_LIMIT)).as_py() is not False
    if pt.is_struct(kind):
        return all(map(_is_exact, values.flatten()))
    return not pt.is_list(kind) or _is_exact(pc.list_flatten(values))


def has_infinity(values: pa.Array | pa.ChunkedArray) -> bool:
    """Return True if a column has a number that is too large for its type."""
    kind = values.type
    if pt.is_floating(kind):
        return bool(pc.any(pc.is_inf(values)).as_py())
    if pt.is_struct(kind):
        return any(map(has_infinity, values.flatten()))
    return pt.is_list(kind) and has_infinity(pc.list_flatten(values))


def is_plain(kind: pa.DataType) -> bool:
    """Return True if pyarrow reads values of a type as we do."""
    if pt.is_struct(kind):
        return all(is_plain(field.type) for field in kind)
    if pt.is_list(kind):
        return is_plain(kind.value_type)
    return pt.is_string(kind) or (pt.is_primitive(kind) and not pt.is_temporal(kind))


def as_read(column: pa.Field) -> pa.Field:
    """Return a column as pyarrow reads it: its own times are not those of Spark."""
    return column.with_type(pa.string()) if _is_time(column.type) else column


def _is_time(kind: pa.DataType) -> bool:
    return bool(pt.is_date32(kind) or pt.is_timestamp(kind))


def with_times(
    table: pa.Table, columns: pa.Schema, formats: Formats
) -> pa.Table | None:
    """Return a table with the dates and times of its text, None if one does not fit."""
    for number, column in enumerate(columns):
        if not _is_time(column.type):
            continue
        texts = table.column(number).combine_chunks()
        values, misfits = convert(texts, column.type, formats)
        first = pa.scalar(_FIRST_MOMENT, pa.timestamp("us", "UTC")).cast(column.type)
        # The year 0 is one to pyarrow, and none to Python, which reads the rest.
        if misfits or pc.any(pc.less(values, first)).as_py():
            return None
        table = table.set_column(number, column, values)
    return table
