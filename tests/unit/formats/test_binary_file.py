from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from sluice.errors import UsageError
from sluice.formats.base import FileRange
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.streams import BadFileError

MODIFIED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
COLUMNS = BinaryFileFormat().infer([], max_bytes=1, typed=False)


def rows(content: bytes, path: str = "/in/a b.png", **options: object) -> list[dict]:
    """Return the rows of a file."""
    stream = io.BytesIO(content)
    part = FileRange(path, len(content), MODIFIED, stream, 0, len(content))
    blocks = BinaryFileFormat(**options).parse(part, COLUMNS)
    return [row for block in blocks for row in block.columns.to_pylist()]


def test_file_is_a_row_with_its_facts() -> None:
    """Spark spells a path so, and knows milliseconds."""
    assert rows(b"\x00\xff") == [
        {
            "path": "file:/in/a b.png",
            "modificationTime": MODIFIED.replace(microsecond=123000),
            "length": 2,
            "content": b"\x00\xff",
        }
    ]
    assert rows(b"\x00", "s3://b/a.png")[0]["path"] == "s3://b/a.png"
    assert rows(b"") == []


def test_compressed_file_stays_so() -> None:
    """Its bytes are what was asked for."""
    assert not BinaryFileFormat().compressible
    assert not BinaryFileFormat().can_split("/a.gz")


def test_large_file_does_not_become_one_value() -> None:
    """The memory of a worker would be as large as any file."""
    assert rows(b"abcd", max_content_bytes=4)[0]["content"] == b"abcd"
    with pytest.raises(BadFileError, match=r"sluice\.maxContentBytes"):
        rows(b"abcde", max_content_bytes=4)


def test_bytes_are_read_only_where_they_are_asked_for() -> None:
    """A listing of names and lengths costs no reading."""
    closed = io.BytesIO()
    closed.close()
    part = FileRange("/a", 1 << 40, MODIFIED, closed, 0, 1 << 40)

    (block,) = BinaryFileFormat().parse(part, pa.schema([("length", pa.int64())]))

    assert block.columns["length"].to_pylist() == [1 << 40]


@pytest.mark.parametrize(
    "column", [("content", pa.string()), ("other", pa.string()), ("Path", pa.string())]
)
def test_other_columns_are_refused_by_name(column) -> None:
    """No file could fill them."""
    BinaryFileFormat().require_columns(COLUMNS)
    with pytest.raises(UsageError, match=column[0]):
        BinaryFileFormat().require_columns(pa.schema([column]))
