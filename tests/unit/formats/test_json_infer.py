from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DoubleType,
    LongType,
    StringType,
    StructType,
)

from sluice.formats import json_infer
from sluice.formats.json_infer import Rules, decode_records
from sluice.formats.moments import Formats


def infer_schema(
    records: Iterable[dict[str, object]], **rules: bool | Formats
) -> StructType:
    """Return the inferred schema as Spark plans with it."""
    return from_arrow_schema(json_infer.infer_schema(records, Rules(**rules)))


def types(*records: dict[str, object], **rules: bool | Formats) -> dict[str, str]:
    """Return the inferred type of each column."""
    schema = infer_schema(records, typed=True, **rules)
    return {field.name: field.dataType.simpleString() for field in schema}


def test_untyped_columns_are_strings_sorted_by_name() -> None:
    """Auto Loader's default for JSON: every value's text is kept."""
    schema = infer_schema([{"b": 1}, {"a": {"x": 1}}, {"b": None}], typed=False)

    assert schema == StructType().add("a", StringType()).add("b", StringType())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], "bigint"),
        ([1, 2.5], "double"),
        ([2.5, 1], "double"),
        ([True], "boolean"),
        ([True, 1], "string"),
        (["x", 1], "string"),
        ([None], "string"),
        ([None, 1], "bigint"),
        ([1, None], "bigint"),
        ([2**63 - 1], "bigint"),
        ([2**63], "decimal(19,0)"),
        ([1, -(2**63) - 1], "decimal(20,0)"),
        ([12345678901234567891, 10**37], "decimal(38,0)"),
        ([2**63, 0.5], "double"),
        ([1, 10**38], "string"),
        ([[]], "array<string>"),
        ([[], [1]], "array<bigint>"),
        ([[1, 2.5]], "array<double>"),
        ([[1], 1], "string"),
        ([{"x": 1}, {"y": None}], "struct<x:bigint,y:string>"),
        ([{"x": 1}, {"x": "a"}], "struct<x:string>"),
        ([{"x": 1}, 1], "string"),
        ([[{"x": 1}, {"y": True}]], "array<struct<x:bigint,y:boolean>>"),
    ],
)
def test_narrowest_type_holds_all_values(values: list[object], expected: str) -> None:
    """No value of the sample would have to be rescued from its own column."""
    assert types(*({"a": value} for value in values)) == {"a": expected}


def decoded(*values: str) -> list[dict[str, object]]:
    """Return records of a field each, as a sample is decoded for decimals."""
    lines = [f'{{"a": {value}}}'.encode() for value in values]
    return list(decode_records(lines, Rules(typed=True, prefers_decimal=True)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1.10"], "decimal(3,2)"),
        (["0.05"], "decimal(2,2)"),
        (["1"], "bigint"),
        (["1", "1.5"], "decimal(21,1)"),
        (["12.3", "4.567"], "decimal(5,3)"),
        (['"1.5"'], "decimal(2,1)"),
        (['"1.5"', '"x"'], "string"),
        (["99999999999999999999"], "decimal(20,0)"),
        (["1e3"], "decimal(4,0)"),
        (["1e38"], "double"),
        (["1e-39"], "double"),
        ([f'"{"9" * 39}"'], "string"),
        (['"1.2.3"'], "string"),
        (["1.5", "9" * 38], "double"),
        (["[1.5, 10]"], "array<decimal(21,1)>"),
        (["true"], "boolean"),
    ],
)
def test_decimals_are_preferred(values: list[str], expected: str) -> None:
    """With as many digits as the sample has, before and behind the point."""
    assert types(*decoded(*values), prefers_decimal=True) == {"a": expected}


def test_primitives_are_strings() -> None:
    """Also in objects and arrays."""
    record = {"a": 1, "b": [True, 1.5], "c": {"x": 2}, "d": None}

    assert types(record, primitives_as_string=True) == {
        "a": "string",
        "b": "array<string>",
        "c": "struct<x:string>",
        "d": "string",
    }


@pytest.mark.parametrize(
    ("values", "formats", "expected"),
    [
        (["2026-01-02T03:04:05Z"], Formats(), "timestamp"),
        (["2026-01-02", None, "2026"], Formats(), "timestamp"),
        (["2026-01-02", "soon"], Formats(), "string"),
        (["2026-01-02", 1], Formats(), "string"),
        (["02.01.2026"], Formats(timestamp="dd.MM.yyyy"), "timestamp"),
        (["02.01.2026"], Formats(timestamp_ntz="dd.MM.yyyy"), "string"),
        (["2026-01-02"], Formats(timestamp="yyyy"), "string"),
    ],
)
def test_timestamps_are_inferred(
    values: list[object], formats: Formats, expected: str
) -> None:
    """Of the patterns that read them later."""
    assert types(*({"a": each} for each in values), timestamps=formats) == {
        "a": expected
    }


@pytest.mark.parametrize("typed", [True, False])
def test_fields_that_hold_nothing_are_dropped(*, typed: bool) -> None:
    """Nulls, arrays and objects of them; an empty string is a value."""
    records = [{"a": None, "b": [], "c": {"x": [None]}, "d": 1, "e": ""}, {"b": [[]]}]

    schema = infer_schema(records, typed=typed, drops_nulls=True)

    assert schema.names == ["d", "e"]


def test_field_that_is_null_in_an_object_is_dropped() -> None:
    """The rest of the object is kept."""
    assert types({"a": {"x": None, "y": 1}}, drops_nulls=True) == {
        "a": "struct<y:bigint>"
    }


@pytest.mark.parametrize("typed", [True, False])
def test_names_that_differ_in_case_are_one_column(*, typed: bool) -> None:
    """No table takes both; the other is rescued when it is read."""
    schema = infer_schema([{"id": 1, "ID": 2}, {"b": {"x": 1, "X": 2}}], typed=typed)

    assert schema.names == ["ID", "b"]
    if typed:
        assert schema["b"].dataType.names == ["X"]


def test_object_that_is_always_empty_is_no_column() -> None:
    """No table takes it, as with Spark; in an object and in an array neither."""
    records = [{"a": {}, "b": {"x": {}, "y": 1}, "c": [{}], "d": {"x": {}}}]

    assert types(*records) == {"b": "struct<y:bigint>"}


def test_no_records_no_columns() -> None:
    """The caller reports that nothing was found."""
    assert infer_schema([], typed=True).fields == []
    assert infer_schema([{}], typed=False).fields == []


def test_column_types_are_sparks() -> None:
    """The classes are those that Spark plans with, nulls allowed."""
    schema = infer_schema([{"a": 1, "b": [1.5], "c": True}], typed=True)

    assert schema == (
        StructType()
        .add("a", LongType())
        .add("b", ArrayType(DoubleType()))
        .add("c", BooleanType())
    )
    assert all(field.nullable for field in schema)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), VALUES), max_size=5),
    st.randoms(use_true_random=False),
)
def test_schema_does_not_depend_on_the_order(records: list[dict], random) -> None:
    """Files are read by several threads; which comes first must not matter."""
    shuffled = list(records)
    random.shuffle(shuffled)

    assert infer_schema(shuffled, typed=True) == infer_schema(records, typed=True)
