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
from math import isfinite

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.errors import Condition, UsageError
from sluice.formats.base import Record
from sluice.formats.moments import DEFAULTS, UNREADABLE, Formats, time_reader

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_INTEGER = re.compile(rb"-?\d+")
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
# As strings numbers need not be JSON.
DECIMAL = re.compile(rb"[+-]?\.?\d[\d.eE+-]*")
_NOT_FINITE = {
    b'"NaN"': float("nan"),
    b'"-NaN"': float("nan"),
    b'"Inf"': float("inf"),
    b'"-Inf"': float("-inf"),
    b'"Infinity"': float("inf"),
    b'"-Infinity"': float("-inf"),
}
# A string, to be passed over, or a number that JSON does not have and Python writes.
_STRING_OR_NOT_FINITE = re.compile(
    rb'"(?:[^"\\]|\\.)*"|(-?(?:NaN|Inf(?:inity)?)\b)', re.DOTALL
)
_FLOAT_LIMITS = {16: 65504.0, 32: 3.4028235677973366e38}
# Spark's widest decimal has 38 digits, and rounding needs room for what it cuts off.
_DECIMAL_DIGITS = Context(prec=400)


class MismatchError(ValueError):
    """A value is not of its column's type; it belongs into the rescued data."""


# What a decoder may raise on a value: a number out of range, half a surrogate pair,
# bytes that are not UTF-8, an array nested too deep.
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DOES_NOT_FIT = (MismatchError, *_UNDECODABLE)


Converter = Callable[[bytes], object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_INTEGER = 20


def read_records(
    lines: Iterable[bytes], columns: pa.Schema, formats: Formats = DEFAULTS
) -> list[Record]:
    """Convert each JSON record of ``lines`` to the types of ``columns``.

    A line that is no JSON object is a record without values whose ``corrupt`` holds
    the line.
    """
    converters = {field.name: converter(field.type, formats) for field in columns}
    return [_read_record(line, converters) for line in lines]


def read_unknown_fields(
    lines: Iterable[bytes], columns: pa.Schema
) -> list[Record] | None:
    """Return only what has no column, None where a line is no JSON object."""
    known = set(columns.names)
    records = []
    for line in lines:
        fields = decode_fields(line)
        if fields is None:
            return None
        unknown = {name: raw for name, raw in fields.items() if name not in known}
        _, rescued = convert_fields(unknown, {})
        records.append(Record({}, rescued, tuple(rescued)))
    return records


def _read_record(line: bytes, converters: Mapping[str, Converter]) -> Record:
    fields = decode_fields(line)
    if fields is None:
        return Record({}, {}, corrupt=line.decode("utf-8", "backslashreplace"))
    values, rescued = convert_fields(fields, converters)
    unknown = tuple(name for name in rescued if name not in converters)
    return Record(values, rescued, unknown)


def decode_fields(line: bytes) -> dict[str, msgspec.Raw] | None:
    """Return the fields of a JSON object as raw text, None where it is none.

    The bare words ``NaN`` and ``Infinity``, which JSON lacks and many writers use, are
    taken as Spark takes them; in raw text they come back quoted.
    """
    try:
        return _OBJECT.decode(line)
    except _UNDECODABLE:
        pass
    try:
        return _OBJECT.decode(quote_not_finite(line))
    except _UNDECODABLE:
        return None


def quote_not_finite(text: bytes) -> bytes:
    """Return JSON text in which ``NaN`` and ``Infinity`` are in quotes."""
    return _STRING_OR_NOT_FINITE.sub(_quote, text)


def _quote(match: re.Match[bytes]) -> bytes:
    return b'"%b"' % match[1] if match[1] else match[0]


def convert_fields(
    fields: Mapping[str, msgspec.Raw], converters: Mapping[str, Converter]
) -> tuple[dict[str, object], dict[str, msgspec.Raw]]:
    """Split ``fields`` into converted values and the raw text of what does not fit."""
    values: dict[str, object] = {}
    rescued: dict[str, msgspec.Raw] = {}
    for name, raw in fields.items():
        text = bytes(raw)
        if text == b"null":
            continue
        if name not in converters:
            rescued[name] = _valid_json(text)
            continue
        try:
            values[name] = converters[name](text)
        except PartialMismatchError as partial:
            values[name], rescued[name] = partial.value, partial.rescued
        except _DOES_NOT_FIT:
            rescued[name] = _valid_json(text)
    return values, rescued


def _valid_json(text: bytes) -> msgspec.Raw:
    """Return raw text as it is; text that is not UTF-8 as a string that shows it."""
    try:
        text.decode()
    except UnicodeDecodeError:
        shown = text.decode("utf-8", "backslashreplace")
        return msgspec.Raw(msgspec.json.encode(shown))
    return msgspec.Raw(text)


class PartialMismatchError(MismatchError):
    """Some fields of an object fit and others did not."""

    def __init__(self, value: object, rescued: msgspec.Raw) -> None:
        super().__init__(value, rescued)
        self.value = value
        self.rescued = rescued


def converter(kind: pa.DataType, formats: Formats = DEFAULTS) -> Converter:
    """Return what converts the JSON text of a value that is not null to ``kind``.

    Text of a date or a time is read by ``formats``.

    Raises:
        UsageError: JSON cannot be read as ``kind``.
    """
    for matches, make in _CONVERTERS:
        if matches(kind):
            return make(kind, formats)
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"cloudFiles: a column of type {kind} cannot be read from JSON; declare it as "
        "a string and convert it later",
        {"type": str(kind)},
    )


