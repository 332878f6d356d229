"""Infer a schema from JSON records: pure, so that the rules can be read and tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
)

_LONG_LIMIT = 1 << 63
_NULL: DataType = NullType()
_EMPTY: DataType = StructType()


def infer_schema(records: Iterable[Mapping[str, object]], *, typed: bool) -> StructType:
    """Return the schema that holds every field of ``records``, sorted by name.

    Untyped (Auto Loader's default for JSON) every column is a string. Typed, a field
    takes the narrowest of long, double, boolean, struct, array and string that holds
    all its values; a field that is always null is a string.
    """
    if not typed:
        names = sorted({name for record in records for name in record})
        return StructType([StructField(name, StringType()) for name in names])
    kinds = (type_of(record) for record in records)
    merged = _without_nulls(reduce(merge_types, kinds, _EMPTY))
    return merged if isinstance(merged, StructType) else StructType()


def type_of(value: object) -> DataType:
    """Return the Spark type of one decoded JSON value."""
    if isinstance(value, Mapping):
        fields = [
            StructField(str(name), type_of(value[name])) for name in sorted(value)
        ]
        return StructType(fields)
    if isinstance(value, list):
        return ArrayType(reduce(merge_types, map(type_of, value), _NULL))
    if isinstance(value, bool):
        return BooleanType()
    if isinstance(value, int):
        fits = -_LONG_LIMIT <= value < _LONG_LIMIT
        return LongType() if fits else DoubleType()
    if isinstance(value, float):
        return DoubleType()
    return NullType() if value is None else StringType()


def merge_types(left: DataType, right: DataType) -> DataType:
    """Return the narrowest type that holds the values of both; a string holds any."""
    if left == right or isinstance(right, NullType):
        return left
    if isinstance(left, NullType):
        return right
    if isinstance(left, StructType) and isinstance(right, StructType):
        return _merge_structs(left, right)
    if isinstance(left, ArrayType) and isinstance(right, ArrayType):
        return ArrayType(merge_types(left.elementType, right.elementType))
    if {type(left), type(right)} == {LongType, DoubleType}:
        return DoubleType()
    return StringType()


def _merge_structs(left: StructType, right: StructType) -> StructType:
    kinds = {field.name: field.dataType for field in left}
    for field in right:
        known = kinds.get(field.name, NullType())
        kinds[field.name] = merge_types(known, field.dataType)
    return StructType([StructField(name, kinds[name]) for name in sorted(kinds)])


def _without_nulls(kind: DataType) -> DataType:
    if isinstance(kind, NullType):
        return StringType()
    if isinstance(kind, ArrayType):
        return ArrayType(_without_nulls(kind.elementType))
    if isinstance(kind, StructType):
        return StructType(
            [StructField(field.name, _without_nulls(field.dataType)) for field in kind]
        )
    return kind
