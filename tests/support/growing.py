"""A pipeline of which three files bring five fields: one nested, one a wider type.

Its first version and its empty table are there, so a test begins with the growth.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql.types import StructType

from sluice.config import PipelineConfig
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from support.killing import newest, read
from support.lakes import Lake, order
from support.widened import commit_widening

OPTIONS = {
    "cloudFiles.schemaEvolutionMode": "addNewColumnsWithTypeWidening",
    "cloudFiles.inferColumnTypes": "true",
}
ANY: Mapping[str, Any] = {"q": 1, "s": {"x": 1}}
NEW: Mapping[int, Mapping[str, Any]] = {
    1: {"tip": 1.5},
    3: {"q": 2.5, "s": {"x": 1, "y": "deep"}},
    5: {"tags": ["a"], "note": "n"},
}
FIELDS = ("order_id", "q", "s", "tip", "tags", "note", "_rescued_data")
KNOWN = StructType().add("order_id", "string").add("order_date", "string")
KNOWN = KNOWN.add("payment_method", "string").add("q", "integer")
KNOWN = KNOWN.add("s", StructType().add("x", "long"))
TABLE = pa.schema(
    [
        *((name, pa.string()) for name in order(0, 0)),
        ("q", pa.int32()),
        ("s", pa.struct([("x", pa.int64())])),
        ("_rescued_data", pa.string()),
        ("_source_file", pa.string()),
        ("_processing_time", pa.timestamp("us", "UTC")),
        ("_processing_date", pa.date32()),
    ]
)


def begin(lake: Lake) -> None:
    """Keep the first version; make the empty table, whose columns may widen."""
    keep_version(lake.config.schema_location, SchemaVersion(schema=KNOWN))
    location = lake.config.bronze_location
    DeltaTable.create(location, TABLE, partition_by=["_processing_date"])
    commit_widening(location, {})


def land(lake: Lake, files: int) -> None:
    """Land files of one order each."""
    for number in range(files):
        lake.put(f"{number:04d}.json", [record(number)])


def record(number: int) -> dict[str, Any]:
    """Return the order of a file."""
    return {**order(number, 0), **ANY, **NEW.get(number, {})}


def assert_grown(config: PipelineConfig, files: int, *, kept_by: str) -> None:
    """Hold the rows against what has landed; one version grew, kept by one run."""
    rows = list(rows_of(config.bronze_location))
    rows.sort(key=lambda row: str(row["order_date"]))
    names = [PurePath(row["_source_file"]).name for row in rows]
    assert names == [f"{number:04d}.json" for number in range(files)]
    for number, row in enumerate(rows):
        landed = record(number)
        landed["s"] = {"y": None, **landed["s"]}
        assert {name: row.get(name) for name in FIELDS} == {
            name: landed.get(name) for name in FIELDS
        }
    first, grown = list_versions(config.schema_location)
    assert (first.number, grown.number, grown.run_id) == (0, 1, kept_by)
    assert set(grown.added) == {"tip", "s.y", "tags", "note"}
    assert set(grown.widened) == {"q"}


def rows_of(location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table by its log; delta-rs does not read one that widens."""
    log = f"{location}/_delta_log"
    files: dict[str, None] = {}
    for version in range(newest(log) + 1):
        for line in read(f"{log}/{version:020}.json").splitlines():
            action = json.loads(line)
            if "add" in action:
                files[action["add"]["path"]] = None
            if "remove" in action:
                files.pop(action["remove"]["path"])
    for path in files:
        content = read(f"{location}/{unquote(path)}")
        yield from pq.ParquetFile(io.BytesIO(content)).read().to_pylist()
