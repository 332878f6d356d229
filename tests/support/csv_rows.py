"""CSV text read by the format as a user asks for it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pyarrow as pa

from sluice.formats.base import FileRange
from sluice.formats.csv import CsvFormat
from sluice.options.options import parse_options

ABC = pa.schema([(name, pa.string()) for name in "abc"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def csv_format(**options: str) -> CsvFormat:
    """Return the format with options as a user gives them."""
    given = {"path": "/in", "cloudFiles.format": "CSV", "cloudFiles.schemaLocation": ""}
    found = parse_options(given | options).format
    assert isinstance(found, CsvFormat)
    return found


def parse(
    content: bytes, columns: pa.Schema = ABC, *cuts: int, **options: str
) -> tuple[list[tuple], list[dict]]:
    """Return the rows of a file, cut at positions, and what is rescued of each."""
    rows, rescued = [], []
    ends = [0, *cuts, len(content)]
    for start, end in pairwise(ends):
        part = FileRange("/in/a", len(content), NOW, io.BytesIO(content), start, end)
        for block in csv_format(**options).parse(part, columns):
            rows += [tuple(row.values()) for row in block.columns.to_pylist()]
            records = block.records or [None] * block.num_rows
            rescued += [_rescued(record) for record in records]
    return rows, rescued


def _rescued(record) -> dict:
    if record is None:
        return {}
    corrupt = {} if record.corrupt is None else {"corrupt": record.corrupt}
    return {
        name: msgspec.json.decode(text) for name, text in record.rescued.items()
    } | corrupt


def texts(content: str, **options: str) -> list[tuple]:
    """Return the rows of text that has nothing to rescue."""
    rows, rescued = parse(content.encode(), ABC, **options)
    assert rescued == [{}] * len(rows)
    return rows


def values(kind: pa.DataType, *cells: str, **options: str) -> list[object]:
    """Return what cells become in a column; what is rescued is a set of its text."""
    columns = pa.schema([("v", kind), ("last", pa.string())])
    lines = "".join(f"{cell};x\n" for cell in cells)
    rows, rescued = parse(lines.encode(), columns, sep=";", **options)
    return [
        {record["v"]} if record and row[0] is None else row[0]
        for row, record in zip(rows, rescued, strict=True)
    ]
