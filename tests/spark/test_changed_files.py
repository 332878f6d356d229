"""Files that change between discovery and reading, or under a task, on real streams."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from threading import Thread

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from sluice import cloud_files_state
from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.discovery.run import discover
from sluice.errors import Condition
from sluice.history.files import list_files
from sluice.ledger.ledger import Ledger
from sluice.model import FileState
from sluice.options.configured import source_options
from sluice.spark.failures import own_error
from support.delta_rows import read_delta

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

# So many rows in so small slices make twenty tasks: time to be overtaken in.
SLICE, ROWS, MANY_TASKS = 4096, 2_500, 15


def pipeline(lake: Path, bad_files: str, **options: object) -> PipelineConfig:
    """Return a pipeline with an empty landing folder."""
    source = {
        "schema": "name string, n int",
        "options": {"sluice.maxPartitionBytes": SLICE} | options,
    }
    bronze = {"source": source, "bad_files": bad_files}
    config = PipelineConfig.model_validate(
        {"name": "orders", "lake": str(lake), "bronze": bronze}
    )
    Path(config.landing_location).mkdir(parents=True)
    return config


def content(name: str, rows: int) -> bytes:
    """Return lines of equal length for names of equal length."""
    lines = (json.dumps({"name": name, "n": 10**6 + n}) for n in range(rows))
    return "".join(f"{line}\n" for line in lines).encode()


def land(config: PipelineConfig, name: str, rows: int, *, written: str = "old") -> Path:
    """Land a file whose rows say by which writing they came, dated a minute ago."""
    path = Path(config.landing_location, name)
    path.write_bytes(content(written, rows))
    moment = time.time() - 60
    os.utime(path, (moment, moment))
    return path


def find(config: PipelineConfig) -> Ledger:
    """Discover what has landed, as an earlier run or a watcher would have."""
    ledger = Ledger.open_or_create(config.schema_location)
    discover(ledger, source_options(config), run_id="earlier")
    return ledger


def rows(config: PipelineConfig) -> Counter[tuple[str, str]]:
    """Count the table's rows by file and writing."""
    table = read_delta(config.bronze_location).select(["_source_file", "name"])
    return Counter(
        (Path(row["_source_file"]).name, row["name"]) for row in table.to_pylist()
    )


def start(spark: SparkSession, config: PipelineConfig, root: Path) -> StreamingQuery:
    """Start a plain stream over the pipeline's folder, without any of its jobs."""
    reader = (
        spark.readStream.format("cloudFiles")
        .options(**config.bronze.source.options)
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", config.schema_location)
        .schema("name string, n int")
    )
    return (
        reader.load(config.landing_location)
        .writeStream.format("delta")
        .option("checkpointLocation", str(root / "checkpoint"))
        .trigger(availableNow=True)
        .start(str(root / "table"))
    )


def test_rewrite_of_equal_size_stops_a_plain_stream(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The size that discovery saw is still right, and nothing else is."""
    config = pipeline(tmp_path, "fail")
    path = land(config, "a.json", 5)
    ledger = find(config)
    path.write_bytes(content("new", 5))

    query = start(spark, config, tmp_path)

    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    error = own_error(caught.value)
    assert error is not None
    assert error.condition is Condition.BAD_FILE
    assert f"file {str(path)!r} cannot be read: was modified at" in error.message
    assert not (tmp_path / "table" / "_delta_log").exists()
    assert ledger.left_out() == {}


def test_plain_stream_with_versions_reads_the_newer_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The superseded version is left out as the batch is planned: no start is lost."""
    config = pipeline(tmp_path, "fail", **{"cloudFiles.allowOverwrites": "true"})
    path = land(config, "a.json", 5)
    land(config, "b.json", 2)
    ledger = find(config)
    path.write_bytes(content("new", 5))

    start(spark, config, tmp_path).awaitTermination()

    found = read_delta(tmp_path / "table")["name"].to_pylist()
    assert Counter(found) == {"new": 5, "old": 2}
    assert [each.path for each in ledger.left_out().values()] == [str(path)]


def overwrite_while_read(spark: SparkSession, path: Path) -> Thread:
    """Write a file again, with the same size, once some tasks have read their part."""
    tracker = spark.sparkContext.statusTracker()
    rewritten = content("new", path.stat().st_size // len(content("old", 1)))

    def some_are_done() -> bool:
        stages = map(tracker.getStageInfo, tracker.getActiveStageIds())
        return any(
            each.numTasks > MANY_TASKS and each.numCompletedTasks >= 3
            for each in stages
            if each
        )

    def write() -> None:
        while not some_are_done():
            time.sleep(0.005)
        with path.open("r+b") as file:
            file.write(rewritten)

    thread = Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "overwrites", [pytest.param("false", marks=pytest.mark.long), "true"]
)
def test_file_rewritten_while_it_is_read_is_never_half_of_each(
    spark: SparkSession, tmp_path: Path, overwrites: str
) -> None:
    """Of the many tasks that read it, those before the change saw the old rows."""
    options = {"cloudFiles.allowOverwrites": overwrites}
    config = pipeline(tmp_path, "quarantine", **options)
    path = land(config, "a.json", ROWS)
    land(config, "b.json", 3)
    writer = overwrite_while_read(spark, path)

    run_bronze(config, run_id="run-1")
    writer.join()

    expected = {("b.json", "old"): 3}
    states = {FileState.INGESTED: 1, FileState.QUARANTINED: 1}
    if overwrites == "true":
        expected[("a.json", "new")] = ROWS
        states = {FileState.INGESTED: 2, FileState.REPLACED: 1}
    assert rows(config) == expected
    assert Counter(row.state for row in list_files(config)) == states


def test_states_come_as_a_data_frame(spark: SparkSession, tmp_path: Path) -> None:
    """Auto Loader's function, for a pipeline and for a stream without one."""
    config = pipeline(tmp_path, "fail")
    land(config, "a.json", 5)
    run_bronze(config, run_id="run-1")
    land(config, "b.json", 2)
    find(config)

    frame = cloud_files_state(config, spark)
    plain = cloud_files_state(
        config.bronze_checkpoint_location,
        spark,
        schema_location=config.schema_location,
        table=config.bronze_location,
    )

    assert dict(frame.dtypes)["modified_at"] == "timestamp"
    columns = ["seq", "state", "batch_id", "table_version", "rows", "rescued_rows"]
    for each in (frame, plain):
        found = each.orderBy("seq").select(columns).collect()
        assert [tuple(row) for row in found] == [
            (1, "ingested", 0, 0, 5, 0),
            (2, "discovered", None, None, None, None),
        ]
    assert frame.where("state = 'ingested'").first()["claim_run_id"] == "run-1"
