from __future__ import annotations

import json
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.reading.widening import (
    first_wider,
    list_widened,
    widen_fields,
    widened,
    widened_exactly,
)
from support.parsing import parse_content

BYTE, SHORT, INT, LONG = pa.int8(), pa.int16(), pa.int32(), pa.int64()
FLOAT, DOUBLE, TEXT = pa.float32(), pa.float64(), pa.string()
DAY, TIME, MOMENT = pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")
KINDS = [BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, TEXT, DAY, TIME, MOMENT, pa.bool_()]
DECIMALS = st.builds(
    lambda scale, whole: pa.decimal128(max(whole + scale, 1), scale),
    st.integers(0, 18),
    st.integers(0, 20),
)
TYPES = st.one_of(st.sampled_from(KINDS), DECIMALS)


def number(precision: int, scale: int) -> pa.DataType:
    """Return a decimal type."""
    return pa.decimal128(precision, scale)


@pytest.mark.parametrize(
    ("known", "found", "wider"),
    [
        *((BYTE, each, each) for each in (SHORT, INT, LONG, DOUBLE)),
        *((SHORT, each, each) for each in (INT, LONG, DOUBLE)),
        *((INT, each, each) for each in (LONG, DOUBLE)),
        (BYTE, number(5, 2), number(12, 2)),
        (SHORT, number(3, 0), number(10, 0)),
        (INT, number(5, 2), number(12, 2)),
        (INT, number(22, 0), number(22, 0)),
        (LONG, number(5, 2), number(22, 2)),
        (FLOAT, DOUBLE, DOUBLE),
        (number(10, 2), number(8, 4), number(12, 4)),
        (number(10, 2), LONG, number(22, 2)),
        (number(10, 2), INT, number(12, 2)),
        (DAY, TIME, TIME),
        *((INT, each, INT) for each in (BYTE, TEXT, DAY, pa.bool_())),
        *((LONG, each, LONG) for each in (INT, FLOAT, DOUBLE, TEXT)),
        *((DOUBLE, each, DOUBLE) for each in (INT, LONG, FLOAT, number(5, 2))),
        (FLOAT, INT, FLOAT),
        (number(38, 0), number(5, 2), number(38, 0)),
        (number(10, 2), DOUBLE, number(10, 2)),
        (DAY, MOMENT, DAY),
        (TIME, DAY, TIME),
        (TEXT, LONG, TEXT),
    ],
)
def test_types_widen_as_auto_loader_documents(
    known: pa.DataType, found: pa.DataType, wider: pa.DataType
) -> None:
    """Of integers the digits that Delta asks of a decimal are 10, and 20 of long."""
    assert widened(known, found) == wider


@given(TYPES, TYPES)
def test_wider_type_is_asked_for_once(known: pa.DataType, found: pa.DataType) -> None:
    """Else a query would end again and again for the same values."""
    for widen in (widened, widened_exactly):
        assert widen(widen(known, found), found) == widen(known, found)
    # Without rounding nothing becomes a double but a float.
    if pa.types.is_float64(widened_exactly(known, found)):
        assert known in {FLOAT, DOUBLE}


def struct(**fields: pa.DataType) -> pa.DataType:
    """Return a struct type."""
    return pa.struct(list(fields.items()))


@pytest.mark.parametrize(
    ("known", "found", "wider", "name"),
    [
        (struct(x=INT), struct(x=LONG, y=INT), struct(x=LONG), "a.x"),
        (pa.list_(INT), pa.list_(LONG), pa.list_(LONG), "a"),
        (
            pa.list_(struct(x=INT)),
            pa.list_(struct(x=LONG)),
            pa.list_(struct(x=LONG)),
            "a.x",
        ),
        (
            pa.map_(TEXT, INT),
            struct(k=INT, l=LONG),
            pa.map_(TEXT, LONG),
            "a",
        ),
        (
            pa.map_(TEXT, struct(x=INT)),
            pa.map_(TEXT, struct(x=LONG)),
            pa.map_(TEXT, struct(x=LONG)),
            "a.x",
        ),
        (struct(x=INT), LONG, struct(x=INT), None),
        (INT, struct(x=LONG), INT, None),
    ],
)
def test_nested_types_widen(
    known: pa.DataType, found: pa.DataType, wider: pa.DataType, name: str | None
) -> None:
    """And nothing is added on the way, nor is a name in another case the field."""
    before = [pa.field("a", known), pa.field("b", INT)]

    after = widen_fields(before, [pa.field("a", found), pa.field("B", LONG)])

    assert after == [pa.field("a", wider), pa.field("b", INT)]
    assert list(list_widened(before, after)) == ([name] if name else [])


