"""Infer a schema from JSON records: pure, so that the rules can be read and tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial, reduce
from operator import itemgetter

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.json_leniency import SPARKS, UNDECODABLE, Leniency, sample_json
from sluice.formats.json_values import DECIMAL
from sluice.formats.moments import UNREADABLE, Formats, time_reader

_RECORD = msgspec.json.Decoder(dict[str, object])
_EXACT_RECORD = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
_LONG_LIMIT = 1 << 63
_MOST_DIGITS = 38
# So many records are looked at together; fewer are not halved to find the odd ones.
_MOST_RECORDS, _CAREFUL_RECORDS = 8192, 256
_NULL, _EMPTY = pa.null(), pa.struct([])
_LONG, _DOUBLE, _STRING = pa.int64(), pa.float64(), pa.string()
_MOMENT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What options say of inference.

    - ``typed``: False makes every column a string (Auto Loader's default for JSON);
    - ``primitives_as_string``: numbers and booleans are strings;
    - ``prefers_decimal``: numbers with a point, and strings of numbers, are decimals;
    - ``timestamps``: how strings that are timestamps look, None where none is one;
    - ``drops_nulls``: a field that holds nothing gets no column;
    - ``leniency``: what records look like that are no JSON.
    """

    typed: bool
    primitives_as_string: bool = False
    prefers_decimal: bool = False
    timestamps: Formats | None = None
    drops_nulls: bool = False
    leniency: Leniency = SPARKS

    @property
    def reads_names(self) -> bool:
        """Whether names are all that matters of a record."""
        return not self.typed and not self.drops_nulls

    @property
    def reads_texts(self) -> bool:
        """Whether the text of a value may say of which type it is."""
        return self.prefers_decimal or self.timestamps is not None

    @property
    def is_quick(self) -> bool:
        """Whether pyarrow finds what matters, and sooner than we do."""
        return self.reads_names or not self.reads_texts

    @property
    def halves(self) -> bool:
        """Whether few odd records are looked for among many, as types need it."""
        return self.is_quick and not self.reads_names


def decode_records(lines: Iterable[bytes], rules: Rules) -> Iterator[dict[str, object]]:
    """Yield the JSON objects of ``lines``; the rest is rescued when it is read."""
    decoder = _EXACT_RECORD if rules.prefers_decimal else _RECORD
    for line in lines:
        with suppress(*UNDECODABLE):
            try:
                record = decoder.decode(line)
            except UNDECODABLE:
                record = decoder.decode(sample_json(line, rules.leniency))
            yield record


def infer_schema(records: Iterable[Mapping[str, object]], rules: Rules) -> pa.Schema:
    """Return the schema that holds every field of ``records``, sorted by name.

    Typed, a field takes the narrowest of long, decimal, double, boolean, struct, array
    and string that holds all its values, and of what ``rules`` add; a field that is
    always null is a string. Of names that differ in case only the first is a column,
    and an object that is always empty is none: no table takes them.
    """
    return schema_of([_type_of_records(records, rules)], rules)


def schema_of(kinds: Iterable[pa.StructType], rules: Rules) -> pa.Schema:
    """Return the schema that holds objects of all ``kinds``, as ``infer_schema``."""
    merged = reduce(merge_types, kinds, _EMPTY)
    if rules.reads_names:
        return pa.schema(_distinct((field.name, _STRING) for field in merged))
    settled = _settled(merged, rules)
    fields = list(settled) if settled is not None else []
    if rules.typed:
        return pa.schema(fields)
    return pa.schema([(field.name, _STRING) for field in fields])


def types_of_texts(fields: Mapping[str, msgspec.Raw], rules: Rules) -> list[pa.Field]:
    """Return the types of single values, which stand as JSON."""
    text = msgspec.json.encode(fields)
    return list(infer_schema(decode_records([text], rules), rules))


def type_of_block(block: bytes, rules: Rules) -> pa.StructType | None:
    """Return a type that holds the objects in complete lines, None where none is sure.

    Blank lines, arrays and whatever is no object are such lines.
    """
    from sluice.formats.json_quick import types_of_fields  # noqa: PLC0415 - loads much

    fields = types_of_fields(block) if rules.is_quick else None
    if fields is not None and rules.reads_names:
        return _names_only(field.name for field in fields)
    return None if fields is None else _own_type(pa.struct(fields), rules)


def types_of_lines(lines: Sequence[bytes], rules: Rules) -> Iterator[pa.StructType]:
    """Yield types that hold the objects of ``lines``; odd ones are found by halving."""
    if len(lines) <= _CAREFUL_RECORDS or not rules.halves:
        yield _type_of_records(decode_records(lines, rules), rules)
        return
    if len(lines) <= _MOST_RECORDS:
        kind = type_of_block(b"\n".join(lines), rules)
        if kind is not None:
            yield kind
            return
    middle = len(lines) // 2
    yield from types_of_lines(lines[:middle], rules)
    yield from types_of_lines(lines[middle:], rules)


