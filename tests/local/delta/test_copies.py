"""Queries of a table with type widening, which delta-rs knows and does not query."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from sluice.delta.copies import Part, query_part
from sluice.delta.tables import query_table
from sluice.delta.widening import WIDENING, is_widened, require_widening
from sluice.errors import UsageError
from support.widened import commit_widening

FIRST = pa.table(
    {
        "day": ["a b", "a b", "c/d"],
        "n": pa.array([1, 1, 2], pa.int32()),
        "x": ["1", None, "3"],
        "s": [{"y": 1}, None, None],
    }
)
ALL = Part(columns=["n", "day", "new"])


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Return where a table is that widened ``n`` and added ``new``."""
    location = str(tmp_path / "a table")
    write_deltalake(location, FIRST, partition_by=["day"])
    commit_widening(location, {"n": "long", "new": "long"})
    return location


def test_part_of_a_widened_table_is_queried(table: str) -> None:
    """In the types of today; a column that a file lacks is null."""
    opened = DeltaTable(table)
    with pytest.raises(DeltaError):
        query_table(opened, "select * from t")

    found = query_part(opened, "select * from part order by day, n", ALL)

    assert found.schema.field("n").type == pa.int64()
    assert found.to_pylist() == [
        {"n": 1, "day": "a b", "new": None},
        {"n": 1, "day": "a b", "new": None},
        {"n": 2, "day": "c/d", "new": None},
    ]


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        (Part(columns=["x"], where="n = 1 and day = 'a b'"), ["1", None]),
        (Part(columns=["x"], where="day = 'c/d'"), ["3"]),
        (Part(columns=["x"], where="x > '5'"), []),
        (Part(columns=["x"], nulls=["s"]), [None, "3"]),
        (Part(columns=["x"], nulls=["s", "x"]), [None]),
    ],
)
def test_only_rows_of_the_part_are_looked_at(
    table: str, tmp_path: Path, part: Part, rows: list[str | None]
) -> None:
    """As they are of a table that delta-rs queries itself."""
    plain = str(tmp_path / "plain")
    write_deltalake(plain, FIRST, partition_by=["day"])
    named = Part(columns=[*part.columns, "n"], where=part.where, nulls=part.nulls)

    for location in (table, plain):
        found = query_part(DeltaTable(location), "select * from part order by x", named)
        assert sorted(map(str, found["x"].to_pylist())) == sorted(map(str, rows))


def test_deleted_rows_are_not_counted_by_mistake(tmp_path: Path) -> None:
    """No copy knows them, and the audit says that the table cannot be read."""
    write_deltalake(str(tmp_path), FIRST)
    features = ["typeWidening", "deletionVectors"]
    commit_widening(str(tmp_path), {}, features=features)

    with pytest.raises(DeltaError, match="deletion vectors"):
        query_part(DeltaTable(tmp_path), "select * from part", ALL)


def test_table_without_the_property_is_refused(table: str, tmp_path: Path) -> None:
    """One that is not there yet is made with it."""
    plain = str(tmp_path / "plain")
    write_deltalake(plain, FIRST)

    assert is_widened(DeltaTable(table))
    require_widening(table)
    require_widening(str(tmp_path / "none"))
    with pytest.raises(UsageError, match=f"'{WIDENING}' = 'true'"):
        require_widening(plain)
