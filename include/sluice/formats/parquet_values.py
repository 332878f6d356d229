"""Parquet's types under Spark's: what fits, how it is cast, what is left over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from operator import methodcaller

import msgspec
import pyarrow as pa
import pyarrow.types as pt

# Nanoseconds come as a type of pandas.
_JSON = msgspec.json.Encoder(
    decimal_format="number", enc_hook=methodcaller("isoformat")
)
# Parquet keeps integers in 32 bits or 64, and Spark reads by that.
_SHORT_BITS, _SHORT_DIGITS, _LONG_DIGITS, _MOST_DIGITS = 32, 10, 20, 38
_MICROSECONDS = "us"


def spark_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type that Spark infers for ``kind``, None where it has none."""
    if pt.is_struct(kind):
        return _struct(kind)
    if _is_list(kind):
        element = spark_type(kind.value_type)
        return None if element is None else pa.list_(pa.field("element", element))
    if pt.is_map(kind):
        key, item = spark_type(kind.key_type), spark_type(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    kind = _stored(kind)
    return next((make(kind) for matches, make in _INFERRED if matches(kind)), None)


def _struct(kind: pa.StructType) -> pa.DataType | None:
    fields = [(each.name, spark_type(each.type)) for each in kind]
    known = [each for each in fields if each[1] is not None]
    return pa.struct(known) if known else None


def merge_types(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the type that holds both; the left one where Spark has no such type."""
    if pt.is_struct(left) and pt.is_struct(right):
        kinds = {each.name: each.type for each in left}
        for each in right:
            kinds[each.name] = merge_types(kinds.get(each.name, pa.null()), each.type)
        return pa.struct(list(kinds.items()))
    if pt.is_list(left) and pt.is_list(right):
        kind = merge_types(left.value_type, right.value_type)
        return pa.list_(left.value_field.with_type(kind))
    if pt.is_map(left) and pt.is_map(right):
        kind = merge_types(left.item_type, right.item_type)
        return pa.map_(left.key_type, left.item_field.with_type(kind))
    if pt.is_null(left) or _is_wider(right, left):
        return right
    return left


def _is_wider(wide: pa.DataType, narrow: pa.DataType) -> bool:
    if pt.is_integer(wide) and pt.is_integer(narrow):
        return bool(wide.bit_width > narrow.bit_width)
    return fits(narrow, wide) and not fits(wide, narrow)


def fits(source: pa.DataType, target: pa.DataType) -> bool:
    """Return True if Spark reads a column of ``source`` as ``target``.

    A single value may not fit all the same, such as 300 under a tinyint.
    """
    if source.equals(target) or pt.is_null(source):
        return True
    if pt.is_struct(source) and pt.is_struct(target):
        known = {each.name: each.type for each in source}
        return all(fits(known.get(each.name, pa.null()), each.type) for each in target)
    if _is_list(source) and pt.is_list(target):
        return fits(source.value_type, target.value_type)
    if pt.is_map(source) and pt.is_map(target):
        return fits(source.key_type, target.key_type) and fits(
            source.item_type, target.item_type
        )
    stored = _stored(source)
    return any(rule(stored, target) for rule in _RULES)


def _integer(source: pa.DataType, target: pa.DataType) -> bool:
    if not pt.is_integer(source):
        return False
    short = source.bit_width <= _SHORT_BITS
    if pt.is_decimal(target):
        digits = _SHORT_DIGITS if short else _LONG_DIGITS
        return bool(target.precision - target.scale >= digits)
    if pt.is_signed_integer(target):
        return bool(short or source.equals(target))
    return bool(short and pt.is_float64(target))


def _float(source: pa.DataType, target: pa.DataType) -> bool:
    narrow = pt.is_float16(source) or pt.is_float32(source)
    return bool((narrow or source.equals(target)) and pt.is_floating(target))


def _decimal(source: pa.DataType, target: pa.DataType) -> bool:
    if not (pt.is_decimal(source) and pt.is_decimal(target)):
        return False
    whole = source.precision - source.scale
    return bool(
        source.scale <= target.scale and whole <= target.precision - target.scale
    )


def _bytes(source: pa.DataType, target: pa.DataType) -> bool:
    if pt.is_fixed_size_binary(source):
        return bool(pt.is_binary(target))
    return _is_text(source) and (pt.is_string(target) or pt.is_binary(target))


def _time(source: pa.DataType, target: pa.DataType) -> bool:
    if pt.is_date(source):
        naive = pt.is_timestamp(target) and target.tz is None
        return naive or pt.is_date(target)
    return bool(pt.is_timestamp(source) and pt.is_timestamp(target))


def _other(source: pa.DataType, target: pa.DataType) -> bool:
    return bool(source.equals(target))


_RULES: tuple[Callable[[pa.DataType, pa.DataType], bool], ...] = (
    _integer,
    _float,
    _decimal,
    _bytes,
    _time,
    _other,
)


def shape(values: pa.Array, target: pa.DataType) -> pa.Array:
    """Return ``values`` as ``target``, which their type fits.

    Raises:
        ArrowInvalid: one of the values does not fit.
    """
    source = values.type
    if source.equals(target):
        return values
    if pt.is_null(source):
        return pa.nulls(len(values), target)
    if values.offset:
        values = pa.concat_arrays([values.slice(0, 0), values])
    if pt.is_struct(target):
        return _shape_struct(values, target)
    if pt.is_list(target):
        if not pt.is_list(source):
            values = values.cast(pa.list_(source.value_field))
        items = shape(values.values, target.value_type)
        return pa.ListArray.from_arrays(
            values.offsets, items, type=target, mask=values.is_null()
        )
    if pt.is_map(target):
        keys = shape(values.keys, target.key_type)
        items = shape(values.items, target.item_type)
        return pa.MapArray.from_arrays(
            values.offsets, keys, items, type=target, mask=values.is_null()
        )
    # Times are finer there than Spark's: what is below a microsecond goes.
    return values.cast(target, safe=not pt.is_timestamp(source))


def _shape_struct(values: pa.StructArray, target: pa.StructType) -> pa.Array:
    found = {each.name: number for number, each in enumerate(values.type)}
    children = [
        shape(values.field(found[each.name]), each.type)
        if each.name in found
        else pa.nulls(len(values), each.type)
        for each in target
    ]
    return pa.StructArray.from_arrays(
        children, fields=list(target), mask=values.is_null()
    )


def shape_each(values: pa.Array, target: pa.DataType) -> tuple[pa.Array, Sequence[int]]:
    """Return ``values`` as ``target``, and the places of those that do not fit.

    Halving finds them: one odd value slows down only its neighbours.
    """
    try:
        return shape(values, target), ()
    except pa.ArrowInvalid:
        if len(values) <= 1:
            return pa.nulls(len(values), target), range(len(values))
    middle = len(values) // 2
    left, odd = shape_each(values[:middle], target)
    right, more = shape_each(values[middle:], target)
    odd = [*odd, *(middle + each for each in more)]
    return pa.concat_arrays([left, right]), odd


def has_unknown(source: pa.DataType, target: pa.DataType) -> bool:
    """Return True if a nested field of ``source`` has no place in ``target``."""
    if pt.is_struct(source):
        known = {each.name: each.type for each in target}
        return any(
            each.name not in known or has_unknown(each.type, known[each.name])
            for each in source
        )
    if _is_list(source):
        return has_unknown(source.value_type, target.value_type)
    return pt.is_map(source) and has_unknown(source.item_type, target.item_type)


def unknown_part(value: object, kind: pa.DataType) -> object:
    """Return what of a nested value has no place in ``kind``, None where all has one.

    Lists keep the places of their elements.
    """
    if isinstance(value, dict) and pt.is_struct(kind):
        known = {each.name: each.type for each in kind}
        parts = {
            name: unknown_part(each, known[name]) if name in known else each
            for name, each in value.items()
        }
        return {name: each for name, each in parts.items() if each is not None} or None
    if isinstance(value, list) and pt.is_list(kind):
        rest = [unknown_part(each, kind.value_type) for each in value]
        return rest if any(each is not None for each in rest) else None
    if isinstance(value, list) and pt.is_map(kind):
        pairs = [(key, unknown_part(each, kind.item_type)) for key, each in value]
        return [pair for pair in pairs if pair[1] is not None] or None
    return None


def to_json(value: object) -> msgspec.Raw:
    """Return the JSON text of a value of a column."""
    return msgspec.Raw(_JSON.encode(_spelled(value)))


def _spelled(value: object) -> object:
    """Spell numbers that JSON lacks; maps stay lists of pairs, keys may be anything."""
    if isinstance(value, float) and not isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(each) for each in value]
    return value


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves."""
    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    return _stored(kind.value_type) if pt.is_dictionary(kind) else kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return _is_string(kind) or pt.is_binary(kind) or pt.is_large_binary(kind)


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    )


def _of(kind: pa.DataType) -> Callable[[pa.DataType], pa.DataType]:
    return lambda _: kind


_INFERRED: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]], ...
] = (
    (pt.is_null, _of(pa.null())),
    (pt.is_boolean, _of(pa.bool_())),
    (pt.is_signed_integer, lambda kind: kind),
    (pt.is_uint8, _of(pa.int16())),
    (pt.is_uint16, _of(pa.int32())),
    (pt.is_uint32, _of(pa.int64())),
    (pt.is_uint64, _of(pa.decimal128(_LONG_DIGITS, 0))),
    (pt.is_float64, _of(pa.float64())),
    (pt.is_floating, _of(pa.float32())),
    (
        lambda kind: pt.is_decimal(kind) and kind.precision <= _MOST_DIGITS,
        lambda kind: pa.decimal128(kind.precision, kind.scale),
    ),
    (pt.is_date, _of(pa.date32())),
    (
        pt.is_timestamp,
        lambda kind: pa.timestamp(_MICROSECONDS, "UTC" if kind.tz else None),
    ),
    (_is_string, _of(pa.string())),
    (lambda kind: _is_text(kind) or pt.is_fixed_size_binary(kind), _of(pa.binary())),
)
