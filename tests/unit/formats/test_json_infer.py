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


def infer_schema(records: Iterable[dict[str, object]], *, typed: bool) -> StructType:
    """Return the inferred schema as Spark plans with it."""
    return from_arrow_schema(json_infer.infer_schema(records, typed=typed))


def types(*records: dict[str, object]) -> dict[str, str]:
    """Return the inferred type of each column."""
    schema = infer_schema(records, typed=True)
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
        ([2**63], "double"),
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
