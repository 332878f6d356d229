"""Evolve a source's schema by the fields that a micro-batch brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.errors import Condition, RetryableError
from sluice.formats.names import recased_fields
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.reading.names import distinct_fields
from sluice.reading.new_fields import NewFieldsError, add_fields, list_new, only_new
from sluice.reading.plan import ReadPlan
from sluice.reading.widening import list_widened, widen_fields
from sluice.schema.infer import SAMPLE_BYTES
from sluice.schema.kept import SchemaVersion, keep_version, latest_version
from sluice.schema.limits import count_fields, require_few
from sluice.schema.widen import wider_by_file

# A file and the fields of its records.
_FileFields = tuple[str, Sequence[pa.Field]]


@dataclass(frozen=True)
class Brought:
    """What files bring, in their order.

    - ``fields``: those of each;
    - ``wider``: the columns of each whose values need wider ones.
    """

    fields: Sequence[_FileFields]
    wider: Sequence[_FileFields]


def evolve(
    options: CloudFilesOptions,
    plan: ReadPlan,
    batch: Sequence[LedgerFile],
    found: NewFieldsError,
) -> RetryableError:
    """Keep the schema of a whole micro-batch; return the error that ends its query.

    ``found`` is what one record has. The next version adds the fields of all files of
    the ``batch``, each as wide as they need; what is there keeps its type, unless the
    plan widens. Of several tasks that come here at once each finds its fields in what
    the first one keeps.

    Raises:
        UsageError: the schema would have too many fields.
    """
    location = options.schema_location
    brought: Brought | None = None
    while True:
        version = latest_version(location) or _version_read(plan)
        plan = _without_undone(plan, version)
        current = version.fields
        if _grown(current, found.fields, plan) == current:
            return _evolved_error(options, plan, found, version)
        if brought is None:
            brought = look_at(options, plan, batch)
        following = next_version(version, brought, options, plan, found)
        if following.added:
            widest, _ = max(brought.fields, key=lambda each: count_fields(each[1]))
            require_few(following.fields, options, widest)
        keep_version(location, following)


def _without_undone(plan: ReadPlan, version: SchemaVersion) -> ReadPlan:
    """Return a plan that adds no field which an undo took out of a version."""
    return replace(plan, reserved=plan.reserved | version.undone_names)


def _version_read(plan: ReadPlan) -> SchemaVersion:
    """Return the version that a query reads in, for where it is no longer kept."""
    read = [field for field in plan.output if field.name in plan.columns.names]
    folders = [plan.output.field(name) for name in plan.partition_columns]
    return SchemaVersion(
        number=-1,
        schema=from_arrow_schema(pa.schema(read + folders)),
        partition_columns=plan.partition_columns,
    )


def _grown(
    known: Sequence[pa.Field], found: Iterable[pa.Field], plan: ReadPlan
) -> list[pa.Field]:
    """Return what a schema becomes with the fields that a plan's files have."""
    fields = list(found)
    grown = add_fields(known, fields, taken=plan.taken)
    return widen_fields(grown, fields) if plan.widens else grown


def look_at(
    options: CloudFilesOptions, plan: ReadPlan, batch: Sequence[LedgerFile]
) -> Brought:
    """Return what the files of a micro-batch bring; of a large one what begins it."""
    fields = list(_fields_by_file(options, plan, batch))
    return Brought(fields, list(wider_by_file(plan, batch)))


def _fields_by_file(
    options: CloudFilesOptions, plan: ReadPlan, batch: Sequence[LedgerFile]
) -> Iterator[_FileFields]:
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
            yield file.path, plan.columns_of(fields)


def next_version(
    version: SchemaVersion,
    brought: Brought,
    options: CloudFilesOptions,
    plan: ReadPlan,
    found: NewFieldsError | None = None,
) -> SchemaVersion:
    """Return the version behind ``version``, with what files ``brought``.

    What was ``found`` is in it even where those files as a whole contradict it.
    """
    plan = _without_undone(plan, version)
    before = version.fields
    last = [(found.path, found.fields)] if found else []
    grown = _with_new(before, brought.fields, options, plan)
    widened: dict[str, str] = {}
    for path, fields in [*brought.wider, *last]:
        after = _grown(grown, fields, plan)
        widened |= dict.fromkeys(list_widened(grown, after), path)
        grown = after
    return SchemaVersion(
        number=version.number + 1,
        schema=from_arrow_schema(pa.schema(distinct_fields(grown))),
        partition_columns=version.partition_columns,
        added=_came_with(before, [*brought.fields, *last], plan),
        widened=widened,
        run_id=options.run_id,
        undone=version.undone,
    )


def _came_with(
    before: Sequence[pa.Field], found: Iterable[_FileFields], plan: ReadPlan
) -> dict[str, str]:
    """Return the first file of each new field."""
    added: dict[str, str] = {}
    for path, fields in found:
        grown = add_fields(before, fields, taken=plan.taken)
        for name in list_new(before, grown):
            added.setdefault(name, path)
    return added


def _with_new(
    before: Sequence[pa.Field],
    found: Iterable[_FileFields],
    options: CloudFilesOptions,
    plan: ReadPlan,
) -> list[pa.Field]:
    """Return the fields with new ones behind, each as wide as all files need."""
    new: dict[str, pa.Field] = {}
    for _, fields in found:
        for field in only_new(before, fields):
            mine = new.setdefault(field.name, field)
            kind = options.format.merge_types(mine.type, field.type)
            new[field.name] = mine.with_type(kind)
    return add_fields(before, new.values(), taken=plan.taken)


def _evolved_error(
    options: CloudFilesOptions,
    plan: ReadPlan,
    found: NewFieldsError,
    version: SchemaVersion,
) -> RetryableError:
    names = sorted(list_new(plan.columns, found.fields))
    wider = sorted(list_widened(plan.columns, found.fields))
    has = [f"fields that the schema of this query does not: {names}"] if names else []
    table = ""
    if wider:
        has.append(f"values that need wider types than it has: {wider}")
        table = _TABLE_WIDENS
    return RetryableError(
        Condition.UNKNOWN_FIELD_EXCEPTION,
        f"file {found.path!r} has {', and '.join(has)}; schema version "
        f"{version.number} in {options.schema_location!r} has them: start the query "
        f"again{table}",
        {"path": found.path, "fields": names + wider, "version": version.number},
    )


_TABLE_WIDENS = (
    ", with mergeSchema, into a Delta table that has the property "
    "delta.enableTypeWidening = true, for another gets none of these rows"
)
