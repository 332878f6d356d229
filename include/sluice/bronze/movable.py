"""Refuse to move the values of undone fields where the commit would fail.

It would fail behind the version that an undo keeps, and at each attempt again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    MapType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from sluice.bronze.held import HeldFields, column_of, moved_columns
from sluice.delta.log import open_table
from sluice.reading.names import children

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from sluice.config import PipelineConfig
    from sluice.schema.kept import FieldPath

_TIMES = (DateType, TimestampType, TimestampNTZType)
_CHECK = "delta.constraints."


def why_immovable(
    config: PipelineConfig, bronze: DataFrame, held: HeldFields
) -> tuple[Sequence[str], str] | None:
    """Return fields whose values cannot be moved with the reason; None if all can.

    Rows have such values. Nothing is written.
    """
    table = open_table(config.bronze_location)
    if table is None:
        return None
    fields = list(pa.schema(table.schema()))
    required = list(_required(fields, held.paths))
    if required:
        return required, "the table has them as NOT NULL"
    rows = bronze.where(held.has_any)
    odd = _odd_times(rows, held)
    if odd:
        return odd, "they hold times outside of the years 1 to 9999"
    checks = {
        name.removeprefix(_CHECK): text
        for name, text in sorted(table.metadata().configuration.items())
        if name.startswith(_CHECK)
    }
    broken = _broken(rows, moved_columns(config, held), checks) if checks else []
    if not broken:
        return None
    named = "; ".join(f"{name!r}: {checks[name]}" for name in broken)
    return list(map(".".join, held.paths)), (
        f"rows without their values break constraints of the table ({named})"
    )


def _required(
    fields: Iterable[pa.Field], paths: Iterable[FieldPath], inside: FieldPath = ()
) -> Iterator[str]:
    """Yield the fields that must have a value and would be empty, in any case."""
    gone = {tuple(map(str.lower, path)) for path in paths}
    for field in fields:
        path = (*inside, field.name)
        is_gone = any(_lower(path[:end]) in gone for end in range(1, len(path) + 1))
        if is_gone and not field.nullable:
            yield ".".join(path)
        yield from _required(children(field.type), paths, path)


def _lower(path: FieldPath) -> FieldPath:
    return tuple(map(str.lower, path))


def _odd_times(rows: DataFrame, held: HeldFields) -> list[str]:
    """Return the columns that are to be written again with times no Python has."""
    return _names_of_any(
        rows,
        {
            name: _is_odd(column_of(name), held.schema[name].dataType)
            for name in held.kept_types()
        },
    )


def _is_odd(column: Column, kind: DataType) -> Column:
    """Return the condition that a value has such a time."""
    if isinstance(kind, _TIMES):
        return ~F.year(column).between(1, 9999)
    if isinstance(kind, ArrayType):
        return F.exists(column, lambda each: _is_odd(each, kind.elementType))
    if isinstance(kind, MapType):
        pairs = F.map_entries(column)
        inner = StructType().add("key", kind.keyType).add("value", kind.valueType)
        return F.exists(pairs, lambda each: _is_odd(each, inner))
    if isinstance(kind, StructType):
        parts = (_is_odd(column.getField(each.name), each.dataType) for each in kind)
        return reduce(or_, parts, F.expr("false"))
    return F.expr("false")


def _broken(
    rows: DataFrame, moved: Mapping[str, Column], checks: Mapping[str, str]
) -> list[str]:
    """Return the constraints that some row breaks once its values are moved."""
    # For Delta a check that is null is broken.
    broken = {
        name: ~F.coalesce(F.expr(text), F.expr("false"))
        for name, text in checks.items()
    }
    return _names_of_any(rows.withColumns(dict(moved)), broken)


def _names_of_any(rows: DataFrame, conditions: Mapping[str, Column]) -> list[str]:
    """Return the names of the conditions that hold for some row."""
    if not conditions:
        return []
    (counts,) = rows.agg(*map(F.count_if, conditions.values())).collect()
    return [name for name, count in zip(conditions, counts, strict=True) if count]
