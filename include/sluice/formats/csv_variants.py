"""CSV records as values of Spark's VARIANT: an object, with a field for each cell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pyarrow as pa

from sluice.formats.base import ParsedBlock
from sluice.formats.csv_blocks import read_rows, written_lines
from sluice.formats.csv_columns import Layout, Rescued, cell_texts, to_records
from sluice.formats.json_leniency import SPARKS
from sluice.formats.json_variants import VARIANT, parse_variant

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MOST_DIGITS = 38
_FLAGS = {"true": b"true", "false": b"false"}
_Cells = list[tuple[str, str | None]]


def fill_variants(block: bytes, column: str, layout: Layout) -> ParsedBlock:
    """Return the plain records of ``block`` as objects, and what they do not hold.

    Cells behind those that a header names are rescued, and so are bytes that are no
    UTF-8. A record is corrupt if it has too many cells, or no variant can hold it.
    """
    rescued: Rescued = defaultdict(dict)
    cells, corrupt = _read_cells(block, layout, rescued)
    shown = [None if row in corrupt else _variant(each) for row, each in cells]
    unfit = {row for row, value in enumerate(shown) if value is None} - corrupt.keys()
    lines = written_lines(block, layout.dialect, {*rescued, *corrupt, *unfit})
    corrupt |= {row: lines[row].decode("utf-8", "backslashreplace") for row in unfit}
    table = pa.table({column: pa.array(shown, VARIANT)})
    records = to_records(len(shown), rescued, corrupt, set(), lines)
    return ParsedBlock(table, records if lines else None)


def _read_cells(
    block: bytes, layout: Layout, rescued: Rescued
) -> tuple[Iterable[tuple[int, _Cells]], dict[int, str]]:
    """Return the named cells of each record, and the text of those with too many."""
    limit = layout.max_columns
    width = max(len(layout.names), 1)
    rows = read_rows(block, layout.dialect, width, wanted=range(limit), limit=limit)
    named = len(layout.names) or limit
    columns = {
        number: cell_texts(cells, layout, layout.name_of(number), rescued).to_pylist()
        for number, cells in rows.columns.items()
    }

    def cells_of(row: int) -> _Cells:
        found: _Cells = []
        texts = [(number, each[row]) for number, each in columns.items()]
        for number, text in [*texts, *enumerate(rows.surplus.get(row, ()), rows.width)]:
            name = layout.name_of(number)
            if number < named:
                found.append((name, text))
            elif text:
                rescued[row][name] = text
        return found

    return ((row, cells_of(row)) for row in range(rows.num_rows)), rows.corrupt


def _variant(cells: _Cells) -> dict[str, bytes] | None:
    """Return an object with a field for each cell, None where no variant holds it."""
    fields = (msgspec.json.encode(name) + b":" + _value(text) for name, text in cells)
    try:
        return parse_variant(b"{%b}" % b",".join(fields), SPARKS)
    except ValueError:
        return None


def _value(text: str | None) -> bytes:
    """Return the JSON of a cell: a number if a decimal holds it, a flag, or text."""
    if text is None:
        return b"null"
    if _NUMBER.fullmatch(text):
        sign, digits, exponent = Decimal(text).as_tuple()
        scale = -int(exponent)
        if max(len(digits) - min(scale, 0), scale) <= _MOST_DIGITS:
            return f"{Decimal((sign, digits, -scale)):f}".encode()
    return _FLAGS.get(text.lower()) or msgspec.json.encode(text)
