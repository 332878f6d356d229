"""Infer the first version of a source's schema from a sample of what has landed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from sluice.discovery.listing import list_landed
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion
from sluice.options.globs import plain_root
from sluice.options.options import CloudFilesOptions
from sluice.reading.folders import infer_folder_columns
from sluice.schema.kept import SchemaVersion, keep_version, latest_schema

# As Auto Loader samples files; bytes are bounded harder, for this runs in one process.
SAMPLE_FILES = 1000
SAMPLE_BYTES = 64 << 20


def schema_of(options: CloudFilesOptions) -> StructType:
    """Return the kept schema of a source, inferring and keeping it on first use.

    Of two processes that infer at once one wins, and both return the winner's.

    Raises:
        UsageError: no schema is kept and no record could be read to infer one.
    """
    kept = latest_schema(options.schema_location)
    if kept is not None:
        return kept
    first = _infer(options)
    keep_version(options.schema_location, first)
    return latest_schema(options.schema_location) or first.schema


def _infer(options: CloudFilesOptions) -> SchemaVersion:
    """Return a schema whose last columns are those that folders give."""
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
    return SchemaVersion(
        schema=from_arrow_schema(pa.schema([*own, *folders])),
        partition_columns=tuple(names),
        run_id=options.run_id,
    )


def _sample(files: Sequence[FileVersion]) -> list[FileVersion]:
    chosen: list[FileVersion] = []
    size = 0
    for file in files[:SAMPLE_FILES]:
        if chosen and size + file.size > SAMPLE_BYTES:
            break
        chosen.append(file)
        size += file.size
    return chosen
