"""Every file with its state, batch, version, rows and error."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

import pytest

from sluice.delta.log import read_commits
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.history import files as module
from sluice.history.files import FileFilter, list_files, to_json
from sluice.history.states import FILE_STATES_SCHEMA
from sluice.ledger.events import Archived, EventKind, LedgerEvent, Replayed
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import FileState, SeqRange
from sluice.options.globs import path_filter
from support.builders import PipelineBuilder, pipeline_config
from support.kept import Kept


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Build a pipeline with a file in each state; the second is bad."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path_factory.mktemp("lake")))
    pipeline.land("a.json", rows=2)
    pipeline.discover()
    bad = pipeline.land("b.json", rows=2)
    pipeline.discover()
    now = datetime.now(UTC)
    pipeline.ledger.quarantine(QuarantinedFile(2, bad, "not UTF-8", "run-1", now))
    pipeline.run_batch()
    pipeline.land("c.json", rows=4)
    pipeline.run_batch(written=False, committed=False)
    pipeline.land("d.json")
    pipeline.discover()
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return that pipeline."""
    return built.put_back()


@pytest.mark.parametrize("archived", [False, True])
def test_states_are_derived(pipeline: PipelineBuilder, archived: bool) -> None:
    """The archive speeds things up; it must not change the answer."""
    if archived:
        archive_history(pipeline.config)
    rows = list_files(pipeline.config)
    assert [(row.seq, row.state) for row in rows] == [
        (1, FileState.INGESTED),
        (2, FileState.QUARANTINED),
        (3, FileState.IN_FLIGHT),
        (4, FileState.DISCOVERED),
    ]
    assert [(row.batch_id, row.table_version, row.rows) for row in rows] == [
        (0, 0, 2),
        (0, 0, 0),
        (1, None, None),
        (None, None, None),
    ]
    assert rows[1].error == "not UTF-8"


def test_only_files_in_a_state(pipeline: PipelineBuilder) -> None:
    """A search for bad files must not return a million good ones."""
    rows = list_files(pipeline.config, FileFilter(state=FileState.QUARANTINED))
    assert [row.seq for row in rows] == [2]


def test_rows_in_the_table_are_ingested_before_spark_commits(
    pipeline: PipelineBuilder,
) -> None:
    """Delta's commit is what puts the rows there; Spark's only says so."""
    pipeline.write_rows([list_files(pipeline.config)[2].path], batch_id=1)
    row = list_files(pipeline.config)[2]
    assert (row.state, row.rows, row.table_version) == (FileState.INGESTED, 4, 1)


def test_file_has_the_promised_shape(pipeline: PipelineBuilder) -> None:
    """Others rely on these keys."""
    shape = to_json(list_files(pipeline.config)[0])
    assert list(shape) == [
        "seq",
        "path",
        "size",
        "modified_at",
        "state",
        "batch_id",
        "table_version",
        "rows",
        "rescued_rows",
        "dropped_records",
        "quarantined_rows",
        "error",
        "etag",
        "discovered_at",
        "discovery_run_id",
        "claim_run_id",
        "query_id",
        "commit_time",
        "archived_at",
        "move_location",
    ]
    assert list(shape) == FILE_STATES_SCHEMA.names
    assert shape["state"] == "ingested"


@pytest.mark.parametrize("archived", [False, True])
def test_file_is_joined_with_its_runs_and_its_commit(
    pipeline: PipelineBuilder, archived: bool
) -> None:
    """Which runs found and planned it, which query wrote it and when."""
    if archived:
        archive_history(pipeline.config)
    first, _, flying, waiting = list_files(pipeline.config)
    (commit, *_) = read_commits(pipeline.config.bronze_location)
    assert (first.discovery_run_id, first.claim_run_id) == ("run-1", "run-1")
    assert (first.query_id, first.commit_time) == (
        pipeline.bronze.query_id,
        commit.committed_at,
    )
    assert first.discovered_at is not None
    assert first.modified_at <= first.discovered_at
    assert (flying.claim_run_id, flying.commit_time) == ("run-1", None)
    assert (waiting.claim_run_id, waiting.query_id) == (None, None)