def parquet(**columns: pa.Array) -> bytes:
    """Return a Parquet file."""
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("given", "content", "known", "wider"),
    [
        (JsonFormat(), {"a": 1 << 40}, INT, LONG),
        (JsonFormat(), {"a": 1.5}, INT, DOUBLE),
        (JsonFormat(), {"a": 1.5}, LONG, None),
        (JsonFormat(), {"a": 10**19}, LONG, number(20, 0)),
        (JsonFormat(), {"a": "12"}, INT, None),
        (JsonFormat(), {"a": 12345678901}, number(10, 2), number(22, 2)),
        (JsonFormat(prefers_decimal=True), {"a": 1.25}, INT, number(12, 2)),
        (
            JsonFormat(prefers_decimal=True).exact(),
            {"a": 2.5},
            number(3, 0),
            number(4, 1),
        ),
        (JsonFormat().exact(), {"a": 2.5}, number(3, 0), None),
        (JsonFormat(), {"a": 1e300}, FLOAT, DOUBLE),
        (JsonFormat(primitives_as_string=True), {"a": 1 << 40}, INT, None),
        (JsonFormat(), {"new": 1 << 40}, INT, None),
        (CsvFormat(header=True), b"a\n300\n", BYTE, INT),
        (CsvFormat(header=True), b"a\n5000000000\n", INT, LONG),
        (CsvFormat(header=True), b"a\n1.5\n", INT, DOUBLE),
        (CsvFormat(header=True), b"a\n1.5\n", LONG, None),
        (CsvFormat(header=True), b"a\n12345678901234567890\n", LONG, number(20, 0)),
        (CsvFormat(header=True), b"a\nx\n", INT, None),
        (CsvFormat(header=True), b"a\n2026-01-01 12:00:00\n", DAY, None),
        (CsvFormat(header=True).exact(), b"a\n2.5\n", number(3, 0), None),
        (ParquetFormat(), parquet(a=pa.array([1], LONG)), INT, LONG),
        (ParquetFormat(), parquet(a=pa.array([300], SHORT)), BYTE, SHORT),
        (ParquetFormat(), parquet(a=pa.array([3], SHORT)), BYTE, None),
        (ParquetFormat(), parquet(a=pa.array([1.5])), FLOAT, DOUBLE),
        (ParquetFormat(), parquet(a=pa.array([1.5])), LONG, None),
        (ParquetFormat(), parquet(a=pa.array([0], TIME)), DAY, TIME),
        (ParquetFormat(), parquet(a=pa.array([0], MOMENT)), DAY, None),
        (
            ParquetFormat(),
            parquet(a=pa.array([1], number(8, 4))),
            number(10, 2),
            number(12, 4),
        ),
    ],
)
def test_column_widens_where_a_value_does_not_fit(
    given: Format, content: object, known: pa.DataType, wider: pa.DataType | None
) -> None:
    """Values that fit ask for nothing, whatever type inference would give them."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    columns = pa.schema({"a": known})
    (parsed,) = parse_content(given, text, columns)

    found = first_wider(parsed, columns, given)

    assert found == (None if wider is None else [pa.field("a", wider)])


def test_time_of_int96_is_a_moment() -> None:
    """So Spark reads it, and a date does not become one."""
    sink = BytesIO()
    table = pa.table({"a": pa.array([0], TIME)})
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True)
    columns = pa.schema({"a": DAY})

    (parsed,) = parse_content(ParquetFormat(), sink.getvalue(), columns)

    assert parsed.records
    assert first_wider(parsed, columns, ParquetFormat()) is None
