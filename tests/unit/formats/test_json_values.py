from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import Condition, UsageError
from sluice.formats.base import rescued_json
from sluice.formats.json_fields import decode_fields
from sluice.formats.json_values import (
    Dialect,
    MismatchError,
    converter,
    read_records,
    read_unknown_fields,
)
from sluice.formats.moments import Formats

UTC_TIME = pa.timestamp("us", tz="UTC")
LOCAL_TIME = pa.timestamp("us")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (pa.decimal128(5, 2), "1.10", Decimal("1.10")),
        (pa.decimal128(5, 2), '"1.10"', Decimal("1.10")),
        (pa.decimal128(5, 2), "1.005", Decimal("1.01")),
        (pa.decimal128(5, 2), "-999.99", Decimal("-999.99")),
        (pa.decimal128(38, 0), "9" * 38, Decimal("9" * 38)),
        (pa.decimal128(38, 18), "1e19", Decimal("1" + "0" * 19 + "." + "0" * 18)),
        (pa.date32(), '"2026-01-31"', date(2026, 1, 31)),
        (UTC_TIME, '"2026-01-01 10:00:00"', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (UTC_TIME, '"2026-01-01T10:00:00+02:00"', datetime(2026, 1, 1, 8, tzinfo=UTC)),
        (UTC_TIME, '"2026-01-01T10:00:00Z"', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (UTC_TIME, '"2026-01-01"', datetime(2026, 1, 1, tzinfo=UTC)),
        (UTC_TIME, "1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        (UTC_TIME, "-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (UTC_TIME, '"2026-1-1 10:0"', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (UTC_TIME, '" 2026 "', datetime(2026, 1, 1, tzinfo=UTC)),
        (
            UTC_TIME,
            '"2026-01-01T10:00:00 Europe/Paris"',
            datetime(2026, 1, 1, 9, tzinfo=UTC),
        ),
        (pa.date32(), '"2026-01-31T10:00:00"', date(2026, 1, 31)),
        (pa.decimal128(5, 2), '"+.5"', Decimal("0.50")),
        (LOCAL_TIME, '"2026-01-01T10:00:00"', datetime(2026, 1, 1, 10)),  # noqa: DTZ001
        (pa.binary(), '"aGk="', b"hi"),
        (pa.float64(), "-0", -0.0),
        (pa.float64(), '"-Infinity"', -math.inf),
        (pa.float32(), "3.4028234e38", 3.4028234e38),
    ],
)
def test_value_of_its_type_is_converted(
    kind: pa.DataType, text: str, expected: object
) -> None:
    """Each type takes what Spark writes for it as JSON."""
    assert repr(converter(kind)(text.encode())) == repr(expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.decimal128(5, 2), "1000"),
        (pa.decimal128(5, 2), "999.995"),
        (pa.decimal128(5, 2), '"1_0"'),
        (pa.decimal128(5, 2), '"NaN"'),
        (pa.decimal128(5, 2), "true"),
        (pa.decimal128(5, 2), "1e999999999"),
        (pa.date32(), '"2026-02-30"'),
        (pa.date32(), "20260101"),
        (UTC_TIME, '"soon"'),
        (UTC_TIME, "1.5"),
        (UTC_TIME, "1e9"),
        (UTC_TIME, "253402300800"),
        (UTC_TIME, "9" * 5000),
        (UTC_TIME, "true"),
        (UTC_TIME, '""'),
        (UTC_TIME, '"2026-01-01T10:00:00+19:00"'),
        (UTC_TIME, '"2026-01-01T10:00:00 Atlantis/Here"'),
        (LOCAL_TIME, "1767225600"),
        (pa.date32(), "1"),
        (pa.date32(), '"18000"'),
        (pa.int64(), "9" * 5000),
        (UTC_TIME, '"0001-01-01T00:00:00+14:00"'),
        (UTC_TIME, '"9999-12-31T23:59:59-14:00"'),
        (LOCAL_TIME, '"2026-01-01T10:00:00+02:00"'),
        (pa.binary(), '"not base 64"'),
        (pa.binary(), '"é"'),
        (pa.binary(), "1"),
        (pa.float32(), "3.5e38"),
        (pa.float64(), "1e999"),
        (pa.int8(), "-129"),
        (pa.map_(pa.string(), pa.int64()), '{"a": "x"}'),
        (pa.list_(pa.struct([("x", pa.int64())])), '[{"new": 1}]'),
    ],
)
def test_value_that_does_not_fit_is_a_mismatch(kind: pa.DataType, text: str) -> None:
    """One odd value must never end a task, nor be bent until it fits."""
    with pytest.raises(MismatchError):
        converter(kind)(text.encode())