def _string(text: bytes) -> str:
    # Spark gives a string column the JSON text of a number, an object or an array.
    return _STRING.decode(text) if text.startswith(b'"') else text.decode()


def _quoted(text: bytes) -> str:
    if not text.startswith(b'"'):
        raise MismatchError
    return _STRING.decode(text)


def _boolean(text: bytes) -> bool:
    if text not in {b"true", b"false"}:
        raise MismatchError
    return text == b"true"


def _make_float(kind: pa.DataType, _: Formats) -> Converter:
    limit = _FLOAT_LIMITS.get(kind.bit_width)

    def decimal_point(text: bytes) -> float:
        if text in _NOT_FINITE:
            return _NOT_FINITE[text]
        if not _NUMBER.fullmatch(text):
            raise MismatchError
        value = float(text)
        if not isfinite(value) or (limit and abs(value) >= limit):
            raise MismatchError
        return value

    return decimal_point


def _make_integer(kind: pa.DataType, _: Formats) -> Converter:
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


def _make_decimal(kind: pa.DataType, _: Formats) -> Converter:
    step = Decimal(1).scaleb(-kind.scale)

    def decimal(text: bytes) -> Decimal:
        number = text.strip(b'"')
        if not DECIMAL.fullmatch(number):
            raise MismatchError
        try:
            exact = Decimal(number.decode())
            value = exact.quantize(step, ROUND_HALF_UP, _DECIMAL_DIGITS)
        except InvalidOperation:
            raise MismatchError from None
        if len(value.as_tuple().digits) > kind.precision:
            raise MismatchError
        return value

    return decimal


def _make_date(kind: pa.DataType, formats: Formats) -> Converter:
    read = time_reader(kind, formats)

    def day(text: bytes) -> object:
        try:
            return read(_quoted(text))
        except UNREADABLE:
            raise MismatchError from None

    return day


def _make_timestamp(kind: pa.DataType, formats: Formats) -> Converter:
    read = time_reader(kind, formats)

    def timestamp(text: bytes) -> object:
        try:
            # Whole seconds since 1970 are a moment, but not a time of some zone.
            seconds = kind.tz is not None and not text.startswith(b'"')
            return _since_epoch(text) if seconds else read(_quoted(text))
        except UNREADABLE:
            raise MismatchError from None

    return timestamp


def _since_epoch(text: bytes) -> datetime:
    if not _INTEGER.fullmatch(text):
        raise MismatchError
    return _EPOCH + timedelta(seconds=int(text))


def _binary(text: bytes) -> bytes:
    try:
        return base64.b64decode(_quoted(text), validate=True)
    except ValueError:
        raise MismatchError from None


def _make_struct(kind: pa.DataType, formats: Formats) -> Converter:
    converters = {field.name: converter(field.type, formats) for field in kind}

    def struct(text: bytes) -> dict[str, object]:
        if not text.startswith(b"{"):
            raise MismatchError
        values, rescued = convert_fields(_OBJECT.decode(text), converters)
        if rescued:
            raise PartialMismatchError(
                values, msgspec.Raw(msgspec.json.encode(rescued))
            )
        return values

    return struct


def _make_list(kind: pa.DataType, formats: Formats) -> Converter:
    convert = converter(kind.value_type, formats)

    def array(text: bytes) -> list[object]:
        if not text.startswith(b"["):
            raise MismatchError
        return [_item(convert, raw) for raw in _ARRAY.decode(text)]

    return array


def _make_map(kind: pa.DataType, formats: Formats) -> Converter:
    convert = converter(kind.item_type, formats)

    def mapping(text: bytes) -> list[tuple[str, object]]:
        if not text.startswith(b"{"):
            raise MismatchError
        fields = _OBJECT.decode(text)
        return [(name, _item(convert, raw)) for name, raw in fields.items()]

    return mapping


def _item(convert: Converter, raw: msgspec.Raw) -> object:
    text = bytes(raw)
    if text == b"null":
        return None
    try:
        return convert(text)
    except PartialMismatchError:
        # Half of an element cannot be recognised in the rescued text: rescue it all.
        raise MismatchError from None


_CONVERTERS: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, Formats], Converter]],
    ...,
] = (
    (pt.is_string, lambda *_: _string),
    (pt.is_boolean, lambda *_: _boolean),
    (pt.is_signed_integer, _make_integer),
    (pt.is_floating, _make_float),
    (pt.is_decimal, _make_decimal),
    (pt.is_date32, _make_date),
    (pt.is_timestamp, _make_timestamp),
    (pt.is_binary, lambda *_: _binary),
    (pt.is_struct, _make_struct),
    (pt.is_list, _make_list),
    (pt.is_map, _make_map),
)
