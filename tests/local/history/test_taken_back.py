from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from deltalake import DeltaTable

from sluice.delta.log import TableCommit, open_table
from sluice.history import archive_history
from sluice.history.taken_back import (
    ArchivedCommits,
    find_taken_back,
    read_archived_commits,
    rows_taken_back,
)
from support.builders import (
    PipelineBuilder,
    pipeline_config,
)

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = ArchivedCommits()


def commits(*kinds: str | int, first: int = 0) -> list[TableCommit]:
    """Return a log: ``rows`` and ``empty`` are the query's, a number is a RESTORE."""
    return [_commit(version, each) for version, each in enumerate(kinds, first)]


def _commit(version: int, kind: str | int) -> TableCommit:
    restored = not isinstance(kind, str)
    return TableCommit(
        version=version,
        committed_at=MOMENT,
        operation="RESTORE" if restored else "STREAMING UPDATE",
        parameters={"version": None if kind == -1 else str(kind)} if restored else {},
        metrics={},
        transactions={} if restored or kind == "other" else {"query": version},
        added=("file",) if kind in {"rows", "other"} else (),  # type: ignore[arg-type]
        removed=(),
        data_change=True,
        is_blind_append=True,
        user_metadata=None,
    )


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        (("rows", "rows"), []),
        (("rows", "rows", 0), [1]),
        (("rows", "rows", 1), []),
        (("rows", "empty", 0), []),
        (("rows", "rows", -1), [0, 1]),
        (("rows", "rows", 0, "rows"), [1]),
        (("rows", "rows", 0, 1), []),
        (("rows", "rows", 0, "rows", 1), [3]),
        (("rows", "rows", 0, "rows", 3), [1]),
        (("other", "rows", 0), [1]),
        (("other", "other", 0, "rows"), []),
    ],
)
def test_restore_takes_back_what_came_after_its_version(
    log: tuple[str | int, ...], lost: list[int]
) -> None:
    """A RESTORE of a RESTORE gives back; what others wrote is theirs."""
    assert rows_taken_back(commits(*log), "query", NOTHING) == lost


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        (("rows", 7), []),
        (("rows", 6), [7]),
        (("rows", 4), [5, 7]),
        (("rows", 2), [3, 5, 7]),
        (("empty", 5), []),
        ((4,), [5]),
    ],
)
def test_what_is_archived_counts_too(
    log: tuple[str | int, ...], lost: list[int]
) -> None:
    """The archive ends at version 6, the query began at 3 and last had rows at 5."""
    archived = ArchivedCommits(first=3, newest=6, newest_with_rows=5)

    assert rows_taken_back(commits(*log, first=7), "query", archived) == lost


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read three files, one a micro-batch, and archived."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for name in ("a.json", "b.json", "c.json"):
        pipeline.land(name)
        pipeline.run_batch()
    archive_history(pipeline.config)
    return pipeline


def found(pipeline: PipelineBuilder) -> str | None:
    """Return what is found in bronze."""
    return look(pipeline, table(pipeline))


def look(pipeline: PipelineBuilder, opened: DeltaTable) -> str | None:
    """Return what is found in bronze, opened before."""
    query, query_id = pipeline.config.queries[0], pipeline.bronze.query_id
    archive = open_table(pipeline.config.ops_location("batches"))
    archived = read_archived_commits(archive, pipeline.config.name, query_id)
    return find_taken_back(query, query_id, opened, archived)


def table(pipeline: PipelineBuilder) -> DeltaTable:
    """Open bronze."""
    return DeltaTable(pipeline.config.bronze_location)


def test_table_that_only_grows_is_whole(pipeline: PipelineBuilder) -> None:
    """Batches, other writers and compaction take nothing away."""
    assert found(pipeline) is None
    pipeline.land("d.json")
    pipeline.run_batch()
    pipeline.write_rows([pipeline.land("stranger.json")])
    table(pipeline).optimize.compact()

    assert found(pipeline) is None


def test_restore_is_reported(pipeline: PipelineBuilder) -> None:
    """By the archive's version, though the newer log has no batch."""
    table(pipeline).restore(1)

    assert found(pipeline) == "a RESTORE took back what versions 2 added"


def test_some_deleted_rows_are_a_wish_and_all_are_not(
    pipeline: PipelineBuilder,
) -> None:
    """A DELETE with a condition is how rows are meant to go."""
    table(pipeline).delete("order_id = 'a.json-0'")
    assert found(pipeline) is None

    table(pipeline).delete()

    assert found(pipeline) == "all its rows were removed"


def test_table_from_a_backup_is_behind_its_archive(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """The archive would keep telling of micro-batches that never were of this one."""
    backup = tmp_path / "backup"
    location = pipeline.config.bronze_location
    pipeline.land("d.json")
    pipeline.run_batch()
    copytree(location, backup)
    pipeline.land("e.json")
    pipeline.run_batch()
    archive_history(pipeline.config)
    rmtree(location)
    copytree(backup, location)

    reason = found(pipeline)

    assert reason is not None
    assert "version 3, and the archive has micro-batches up to version 4" in reason


def test_table_that_was_written_to_meanwhile_is_not_behind(
    pipeline: PipelineBuilder,
) -> None:
    """Another run commits and archives between the two looks of this one."""
    before = table(pipeline)
    pipeline.land("d.json")
    pipeline.run_batch()
    archive_history(pipeline.config)

    assert look(pipeline, before) is None