def test_newer_checkpoint_that_reads_again_counts(pipeline: PipelineBuilder) -> None:
    """After a fresh start the rows are those of the new query."""
    archive_history(pipeline.config)
    for folder in (pipeline.bronze.location, Path(pipeline.config.bronze_location)):
        folder.rename(folder.with_name(f"{folder.name}_old"))
    pipeline.bronze.query_id = "another"
    pipeline.bronze.plan(0, pipeline.offset(1))
    pipeline.write_rows([])
    pipeline.write_rows([list_files(pipeline.config)[0].path], batch_id=0)
    pipeline.bronze.commit(0)
    rows = list_files(pipeline.config)
    assert (rows[0].batch_id, rows[0].table_version, rows[0].rows) == (0, 1, 2)
    assert rows[1].batch_id == 0  # only the old query read it


def test_pipeline_that_never_ran_has_no_files(tmp_path: Path) -> None:
    """Asking before the first run is no mistake."""
    assert list_files(pipeline_config(tmp_path)) == []


def states(pipeline: PipelineBuilder) -> list[str]:
    """Return the state of each file, in order of seq."""
    return [str(row.state) for row in list_files(pipeline.config)]


def happens(
    pipeline: PipelineBuilder, seq: int, kind: EventKind, detail: str = ""
) -> datetime:
    """Let something happen to a file, and return when."""
    path, now = pipeline.ledger.files(seq - 1, seq)[0].path, datetime.now(UTC)
    event = LedgerEvent(
        kind=kind, seq=seq, path=path, detail=detail, run_id="run-2", at=now
    )
    pipeline.ledger.append_events([event])
    return now


def test_moved_and_deleted_files_are_archived(pipeline: PipelineBuilder) -> None:
    """Clean-up takes the file away, not what became of it."""
    went = Archived(mode="MOVE", location="/archive/a.json", by="orders")
    removed = Archived(mode="DELETE", location=None, by="orders")
    moved = happens(pipeline, 1, EventKind.ARCHIVED, went.detail)
    deleted = happens(pipeline, 2, EventKind.ARCHIVED, removed.detail)
    first, second, *_ = list_files(pipeline.config)
    assert (first.state, first.archived_at) == (FileState.ARCHIVED, moved)
    assert (first.move_location, first.rows) == ("/archive/a.json", 2)
    assert (second.archived_at, second.move_location) == (deleted, None)


def replayed(version: int, *, rows: int) -> str:
    """Return the detail of a replay."""
    return Replayed(table_version=version, rows=rows, rescued_rows=1).detail


@pytest.mark.parametrize("archived", [False, True])
def test_replayed_file_has_the_rows_of_its_newest_replay(
    pipeline: PipelineBuilder, archived: bool
) -> None:
    """Also one that was in quarantine: it is in the table now."""
    if archived:
        archive_history(pipeline.config)
    happens(pipeline, 1, EventKind.REPLAYED, replayed(4, rows=9))
    happens(pipeline, 2, EventKind.REPLAYED, replayed(5, rows=4))
    at = happens(pipeline, 1, EventKind.REPLAYED, replayed(6, rows=0))
    first, second, *_ = list_files(pipeline.config)
    assert (first.state, first.table_version, first.rows, first.rescued_rows) == (
        FileState.INGESTED,
        6,
        0,
        1,
    )
    assert (second.state, second.table_version, second.rows, second.error) == (
        FileState.INGESTED,
        5,
        4,
        None,
    )
    assert (first.commit_time, second.batch_id) == (at, 0)


def test_committed_batch_without_history_is_ingested(
    pipeline: PipelineBuilder,
) -> None:
    """Archive and old logs may be lost; that the checkpoint went past them is known."""
    archive_history(pipeline.config)
    rmtree(pipeline.config.ops_location("batch_files"))
    pipeline.bronze.commit(1)
    pipeline.bronze.plan(2, pipeline.offset(4))
    for name in ("offsets/0", "commits/0"):
        pipeline.bronze.remove(name)
    pipeline.ledger.claim(SeqRange(3, 4), run_id="run-2")
    assert states(pipeline) == ["ingested", "quarantined", "ingested", "in flight"]


