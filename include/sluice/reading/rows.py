"""The rows of parsed blocks as Arrow in Spark's schema, with what no file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa

from sluice.columns import METADATA
from sluice.errors import Condition, FatalError
from sluice.formats.base import ParsedBlock, Record, rescued_json
from sluice.reading.folders import fill_folder_column
from sluice.reading.malformed import why_malformed
from sluice.reading.new_fields import NewFieldsError, first_new, list_new
from sluice.reading.partition import FileSlice
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.runs import Run
from sluice.reading.widening import first_wider, widen_fields

# The most of a malformed record that its error shows.
_SHOWN_CHARACTERS = 200


def to_rows(parsed: ParsedBlock, runs: Sequence[Run], plan: ReadPlan) -> pa.Table:
    """Return the rows of a block in the schema of ``plan.output``.

    Its files have the same partition columns.
    """
    folders, misfits = _folder_columns(parsed, runs, plan)

    def fill(column: pa.Field) -> pa.Array | pa.ChunkedArray:
        if column.name == METADATA:
            return _metadata(runs, column.type, shares=plan.shares_metadata)
        if column.name == plan.rescued_column:
            return _rescued(parsed, runs, column.type, misfits)
        if column.name == plan.corrupt_column:
            return _corrupt(parsed, column.type)
        if column.name in folders:
            return folders[column.name]
        return parsed.columns[column.name]

    return pa.Table.from_arrays(list(map(fill, plan.output)), schema=plan.output)


def require_right(parsed: ParsedBlock, path: str, plan: ReadPlan) -> None:
    """Refuse rows of a file that the plan does not go on with.

    Raises:
        NewFieldsError: they have fields that the plan adds to the schema.
        FatalError: they have fields that it refuses, a malformed record, or a null
            where none may be.
    """
    if plan.new_fields is not NewFields.RESCUED:
        _require_known_fields(parsed, path, plan)
    if plan.fail_on_malformed:
        _require_well_formed(parsed, path, plan)
    _require_values(parsed, path, plan)


def _require_known_fields(parsed: ParsedBlock, path: str, plan: ReadPlan) -> None:
    grown = first_new(
        parsed,
        plan.columns,
        taken=plan.taken,
        typed=plan.infers_types,
        choose=plan.columns_of,
    )
    wider = first_wider(parsed, plan.columns, plan.format) if plan.widens else None
    if grown is None and wider is None:
        return
    grown = widen_fields(grown or plan.columns, wider or [])
    if plan.new_fields is NewFields.ADDED:
        raise NewFieldsError(path, grown)
    names = sorted(list_new(plan.columns, grown))
    raise FatalError(
        Condition.UNKNOWN_FIELD_EXCEPTION,
        f"file {path!r} has fields that the schema does not: {names}; add them to the "
        "schema, or set cloudFiles.schemaEvolutionMode to 'rescue'",
        {"path": path, "fields": names},
    )


def _require_well_formed(parsed: ParsedBlock, path: str, plan: ReadPlan) -> None:
    """Refuse a corrupt record, and a value that fits nowhere where nothing rescues."""
    for record in parsed.records or ():
        keeps = plan.keeps_rescued
        if why_malformed(record, plan.columns, keeps_rescued=keeps) is None:
            continue
        shown = record.corrupt or rescued_json(record, path) or ""
        raise FatalError(
            Condition.MALFORMED_RECORD,
            f"file {path!r} has a record that is malformed: "
            f"{shown[:_SHOWN_CHARACTERS]}; mend it, or leave option 'mode' out to have "
            "it in the rescued data",
            {"path": path},
        )


def _require_values(parsed: ParsedBlock, path: str, plan: ReadPlan) -> None:
    """Refuse a null that Spark does not expect: it would fail and name nothing."""
    required = {column.name for column in plan.output if not column.nullable}
    missing = [
        name
        for name in parsed.columns.column_names
        if name in required and parsed.columns[name].null_count
    ]
    if missing:
        raise FatalError(
            Condition.SCHEMA_UNSUPPORTED,
            f"file {path!r} has records without {missing}, which the schema "
            "declares NOT NULL; declare these columns without it",
            {"path": path, "columns": missing},
        )


def _folder_columns(
    parsed: ParsedBlock, runs: Sequence[Run], plan: ReadPlan
) -> tuple[dict[str, pa.Array], dict[str, msgspec.Raw]]:
    """Return the partition columns, and the JSON text of values that do not fit."""
    columns: dict[str, pa.Array] = {}
    misfits: dict[str, msgspec.Raw] = {}
    values = plan.folder_values(runs[0].path) if runs else {}
    for name in plan.partition_columns:
        column = plan.output.field(name)
        value, misfit = fill_folder_column(values, column)
        columns[name] = pa.repeat(value, parsed.num_rows)
        if misfit is not None:
            misfits[name] = msgspec.Raw(msgspec.json.encode(misfit))
    return columns, misfits


def _rescued(
    parsed: ParsedBlock,
    runs: Sequence[Run],
    kind: pa.DataType,
    misfits: dict[str, msgspec.Raw],
) -> pa.Array:
    if parsed.records is None and not misfits:
        return pa.nulls(parsed.num_rows, kind)
    records = parsed.records or [Record({}, {})] * parsed.num_rows
    paths = (run.path for run in runs for _ in range(run.rows))
    rows = zip(records, paths, strict=True)
    texts = (
        rescued_json(replace(record, rescued=record.rescued | misfits), path)
        for record, path in rows
    )
    return pa.array(texts, kind)


def _corrupt(parsed: ParsedBlock, kind: pa.DataType) -> pa.Array:
    if parsed.records is None:
        return pa.nulls(parsed.num_rows, kind)
    return pa.array([record.corrupt for record in parsed.records], kind)


def _metadata(runs: Sequence[Run], kind: pa.DataType, *, shares: bool) -> pa.Array:
    """Return the struct of each row's file; null for the one before where it shares."""
    slices = [run.slice for run in runs]
    facts = pa.StructArray.from_arrays(
        [_known(slices, child) for child in kind], fields=list(kind)
    )
    counts = [run.rows for run in runs]
    if not shares:
        if len(runs) == 1:
            return pa.repeat(facts[0], counts[0])
        return facts.take(pa.array(np.repeat(np.arange(len(runs)), counts)))
    numbers = np.repeat(np.arange(len(runs)), counts)
    same = np.diff(numbers, prepend=-1) == 0
    return facts.take(pa.array(numbers, mask=same))


def _known(slices: Sequence[FileSlice], child: pa.Field) -> pa.Array:
    known = _KNOWN.get(child.name)
    return pa.array([known(each) if known else None for each in slices], child.type)


_KNOWN: Mapping[str, Callable[[FileSlice], object]] = {
    "file_path": lambda each: each.file.path,
    "file_name": lambda each: each.file.path.rpartition("/")[2],
    "file_size": lambda each: each.file.size,
    "file_block_start": lambda each: each.start,
    "file_block_length": lambda each: each.end - each.start,
    "file_modification_time": lambda each: each.file.modified,
}
