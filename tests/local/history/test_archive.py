"""The archive keeps every batch once, whichever process archives and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Transaction

from sluice.history import archive_history
from sluice.history.batches import list_batches
from sluice.history.tables import append_archived, open_or_create
from sluice.model import BatchKind
from support.builders import PipelineBuilder, pipeline_config, window
from support.delta_rows import read_delta
from support.kept import Kept


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Build a pipeline that has run two bronze batches and one of silver."""
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path_factory.mktemp("lake"), silver=True)
    )
    pipeline.land("a.json", rows=2)
    pipeline.run_batch()
    pipeline.land("b.json", rows=3)
    pipeline.land("c.json", rows=0)
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return that pipeline."""
    return built.put_back()


def rows(pipeline: PipelineBuilder, table: str) -> list[dict[str, object]]:
    """Return the rows of an operational table, oldest batch first."""
    found = read_delta(pipeline.config.ops_location(table))
    order = ["query_id", "batch_id"]
    return found.sort_by([(key, "ascending") for key in order]).to_pylist()


def test_batches_and_files_are_kept(pipeline: PipelineBuilder) -> None:
    """One row a batch and one a file in it, joined with version and rows."""
    archive_history(pipeline.config)
    bronze = [row for row in rows(pipeline, "batches") if row["query"] == "bronze"]
    assert [(row["batch_id"], row["rows"], row["table_version"]) for row in bronze] == [
        (0, 2, 0),
        (1, 3, 1),
    ]
    assert [row["run_id"] for row in bronze] == ["run-1", "run-1"]
    files = rows(pipeline, "batch_files")
    found = {(row["seq"], row["batch_id"], row["rows"]) for row in files}
    # The second and third file landed together: either may have come first.
    assert (1, 0, 2) in found
    assert {(batch, count) for _, batch, count in found} == {(0, 2), (1, 3), (1, 0)}


def test_archiving_again_adds_nothing(pipeline: PipelineBuilder) -> None:
    """Every run and every preflight archives."""
    archive_history(pipeline.config)
    before = DeltaTable(pipeline.config.ops_location("batches")).version()
    archive_history(pipeline.config)
    assert DeltaTable(pipeline.config.ops_location("batches")).version() == before


def test_racing_archivers_keep_each_batch_once(pipeline: PipelineBuilder) -> None:
    """Bronze, silver and preflight end in the same second on a busy machine."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(archive_history, [pipeline.config] * 6))
    keys = [(row["query"], row["batch_id"]) for row in rows(pipeline, "batches")]
    assert sorted(keys) == [("bronze", 0), ("bronze", 1), ("windows", 0)]
    files = [row["path"] for row in rows(pipeline, "batch_files")]
    assert len(files) == len(set(files)) == 3


def test_batch_in_flight_waits(pipeline: PipelineBuilder) -> None:
    """What a batch holds is not known before it is committed."""
    pipeline.land("d.json")
    pipeline.run_batch(committed=False)
    archive_history(pipeline.config)
    assert max(row["batch_id"] for row in rows(pipeline, "batches")) == 1
    pipeline.bronze.commit(2)
    archive_history(pipeline.config)
    assert max(row["batch_id"] for row in rows(pipeline, "batches")) == 2


def test_batch_whose_commit_file_is_lost_is_kept(pipeline: PipelineBuilder) -> None:
    """A later batch proves that it was done; the file will never come."""
    pipeline.bronze.remove("commits/0")
    archive_history(pipeline.config)
    kept = {
        row["batch_id"]: row["committed"]
        for row in rows(pipeline, "batches")
        if row["query"] == "bronze"
    }
    assert kept == {0: False, 1: True}


def test_start_is_known_after_spark_purged_the_batch_before(
    pipeline: PipelineBuilder,
) -> None:
    """The archive remembers where the last archived batch ended."""
    archive_history(pipeline.config)
    pipeline.land("d.json")
    within = pipeline.run_batch()
    for batch in range(2):
        pipeline.bronze.remove(f"offsets/{batch}")
        pipeline.bronze.remove(f"commits/{batch}")
    archive_history(pipeline.config)
    batches = [each for each in list_batches(pipeline.config) if each.query == "bronze"]
    assert [each.batch_id for each in batches] == [0, 1, 2]
    assert batches[-1].seq_range == within


def test_kill_between_the_tables_is_mended(pipeline: PipelineBuilder) -> None:
    """The tables advance apart; the one left behind catches up."""
    archive_history(pipeline.config)
    expected = len(rows(pipeline, "batch_files"))
    files = Path(pipeline.config.ops_location("batch_files"))
    files.rename(files.with_name("gone"))
    archive_history(pipeline.config)
    assert len(rows(pipeline, "batch_files")) == expected


def test_new_checkpoint_is_archived_beside_the_old(pipeline: PipelineBuilder) -> None:
    """A new query id starts at batch 0 again: no other batch 0 is meant."""
    archive_history(pipeline.config)
    old = pipeline.silver.location
    old.rename(old.with_name("old"))
    pipeline.silver.query_id = "another"
    pipeline.run_silver_batch([window(5)])
    archive_history(pipeline.config)
    silver = [each for each in list_batches(pipeline.config) if each.query == "windows"]
    assert [each.batch_id for each in silver] == [0, 0]
    assert silver[-1].query_id == "another"


def test_two_pipelines_of_a_lake_do_not_hinder_each_other(tmp_path: Path) -> None:
    """They share the tables and nothing else."""
    pipelines = [
        PipelineBuilder(pipeline_config(tmp_path, name=name))
        for name in ("orders", "returns")
    ]
    for pipeline in pipelines:
        pipeline.land("a.json")
        pipeline.run_batch()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(archive_history, [each.config for each in pipelines]))
    kept = [row["pipeline"] for row in rows(pipelines[0], "batches")]
    assert sorted(kept) == ["orders", "returns"]


def test_empty_batch_differs_from_one_with_rows(tmp_path: Path) -> None:
    """Files without a record make a batch without a row: that is worth seeing."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("empty.json", rows=0)
    pipeline.run_batch()
    (batch,) = list_batches(pipeline.config)
    assert (batch.kind, batch.rows) == (BatchKind.EMPTY, 0)


def test_many_appends_become_few_files(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening the archive must not cost more with every year."""
    monkeypatch.setattr("sluice.history.tables._COMPACT_ABOVE", 2)
    for number in range(5):
        pipeline.land(f"{number}.json")
        pipeline.run_batch()
        archive_history(pipeline.config)
    table = DeltaTable(pipeline.config.ops_location("batches"))
    assert len(table.file_uris()) <= 2
    assert len(rows(pipeline, "batches")) == 8


def test_append_through_an_old_snapshot_is_refused(tmp_path: Path) -> None:
    """This refusal is all that keeps two archivers apart."""
    schema = pa.schema([pa.field("n", pa.int64())])
    location = str(tmp_path / "t")
    first, second = (open_or_create(location, schema) for _ in range(2))
    assert append_archived(first, schema, [{"n": 1}], Transaction("a", 1))
    assert not append_archived(second, schema, [{"n": 1}], Transaction("a", 1))
    assert read_delta(location).num_rows == 1
