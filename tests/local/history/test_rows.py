"""Rows per landed file from the data files that a commit added."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from sluice.delta.log import read_commits
from sluice.errors import Condition, FatalError
from sluice.history.rows import RowCounts, count_added_rows, rows_by_file


def count(table: str, **columns: list[str | None]) -> RowCounts | None:
    """Append ``columns`` to a table and count the rows of that commit."""
    types = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    write_deltalake(table, pa.table(types), mode="append")
    return count_added_rows(table, read_commits(table)[-1].added)


def test_rows_and_rescued_rows_are_counted_by_file(tmp_path: Path) -> None:
    """The counts are those of one commit, not of the table."""
    table = str(tmp_path / "t")
    count(table, _source_file=["a", "b"], _rescued_data=[None, None])
    found = count(table, _source_file=["a", "a", "b"], _rescued_data=[None, "{}", None])
    assert found is not None
    assert found.rows == {"a": 2, "b": 1}
    assert found.rescued == {"a": 1}


def test_table_without_rescued_data_has_none(tmp_path: Path) -> None:
    """A pipeline may do without the column."""
    found = count(str(tmp_path / "t"), _source_file=["a"])
    assert found is not None
    assert (found.rows, found.rescued) == ({"a": 1}, {})


def test_vacuumed_files_leave_the_counts_unknown(tmp_path: Path) -> None:
    """A part of the counts would look like the whole."""
    table = str(tmp_path / "t")
    count(table, _source_file=["a"])
    (commit,) = read_commits(table)
    Path(commit.added[0].path).unlink()
    assert count_added_rows(table, commit.added) is None


def test_table_that_sluice_did_not_write_is_refused(tmp_path: Path) -> None:
    """Without the column no row belongs to a file."""
    with pytest.raises(FatalError) as caught:
        count(str(tmp_path / "t"), other=["a"])
    assert caught.value.condition is Condition.TABLE_UNREADABLE


def test_rows_of_a_table_are_counted_by_file(tmp_path: Path) -> None:
    """Rows that name no file are counted too: the audit asks where they are from."""
    table = str(tmp_path / "t")
    count(table, _source_file=["a", "b", None])
    count(table, _source_file=["a", None, None])

    found = rows_by_file(DeltaTable(table), "_source_file is distinct from 'b'")

    assert found == {"a": 2, None: 3}


def test_table_without_the_column_is_named(tmp_path: Path) -> None:
    """The engine's own message names neither the table nor what is wrong with it."""
    table = str(tmp_path / "t")
    write_deltalake(table, pa.table({"other": ["a"]}))

    with pytest.raises(DeltaError, match=f"{table}.* has no column '_source_file'"):
        rows_by_file(DeltaTable(table))
