"""The log of a Delta table, commit by commit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from sluice.delta.log import (
    latest_transaction,
    missing_versions,
    parse_commit,
    read_commits,
)
from sluice.errors import Condition, FatalError

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
STREAMING_UPDATE = {
    "timestamp": 1795221460073,
    "operation": "STREAMING UPDATE",
    "operationParameters": {"queryId": "q", "epochId": "3"},
    "isBlindAppend": True,
    "operationMetrics": {"numOutputRows": "4"},
    "userMetadata": "by hand",
}


def append(location: str, *, batch_id: int | None = None) -> None:
    """Append three rows, as batch ``batch_id`` of query ``q``."""
    transactions = [] if batch_id is None else [Transaction("q", batch_id)]
    write_deltalake(
        location,
        pa.table({"day": ["a b", "a b", "c%d"], "n": [1, 2, 3]}),
        mode="append",
        partition_by=["day"],
        commit_properties=CommitProperties(app_transactions=transactions),
    )


def test_commit_has_batch_files_and_rows(tmp_path: Path) -> None:
    """Batch, version, files and rows of a commit are what the archive joins."""
    table = str(tmp_path / "t")
    append(table, batch_id=0)
    (commit,) = read_commits(table)
    assert (commit.version, commit.transactions, commit.rows) == (0, {"q": 0}, 3)
    assert commit.data_change


def test_paths_are_absolute_and_exist(tmp_path: Path) -> None:
    """The log encodes paths; a reader needs the names on the disk."""
    table = str(tmp_path / "t")
    append(table)
    (commit,) = read_commits(table)
    assert all(Path(file.path).is_file() for file in commit.added)
    assert {file.partition_values["day"] for file in commit.added} == {"a b", "c%d"}


def test_only_commits_after_a_version_are_read(tmp_path: Path) -> None:
    """An hour's work must not cost the reading of a year's log."""
    table = str(tmp_path / "t")
    for _ in range(12):
        append(table)
    assert [commit.version for commit in read_commits(table, after=9)] == [10, 11]
    assert len(read_commits(table)) == 12
    assert read_commits(table, after=11) == []


def test_commits_that_cleanup_took_are_absent(tmp_path: Path) -> None:
    """Delta keeps thirty days of its log; an older commit is no error."""
    table = tmp_path / "t"
    for batch in range(3):
        append(str(table), batch_id=batch)
    DeltaTable(table).create_checkpoint()
    (table / "_delta_log" / f"{0:020d}.json").unlink()
    assert [commit.version for commit in read_commits(str(table))] == [1, 2]
    assert latest_transaction(str(table), "q") == 2


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_no_file_is_no_commit(tmp_path: Path, *, is_link: bool) -> None:
    """A link to nothing, or a folder, stands where the commit is missing."""
    table = str(tmp_path / "t")
    for _ in range(3):
        append(table)
    commit = tmp_path / "t" / "_delta_log" / f"{1:020}.json"
    commit.unlink()
    if is_link:
        commit.symlink_to(tmp_path / "nothing")
    else:
        commit.mkdir()
    assert missing_versions(table) == [1]
    assert [each.version for each in read_commits(table)] == [0, 2]


def test_no_table_has_no_commits_and_makes_no_folder(tmp_path: Path) -> None:
    """Looking must not leave anything behind."""
    table = tmp_path / "none"
    assert read_commits(str(table)) == []
    assert latest_transaction(str(table), "q") is None
    assert not table.exists()


def test_damaged_commit_is_named(tmp_path: Path) -> None:
    """The user has to know which file to restore."""
    table = tmp_path / "t"
    append(str(table))
    commit = table / "_delta_log" / f"{0:020d}.json"
    commit.write_text(commit.read_text()[:-5])
    with pytest.raises(FatalError) as caught:
        read_commits(str(table))
    assert caught.value.condition is Condition.TABLE_UNREADABLE
    assert caught.value.context["version"] == 0
    assert str(commit) in caught.value.message


def test_deleted_rows_show_as_removed_files(tmp_path: Path) -> None:
    """A delete rewrites files: what it removed must be reported."""
    table = str(tmp_path / "t")
    append(table)
    DeltaTable(table).delete("day = 'c%d'")
    deletion = read_commits(table)[-1]
    assert [Path(each).is_file() for each in deletion.removed] == [True]
    assert deletion.data_change


def test_compaction_changes_no_data(tmp_path: Path) -> None:
    """A reader that waits for new rows must not wake up for rearranged ones."""
    table = str(tmp_path / "t")
    append(table)
    append(table)
    DeltaTable(table).optimize.compact()
    assert not read_commits(table)[-1].data_change


def test_streaming_commit_is_read_whole() -> None:
    """These are the keys that Spark's Delta sink writes."""
    commit = parse_commit(
        json.dumps({"commitInfo": STREAMING_UPDATE}),
        version=7,
        table_location="/t",
        written=WRITTEN,
    )
    assert commit.operation == "STREAMING UPDATE"
    assert commit.parameters["epochId"] == "3"
    assert commit.metrics == {"numOutputRows": "4"}
    assert (commit.is_blind_append, commit.user_metadata) == (True, "by hand")
    assert commit.committed_at == datetime(2026, 11, 21, 0, 37, 40, 73000, tzinfo=UTC)
    assert not commit.data_change


def test_time_of_a_commit_prefers_the_in_commit_one() -> None:
    """A table with in-commit timestamps orders by them; the other is a wall clock."""
    info = STREAMING_UPDATE | {"inCommitTimestamp": 0}
    text = json.dumps({"commitInfo": info})
    commit = parse_commit(text, version=0, table_location="/t", written=WRITTEN)
    assert commit.committed_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_commit_without_info_has_the_time_of_its_file() -> None:
    """The protocol allows a commit without ``commitInfo``."""
    text = json.dumps({"txn": {"appId": "q", "version": 3}})
    commit = parse_commit(text, version=0, table_location="/t", written=WRITTEN)
    assert (commit.committed_at, commit.transactions) == (WRITTEN, {"q": 3})


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ("p=a%20b/x.parquet", "/t/p=a b/x.parquet"),
        ("p=a%2520b/x.parquet", "/t/p=a%20b/x.parquet"),
        ("/else/a%20b.parquet", "/else/a b.parquet"),
        ("file:///else/a%20b.parquet", "/else/a b.parquet"),
        ("s3a://bucket/x.parquet", "s3://bucket/x.parquet"),
    ],
)
def test_logged_path_is_decoded_once(logged: str, expected: str) -> None:
    """A name that holds a percent sign is decoded once, or another file is meant."""
    add = {"path": logged, "size": 1, "partitionValues": {}, "dataChange": True}
    text = json.dumps({"add": add})
    commit = parse_commit(text, version=0, table_location="/t", written=WRITTEN)
    assert commit.added[0].path == expected
    assert commit.rows is None
