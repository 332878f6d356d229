"""The types of rows, held against those of a table that delta-rs wrote."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.bronze.types import require_partitions, require_same_types
from sluice.errors import Condition, UsageError
from support.widened import commit_widening

ITEM = pa.struct([("id", pa.int32())])
TABLE = pa.schema(
    [
        ("i", pa.int32()),
        ("t", pa.timestamp("us", "UTC")),
        ("n", pa.timestamp("us")),
        ("d", pa.date32()),
        ("c", pa.decimal128(10, 2)),
        ("b", pa.binary()),
        ("s", pa.struct([("items", pa.list_(pa.field("element", ITEM)))])),
        ("m", pa.map_(pa.string(), ITEM)),
    ]
)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Return where an empty table of all kinds of types is."""
    write_deltalake(str(tmp_path), TABLE.empty_table())
    return str(tmp_path)


def with_field(name: str, kind: pa.DataType) -> pa.Schema:
    """Return the table's schema with another type of one column."""
    return TABLE.set(TABLE.get_field_index(name.lower()), pa.field(name, kind))


def test_same_types_pass(table: str, tmp_path: Path) -> None:
    """Also where the table lacks a column, or is not there yet."""
    more = TABLE.append(pa.field("new", pa.float64()))

    require_same_types(from_arrow_schema(more), table)
    require_same_types(from_arrow_schema(TABLE), str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [
        ("i", pa.float64(), "i"),
        ("I", pa.int64(), "I"),
        ("i", pa.string(), "i"),
        ("c", pa.decimal128(10, 4), "c"),
        ("d", pa.timestamp("us", "UTC"), "d"),
        ("t", pa.timestamp("us"), "t"),
        ("b", pa.string(), "b"),
        (
            "s",
            pa.struct([("items", pa.list_(pa.struct([("id", pa.int64())])))]),
            "s.items.element.id",
        ),
        ("s", pa.string(), "s"),
        ("m", pa.map_(pa.string(), pa.struct([("ID", pa.string())])), "m.value.ID"),
    ],
)
def test_other_type_is_refused(
    table: str, name: str, kind: pa.DataType, column: str
) -> None:
    """The error names the field, nested ones with all names around."""
    with pytest.raises(UsageError) as caught:
        require_same_types(from_arrow_schema(with_field(name, kind)), table)

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED
    assert caught.value.context["column"] == column


@pytest.mark.parametrize(
    ("name", "kind", "follows"),
    [
        ("i", pa.int64(), True),
        ("i", pa.int16(), True),
        ("i", pa.float64(), True),
        ("i", pa.string(), False),
        ("c", pa.decimal128(12, 4), True),
        ("c", pa.decimal128(10, 4), False),
        ("d", pa.timestamp("us"), True),
        ("d", pa.timestamp("us", "UTC"), False),
        ("m", pa.map_(pa.string(), pa.struct([("id", pa.int64())])), True),
    ],
)
def test_table_that_widens_follows(
    tmp_path: Path, name: str, kind: pa.DataType, *, follows: bool
) -> None:
    """Or is ahead of files that are read with an earlier version of the schema."""
    write_deltalake(str(tmp_path), TABLE.empty_table())
    commit_widening(str(tmp_path), {}, features=["typeWidening", "timestampNtz"])
    rows = from_arrow_schema(with_field(name, kind))

    if follows:
        require_same_types(rows, str(tmp_path))
    else:
        with pytest.raises(UsageError):
            require_same_types(rows, str(tmp_path))


ROWS = from_arrow_schema(pa.schema([("id", pa.int32()), ("country", pa.string())]))


@pytest.mark.parametrize(
    ("partition_by", "reason"),
    [
        (["cuontry"], "did you mean 'country'?"),
        (["x_y_z"], "there are ['id', 'country']"),
        ([], "is partitioned by ['country'], which stays"),
        (["id"], "is partitioned by ['country'], which stays"),
    ],
)
def test_partitions_that_cannot_be_are_refused(
    tmp_path: Path, partition_by: list[str], reason: str
) -> None:
    """Delta would refuse the first micro-batch, and each run after it."""
    rows = pa.table({"id": [1], "country": ["de"]})
    write_deltalake(str(tmp_path), rows, partition_by=["country"])

    with pytest.raises(UsageError) as caught:
        require_partitions(ROWS, partition_by, str(tmp_path))

    assert reason in caught.value.message


def test_partitions_of_the_table_and_of_a_new_one_are_taken(tmp_path: Path) -> None:
    """In any case of their letters, as Delta compares them."""
    rows = pa.table({"id": [1], "country": ["de"]})
    write_deltalake(str(tmp_path / "there"), rows, partition_by=["country"])

    require_partitions(ROWS, ["Country"], str(tmp_path / "there"))
    require_partitions(ROWS, ["id", "country"], str(tmp_path / "new"))
