"""The process that Spark starts for a stream."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from sluice.spark.no_pandas import PLANNER

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.skipif(not psutil.LINUX, reason="needs the files that Linux lists"),
]


def test_process_that_plans_a_stream_has_no_pandas(
    spark: SparkSession, tmp_path: Path
) -> None:
    """It has claimed and planned a micro-batch, and Arrow had no pandas to load."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"id": "a"}')
    reader = spark.readStream.format("cloudFiles").schema("id string")
    reader = reader.option("cloudFiles.format", "json")
    stream = reader.option("cloudFiles.schemaLocation", f"{tmp_path}/schemas")
    writer = stream.load(str(landing)).writeStream.format("noop")
    writer = writer.option("checkpointLocation", f"{tmp_path}/checkpoint")
    query = writer.start()
    try:
        query.processAllAvailable()
        (planner,) = planners(spark)
        files = {each.path for each in planner.memory_maps()}
    finally:
        query.stop()
    assert any("/pyarrow/" in each for each in files)
    assert not any("/pandas/" in each for each in files)


def planners(spark: SparkSession) -> list[psutil.Process]:
    """Return the processes of this session's streams."""
    jvm = spark._jvm
    assert jvm is not None
    pid = jvm.java.lang.ProcessHandle.current().pid()
    below = psutil.Process(pid).children(recursive=True)
    return [each for each in below if PLANNER in each.cmdline()]
