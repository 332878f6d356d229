from __future__ import annotations

import pyarrow as pa
import pytest

from sluice.reading.names import distinct_fields, odd_names, plain_fields

INT = pa.int64()
INNER = pa.struct([("x y", INT), ("z", INT), ("Z", INT)])


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return an array type."""
    return pa.list_(pa.field("element", kind))


@pytest.mark.parametrize(
    ("kind", "name", "plain"),
    [
        (INNER, "f.x y", pa.struct([("z", INT)])),
        (list_of(INNER), "f.x y", list_of(pa.struct([("z", INT)]))),
        (
            pa.map_(pa.string(), INNER),
            "f.x y",
            pa.map_(pa.string(), pa.struct([("z", INT)])),
        ),
    ],
)
def test_every_level_counts(kind: pa.DataType, name: str, plain: pa.DataType) -> None:
    """A table takes no such name in a struct either."""
    fields = [pa.field("f", kind), pa.field("F", INT), pa.field("g", INT)]

    distinct = distinct_fields(fields)

    assert [field.name for field in distinct] == ["f", "g"]
    assert list(odd_names(distinct)) == [name]
    assert plain_fields(distinct) == [pa.field("f", plain), pa.field("g", INT)]


@pytest.mark.parametrize("odd", " ,;{}()\n\t=")
def test_characters_that_need_column_mapping(odd: str) -> None:
    """They are those that Delta's own error names."""
    assert list(odd_names([pa.field(f"a{odd}", INT)])) == [f"a{odd}"]


@pytest.mark.parametrize("name", ["", "a.b", "a`b", 'a"b', "a\\b", "ä", "%", "\r"])
def test_other_names_are_plain(name: str) -> None:
    """Delta takes them as they are."""
    assert plain_fields([pa.field(name, INT)]) == [pa.field(name, INT)]


def test_what_holds_nothing_goes() -> None:
    """A struct without fields is no column."""
    holder = pa.struct([("deep", list_of(pa.struct([("a b", INT)])))])

    assert plain_fields([pa.field("s", holder), pa.field("t", INT)]) == [
        pa.field("t", INT)
    ]
