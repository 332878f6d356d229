"""Landed files, and the rows that a task reads of them."""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.errors import FatalError
from sluice.formats.json import JsonFormat
from sluice.model import LedgerFile
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MTIME_NS = 1_767_268_800_123_456_789
METADATA = pa.struct(
    [
        ("file_path", pa.string()),
        ("file_name", pa.string()),
        ("file_size", pa.int64()),
        ("file_block_start", pa.int64()),
        ("file_block_length", pa.int64()),
        ("file_modification_time", pa.timestamp("us", tz="UTC")),
    ]
)
OUTPUT = pa.schema(
    [("i", pa.int64()), ("_rescued_data", pa.string()), ("_metadata", METADATA)]
)
LINES = b"".join(b'{"i": %d}\n' % number for number in range(100))


def land(folder: Path, name: str, content: bytes = LINES) -> LedgerFile:
    """Write a file and return it as the ledger has it."""
    path = folder / name
    path.write_bytes(content)
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    return LedgerFile(1, str(path), len(content), MOMENT)


def packed(content: bytes, codec: str | None) -> bytes:
    """Return a content as programs compress it, by a codec that pyarrow knows."""
    if codec == "deflate":
        return zlib.compress(content)
    if codec is None:
        return content
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(content)
    return bytes(sink.getvalue().to_pybytes())


def whole(file: LedgerFile) -> FileSlice:
    """Return the one slice that is all of a file."""
    return FileSlice(file, 0, file.size)


def read(*slices: FileSlice, **fields: object) -> list[dict]:
    """Return the rows that a task would hand to Spark."""
    plan = ReadPlan(**({"format": JsonFormat(), "output": OUTPUT} | fields))
    batches = list(read_slices(slices, plan))
    assert all(batch.schema.equals(plan.output) for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def refusal(*slices: FileSlice, **fields: object) -> FatalError:
    """Return the error with which a task stops."""
    with pytest.raises(FatalError) as caught:
        read(*slices, **fields)
    return caught.value


DAMAGED = {
    "a.json.gz": gzip.compress(LINES)[:-10],
    "b.json.gz": b"\x1f\x8b" + b"nonsense" * 9,
    "c.json.gz": LINES,
    "d.json.bz2": bz2.compress(LINES)[:-10],
    "e.json.zst": pa.compress(LINES, "zstd", asbytes=True)[:-4],
}


def rewritten(file: LedgerFile, content: bytes, *, nanoseconds: int = 1000) -> None:
    """Write a file again, dated later by no more than the ledger keeps."""
    Path(file.path).write_bytes(content)
    moment = MTIME_NS + nanoseconds
    os.utime(file.path, ns=(moment, moment))
