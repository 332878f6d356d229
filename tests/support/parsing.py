"""One file's content, parsed by its format as a task does."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa

from sluice.formats.base import FileRange, Format, ParsedBlock, Record

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parse_content(
    given: Format, content: bytes, columns: pa.Schema
) -> list[ParsedBlock]:
    """Return the blocks of a file that holds ``content``."""
    size = len(content)
    part = FileRange("f", size, _NOW, io.BytesIO(content), 0, size)
    return list(given.parse(part, columns))


def records_of(given: Format, content: bytes, columns: pa.Schema) -> list[Record]:
    """Return what does not fit of each row of a file."""
    return [
        record
        for block in parse_content(given, content, columns)
        for record in block.records or [Record({}, {})] * block.num_rows
    ]