def test_files_of_an_earlier_ledger_are_known_by_their_path(
    pipeline: PipelineBuilder,
) -> None:
    """A rebuilt ledger numbers the files again; what was read stays known."""
    archive_history(pipeline.config)
    before = {row.path: row for row in list_files(pipeline.config)}
    landed = pipeline.land("0.json")
    rmtree(pipeline.ledger.root)
    os.utime(landed, (0, 0))
    pipeline.discover()
    rows = list_files(pipeline.config)
    assert [Path(row.path).name for row in rows] == [f"{name}.json" for name in "0abcd"]
    assert rows[0].state is FileState.DISCOVERED
    assert (rows[0].rows, rows[0].batch_id) == (None, None)
    for row in rows[1:3]:
        old = before[row.path]
        assert (row.batch_id, row.table_version, row.rows) == (
            old.batch_id,
            old.table_version,
            old.rows,
        )


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("a*", ["a.json"]),
        ("[!a]*", ["b.json", "c.json", "d.json"]),
        ("{c,d}.json", ["c.json", "d.json"]),
        ("{landing}/?.json", ["a.json", "b.json", "c.json", "d.json"]),
        ("{landing}", ["a.json", "b.json", "c.json", "d.json"]),
        ("{landing}/sub/*", []),
        ("sub/*", []),
        ("/elsewhere/*", []),
    ],
)
def test_files_are_asked_for_by_path(
    pipeline: PipelineBuilder, glob: str, expected: list[str]
) -> None:
    """A pattern with a slash is one of whole paths, as a load path is."""
    glob = glob.replace("{landing}", pipeline.config.landing_location)
    takes = path_filter(glob, pipeline.config.landing_location)
    found = list_files(pipeline.config, FileFilter(takes=takes))
    assert [Path(row.path).name for row in found] == expected


@pytest.mark.parametrize("folder", ["", "{landing}/"])
def test_file_whose_name_is_a_glob_is_asked_for_by_its_name(
    pipeline: PipelineBuilder, folder: str
) -> None:
    """What the list shows can be copied into the next command."""
    pipeline.land("odd [1].json")
    pipeline.run_batch()
    asked = folder.replace("{landing}", pipeline.config.landing_location)
    landing = pipeline.config.landing_location
    takes = path_filter(f"{asked}odd [1].json", landing)
    found = list_files(pipeline.config, FileFilter(takes=takes))
    assert [Path(row.path).name for row in found] == ["odd [1].json"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_limit_keeps_the_newest(
    pipeline: PipelineBuilder, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts a large ledger is read in."""
    monkeypatch.setattr(module, "CHUNK_FILES", chunk)
    assert [row.seq for row in list_files(pipeline.config)] == [1, 2, 3, 4]
    for limit in (1, 3, 9):
        rows = list_files(pipeline.config, FileFilter(limit=limit))
        assert [row.seq for row in rows] == [1, 2, 3, 4][-limit:]
        takes = path_filter("[abc]*", pipeline.config.landing_location)
        rows = list_files(pipeline.config, FileFilter(limit=limit, takes=takes))
        assert [row.seq for row in rows] == [1, 2, 3][-limit:]


def tear_claims(ledger: Path) -> Path:
    """Cut off the newest commit of the claims."""
    newest = max((ledger / "claims" / "_delta_log").glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:-20])
    return newest


def lose_data(ledger: Path) -> Path:
    """Lose a data file of the files."""
    (path, *_) = sorted((ledger / "files").glob("*.parquet"))
    path.unlink()
    return path


@pytest.mark.parametrize("damage", [tear_claims, lose_data])
def test_damaged_ledger_is_named(
    pipeline: PipelineBuilder, damage: Callable[[Path], Path]
) -> None:
    """A traceback of delta-rs says neither the file nor what to do."""
    path = damage(Path(pipeline.ledger.root))
    with pytest.raises(FatalError) as caught:
        list_files(pipeline.config)
    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert str(path) in caught.value.message
    assert "sluice checkpoint repair" in caught.value.message
