"""Refuse columns of types that no task can fill from a file."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    ByteType,
    CharType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
    VarcharType,
    VariantType,
)

from sluice.errors import Condition, UsageError

_FILLED = (
    *(StringType, BinaryType, BooleanType, DecimalType, DoubleType, FloatType),
    *(ByteType, ShortType, IntegerType, LongType),
    *(DateType, TimestampType, TimestampNTZType),
)


def require_readable(schema: StructType, *, variants: bool = False) -> None:
    """Refuse a schema with a type that is none of files, at any level.

    ``variants`` says if its format gives them.

    Raises:
        UsageError: there is such a column.
    """
    for name, kind in _leaves(schema):
        is_variant = isinstance(kind, VariantType)
        if not isinstance(kind, _FILLED) and not (variants and is_variant):
            raise UsageError(
                Condition.SCHEMA_UNSUPPORTED,
                f"cloudFiles: column {name!r} of type {kind.simpleString()} cannot be "
                f"read from files; {_remedy(kind)}",
                {"column": name, "type": kind.simpleString()},
            )


def _leaves(kind: DataType, name: str = "") -> Iterator[tuple[str, DataType]]:
    """Yield the types that hold no other, each with the names around it."""
    if isinstance(kind, StructType):
        for field in kind:
            yield from _leaves(field.dataType, f"{name}.{field.name}".lstrip("."))
    elif isinstance(kind, ArrayType):
        yield from _leaves(kind.elementType, f"{name}.element")
    elif isinstance(kind, MapType):
        yield from _leaves(kind.keyType, f"{name}.key")
        yield from _leaves(kind.valueType, f"{name}.value")
    else:
        yield name, kind


def _remedy(kind: DataType) -> str:
    if isinstance(kind, VariantType):
        return "declare it as a string, and use parse_json in the query"
    if isinstance(kind, VarcharType | CharType):
        return "declare it as a string, and check its length in the query"
    if isinstance(kind, NullType):
        return "leave it out: what it holds is rescued"
    return "declare it as a string, and convert it in the query"
