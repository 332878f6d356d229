"""Infer the first version of a source's schema from a sample of what has landed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import TypeVar

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from sluice.discovery.listing import list_landed
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion, LedgerFile
from sluice.options.globs import plain_root
from sluice.options.options import CloudFilesOptions
from sluice.reading.folders import infer_folder_columns
from sluice.reading.names import dead_paths, distinct_fields, odd_names, short_fields
from sluice.reading.new_fields import add_fields, list_new
from sluice.reading.widening import widen_fields
from sluice.schema.hints import apply_hints
from sluice.schema.kept import (
    SchemaVersion,
    keep_version,
    latest_version,
    list_versions,
)
from sluice.schema.limits import require_few
from sluice.schema.readable import require_readable

# As Auto Loader samples files; bytes are bounded harder, for this runs in one process.
SAMPLE_FILES = 1000
SAMPLE_BYTES = 64 << 20
_LOG = logging.getLogger("sluice")
_Sized = TypeVar("_Sized", FileVersion, LedgerFile)


def schema_of(options: CloudFilesOptions) -> StructType:
    """Return the kept schema of a source, inferring and keeping it on first use.

    Of two processes that infer at once one wins, and both return the winner's.

    Raises:
        UsageError: no schema is kept and no record could be read to infer one, or a
            hint has a type that the format does not give.
    """
    while True:
        kept = latest_version(options.schema_location)
        version = infer_version(options) if kept is None else with_hints(kept, options)
        if version == kept:
            return version.schema
        # A version is never rewritten: one that nothing can be read in would stay.
        _require_filled(version, options)
        if keep_version(options.schema_location, version):
            return version.schema


def _require_filled(version: SchemaVersion, options: CloudFilesOptions) -> None:
    require_readable(version.schema, variants=options.format.holds_variants)
    own = [
        each for each in version.fields if each.name not in version.partition_columns
    ]
    options.format.require_columns(pa.schema(own))


def with_hints(kept: SchemaVersion, options: CloudFilesOptions) -> SchemaVersion:
    """Return the version that has all hinted fields, ``kept`` if it has.

    Raises:
        UsageError: one has another type there, or had it before it was undone.
    """
    before = kept.fields
    grown = _with_hinted(before, options)
    if grown == before:
        return kept
    if kept.undone:
        _with_hinted(_ever(before, options), options)
    return replace(
        kept,
        number=kept.number + 1,
        schema=from_arrow_schema(pa.schema(grown)),
        added=dict.fromkeys(list_new(before, grown), "cloudFiles.schemaHints"),
        widened={},
        run_id=options.run_id,
        undone=dead_paths(kept.undone, grown),
        undone_to=None,
    )


def _ever(newest: list[pa.Field], options: CloudFilesOptions) -> list[pa.Field]:
    """Return the fields of all versions, as the table has them in their last type."""
    versions = list_versions(options.schema_location)
    return reduce(add_fields, (each.fields for each in reversed(versions)), newest)


def _with_hinted(before: list[pa.Field], options: CloudFilesOptions) -> list[pa.Field]:
    # What evolved since they were given is no contradiction.
    hinted = add_fields(apply_hints(before, options.schema_hints), before)
    if options.widens:
        hinted = widen_fields(hinted, before)
    grown = add_fields(before, hinted)
    if grown != hinted:
        raise _hinted_otherwise_error(before, hinted, options)
    return grown


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


def infer_version(options: CloudFilesOptions) -> SchemaVersion:
    """Return a schema whose last columns are those that folders give; keep nothing.

    Raises:
        UsageError: no record could be read, or they have too many fields.
    """
    sample = bounded_sample(sorted(list_landed(options)))
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
    taken = {name.lower() for name in names}
    own = distinct_fields(
        each
        for each in short_fields(schema, options.max_name_length)
        if each.name.lower() not in taken
    )
    require_few(own, options, options.path)
    _warn_of_odd_names(own, sample, options)
    return SchemaVersion(
        schema=from_arrow_schema(
            pa.schema(apply_hints([*own, *folders], options.schema_hints))
        ),
        partition_columns=tuple(names),
        run_id=options.run_id,
    )


def _warn_of_odd_names(
    fields: Iterable[pa.Field],
    sample: Sequence[FileVersion],
    options: CloudFilesOptions,
) -> None:
    """Log the names that only some tables take, of which no hint says that they may."""
    hinted = {hint.path[0].lower() for hint in options.schema_hints}
    names = list(odd_names(each for each in fields if each.name.lower() not in hinted))
    if not names:
        return
    _LOG.warning(
        "cloudFiles: columns %s, of which file %r has %r, have one of the characters "
        "' ,;{}()=', a tab or a line feed in their names: a Delta table takes them "
        "where it has the property delta.columnMapping.mode = 'name'; set it, or "
        "rename them behind the source (docs/schema.md)",
        names,
        _first_with(names[0], sample, options),
        names[0],
    )


def _first_with(
    name: str, sample: Sequence[FileVersion], options: CloudFilesOptions
) -> str:
    """Return the first file of a sample with a field of an odd name."""
    for file in sample:
        found = options.format.infer([file.path], max_bytes=SAMPLE_BYTES, typed=True)
        if name in odd_names(found):
            return file.path
    return ""


def bounded_sample(files: Sequence[_Sized]) -> list[_Sized]:
    """Return the first of ``files``, as many as inference looks at."""
    chosen: list[_Sized] = []
    size = 0
    for file in files[:SAMPLE_FILES]:
        if chosen and size + file.size > SAMPLE_BYTES:
            break
        chosen.append(file)
        size += file.size
    return chosen