def _type_of_records(
    records: Iterable[Mapping[str, object]], rules: Rules
) -> pa.StructType:
    if rules.reads_names:
        return _names_only({name for record in records for name in record})
    return reduce(merge_types, map(partial(type_of, rules=rules), records), _EMPTY)


def _names_only(names: Iterable[str]) -> pa.StructType:
    return pa.struct([(name, _NULL) for name in names])


def _own_type(kind: pa.DataType, rules: Rules) -> pa.DataType:
    """Return a type that pyarrow found as ``type_of`` would."""
    if pt.is_struct(kind):
        fields = [(field.name, _own_type(field.type, rules)) for field in kind]
        return pa.struct(sorted(fields, key=itemgetter(0)))
    if pt.is_list(kind):
        return _list_of(_own_type(kind.value_type, rules))
    if pt.is_null(kind):
        return _NULL
    is_text = pt.is_temporal(kind) or rules.primitives_as_string
    return _STRING if is_text else kind


def type_of(value: object, rules: Rules) -> pa.DataType:
    """Return the type of one decoded JSON value."""
    if isinstance(value, Mapping):
        fields = [(str(name), type_of(value[name], rules)) for name in sorted(value)]
        return pa.struct(fields)
    if isinstance(value, list):
        find = partial(type_of, rules=rules)
        return _list_of(reduce(merge_types, map(find, value), _NULL))
    if value is None:
        return _NULL
    if isinstance(value, str):
        return _type_of_text(value, rules)
    if rules.primitives_as_string:
        return _STRING
    return pa.bool_() if isinstance(value, bool) else _type_of_number(value, rules)


def _type_of_text(text: str, rules: Rules) -> pa.DataType:
    if rules.prefers_decimal and DECIMAL.fullmatch(text.encode()):
        try:
            return _decimal_of(Decimal(text)) or _STRING
        except InvalidOperation:
            return _STRING
    if rules.timestamps is None:
        return _STRING
    try:
        time_reader(_MOMENT, rules.timestamps)(text)
    except UNREADABLE:
        return _STRING
    return _MOMENT


def _type_of_number(value: object, rules: Rules) -> pa.DataType:
    if isinstance(value, int):
        if -_LONG_LIMIT <= value < _LONG_LIMIT:
            return _LONG
        # A double would make one value of many identifiers.
        return _decimal_of(Decimal(value)) or _STRING
    if rules.prefers_decimal and isinstance(value, Decimal):
        return _decimal_of(value) or _DOUBLE
    return _DOUBLE


def _decimal_of(number: Decimal) -> pa.DataType | None:
    """Return the narrowest decimal that holds a number, None where none does."""
    _, digits, exponent = number.as_tuple()
    scale = max(-int(exponent), 0)
    precision = max(len(digits) + max(int(exponent), 0), scale)
    return pa.decimal128(precision, scale) if precision <= _MOST_DIGITS else None


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
    if _is_number(left) and _is_number(right):
        return _merge_numbers(left, right)
    return _STRING


def _is_number(kind: pa.DataType) -> bool:
    return kind in {_LONG, _DOUBLE} or pt.is_decimal(kind)


def _merge_numbers(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if _DOUBLE in {left, right}:
        return _DOUBLE
    one, other = _as_decimal(left), _as_decimal(right)
    scale = max(one.scale, other.scale)
    whole = max(one.precision - one.scale, other.precision - other.scale)
    return (
        pa.decimal128(whole + scale, scale)
        if whole + scale <= _MOST_DIGITS
        else _DOUBLE
    )


def _as_decimal(kind: pa.DataType) -> pa.Decimal128Type:
    return kind if pt.is_decimal(kind) else pa.decimal128(20, 0)


def _merge_structs(left: pa.StructType, right: pa.StructType) -> pa.StructType:
    kinds = {field.name: field.type for field in left}
    for field in right:
        kinds[field.name] = merge_types(kinds.get(field.name, _NULL), field.type)
    return pa.struct(sorted(kinds.items()))


def _list_of(kind: pa.DataType) -> pa.ListType:
    # Spark's own name of it, so that types compare equal.
    return pa.list_(pa.field("element", kind))


def _settled(kind: pa.DataType, rules: Rules) -> pa.DataType | None:
    """Return a type that a table takes, None where it holds nothing."""
    if pt.is_null(kind):
        return None if rules.drops_nulls else _STRING
    if pt.is_list(kind):
        element = _settled(kind.value_type, rules)
        return None if element is None else _list_of(element)
    if not pt.is_struct(kind):
        return kind
    found = {field.name: _settled(field.type, rules) for field in kind}
    fields = [(name, each) for name, each in found.items() if each is not None]
    return pa.struct(_distinct(fields)) if fields else None


def _distinct(
    fields: Iterable[tuple[str, pa.DataType]],
) -> list[tuple[str, pa.DataType]]:
    """Return fields by name, of those that differ in case only the first."""
    found: dict[str, tuple[str, pa.DataType]] = {}
    for name, kind in sorted(fields, key=itemgetter(0)):
        found.setdefault(name.lower(), (name, kind))
    return list(found.values())
