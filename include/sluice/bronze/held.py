"""What a table holds of fields that were undone, and the commit that moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, cast

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from sluice.columns import RESCUED_DATA, SOURCE_FILE
from sluice.delta.log import TableCommit, open_table
from sluice.formats.json_variants import is_variant
from sluice.history.undos import commit_metadata, find_commit
from sluice.options.configured import source_options
from sluice.reading.names import has_field, without_fields
from sluice.schema.returned import Returning, empty_fields
from sluice.spark.commits import commit_over_conflicts

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.schema.kept import FieldPath

_ROUNDS = 5
_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


@dataclass(frozen=True, kw_only=True)
class HeldValues:
    """How many rows have a value in each undone field, and in any of them.

    ``files`` are those that landed, ``data_files`` those of the table, with such rows.
    """

    by_field: Mapping[FieldPath, int]
    rows: int = 0
    files: int = 0
    data_files: int = 0


@dataclass(frozen=True)
class HeldFields:
    """The fields of a table in ``schema`` that ``paths`` lead to; all were undone."""

    schema: StructType
    paths: tuple[FieldPath, ...]

    @classmethod
    def of(cls, schema: StructType, undone: Sequence[FieldPath]) -> HeldFields:
        """Return those of the fields that were undone which a table has."""
        known = to_arrow_schema(schema, timezone="UTC")
        return cls(schema, tuple(path for path in undone if has_field(known, path)))

    def has_value(self, path: FieldPath) -> Column:
        """Return the condition that a row has a value there."""
        name, *rest = path
        return _has_value(column_of(name), self.schema[name].dataType, rest)

    @property
    def has_any(self) -> Column:
        """The condition that a row has a value in some field."""
        return reduce(or_, map(self.has_value, self.paths))

    @property
    def variants(self) -> list[str]:
        """The columns concerned that hold a VARIANT, which nothing here spells."""
        fields = to_arrow_schema(self.schema, timezone="UTC")
        names = dict.fromkeys(path[0] for path in self.paths)
        return [name for name in names if _has_variant(fields.field(name).type)]

    def kept_types(self) -> dict[str, pa.DataType | None]:
        """Return of each column concerned the type that is left, None for nothing."""
        names = dict.fromkeys(path[0] for path in self.paths)
        fields = to_arrow_schema(self.schema, timezone="UTC")
        left = {each.name: each.type for each in without_fields(fields, self.paths)}
        return {name: left.get(name) for name in names}


def _has_variant(kind: pa.DataType) -> bool:
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return is_variant(kind) or any(map(_has_variant, inner))


def count_held(bronze: DataFrame, held: HeldFields) -> HeldValues:
    """Count the rows with values in undone fields; reads these columns alone."""
    if not held.paths:
        return HeldValues(by_field={})
    found = (
        bronze.where(held.has_any)
        .agg(
            F.count("*"),
            F.countDistinct(SOURCE_FILE),
            F.countDistinct(f"{_FILE}.file_path"),
            *(F.count_if(held.has_value(path)) for path in held.paths),
        )
        .collect()[0]
    )
    rows, files, data_files, *counts = found
    by_field = dict(zip(held.paths, counts, strict=True))
    return HeldValues(by_field=by_field, rows=rows, files=files, data_files=data_files)


def move_values(
    spark: SparkSession, config: PipelineConfig, held: HeldFields, *, run_id: str
) -> TableCommit | None:
    """Put the values of undone fields into the rescued data, in one commit.

    Rows without one stay as they are. The session is the undo's own, for what a commit
    says of itself is a setting.

    Raises:
        RetryableError: others committed all the time; nothing was moved.
        FatalError: the commit failed; nothing was moved.
    """
    location = config.bronze_location
    table = open_table(location)
    before = table.version() if table else -1
    spark.conf.set(_METADATA, commit_metadata(config, run_id))
    values: dict[str, str | Column] = {
        _quoted(name): each for name, each in moved_columns(config, held).items()
    }

    def move() -> None:
        DeltaTable.forPath(spark, location).update(held.has_any, values)

    again = "no value was moved, run again"
    commit_over_conflicts(location, move, rounds=_ROUNDS, then=again)
    return find_commit(config, run_id, after=before)


def moved_columns(config: PipelineConfig, held: HeldFields) -> dict[str, Column]:
    """Return by name the columns of a row whose values are moved."""
    kept = held.kept_types()
    returning = Returning(source_options(config).format, kept)
    columns = F.struct(*map(column_of, kept))
    others = map(column_of, (RESCUED_DATA, SOURCE_FILE))
    moved = {RESCUED_DATA: _rescue(returning)(columns, *others)}
    for name, left in kept.items():
        kind = held.schema[name].dataType
        moved[name] = (
            F.lit(None).cast(kind)
            if left is None
            else _empty(kind, left)(column_of(name))
        )
    return moved


def _rescue(returning: Returning) -> Callable[..., Column]:
    def rescue(columns: pa.Array, rescued: pa.Array, files: pa.Array) -> pa.Array:
        return returning.rescue(columns, rescued, files)

    # The stub asks for a type that the function warns of.
    return arrow_udf(rescue, "string")  # type: ignore[call-overload,no-any-return]


def _empty(kind: DataType, left: pa.DataType) -> Callable[..., Column]:
    def empty(column: pa.Array) -> pa.Array:
        return empty_fields(column, left)

    return arrow_udf(empty, kind)  # type: ignore[call-overload,no-any-return]


def _has_value(column: Column, kind: DataType, path: Sequence[str]) -> Column:
    if not path:
        return column.isNotNull()
    if isinstance(kind, ArrayType):
        return F.exists(column, lambda each: _has_value(each, kind.elementType, path))
    if isinstance(kind, MapType):
        values = F.map_values(column)
        return F.exists(values, lambda each: _has_value(each, kind.valueType, path))
    name, *rest = path
    inner = cast("StructType", kind)[name].dataType
    return _has_value(column.getField(name), inner, rest)


def column_of(name: str) -> Column:
    """Return the column of a name, whatever characters that has."""
    return F.col(_quoted(name))


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


# Of the data file that a row is in.
_FILE = "_metadata"
