"""Turn JSON records into typed values, keeping the exact text of what does not fit.

This is the careful path: it is taken only for the blocks that pyarrow's parser does not
take as they are. A value of another type than its column, and a field that has no
column, come back as rescued JSON text, so ``1.10`` stays ``1.10``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import partial
from math import isfinite

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.errors import Condition, UsageError
from sluice.formats.base import Record
from sluice.formats.json_dialect import PLAIN, Dialect
from sluice.formats.json_fields import (
    Fields,
    decode_elements,
    decode_fields,
    repeated_keys,
    shown,
    valid_json,
)
from sluice.formats.json_leniency import SPARKS, UNDECODABLE, Leniency, decode_string
from sluice.formats.json_variants import is_variant, parse_variant
from sluice.formats.moments import UNREADABLE, time_reader

_STRING = msgspec.json.Decoder(str)
_INTEGER = re.compile(rb"-?\d+")
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
# As strings numbers need not be JSON.
DECIMAL = re.compile(rb"[+-]?\.?\d[\d.eE+-]*")
# Spark's words for them, of which JSON has none.
_NOT_FINITE = {
    b"NaN": float("nan"),
    b"Infinity": float("inf"),
    b"+Infinity": float("inf"),
    b"+INF": float("inf"),
    b"-Infinity": float("-inf"),
    b"-INF": float("-inf"),
}
_QUOTES = (b'"', b"'")
_FLOAT_LIMITS = {16: 65504.0, 32: 3.4028235677973366e38}
# Spark's widest decimal has 38 digits, and rounding needs room for what it cuts off.
_DECIMAL_DIGITS = Context(prec=400)


class MismatchError(ValueError):
    """A value is not of its column's type; it belongs into the rescued data."""


# What a converter may raise on a value of a file: arithmetic has errors of its own.
_DOES_NOT_FIT = (ValueError, ArithmeticError, *UNDECODABLE)
Converter = Callable[[bytes], object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_INTEGER = 20


def read_records(
    lines: Iterable[bytes], columns: pa.Schema, dialect: Dialect = PLAIN
) -> list[Record]:
    """Convert each JSON record of ``lines`` to the types of ``columns``.

    A line that is no JSON object is a record without values whose ``corrupt`` holds
    the line; what is behind an object in its line is held there as well.
    """
    if dialect.variant_column is not None:
        return [_read_whole(line, dialect) for line in lines]
    converters = {field.name: converter(field.type, dialect) for field in columns}
    return [_read_record(line, converters, dialect) for line in lines]


def read_unknown_fields(
    lines: Iterable[bytes], columns: pa.Schema, leniency: Leniency = SPARKS
) -> list[Record] | None:
    """Return only what has no column, None where a line is no JSON object."""
    known = set(columns.names)
    records = []
    for line in lines:
        fields = decode_fields(line, leniency)
        if fields is None or fields.rest:
            return None
        values = fields.values
        unknown = {name: values[name] for name in values if name not in known}
        _, rescued = convert_fields(unknown, {}, leniency)
        records.append(Record({}, rescued, tuple(rescued)))
    return records


def _read_record(
    line: bytes, converters: Mapping[str, Converter], dialect: Dialect
) -> Record:
    fields = decode_fields(line, dialect.leniency)
    if fields is None:
        return Record({}, {}, corrupt=shown(line), text=line)
    named = dialect.named(fields.values, converters)
    values, rescued = convert_fields(named, converters, dialect.leniency)
    unknown = tuple(name for name in rescued if name not in converters)
    return Record(values, rescued, unknown, shown(fields.rest) or None, line)


def _read_whole(line: bytes, dialect: Dialect) -> Record:
    try:
        variant = parse_variant(line, dialect.leniency)
        return Record({dialect.variant_column or "": variant}, {})
    except _DOES_NOT_FIT:
        return Record({}, {}, corrupt=shown(line))


def convert_fields(
    fields: Mapping[str, msgspec.Raw | bytes],
    converters: Mapping[str, Converter],
    leniency: Leniency = SPARKS,
) -> tuple[dict[str, object], dict[str, msgspec.Raw]]:
    """Split ``fields`` into converted values and the JSON text of what does not fit."""
    values: dict[str, object] = {}
    rescued: dict[str, msgspec.Raw] = {}
    for name, raw in fields.items():
        text = bytes(raw)
        if text == b"null":
            continue
        if name not in converters:
            rescued[name] = valid_json(text, leniency)
            continue
        try:
            values[name] = converters[name](text)
        except PartialMismatchError as partial:
            values[name], rescued[name] = partial.value, partial.rescued
        except _DOES_NOT_FIT:
            rescued[name] = valid_json(text, leniency)
    return values, rescued


class PartialMismatchError(MismatchError):
    """Some fields of an object fit and others did not."""

    def __init__(self, value: object, rescued: msgspec.Raw) -> None:
        super().__init__(value, rescued)
        self.value = value
        self.rescued = rescued


def converter(kind: pa.DataType, dialect: Dialect = PLAIN) -> Converter:
    """Return what converts the JSON text of a value that is not null to ``kind``.

    Raises:
        UsageError: JSON cannot be read as ``kind``.
    """
    for matches, make in _CONVERTERS:
        if matches(kind):
            return make(kind, dialect)
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"cloudFiles: a column of type {kind} cannot be read from JSON; declare it as "
        "a string and convert it later",
        {"type": str(kind)},
    )


