"""Cells of docs/schema_matrix.md by a real stream into a real table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

from sluice.options.table import EvolutionMode
from sluice.spark.failures import own_error
from support.schema_cases import CASES, MODES, Case, Landing, outcome

pytestmark = [pytest.mark.long, pytest.mark.needs_java]

WIDENING = "spark.databricks.delta.properties.defaults.enableTypeWidening"


def case_of(title: str, kind: str) -> Case:
    """Return the case of a format."""
    (found,) = (each for each in CASES if each.title == title and kind in each.formats)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("new, in an array", "json"),
        ("wider", "csv"),
        ("folder, wider", "csv"),
        ("wider, in an array", "parquet"),
    ],
)
def test_stream_does_what_a_task_does(
    tmp_path: Path, spark: SparkSession, title: str, kind: str, mode: EvolutionMode
) -> None:
    """The table follows, and its rows are those of the task."""
    case = case_of(title, kind)
    expected = outcome(Landing(tmp_path / "task", kind, mode, case))

    def read(landing: Landing) -> pa.Table:
        """Run the stream; return the rows of the newest file."""
        stream = spark.readStream.format("cloudFiles").options(**landing.options)
        rows = stream.load().selectExpr("*", "_metadata.file_path as path")
        query = (
            rows.writeStream.option("checkpointLocation", str(tmp_path / "checkpoint"))
            .option("mergeSchema", "true")
            .trigger(availableNow=True)
            .start(str(tmp_path / "table"))
        )
        try:
            query.awaitTermination()
        except StreamingQueryException as error:
            ours = own_error(error)
            assert ours is not None
            raise ours from error
        table = spark.read.format("delta").load(str(tmp_path / "table"))
        newest = landing.files[-1].path
        return table.where(table.path == newest).drop("path").toArrow()

    spark.conf.set(WIDENING, "true")
    try:
        assert outcome(Landing(tmp_path / "stream", kind, mode, case), read) == expected
    finally:
        spark.conf.unset(WIDENING)