PATTERNS = Formats(
    date="dd.MM.yyyy", timestamp="M/d/yyyy h:mm a[ X]", timestamp_ntz="yyyyMMddHHmmss"
)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (pa.date32(), '"31.01.2026"', date(2026, 1, 31)),
        (UTC_TIME, '"1/2/2026 3:04 PM"', datetime(2026, 1, 2, 15, 4, tzinfo=UTC)),
        (UTC_TIME, '"1/2/2026 3:04 PM +01"', datetime(2026, 1, 2, 14, 4, tzinfo=UTC)),
        (UTC_TIME, "60", datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        (LOCAL_TIME, '"20260102030405"', datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        (pa.list_(pa.date32()), '["31.01.2026"]', [date(2026, 1, 31)]),
        (
            pa.struct([("m", pa.map_(pa.string(), pa.date32()))]),
            '{"m": {"a": "31.01.2026"}}',
            {"m": [("a", date(2026, 1, 31))]},
        ),
        (pa.date32(), '"2026-01-31"', None),
        (UTC_TIME, '"2026-01-02T03:04:05Z"', None),
        (LOCAL_TIME, '"2026-01-02"', None),
    ],
)
def test_patterns_say_how_times_look(
    kind: pa.DataType, text: str, expected: object
) -> None:
    """At any depth; text of another pattern is rescued."""
    columns = pa.schema([("a", kind)])

    dialect = Dialect(PATTERNS)
    (record,) = read_records([f'{{"a": {text}}}'.encode()], columns, dialect)

    assert record.values.get("a") == expected
    assert ("a" in record.rescued) == (expected is None)


def test_converted_values_make_arrow_arrays() -> None:
    """What passes the converters does not fail when the column is built."""
    for kind, text in [
        (pa.decimal128(38, 18), "99999999999999999999.999999999999999999"),
        (UTC_TIME, '"0001-01-01T00:00:00"'),
        (UTC_TIME, '"9999-12-31T23:59:59.999999Z"'),
        (pa.int64(), "-9223372036854775808"),
    ]:
        value = converter(kind)(text.encode())
        assert pa.array([value], kind).to_pylist() == [value]


ELEMENT = pa.struct([("a", pa.int64())])


@pytest.mark.parametrize(
    ("kind", "text", "value", "rescued"),
    [
        (
            pa.list_(ELEMENT),
            '[{"a": 1}, null, {"a": 2, "b": 3.10}]',
            [{"a": 1}, None, {"a": 2}],
            '[null,null,{"b":3.10}]',
        ),
        (
            pa.map_(pa.string(), ELEMENT),
            '{"x": {"a": 1}, "y": {"a": "2", "b": 3}}',
            [("x", {"a": 1}), ("y", {})],
            '{"y":{"a":"2","b":3}}',
        ),
        (
            pa.list_(pa.map_(pa.string(), pa.list_(ELEMENT))),
            '[{"x": [{"b": 1}, {"a": 2}]}]',
            [[("x", [{}, {"a": 2}])]],
            '[{"x":[{"b":1},null]}]',
        ),
        (
            pa.map_(pa.string(), pa.int64()),
            '{"a": 1, "b": 2, "a": 3, "a": 3.0e0}',
            None,
            '{"a": 1, "b": 2, "a": 3, "a": 3.0e0}',
        ),
        (
            pa.map_(pa.string(), pa.int64()),
            '{"a": 1, "b": 2, "a": 3, "a": 3}',
            [("a", 3), ("b", 2)],
            '{"a":1,"a":3}',
        ),
        (
            pa.map_(pa.string(), ELEMENT),
            "{'a': {'a': 1}, \"a\": {'b': 2, 'a': 3}}",
            [("a", {"a": 3})],
            '{"a":{"a": 1},"a":{"b":2}}',
        ),
    ],
)
def test_part_of_a_list_or_map_is_rescued_with_its_place(
    kind: pa.DataType, text: str, value: object, rescued: str
) -> None:
    """One field that is new in one element must not empty the column."""
    (record,) = read_records([f'{{"v": {text}}}'.encode()], pa.schema([("v", kind)]))

    assert record.values.get("v") == value
    assert bytes(record.rescued["v"]).decode() == rescued


