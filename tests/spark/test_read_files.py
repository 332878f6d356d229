"""``STREAM read_files(…)``: a stream of cloudFiles, as Databricks' SQL names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from support.delta_rows import read_delta

pytestmark = pytest.mark.needs_java


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Return a folder with one file."""
    folder = tmp_path / "landing"
    folder.mkdir()
    (folder / "1.json").write_text('{"id": 1, "name": "a"}\n{"id": "two"}')
    return folder


def call(landing: Path, *arguments: str) -> str:
    """Return the function with these arguments behind path and format."""
    location = f"schemaLocation => '{landing.parent / 'schemas'}'"
    given = [f"'{landing}'", "format => 'json'", location, *arguments]
    return f"STREAM read_files({', '.join(given)})"


def test_stream_of_sql_is_a_stream_of_cloud_files(
    spark: SparkSession, landing: Path
) -> None:
    """A stream goes on where it was, and has the hidden and the rescued column."""
    files = call(landing, "inferColumnTypes => true", "schemaHints => 'id int'")
    for name in ("1", "2"):
        (landing / f"{name}.json").write_text(f'{{"id": {name}, "name": "{name}"}}')
        stream = spark.sql(f"SELECT *, _metadata.file_name FROM {files}")
        query = (
            stream.writeStream.option("checkpointLocation", str(landing.parent / "cp"))
            .trigger(availableNow=True)
            .start(str(landing.parent / "table"))
        )
        query.awaitTermination()

    assert stream.schema.simpleString() == (
        "struct<id:int,name:string,_rescued_data:string,file_name:string>"
    )
    rows = read_delta(str(landing.parent / "table")).to_pylist()
    assert sorted((row["id"], row["file_name"]) for row in rows) == [
        (1, "1.json"),
        (2, "2.json"),
    ]


def test_schema_is_an_argument(spark: SparkSession, landing: Path) -> None:
    """What does not fit into it is rescued where a column for that is named."""
    files = call(
        landing, "schema => 'id INT'", "RESCUEDDATACOLUMN => concat('_', 'rest')"
    )

    stream = spark.sql(f"SELECT * FROM {files}")

    assert stream.isStreaming
    assert stream.schema.simpleString() == "struct<id:int,_rest:string>"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("schemaLocatoin => '/x'", "did you mean 'cloudFiles.schemaLocation'"),
        ("useNotifications => true", "cloudFiles.useNotifications"),
        ("'csv'", "'path' is given twice"),
        ("FORMAT => 'csv'", "'FORMAT' is given twice"),
        ("maxFilesPerTrigger => rand()", "'maxFilesPerTrigger' must be a constant"),
        ("header => null", "'header' must be a constant"),
    ],
)
def test_wrong_argument_is_refused_by_name(
    spark: SparkSession, landing: Path, argument: str, message: str
) -> None:
    """The query is refused before it starts."""
    with pytest.raises(PySparkException) as caught:
        spark.sql(f"SELECT * FROM {call(landing, argument)}")
    assert message in str(caught.value)
