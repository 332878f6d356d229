"""Infer the first version of a source's schema from a sample of what has landed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from sluice.discovery.listing import list_landed
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion
from sluice.options.globs import plain_root
from sluice.options.options import CloudFilesOptions
from sluice.reading.folders import infer_folder_columns
from sluice.reading.new_fields import add_fields, list_new
from sluice.schema.hints import apply_hints
from sluice.schema.kept import SchemaVersion, keep_version, latest_version

# As Auto Loader samples files; bytes are bounded harder, for this runs in one process.
SAMPLE_FILES = 1000
SAMPLE_BYTES = 64 << 20


def schema_of(options: CloudFilesOptions) -> StructType:
    """Return the kept schema of a source, inferring and keeping it on first use.

    Of two processes that infer at once one wins, and both return the winner's.

    Raises:
        UsageError: no schema is kept and no record could be read to infer one.
    """
    while True:
        kept = latest_version(options.schema_location)
        version = _infer(options) if kept is None else _with_hints(kept, options)
        if version == kept or keep_version(options.schema_location, version):
            return version.schema


def _with_hints(kept: SchemaVersion, options: CloudFilesOptions) -> SchemaVersion:
    """Return the version that has all hinted fields, ``kept`` if it has.

    Raises:
        UsageError: one has another type there.
    """
    before = to_arrow_schema(kept.schema, timezone="UTC")
    hinted = apply_hints(before, options.schema_hints)
    if hinted == list(before):
        return kept
    grown = add_fields(before, hinted)
    if grown != hinted:
        raise _hinted_otherwise_error(before, hinted, options)
    return replace(
        kept,
        number=kept.number + 1,
        schema=from_arrow_schema(pa.schema(grown)),
        added=dict.fromkeys(list_new(before, grown), "cloudFiles.schemaHints"),
        run_id=options.run_id,
    )


def _hinted_otherwise_error(
    kept: Iterable[pa.Field], hinted: Iterable[pa.Field], options: CloudFilesOptions
) -> UsageError:
    pairs = zip(kept, hinted, strict=False)
    ours, theirs = next(pair for pair in pairs if pair[0] != pair[1])
    return UsageError(
        Condition.OPTION_INVALID,
        f"cloudFiles: option 'cloudFiles.schemaHints' makes column {ours.name!r} "
        f"{theirs.type}, and the schema kept in {options.schema_location!r} has it as "
        f"{ours.type}, as the table may; convert it behind the source, or begin with "
        "another cloudFiles.schemaLocation, checkpoint and table",
        {"column": ours.name},
    )


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
        schema=from_arrow_schema(
            pa.schema(apply_hints([*own, *folders], options.schema_hints))
        ),
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
