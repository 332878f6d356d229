"""Values of VARIANT: what is read back is what stood in the file, or it is rescued."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import VariantType, VariantVal

from sluice.errors import Condition, UsageError
from sluice.formats.json import JsonFormat
from sluice.formats.json_variants import VARIANT, is_variant
from sluice.reading.new_fields import add_fields, only_new
from support.json_rows import rows
from support.parsing import parse_content

COLUMNS = pa.schema([("id", pa.int64()), ("v", VARIANT)])
DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000


def shown(value: dict[str, bytes] | None) -> str | None:
    """Return a variant as JSON."""
    return value and VariantVal(value["value"], value["metadata"]).toJson()


def test_type_is_sparks() -> None:
    """Its Arrow says so by a field's metadata; any other struct is none."""
    assert VARIANT.equals(to_arrow_type(VariantType()), check_metadata=True)
    binary = [pa.field(each.name, each.type, nullable=False) for each in VARIANT]
    assert not is_variant(pa.struct(binary))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"a":[1,2.50,"x",true,null],"b":{}}', None),
        ("1234567890123456789012345", None),
        ('"text"', None),
        ("[]", None),
        ("{'a': 7}", '{"a":7}'),
        ('{"a": "\\u00e9"}', '{"a":"é"}'),
    ],
)
def test_value_of_any_shape_is_one(text: str, read: str | None) -> None:
    """Also one of the lenient JSON that Spark reads."""
    ((row, rescued),) = rows(b'{"id":1,"v":%b}' % text.encode(), COLUMNS)

    assert json.loads(shown(row["v"]) or "") == json.loads(read or text)
    assert rescued is None


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"b":[{"a":1,"a":2}]}', "1e400", "[NaN]", '"\\ud800"'],
)
def test_what_no_variant_holds_is_rescued(text: str) -> None:
    """PySpark's builder would keep the last of two keys, and make infinity of 1e400."""
    ((row, rescued),) = rows(b'{"id":1,"v":%b}' % text.encode(), COLUMNS)

    assert row == {"id": 1}
    assert rescued is not None
    assert '"v":' in rescued


def test_null_is_null() -> None:
    """As in any column; no value of a variant."""
    assert rows(b'{"id":1,"v":null}', COLUMNS) == [({"id": 1}, None)]


def test_record_is_the_variant_of_the_one_column() -> None:
    """Arrays in a line and other values too; what is malformed is a corrupt record."""
    content = b'{"a":1}\n[{"a":2},3]\n{"a":\n{"a":1,"a":2}\n' + DEEP
    one = JsonFormat(variant_column="v")
    (block,) = parse_content(one, content, pa.schema([("v", VARIANT)]))

    variants = [shown(value) for value in block.columns["v"].to_pylist()]
    assert variants == ['{"a":1}', '{"a":2}', "3", None, None, None]
    assert [each.corrupt for each in block.records or ()] == [
        *[None] * 3,
        *('{"a":', '{"a":1,"a":2}', DEEP.decode()),
    ]


def test_no_column_stands_beside_the_one() -> None:
    """Its name and its type are those of the option."""
    one = JsonFormat(variant_column="v")
    assert one.infer(["/gone"], max_bytes=1, typed=False) == pa.schema([("v", VARIANT)])
    one.require_columns(pa.schema([("v", VARIANT)]))

    for wrong in ({"v": pa.string()}, {"w": VARIANT}, {"v": VARIANT, "id": pa.int8()}):
        with pytest.raises(UsageError, match="'singleVariantColumn' gives") as caught:
            one.require_columns(pa.schema(wrong))
        assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED


def test_fields_of_a_variant_are_none_of_the_schema() -> None:
    """It holds whatever comes, so nothing in it is new."""
    brought = [pa.field("v", pa.struct([("a", pa.int64())]))]

    assert add_fields(COLUMNS, brought) == list(COLUMNS)
    assert list(only_new(COLUMNS, brought)) == []
