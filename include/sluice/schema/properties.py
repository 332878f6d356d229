"""Make a table that has the properties its rows need, or refuse one that lacks them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    DataType,
    MapType,
    StructField,
    StructType,
)

from sluice.delta.log import open_table
from sluice.delta.widening import WIDENING, require_widening
from sluice.errors import Condition, UsageError
from sluice.reading.names import odd_names
from sluice.spark.settings import applied

MAPPING = "delta.columnMapping.mode"
_PHYSICAL_NAME = "delta.columnMapping.physicalName"
_NAIVE_TIMES = "delta.feature.timestampNtz"
# New tables have the properties that a session names so.
_DEFAULTS = "spark.databricks.delta.properties.defaults."


def stored_columns(table_location: str, columns: StructType) -> StructType:
    """Return ``columns`` of a table as its data files call them, nested ones too.

    They have names of their own where the table maps its columns.
    """
    table = open_table(table_location)
    if table is None:
        return columns
    known = StructType.fromJson(json.loads(table.schema().to_json()))
    by_name = {each.name: each for each in known}
    return StructType([_in_files(by_name.get(each.name, each)) for each in columns])


def _in_files(field: StructField) -> StructField:
    name = field.metadata.get(_PHYSICAL_NAME, field.name)
    return StructField(name, _type_in_files(field.dataType))


def _type_in_files(kind: DataType) -> DataType:
    if isinstance(kind, StructType):
        return StructType([_in_files(each) for each in kind])
    if isinstance(kind, ArrayType):
        return ArrayType(_type_in_files(kind.elementType))
    if isinstance(kind, MapType):
        return MapType(_type_in_files(kind.keyType), _type_in_files(kind.valueType))
    return kind


@contextmanager
def tables_that_take(
    rows: StructType, table_location: str, spark: SparkSession, *, widens: bool = False
) -> Iterator[None]:
    """Have a query that starts meanwhile make a table that takes its rows.

    One that ``widens`` takes wider types of columns, and times without a zone, which a
    date widens to.

    Raises:
        UsageError: the table is there, and does not take them.
    """
    properties = {}
    names = list(odd_names(to_arrow_schema(rows, timezone="UTC")))
    if names:
        _require_mapping(names, table_location)
        properties[MAPPING] = "name"
    if widens:
        require_widening(table_location)
        properties |= {WIDENING: "true", _NAIVE_TIMES: "supported"}
    if "timestamp_ntz" in rows.simpleString():
        _require_naive_times(table_location)
    keys = {_DEFAULTS + name.removeprefix("delta."): name for name in properties}
    # Unless the session gives new tables another value.
    defaults = {
        key: spark.conf.get(key, None) or properties[name] for key, name in keys.items()
    }
    with applied(spark, defaults):
        yield


def _require_mapping(names: list[str], table_location: str) -> None:
    table = open_table(table_location)
    mode = table.metadata().configuration.get(MAPPING, "none") if table else "name"
    if mode != "none":
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not take columns {names}: of the characters "
        "' ,;{}()=', tabs and line feeds none may be in a name without column mapping; "
        f"run {_alter(table_location, {MAPPING: 'name'})}, or declare "
        "bronze.source.schema without these fields, which are rescued then",
        {"columns": names, "table": table_location},
    )


def _require_naive_times(table_location: str) -> None:
    """Refuse a table without the feature, with which Delta makes new ones by itself."""
    table = open_table(table_location)
    features = (table.protocol().reader_features or []) if table else ["timestampNtz"]
    if "timestampNtz" in features:
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not take times without a zone (timestamp_ntz), "
        f"which files have: run {_alter(table_location, {_NAIVE_TIMES: 'supported'})}",
        {"table": table_location},
    )


def _alter(table_location: str, properties: Mapping[str, str]) -> str:
    """Return the SQL that gives a table properties."""
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    return f"ALTER TABLE delta.`{table_location}` SET TBLPROPERTIES ({listed})"
