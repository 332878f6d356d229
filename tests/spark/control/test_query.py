"""A query is ended between two micro-batches, wherever it is when it is asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from sluice.control.query import finish_batch
from support.killing import newest

pytestmark = pytest.mark.needs_java

ROUNDS = 3
# Enough columns that planning a batch takes a while, which is when Spark cuts it off.
COLUMNS = 150


def standing(spark: SparkSession, folder: Path, interval: str) -> StreamingQuery:
    """Start a query that runs until it is stopped, and wait for its first batch."""
    rate = spark.readStream.format("rate").option("rowsPerSecond", 100).load()
    rows = rate.selectExpr(*[f"value + {each} as c{each}" for each in range(COLUMNS)])
    writer = rows.writeStream.format("delta").trigger(processingTime=interval)
    writer = writer.option("checkpointLocation", str(folder / "checkpoint"))
    query = writer.start(str(folder / "table"))
    before = newest(folder / "checkpoint" / "commits")
    until = time.monotonic() + 60
    while newest(folder / "checkpoint" / "commits") <= before:
        assert time.monotonic() < until, "no micro-batch came"
        time.sleep(0.01)
    return query


def is_cut(folder: Path) -> bool:
    """Return True if a micro-batch was planned and not finished."""
    logs = folder / "checkpoint"
    return newest(logs / "offsets") != newest(logs / "commits")


def test_a_micro_batch_that_is_being_planned_is_finished(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Spark 4.2 interrupts one whose query is found ended between plan and run."""
    for number in range(ROUNDS):
        query = standing(spark, tmp_path, "0 seconds")
        while not is_cut(tmp_path):
            time.sleep(0.001)
        finish_batch(query)
        assert not query.isActive
        assert not is_cut(tmp_path), f"cut in round {number}"


def test_a_query_that_waits_for_its_next_trigger_is_woken(
    spark: SparkSession, tmp_path: Path
) -> None:
    """It must not take the hour until then."""
    query = standing(spark, tmp_path, "1 hour")
    began = time.monotonic()
    finish_batch(query)
    assert time.monotonic() - began < 30
    assert not query.isActive
    assert not is_cut(tmp_path)