def _make_string(_: pa.DataType, dialect: Dialect) -> Converter:
    def string(text: bytes) -> str:
        # Spark gives a string column the text of a number, an object or an array.
        if text.startswith(_QUOTES):
            return _quoted(text, dialect.leniency)
        return text.decode()

    return string


def _quoted(text: bytes, leniency: Leniency) -> str:
    if not text.startswith(_QUOTES):
        raise MismatchError
    try:
        return _STRING.decode(text)
    except UNDECODABLE:
        return decode_string(text, leniency)


def _boolean(text: bytes) -> bool:
    if text not in {b"true", b"false"}:
        raise MismatchError
    return text == b"true"


def _make_float(kind: pa.DataType, dialect: Dialect) -> Converter:
    limit = _FLOAT_LIMITS.get(kind.bit_width)
    words = _NOT_FINITE if dialect.leniency.not_finite else {}

    def decimal_point(text: bytes) -> float:
        word = text[1:-1] if text.startswith(_QUOTES) else text
        if word in words:
            return words[word]
        if not _NUMBER.fullmatch(text):
            raise MismatchError
        value = float(text)
        if not isfinite(value) or (limit and abs(value) >= limit):
            raise MismatchError
        return value

    return decimal_point


def _make_integer(kind: pa.DataType, _: Dialect) -> Converter:
    limit = 1 << (kind.bit_width - 1)

    def integer(text: bytes) -> int:
        # Python itself refuses to read thousands of digits.
        if not _INTEGER.fullmatch(text) or len(text) > _LONGEST_INTEGER:
            raise MismatchError
        value = int(text)
        if not -limit <= value < limit:
            raise MismatchError
        return value

    return integer


def _make_decimal(kind: pa.DataType, dialect: Dialect) -> Converter:
    step = Decimal(1).scaleb(-kind.scale)

    def decimal(text: bytes) -> Decimal:
        number = text[1:-1] if text.startswith(_QUOTES) else text
        if not DECIMAL.fullmatch(number):
            raise MismatchError
        try:
            exact = Decimal(number.decode())
            value = exact.quantize(step, ROUND_HALF_UP, _DECIMAL_DIGITS)
        except InvalidOperation:
            raise MismatchError from None
        is_other = value != exact and not dialect.rounds
        if len(value.as_tuple().digits) > kind.precision or is_other:
            raise MismatchError
        return value

    return decimal


def _make_date(kind: pa.DataType, dialect: Dialect) -> Converter:
    read = time_reader(kind, dialect.formats)

    def day(text: bytes) -> object:
        try:
            return read(_quoted(text, dialect.leniency))
        except UNREADABLE:
            raise MismatchError from None

    return day


