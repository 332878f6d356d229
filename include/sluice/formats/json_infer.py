"""Infer a schema from JSON records: pure, so that the rules can be read and tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce

import msgspec
import pyarrow as pa
import pyarrow.types as pt

_RECORD = msgspec.json.Decoder(dict[str, object])
_LONG_LIMIT = 1 << 63
_NULL, _EMPTY = pa.null(), pa.struct([])
_LONG, _DOUBLE, _STRING = pa.int64(), pa.float64(), pa.string()


def decode_records(lines: Iterable[bytes]) -> Iterator[dict[str, object]]:
    """Yield the JSON objects of ``lines``; the rest is rescued when it is read."""
    for line in lines:
        try:
            yield _RECORD.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue


def infer_schema(records: Iterable[Mapping[str, object]], *, typed: bool) -> pa.Schema:
    """Return the schema that holds every field of ``records``, sorted by name.

    Untyped (Auto Loader's default for JSON) every column is a string. Typed, a field
    takes the narrowest of long, double, boolean, struct, array and string that holds
    all its values; a field that is always null is a string.
    """
    if not typed:
        names = sorted({name for record in records for name in record})
        return pa.schema([(name, _STRING) for name in names])
    merged = reduce(merge_types, map(type_of, records), _EMPTY)
    return pa.schema(list(_without_nulls(merged)))


def type_of(value: object) -> pa.DataType:
    """Return the type of one decoded JSON value."""
    if isinstance(value, Mapping):
        return pa.struct([(str(name), type_of(value[name])) for name in sorted(value)])
    if isinstance(value, list):
        return _list_of(reduce(merge_types, map(type_of, value), _NULL))
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return _LONG if -_LONG_LIMIT <= value < _LONG_LIMIT else _DOUBLE
    if isinstance(value, float):
        return _DOUBLE
    return _NULL if value is None else _STRING


def merge_types(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds the values of both; a string holds any."""
    if left == right or pt.is_null(right):
        return left
    if pt.is_null(left):
        return right
    if pt.is_struct(left) and pt.is_struct(right):
        return _merge_structs(left, right)
    if pt.is_list(left) and pt.is_list(right):
        return _list_of(merge_types(left.value_type, right.value_type))
    return _DOUBLE if {left, right} == {_LONG, _DOUBLE} else _STRING


def _merge_structs(left: pa.StructType, right: pa.StructType) -> pa.StructType:
    kinds = {field.name: field.type for field in left}
    for field in right:
        kinds[field.name] = merge_types(kinds.get(field.name, _NULL), field.type)
    return pa.struct(sorted(kinds.items()))


def _list_of(kind: pa.DataType) -> pa.ListType:
    # Spark's own name of it, so that types compare equal.
    return pa.list_(pa.field("element", kind))


def _without_nulls(kind: pa.DataType) -> pa.DataType:
    if pt.is_null(kind):
        return _STRING
    if pt.is_list(kind):
        return _list_of(_without_nulls(kind.value_type))
    if pt.is_struct(kind):
        return pa.struct([(field.name, _without_nulls(field.type)) for field in kind])
    return kind
