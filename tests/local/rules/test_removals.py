"""Which commits took which version's rows out of a table, by its real log."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from sluice.delta.log import read_commits
from sluice.rules.removals import BEFORE_LOG, find_removals


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Return a table of three appends of two rows each: versions 0 to 2."""
    for number in (1, 2, 3):
        rows = pa.table({"i": [10 * number, 10 * number + 1]})
        write_deltalake(tmp_path, rows, mode="append")
    return str(tmp_path)


def removals(location: str, *, after: int = -1) -> dict[int, list[str]]:
    """Return by version of rows which operations removed some, and their versions."""
    found = find_removals(read_commits(location, after=after))
    return {
        version: [f"{each.operation} {each.version}" for each in removed]
        for version, removed in found.items()
    }


def test_appends_and_compaction_remove_nothing(location: str) -> None:
    """A table that is only kept in order has lost no row."""
    DeltaTable(location).optimize.compact()
    assert removals(location) == {}


def test_delete_is_named_for_the_rows_that_it_took(location: str) -> None:
    """And for no others."""
    DeltaTable(location).delete("i = 20")
    assert removals(location) == {1: ["DELETE 3"]}
    (found,) = find_removals(read_commits(location))[1]
    assert str(found) == "DELETE in version 3 where i = 20"


def test_rows_are_followed_through_compaction_and_rewriting(location: str) -> None:
    """They lie in another data file by then, together with others."""
    DeltaTable(location).optimize.compact()
    DeltaTable(location).delete("i = 20")
    DeltaTable(location).delete("i = 30")
    assert removals(location) == {
        version: ["DELETE 4", "DELETE 5"] for version in (0, 1, 2)
    } | {4: ["DELETE 5"]}


def test_rows_from_before_the_log_are_counted_apart(location: str) -> None:
    """Log cleanup takes the commits that added them."""
    DeltaTable(location).delete("i = 20")
    assert removals(location, after=1) == {BEFORE_LOG: ["DELETE 3"]}


def test_restore_is_reported_as_one(location: str) -> None:
    """It is no wish to delete rows: they are missing."""
    DeltaTable(location).restore(0)
    found = find_removals(read_commits(location))
    assert removals(location) == {1: ["RESTORE 3"], 2: ["RESTORE 3"]}
    assert all(each.is_restore for removed in found.values() for each in removed)


@pytest.mark.parametrize("step", ["replay", "undo"])
def test_rewriting_of_ours_removes_nothing(location: str, step: str) -> None:
    """What it removes it writes again."""
    write_deltalake(
        location,
        pa.table({"i": [20, 21]}),
        mode="overwrite",
        predicate="i >= 20 and i < 30",
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": json.dumps({"step": step})}
        ),
    )
    assert removals(location) == {}
