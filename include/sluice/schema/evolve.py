"""Evolve a source's schema by the fields that a micro-batch brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from sluice.errors import Condition, RetryableError
from sluice.formats.names import recased_fields
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.reading.names import distinct_fields, plain_fields
from sluice.reading.new_fields import NewFieldsError, add_fields, list_new, only_new
from sluice.reading.plan import ReadPlan
from sluice.schema.infer import SAMPLE_BYTES
from sluice.schema.kept import SchemaVersion, keep_version, latest_version
from sluice.schema.limits import count_fields, require_few

# A file and the fields of its records.
_Brought = tuple[str, Sequence[pa.Field]]


def evolve(
    options: CloudFilesOptions,
    plan: ReadPlan,
    batch: Sequence[LedgerFile],
    found: NewFieldsError,
) -> RetryableError:
    """Keep the schema of a whole micro-batch; return the error that ends its query.

    ``found`` is what one record has. The next version adds the fields of all files of
    the ``batch``, each as wide as they need; what is there keeps its type. Of several
    tasks that come here at once each finds its fields in what the first one keeps.

    Raises:
        UsageError: the schema would have too many fields.
    """
    location = options.schema_location
    brought: list[_Brought] | None = None
    while True:
        version = latest_version(location) or _version_read(plan)
        current = _fields(version)
        if add_fields(current, found.fields, taken=plan.taken) == current:
            return _evolved_error(options, plan, found, version)
        if brought is None:
            brought = list(fields_by_file(options, plan, batch))
        following = next_version(version, brought, options, plan, found)
        widest, _ = max(brought, key=lambda each: count_fields(each[1]))
        require_few(_fields(following), options, widest)
        keep_version(location, following)


def _version_read(plan: ReadPlan) -> SchemaVersion:
    """Return the version that a query reads in, for where it is no longer kept."""
    read = [field for field in plan.output if field.name in plan.columns.names]
    folders = [plan.output.field(name) for name in plan.partition_columns]
    return SchemaVersion(
        number=-1,
        schema=from_arrow_schema(pa.schema(read + folders)),
        partition_columns=plan.partition_columns,
    )


def _fields(version: SchemaVersion) -> list[pa.Field]:
    return list(to_arrow_schema(version.schema, timezone="UTC"))


def fields_by_file(
    options: CloudFilesOptions, plan: ReadPlan, batch: Sequence[LedgerFile]
) -> Iterator[_Brought]:
    """Yield the fields of each file; of a large one those that begin it."""
    infer = partial(
        options.format.infer,
        max_bytes=SAMPLE_BYTES,
        typed=options.infer_column_types,
    )
    with ThreadPoolExecutor(max_workers=4) as readers:
        schemas = readers.map(infer, ([file.location] for file in batch))
        for file, schema in zip(batch, schemas, strict=True):
            fields = list(schema)
            if not options.format.case_sensitive:
                fields = recased_fields(fields, plan.columns)
            yield file.path, fields if plan.takes_odd_names else plain_fields(fields)


def next_version(
    version: SchemaVersion,
    brought: Sequence[_Brought],
    options: CloudFilesOptions,
    plan: ReadPlan,
    found: NewFieldsError | None = None,
) -> SchemaVersion:
    """Return the version behind ``version``, with what files ``brought``.

    What was ``found`` is in it even where those files as a whole contradict it.
    """
    taken = plan.taken
    before = _fields(version)
    new: dict[str, pa.Field] = {}
    added: dict[str, str] = {}
    last = [(found.path, found.fields)] if found else []
    for path, fields in [*brought, *last]:
        for name in list_new(before, add_fields(before, fields, taken=taken)):
            added.setdefault(name, path)
    for _, fields in brought:
        for field in only_new(before, fields):
            mine = new.setdefault(field.name, field)
            kind = options.format.merge_types(mine.type, field.type)
            new[field.name] = mine.with_type(kind)
    grown = add_fields(before, new.values(), taken=taken)
    for _, fields in last:
        grown = add_fields(grown, fields, taken=taken)
    return SchemaVersion(
        number=version.number + 1,
        schema=from_arrow_schema(pa.schema(distinct_fields(grown))),
        partition_columns=version.partition_columns,
        added=added,
        run_id=options.run_id,
    )


def _evolved_error(
    options: CloudFilesOptions,
    plan: ReadPlan,
    found: NewFieldsError,
    version: SchemaVersion,
) -> RetryableError:
    names = sorted(list_new(plan.columns, found.fields))
    return RetryableError(
        Condition.UNKNOWN_FIELD_EXCEPTION,
        f"file {found.path!r} has fields that the schema of this query does not: "
        f"{names}; schema version {version.number} in {options.schema_location!r} has "
        "them: start the query again",
        {"path": found.path, "fields": names, "version": version.number},
    )
