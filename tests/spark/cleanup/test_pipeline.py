"""``cleanSource`` on a real Spark: a pipeline's run, and a stream started by hand."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.history.files import list_files
from support.delta_rows import read_delta

pytestmark = [pytest.mark.needs_java]


def options(folder: Path) -> dict[str, str]:
    """Return the options by which all that is read is moved at once."""
    return {
        "cloudFiles.cleanSource": "MOVE",
        "cloudFiles.cleanSource.retentionDuration": "0 seconds",
        "cloudFiles.cleanSource.moveDestination": str(folder / "archive"),
    }


def land(folder: Path, *names: str) -> None:
    """Land files of two rows."""
    for name in names:
        path = folder / "landing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{json.dumps({'id': f'{name}{n}'})}\n" for n in "ab"))


def names(folder: Path) -> list[str]:
    """Return the JSON files in a folder."""
    return sorted(path.name for path in folder.glob("*.json"))


def rows(table: Path | str) -> Counter[str]:
    """Return how often each id is in a table."""
    return Counter(row["id"] for row in read_delta(str(table)).to_pylist())


@pytest.mark.usefixtures("spark")
def test_run_moves_what_it_has_just_read(tmp_path: Path) -> None:
    """All of it, within the run: nothing waits for another that may never come."""
    config = PipelineConfig.model_validate(
        {
            "name": "orders",
            "lake": str(tmp_path),
            "bronze": {
                "source": {
                    "path": str(tmp_path / "landing"),
                    "schema": "id string",
                    "options": options(tmp_path)
                    | {"cloudFiles.maxFilesPerTrigger": "2"},
                }
            },
        }
    )
    land(tmp_path, "a.json", "b.json", "c.json")

    summary = run_bronze(config, run_id="run-1")

    assert summary.counts["files"] == 3
    assert names(tmp_path / "landing") == []
    assert names(tmp_path / "archive") == ["a.json", "b.json", "c.json"]
    assert rows(config.bronze_location) == dict.fromkeys(
        [f"{name}.json{row}" for name in "abc" for row in "ab"], 1
    )
    assert {str(row.state) for row in list_files(config)} == {"archived"}
    land(tmp_path, "a.json", "d.json")
    assert run_bronze(config, run_id="run-2").counts["files"] == 1
    assert names(tmp_path / "landing") == ["a.json"]


def run_stream(spark: SparkSession, folder: Path) -> None:
    """Run a plain stream, without a pipeline."""
    reader = spark.readStream.format("cloudFiles").schema("id string")
    given = options(folder) | {
        "cloudFiles.format": "json",
        "cloudFiles.schemaLocation": str(folder / "schemas"),
    }
    landed = reader.options(**given).load(str(folder / "landing"))
    writer = landed.writeStream.format("delta").trigger(availableNow=True)
    location = str(folder / "checkpoint")
    query = writer.option("checkpointLocation", location).start(str(folder / "table"))
    query.awaitTermination()


def test_stream_moves_what_it_has_when_it_reads_on(
    spark: SparkSession, tmp_path: Path
) -> None:
    """A micro-batch is in the sink when Spark asks for the next one.

    A stream that lost its checkpoint moves what is there when it has read it again.
    """
    land(tmp_path, "a.json")
    run_stream(spark, tmp_path)
    assert names(tmp_path / "landing") == ["a.json"]

    land(tmp_path, "b.json")
    run_stream(spark, tmp_path)

    assert names(tmp_path / "landing") == ["b.json"]
    assert names(tmp_path / "archive") == ["a.json"]
    assert rows(tmp_path / "table") == dict.fromkeys(
        ["a.jsona", "a.jsonb", "b.jsona", "b.jsonb"], 1
    )

    shutil.rmtree(tmp_path / "checkpoint")
    land(tmp_path, "c.json")

    run_stream(spark, tmp_path)

    assert names(tmp_path / "landing") == ["c.json"]
    assert names(tmp_path / "archive") == ["a.json", "b.json"]
    assert rows(tmp_path / "table")["b.jsona"] == 2
    assert rows(tmp_path / "table")["c.jsona"] == 1
