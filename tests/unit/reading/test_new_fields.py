from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from sluice.formats.base import ParsedBlock, Record
from sluice.reading.new_fields import add_fields, first_new, list_new

INT, TEXT = pa.int64(), pa.string()


def struct(**fields: pa.DataType) -> pa.DataType:
    """Return a struct type."""
    return pa.struct(list(fields.items()))


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return an array type as Spark names its element."""
    return pa.list_(pa.field("element", kind))


@pytest.mark.parametrize(
    ("known", "found", "grown", "new"),
    [
        ({"a": INT}, {"a": INT}, {"a": INT}, []),
        ({"b": INT}, {"a": TEXT}, {"b": INT, "a": TEXT}, ["a"]),
        ({"a": INT}, {"a": TEXT}, {"a": INT}, []),
        ({"a": INT}, {"A": TEXT, "x": INT, "X": TEXT}, {"a": INT, "x": INT}, ["x"]),
        ({"a": INT}, {"_Taken": TEXT}, {"a": INT}, []),
        (
            {"s": struct(a=INT)},
            {"s": struct(b=TEXT, a=TEXT, A=INT)},
            {"s": struct(a=INT, b=TEXT)},
            ["s.b"],
        ),
        ({"s": struct(a=INT)}, {"s": TEXT}, {"s": struct(a=INT)}, []),
        (
            {"l": list_of(struct(a=INT))},
            {"l": list_of(struct(s=struct(b=INT)))},
            {"l": list_of(struct(a=INT, s=struct(b=INT)))},
            ["l.s"],
        ),
        (
            {"m": pa.map_(TEXT, struct(a=INT))},
            {"m": struct(k1=struct(a=INT), k2=struct(b=INT))},
            {"m": pa.map_(TEXT, struct(a=INT, b=INT))},
            ["m.b"],
        ),
        (
            {"m": pa.map_(TEXT, struct(a=INT))},
            {"m": pa.map_(TEXT, struct(b=INT))},
            {"m": pa.map_(TEXT, struct(a=INT, b=INT))},
            ["m.b"],
        ),
        (
            {"m": pa.map_(TEXT, INT)},
            {"m": struct(k=INT)},
            {"m": pa.map_(TEXT, INT)},
            [],
        ),
    ],
)
def test_fields_are_added_behind_and_keep_their_types(
    known: dict[str, pa.DataType],
    found: dict[str, pa.DataType],
    grown: dict[str, pa.DataType],
    new: list[str],
) -> None:
    """As Auto Loader does: a table goes on with the columns that it has."""
    before, after = pa.schema(known), pa.schema(grown)

    result = add_fields(before, pa.schema(found), taken=frozenset({"_taken"}))

    assert result == list(after)
    assert list(list_new(before, after)) == new


@pytest.mark.parametrize(
    ("known", "found", "grown"),
    [
        (
            {"s": struct(a=INT)},
            {"s": struct(B=INT, c=INT)},
            {"s": struct(a=INT, c=INT)},
        ),
        (
            {"s": list_of(struct(a=INT))},
            {"s": list_of(struct(b=INT, c=INT))},
            {"s": list_of(struct(a=INT, c=INT))},
        ),
        (
            {"s": pa.map_(TEXT, struct(a=INT))},
            {"s": struct(k=struct(b=INT), l=struct(c=INT))},
            {"s": pa.map_(TEXT, struct(a=INT, c=INT))},
        ),
        ({"s": INT}, {"b": INT, "S": struct(b=INT)}, {"s": INT, "b": INT}),
    ],
)
def test_nested_name_that_is_taken_is_none_that_is_new(
    known: dict[str, pa.DataType],
    found: dict[str, pa.DataType],
    grown: dict[str, pa.DataType],
) -> None:
    """A field that was undone must not come back with the next file."""
    result = add_fields(pa.schema(known), pa.schema(found), taken={"s.b"})

    assert result == list(pa.schema(grown))


def block(*rescued: dict[str, object]) -> ParsedBlock:
    """Return a block of records of which that was left over."""
    raws = [
        {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in each.items()}
        for each in rescued
    ]
    records = [Record({}, raw, tuple(raw.keys() - {"a", "s", "_c9"})) for raw in raws]
    return ParsedBlock(pa.table({}), records)


@pytest.mark.parametrize(
    ("rescued", "typed", "kind"),
    [
        ([{"a": "x"}], True, None),
        ([{"s": 1}], True, None),
        ([{"s": {"a": "x"}}], True, None),
        ([{"new": {}}], True, None),
        ([{"_c9": "of a row that is too long"}], True, None),
        ([{"Taken": 1}], True, None),
        ([{}, {"new": 1}, {"newer": 1}], True, {"new": INT}),
        ([{"new": 1.5}], False, {"new": TEXT}),
        ([{"new": {"x": [1]}}], True, {"new": struct(x=list_of(INT))}),
    ],
)
def test_only_what_adds_a_column_is_new(
    rescued: list[dict[str, object]],
    typed: bool,
    kind: dict[str, pa.DataType] | None,
) -> None:
    """Values that misfit stay rescued, or a query would end at them again and again."""
    columns = pa.schema({"a": INT, "s": struct(a=INT)})

    grown = first_new(block(*rescued), columns, taken={"taken"}, typed=typed)

    assert grown == (None if kind is None else [*columns, *pa.schema(kind)])


def test_block_whose_records_all_fit_adds_nothing() -> None:
    """Its parser has no record of any."""
    parsed = ParsedBlock(pa.table({"a": [1]}), None)

    assert first_new(parsed, pa.schema([]), taken=frozenset(), typed=True) is None
