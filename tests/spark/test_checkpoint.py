"""Readers of checkpoint and table log held against what Spark really writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - its usual name is F

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.delta.log import latest_transaction, read_commits
from sluice.history.batches import list_checkpoint_batches
from sluice.history.rows import count_added_rows

pytestmark = pytest.mark.needs_java


def land(folder: Path) -> None:
    """Land three files whose names need encoding, four rows each."""
    folder.mkdir()
    paths = [folder / f"a b%20{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        rows = [
            {"id": f"{number}-{each}", "at": f"2024-01-01 0{number}:0{each}:00"}
            for each in range(4)
        ]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def stream(spark: SparkSession, root: Path, name: str) -> None:
    """Count the files' rows by window, one file a batch, through Spark's own source."""
    query = (
        spark.readStream.format("json")
        .schema("id string, at timestamp")
        .option("maxFilesPerTrigger", 1)
        .load(str(root / "landing"))
        .withColumn("_source_file", F.col("_metadata.file_path"))
        .withWatermark("at", "10 minutes")
        .groupBy(F.window("at", "5 minutes"), "_source_file")
        .count()
        .select("_source_file", "count")
        .writeStream.format("delta")
        .option("checkpointLocation", str(root / name))
        .trigger(availableNow=True)
        .start(str(root / f"{name}_table"))
    )
    query.awaitTermination()


# Spark writes the first format unless it is asked for the second.
@pytest.fixture(
    scope="module",
    params=[1, pytest.param(2, marks=pytest.mark.long)],
    ids=["offsets-v1", "offsets-v2"],
)
def root(
    request: pytest.FixtureRequest,
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the folder of a stream that ran with one format of the offset log."""
    root = tmp_path_factory.mktemp("stream")
    land(root / "landing")
    key = "spark.sql.streaming.offsetLog.formatVersion"
    spark.conf.set(key, request.param)
    try:
        stream(spark, root, "cp")
    finally:
        spark.conf.unset(key)
    assert (root / "cp/offsets/0").read_text().startswith(f"v{request.param}\n")
    return root


def read(root: Path) -> CheckpointFacts:
    """Read the stream's checkpoint."""
    facts = read_checkpoint(str(root / "cp"))
    assert facts is not None
    return facts


def test_checkpoint_that_spark_wrote(root: Path) -> None:
    """Our builders write what we believe Spark writes; here is what it does write."""
    facts = read(root)
    assert facts.query_id is not None
    assert facts.uncommitted is None
    assert sorted(facts.commits) == sorted(facts.offsets)
    assert facts.offsets[2].offsets == ('{"logOffset":2}',)
    assert facts.offsets[1].watermark_ms == facts.commits[0].next_watermark_ms > 0
    listed = list_checkpoint_batches(facts.location)
    assert [each.batch_id for each in listed] == sorted(facts.commits)
    assert listed[0].kind == "data"


def test_table_log_that_spark_wrote(root: Path) -> None:
    """Batch id and table version meet in the Delta transaction."""
    facts, table = read(root), str(root / "cp_table")
    commits = read_commits(table)
    batches = [commit.transactions[str(facts.query_id)] for commit in commits]
    assert batches == sorted(facts.commits)
    assert {commit.operation for commit in commits} == {"STREAMING UPDATE"}
    epochs = [int(commit.parameters["epochId"]) for commit in commits]
    assert epochs == batches
    assert latest_transaction(table, str(facts.query_id)) == facts.last_committed


def test_rows_by_file_of_data_that_spark_wrote(root: Path) -> None:
    """Delta's own count of a commit is the sum of ours."""
    table = str(root / "cp_table")
    commits = read_commits(table)
    counted = [count_added_rows(table, commit.added) for commit in commits]
    rows = [sum(each.rows.values()) for each in counted if each is not None]
    assert rows == [int(commit.metrics["numOutputRows"]) for commit in commits]
    assert sum(rows) > 0
