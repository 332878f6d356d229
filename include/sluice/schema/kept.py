"""Schema versions under ``<schemaLocation>/_schemas``: inferred once, never changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from sluice import storage
from sluice.discovery.listing import list_landed
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion
from sluice.options.globs import plain_root
from sluice.options.options import CloudFilesOptions
from sluice.paths import join
from sluice.reading.folders import infer_folder_columns

# As Auto Loader samples files; bytes are bounded harder, for this runs in one process.
SAMPLE_FILES = 1000
SAMPLE_BYTES = 64 << 20


def latest_schema(schema_location: str) -> StructType | None:
    """Return the newest schema kept below ``schema_location``, None where none is."""
    kept = _latest(schema_location)
    return StructType.fromJson(kept["schema"]) if kept else None


def kept_partition_columns(schema_location: str) -> tuple[str, ...]:
    """Return the columns of the kept schema that the names of folders give."""
    kept = _latest(schema_location)
    return tuple(kept.get("partition_columns", ())) if kept else ()


def _latest(schema_location: str) -> dict[str, Any] | None:
    root = join(schema_location, "_schemas")
    versions = [int(key) for key in storage.list_keys(root) if key.isdecimal()]
    if not versions:
        return None
    content = storage.read(root, str(max(versions)))
    return json.loads(content) if content else None


def schema_of(options: CloudFilesOptions) -> StructType:
    """Return the kept schema of a source, inferring and keeping it on first use.

    Of two processes that infer at once one wins, and both return the winner's.

    Raises:
        UsageError: no schema is kept and no record could be read to infer one.
    """
    kept = latest_schema(options.schema_location)
    if kept is not None:
        return kept
    inferred, folders = _infer(options)
    kept_as = {"schema": inferred.jsonValue(), "partition_columns": folders}
    content = json.dumps({"version": 0} | kept_as).encode()
    storage.put_if_absent(join(options.schema_location, "_schemas"), "0", content)
    return latest_schema(options.schema_location) or inferred


def _infer(options: CloudFilesOptions) -> tuple[StructType, list[str]]:
    """Return all columns, and the names of those that folders give, which are last."""
    sample = _sample(sorted(list_landed(options)))
    schema = options.format.infer(
        [file.path for file in sample],
        max_bytes=SAMPLE_BYTES,
        typed=options.infer_column_types,
    )
    if not schema.names:
        raise UsageError(
            Condition.SCHEMA_NOT_INFERRED,
            f"cloudFiles: no record was found under {options.path!r} to infer a "
            "schema from; land a file first, or give .schema(...)",
            {"path": options.path},
        )
    folders = infer_folder_columns(
        [file.path for file in sample],
        plain_root(options.path),
        named=options.partition_columns,
        typed=options.infer_column_types,
    )
    names = [each.name for each in folders]
    # As with Spark, a folder's value wins over a field of the same name.
    own = [each for each in schema if each.name not in names]
    return from_arrow_schema(pa.schema([*own, *folders])), names


def _sample(files: Sequence[FileVersion]) -> list[FileVersion]:
    chosen: list[FileVersion] = []
    size = 0
    for file in files[:SAMPLE_FILES]:
        if chosen and size + file.size > SAMPLE_BYTES:
            break
        chosen.append(file)
        size += file.size
    return chosen
