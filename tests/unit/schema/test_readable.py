from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    CharType,
    DataType,
    DayTimeIntervalType,
    DecimalType,
    MapType,
    NullType,
    StringType,
    StructType,
    TimeType,
    VarcharType,
    VariantType,
    YearMonthIntervalType,
)

from sluice.errors import Condition, UsageError
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.schema.readable import require_readable

TEXT = StringType()


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (VariantType(), "parse_json"),
        (VarcharType(3), "string"),
        (CharType(3), "string"),
        (DayTimeIntervalType(), "string"),
        (YearMonthIntervalType(), "string"),
        (TimeType(6), "string"),
        (NullType(), "leave it out"),
    ],
)
@pytest.mark.parametrize(
    ("around", "name"),
    [
        (lambda kind: kind, "c"),
        (ArrayType, "c.element"),
        (lambda kind: MapType(TEXT, kind), "c.value"),
        (lambda kind: StructType().add("d", kind), "c.d"),
    ],
)
def test_type_that_no_task_fills_is_refused(
    kind: DataType, remedy: str, around: type[ArrayType], name: str
) -> None:
    """With the name of its column, before a file is read."""
    schema = StructType().add("a", "string").add("c", around(kind))

    with pytest.raises(UsageError, match=remedy) as caught:
        require_readable(schema)

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED
    assert caught.value.context["column"] == name


def test_types_that_tasks_fill() -> None:
    """Those of files."""
    schema = StructType().add("s", MapType(TEXT, ArrayType(DecimalType(38, 2))))
    for simple in ("string", "boolean", "byte", "short", "integer", "long", "float"):
        schema.add(simple, simple)
    for simple in ("double", "date", "timestamp", "timestamp_ntz", "binary"):
        schema.add(simple, simple)

    require_readable(schema)


@pytest.mark.parametrize(
    "kind",
    [
        pa.map_(pa.int32(), pa.string()),
        pa.list_(pa.map_(pa.date32(), pa.string())),
        pa.struct([("m", pa.map_(pa.bool_(), pa.string()))]),
    ],
)
def test_names_of_json_are_strings(kind: pa.DataType) -> None:
    """Keys of a map of Parquet may be anything."""
    columns = pa.schema([("a", pa.string()), ("c", kind)])

    ParquetFormat().require_columns(columns)
    with pytest.raises(UsageError, match=r"'c'.*keys.*map<string"):
        JsonFormat().require_columns(columns)
