"""Folders such as ``dt=2026-01-01`` give columns, as with Spark's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from sluice.errors import Condition
from sluice.spark.failures import own_error

pytestmark = pytest.mark.needs_java

FOLDERS = ("dt=2026-01-01/hour=1", "dt=2026-01-01/hour=2", "dt=2026-01-02/hour=11")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Write a file into each folder."""
    folder = tmp_path / "landing"
    for number, name in enumerate(FOLDERS):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.json").write_text(f'{{"id": {number}}}\n{{"id": 9}}\n')
    return folder


def stream(
    spark: SparkSession, landing: Path, schema: str | None = None, **options: str
) -> list[Row]:
    """Return the rows of the Delta table into which a stream reads the folders."""
    root = landing.parent
    reader = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .options(**{f"cloudFiles.{name}": value for name, value in options.items()})
    )
    reader = reader if schema is None else reader.schema(schema)
    query = (
        reader.load(str(landing))
        .writeStream.format("delta")
        .option("checkpointLocation", str(root / "checkpoint"))
        .trigger(availableNow=True)
        .start(str(root / "table"))
    )
    query.awaitTermination()
    return spark.read.format("delta").load(str(root / "table")).collect()


def test_folders_are_columns_where_nothing_is_said(
    spark: SparkSession, landing: Path
) -> None:
    """Types and values are those of Spark's reader; a restart goes on so."""
    stream(spark, landing, inferColumnTypes="true")
    new = landing / "dt=2026-01-03" / "hour=12"
    new.mkdir(parents=True)
    (new / "b.json").write_text('{"id": 5}')

    rows = stream(spark, landing, inferColumnTypes="true")

    own = spark.read.json(str(landing))
    assert own.columns == ["id", "dt", "hour"]
    found = [Row(id=row.id, dt=row.dt, hour=row.hour) for row in rows]
    assert sorted(found) == sorted(own.collect())
    assert {row._rescued_data for row in rows} == {None}


@pytest.mark.long
def test_explicit_schema_takes_the_named_ones(
    spark: SparkSession, landing: Path
) -> None:
    """Their types are the schema's."""
    schema = "hour string, id int"

    rows = stream(spark, landing, schema, partitionColumns="hour")

    assert sorted((row.id, row.hour) for row in rows) == [
        *((0, "1"), (1, "2"), (2, "11")),
        *((9, "1"), (9, "11"), (9, "2")),
    ]


@pytest.mark.long
def test_empty_name_takes_none(spark: SparkSession, landing: Path) -> None:
    """As with Auto Loader."""
    (row, *_) = stream(spark, landing, partitionColumns="")

    assert row.asDict().keys() == {"id", "_rescued_data"}


def test_name_that_the_schema_lacks_is_refused(
    spark: SparkSession, landing: Path
) -> None:
    """The option and the name stand in the error."""
    with pytest.raises(PySparkException) as caught:
        stream(spark, landing, "id int", partitionColumns="dt")

    error = own_error(caught.value)
    assert error is not None
    assert error.condition is Condition.OPTION_INVALID
    assert "'cloudFiles.partitionColumns' names ['dt']" in error.message
