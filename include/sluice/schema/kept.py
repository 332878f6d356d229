"""Schema versions under ``<schemaLocation>/_schemas``: inferred once, never changed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from sluice import storage
from sluice.discovery.listing import list_landed
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion
from sluice.options.options import CloudFilesOptions
from sluice.paths import join

# As Auto Loader samples files; bytes are bounded harder, for this runs in one process.
SAMPLE_FILES = 1000
SAMPLE_BYTES = 64 << 20


def latest_schema(schema_location: str) -> StructType | None:
    """Return the newest schema kept below ``schema_location``, None where none is."""
    root = join(schema_location, "_schemas")
    versions = [int(key) for key in storage.list_keys(root) if key.isdecimal()]
    if not versions:
        return None
    content = storage.read(root, str(max(versions)))
    return StructType.fromJson(json.loads(content)["schema"]) if content else None


def schema_of(options: CloudFilesOptions) -> StructType:
    """Return the kept schema of a source, inferring and keeping it on first use.

    Of two processes that infer at once one wins, and both return the winner's.

    Raises:
        UsageError: no schema is kept and no record could be read to infer one.
    """
    kept = latest_schema(options.schema_location)
    if kept is not None:
        return kept
    inferred = _infer(options)
    content = json.dumps({"version": 0, "schema": inferred.jsonValue()}).encode()
    storage.put_if_absent(join(options.schema_location, "_schemas"), "0", content)
    return latest_schema(options.schema_location) or inferred


def _infer(options: CloudFilesOptions) -> StructType:
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
    return from_arrow_schema(schema)


def _sample(files: Sequence[FileVersion]) -> list[FileVersion]:
    chosen: list[FileVersion] = []
    size = 0
    for file in files[:SAMPLE_FILES]:
        if chosen and size + file.size > SAMPLE_BYTES:
            break
        chosen.append(file)
        size += file.size
    return chosen