def _make_timestamp(kind: pa.DataType, dialect: Dialect) -> Converter:
    read = time_reader(kind, dialect.formats)

    def timestamp(text: bytes) -> object:
        try:
            # Whole seconds since 1970 are a moment, but not a time of some zone.
            if kind.tz is not None and not text.startswith(_QUOTES):
                return _since_epoch(text)
            return read(_quoted(text, dialect.leniency))
        except UNREADABLE:
            raise MismatchError from None

    return timestamp


def _since_epoch(text: bytes) -> datetime:
    if not _INTEGER.fullmatch(text):
        raise MismatchError
    return _EPOCH + timedelta(seconds=int(text))


def _make_binary(_: pa.DataType, dialect: Dialect) -> Converter:
    def binary(text: bytes) -> bytes:
        try:
            return base64.b64decode(_quoted(text, dialect.leniency), validate=True)
        except ValueError:
            raise MismatchError from None

    return binary


def _make_struct(kind: pa.DataType, dialect: Dialect) -> Converter:
    converters = {field.name: converter(field.type, dialect) for field in kind}

    def struct(text: bytes) -> dict[str, object]:
        fields = _nested_fields(text, dialect.leniency)
        named = dialect.named(fields.values, converters)
        values, rescued = convert_fields(named, converters, dialect.leniency)
        if rescued:
            raise PartialMismatchError(values, _encoded(rescued))
        return values

    return struct


def _nested_fields(text: bytes, leniency: Leniency) -> Fields:
    fields = decode_fields(text, leniency) if text.startswith(b"{") else None
    if fields is None:
        raise MismatchError
    return fields


def _encoded(rescued: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(rescued))


def _make_list(kind: pa.DataType, dialect: Dialect) -> Converter:
    convert = converter(kind.value_type, dialect)

    def array(text: bytes) -> list[object]:
        if not text.startswith(b"["):
            raise MismatchError
        items = [_item(convert, raw) for raw in decode_elements(text, dialect.leniency)]
        values = [value for value, _ in items]
        rescued = [part for _, part in items]
        if any(part is not None for part in rescued):
            # Null stands for an element that fits, so that the others have their place.
            raise PartialMismatchError(values, _encoded(rescued))
        return values

    return array


def _make_map(kind: pa.DataType, dialect: Dialect) -> Converter:
    convert = converter(kind.item_type, dialect)
    leniency = dialect.leniency

    def mapping(text: bytes) -> list[tuple[str, object]]:
        fields = _nested_fields(text, leniency)
        items = {name: _item(convert, raw) for name, raw in fields.values.items()}
        values = [(name, value) for name, (value, _) in items.items()]
        rescued = {name: part for name, (_, part) in items.items() if part is not None}
        repeated = repeated_keys(text, fields, leniency)
        if repeated:
            raise PartialMismatchError(values, _encoded_members(repeated, rescued))
        if rescued:
            raise PartialMismatchError(values, _encoded(rescued))
        return values

    return mapping


def _encoded_members(
    repeated: Iterable[tuple[str, msgspec.Raw]], rescued: Mapping[str, msgspec.Raw]
) -> msgspec.Raw:
    members = (
        msgspec.json.encode(name) + b":" + bytes(raw)
        for name, raw in [*repeated, *rescued.items()]
    )
    return msgspec.Raw(b"{%b}" % b",".join(members))


def _item(
    convert: Converter, raw: msgspec.Raw | bytes
) -> tuple[object, msgspec.Raw | None]:
    """Return the value of an element, and the JSON text of what of it did not fit."""
    text = bytes(raw)
    if text == b"null":
        return None, None
    try:
        return convert(text), None
    except PartialMismatchError as partial:
        return partial.value, partial.rescued


_CONVERTERS: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, Dialect], Converter]],
    ...,
] = (
    (pt.is_string, _make_string),
    (pt.is_boolean, lambda *_: _boolean),
    (pt.is_signed_integer, _make_integer),
    (pt.is_floating, _make_float),
    (pt.is_decimal, _make_decimal),
    (pt.is_date32, _make_date),
    (pt.is_timestamp, _make_timestamp),
    (pt.is_binary, _make_binary),
    (is_variant, lambda _, dialect: partial(parse_variant, leniency=dialect.leniency)),
    (pt.is_struct, _make_struct),
    (pt.is_list, _make_list),
    (pt.is_map, _make_map),
)