SCALARS = [
    *(pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.binary(), pa.date32()),
    *(pa.decimal128(5, 2), pa.decimal128(38, 0), pa.decimal128(38, 38)),
    *(UTC_TIME, LOCAL_TIME),
]
KINDS = [
    *SCALARS,
    *(pa.list_(kind) for kind in SCALARS),
    *(pa.map_(pa.string(), kind) for kind in SCALARS),
    pa.struct([(str(number), kind) for number, kind in enumerate(SCALARS)]),
]
ODD_TEXT = st.sampled_from(
    [
        "2026-01-31",
        "2026-01-31T10:00:00+18:00",
        "9999-12-31T23:59:59-18:00",
        "+",
        "-",
        "2026-01-31 10:00 Europe",
        "2026-01-31 10 ../x",
        "2026-01-31 10 \x00",
        "0000-01-01",
        "1e999999999999999999999",
        "-1e-9999999999999999999",
        "NaN",
        "=",
        "aGk",
        "é" * 3,
    ]
)
ODD_NUMBER = st.sampled_from(
    [
        "9" * 5000,
        "-" + "9" * 39,
        "1e400",
        "1e-400",
        "-0",
        "1E+5",
        "253402300800",
        "-0.0",
        "1e999999999999999999999",
        "0." + "9" * 60,
        "NaN",
        "-Inf",
        "+INF",
        "-62135596801",
    ]
)
VALUE = st.recursive(
    ODD_NUMBER
    | (ODD_TEXT | st.text(max_size=12)).map(json.dumps)
    | st.sampled_from(["true", "null", "'2026'", r'"\ud83d"', '"\udcff"'])
    | (st.floats() | st.integers()).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.lists(st.tuples(st.sampled_from("0123456789"), inner), max_size=4).map(
            lambda each: (
                "{" + ", ".join(f'"{name}": {text}' for name, text in each) + "}"
            )
        )
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(text=VALUE)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_value_under_any_type_is_held_or_rescued(
    kind: pa.DataType, text: str
) -> None:
    """What a converter raises would stop a pipeline at that file."""
    line = f'{{"v": {text}}}'.encode(errors="surrogateescape")

    (record,) = read_records([line], pa.schema([("v", kind)]))

    pa.array([record.values.get("v")], kind)
    json.loads(rescued_json(record, "/a") or "{}", parse_int=str)
    assert record.corrupt is None
    assert record.values.keys() | record.rescued.keys() or text == "null"


def test_type_that_json_cannot_hold_is_refused() -> None:
    """The user hears of it before a file is read."""
    with pytest.raises(UsageError) as caught:
        converter(pa.duration("us"))

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED


def test_half_of_an_object_is_kept_where_it_fits() -> None:
    """A struct keeps its fitting fields; only the others are rescued, to any depth."""
    inner = pa.struct([("x", pa.int64())])
    columns = pa.schema([("t", pa.struct([("u", inner), ("v", pa.string())]))])

    (record,) = read_records([b'{"t": {"u": {"x": 1, "z": 1.10}, "v": "w"}}'], columns)

    assert record.values == {"t": {"u": {"x": 1}, "v": "w"}}
    assert json.loads(rescued_json(record, "/a") or "")["t"] == {"u": {"z": 1.1}}
    assert '"t":{"u":{"z":1.10}}' in (rescued_json(record, "/a") or "")
    assert record.new_fields == ()


def test_new_fields_are_no_mismatches() -> None:
    """Only a field without a column is a change of the schema."""
    columns = pa.schema([("i", pa.int64())])

    (record,) = read_records([b'{"i": "x", "new": 1, "other": null}'], columns)

    assert record.new_fields == ("new",)
    assert set(record.rescued) == {"i", "new"}


def test_unknown_fields_are_found_alone() -> None:
    """Where the known columns fit, only the others have to be looked at."""
    columns = pa.schema([("i", pa.int64())])

    found = read_unknown_fields([b'{"i": 1}', b'{"new": 1.10}'], columns)

    assert found is not None
    assert [rescued_json(each, "/a") for each in found] == [
        None,
        '{"new":1.10,"_file_path":"/a"}',
    ]
    assert read_unknown_fields([b"nope"], columns) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a": NaN}', [b"NaN"]),
        (b'{"a":-Infinity,"b":[Inf]}', [b"-Infinity", b"[Inf]"]),
        (b'{"a": NaN, "b": "it\'s NaN, \\" NaN"}', [b"NaN", b'"it\'s NaN, \\" NaN"']),
        (b'{"a": nan}', None),
        (b'{"a": NaNs}', None),
    ],
)
def test_words_for_no_number_are_understood(
    line: bytes, expected: list[bytes] | None
) -> None:
    """Python writes them bare; a string that holds such a word stays untouched."""
    fields = decode_fields(line)

    assert (fields and [bytes(raw) for raw in fields.values.values()]) == expected
