"""A lake as an earlier release left it, to go on with: ``tests/data/README.md``."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ARCHIVE = Path(__file__).parents[1] / "data" / "lake-format-1.tar.xz"
# Where the lake was made: ledger and tables hold whole paths.
_MADE_IN = "/frozen"


def unfreeze(folder: Path) -> Path:
    """Put the lake of format 1 into ``folder``; return its pipeline file.

    Paths are written over; apart from that all is as it was left, times included.
    """
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    sizes = {
        path.name: _relocate(path, str(folder)) for path in folder.rglob("*.parquet")
    }
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".yaml"}:
            _relocate_text(path, str(folder), sizes)
    return folder / "orders.yaml"


def _relocate(path: Path, folder: str) -> int:
    """Write a data file with other paths in it; return its size then."""
    with pq.ParquetFile(path) as file:
        table, columns = file.read(), file.schema
    is_spark = any(column.physical_type == "INT96" for column in columns)
    moved = [_moved(column, folder) for column in table.columns]
    if not all(map(pa.ChunkedArray.equals, moved, table.columns)):
        written = pa.table(moved, schema=table.schema)
        pq.write_table(written, path, use_deprecated_int96_timestamps=is_spark)
    return path.stat().st_size


def _moved(column: pa.ChunkedArray, folder: str) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring(column, _MADE_IN, folder)


def _relocate_text(path: Path, folder: str, sizes: dict[str, int]) -> None:
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "_delta_log":
        lines = (_resized(json.loads(line), sizes) for line in text.splitlines())
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
    moved = text.replace(_MADE_IN, folder)
    if moved != text or path.parent.name == "_delta_log":
        path.write_text(moved, encoding="utf-8")


def _resized(action: dict, sizes: dict[str, int]) -> dict:
    if "add" in action:
        name = action["add"]["path"].rpartition("/")[2]
        action["add"]["size"] = sizes[name]
    return action
