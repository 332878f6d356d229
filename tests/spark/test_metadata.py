"""The hidden column ``_metadata`` and ``rescuedDataColumn``, on a real Spark."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom
from pyspark.sql.types import StringType, StructField

from sluice.source.metadata import METADATA_TYPE
from support.delta_rows import read_delta, read_rows

pytestmark = pytest.mark.needs_java

DDL = "id int"
NO_METADATA = {"inferred": None, "explicit": DDL}


@dataclass
class Folder:
    """A landing folder, and the tables that streams of it write."""

    spark: SparkSession
    root: Path

    def land(self, *numbers: object) -> Path:
        """Write a file of one record a line."""
        path = self.root / "landing" / f"{numbers[0]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(json.dumps({"id": each}) for each in numbers))
        os.utime(path, (1_767_225_600, 1_767_225_600))
        return path

    def load(self, schema: str | None, **options: str) -> DataFrame:
        """Return a stream of the folder."""
        reader = (
            self.spark.readStream.format("cloudFiles")
            .option("cloudFiles.format", "json")
            .option("cloudFiles.inferColumnTypes", "true")
            .option("cloudFiles.schemaLocation", str(self.root / "schemas"))
            .options(**options)
        )
        if schema is not None:
            reader = reader.schema(schema)
        return reader.load(str(self.root / "landing"))

    def write(self, frame: DataFrame, table: str = "table") -> str:
        """Append to a Delta table what has landed, and return the plan of the query."""
        query = (
            frame.writeStream.format("delta")
            .option("checkpointLocation", str(self.root / f"{table}-checkpoint"))
            .option("mergeSchema", "true")
            .trigger(availableNow=True)
            .start(str(self.root / table))
        )
        query.awaitTermination()
        plan: str = query._jsq.explainInternal(False)
        return plan

    def rows(self, table: str = "table") -> list[Row]:
        """Return the rows of a table by id."""
        rows = read_rows(self.root / table)
        return sorted(rows, key=lambda row: (row.id is not None, row.id))

    def ends(self, table: str = "table") -> list[int]:
        """Return the seq at which each micro-batch ended, from the offset log."""
        folder = self.root / f"{table}-checkpoint" / "offsets"
        logs = sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))
        return [json.loads(log.read_text().splitlines()[2])["seq"] for log in logs]


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    """Return a landing folder with one file."""
    made = Folder(spark, tmp_path)
    made.land(1)
    return made


def names(rows: Iterable[Row]) -> dict[int, str | None]:
    """Return the file name of each row by its id."""
    return {row.id: row._metadata and row._metadata.file_name for row in rows}


@pytest.mark.parametrize("kind", NO_METADATA)
def test_metadata_is_hidden_and_there_when_named(folder: Folder, kind: str) -> None:
    """As on Databricks, whether the schema is inferred or given."""
    frame = folder.load(NO_METADATA[kind])
    fields = METADATA_TYPE.names

    assert "_metadata" not in frame.columns
    assert frame.select("*").columns == frame.columns
    assert frame.select("*", "_metadata").columns == [*frame.columns, "_metadata"]
    assert frame.select("_metadata").schema["_metadata"].dataType == METADATA_TYPE
    assert frame.select("_metadata.*").columns == fields
    assert frame.select("_METADATA.File_Path").columns == ["File_Path"]
    assert frame.select(frame.metadataColumn("_metadata")).columns == ["_metadata"]
    assert frame.filter("_metadata.file_size > 1").columns == frame.columns
    assert frame.drop("_metadata").columns == frame.columns


def test_metadata_is_an_ordinary_column_where_asked(folder: Folder) -> None:
    """By the option, or by a schema that names it; then nothing is hidden."""
    optional = folder.load(None, **{"sluice.metadataColumn": "true"})
    declared = folder.load(f"{DDL}, _metadata struct<file_name: string>")

    assert optional.columns == ["id", "_rescued_data", "_metadata"]
    assert declared.columns == ["id", "_metadata"]
    folder.write(declared)
    assert folder.rows() == [Row(id=1, _metadata=Row(file_name="1.json"))]


def test_one_stream_reads_with_metadata_and_without(folder: Folder) -> None:
    """A restart may name the column or stop to; offsets and files stay the same."""
    path = Path(folder.root, "landing", "1.json")
    frame = folder.load(DDL)
    wide = frame.select("*", "_metadata")

    assert "_metadata" not in folder.write(frame)
    folder.land(2)
    assert "_metadata" in folder.write(wide)
    folder.land(3)
    folder.write(frame)
    folder.write(wide, "other")

    assert names(folder.rows()) == {1: None, 2: "2.json", 3: None}
    assert names(folder.rows("other")) == {1: "1.json", 2: "2.json", 3: "3.json"}
    assert folder.ends() == folder.ends("other") == [1, 2, 3]
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    (first, *_) = folder.rows("other")
    assert first._metadata.file_modification_time.astimezone(UTC) == modified
    assert first._metadata.file_path == str(path)


@pytest.mark.parametrize("kind", ["hidden", "ordinary"])
def test_every_row_has_the_file_that_it_came_from(folder: Folder, kind: str) -> None:
    """Python sends it with the first row of a file alone, and a batch has many files.

    The rows of the large file are more than one batch holds.
    """
    folder.land(*range(1000, 31_000))
    folder.land(2, 3)
    folder.land(*range(4, 9))
    schema = {"hidden": DDL, "ordinary": f"{DDL}, _metadata struct<file_name string>"}
    frame = folder.load(schema[kind], **{"sluice.minPartitions": "1"})

    plan = folder.write(frame.select("id", "_metadata.file_name"))

    assert "ColumnarToRow" in plan
    kinds = [("id", "count"), ("id", "min"), ("id", "max")]
    counts = read_delta(folder.root / "table").group_by("file_name").aggregate(kinds)
    assert {tuple(row.values()) for row in counts.to_pylist()} == {
        ("1.json", 1, 1, 1),
        ("2.json", 2, 2, 3),
        ("4.json", 5, 4, 8),
        ("1000.json", 30_000, 1000, 30_999),
    }


def test_nested_columns_of_many_batches_are_read(folder: Folder) -> None:
    """Generated code closes what it has read; the next batch comes into the same."""
    numbers = range(2, 30_000)
    records = (
        {"id": each, "s": {"i": {"a": each}}, "l": [{"b": each}], "m": {"c": each}}
        | {"v": {"d": each}}
        for each in numbers
    )
    lines = "\n".join(map(json.dumps, records))
    (folder.root / "landing" / "2.json").write_text(lines)
    nested = "s struct<i struct<a long>>, l array<struct<b long>>, m map<string, long>"

    folder.write(folder.load(f"id long, {nested}, v variant"))

    rows = folder.spark.read.format("delta").load(str(folder.root / "table"))
    values = ("id", "s.i.a", "l[0].b", "m['c']", "variant_get(v, '$.d', 'long')")
    sums = rows.where("id > 1").select(*(F.expr(f"sum({each})") for each in values))
    assert set(*map(tuple, sums.collect())) == {sum(numbers)}


def test_input_file_name_is_the_path(folder: Folder) -> None:
    """Spark's own is empty for a Python source; a temporary view is no obstacle."""
    (path,) = folder.root.glob("landing/*")
    frame = folder.load(DDL)
    frame.createOrReplaceTempView("landed")
    named = frame.select("id").withColumn("path", F.input_file_name())
    unnamed = frame.select(F.input_file_name())
    by_view = "_metadata.file_path AS by_view, input_file_name() AS path"
    of_view = folder.spark.sql(f"SELECT id, {by_view} FROM landed WHERE id > 0")

    assert unnamed.schema["input_file_name()"] == StructField(
        "input_file_name()", StringType(), nullable=False
    )
    assert folder.spark.sql("SELECT * FROM landed").columns == ["id"]
    folder.write(of_view)
    folder.land(2)
    folder.write(named)
    first, second = folder.rows()
    assert first == Row(id=1, by_view=str(path), path=str(path))
    assert second.path == str(path.with_name("2.json"))


def test_rescued_data_column_is_added_to_an_explicit_schema(folder: Folder) -> None:
    """Else a value that does not fit would be null, and lost."""
    path = folder.land("bad")
    ours = folder.load(DDL, rescuedDataColumn="_rescued")
    inferred = folder.load(None, rescuedDataColumn="_rescued")
    prefixed = folder.load(DDL, **{"cloudFiles.rescuedDataColumn": "_rescued"})
    declared = folder.load("_rescued string, id int", rescuedDataColumn="_rescued")

    assert ours.columns == inferred.columns == prefixed.columns == ["id", "_rescued"]
    assert declared.columns == ["_rescued", "id"]
    folder.write(ours.select("*", "_metadata.file_name"))
    bad, good = folder.rows()
    assert good == Row(id=1, _rescued=None, file_name="1.json")
    assert (bad.id, bad.file_name) == (None, "bad.json")
    assert json.loads(bad._rescued) == {"id": "bad", "_file_path": str(path)}


def test_options_are_checked_at_load_with_an_explicit_schema(folder: Folder) -> None:
    """At the start of the query Spark's worker would put its own error over ours."""
    with pytest.raises(PySparkException, match="OPTION_UNKNOWN"):
        folder.load(DDL, **{"cloudFiles.maxFilePerTrigger": "1"})


def last_line(error: PySparkException) -> str:
    """Return the last line of an error, which Spark's own code of it is behind."""
    lines = str(error).strip().splitlines()
    return [each for each in lines if not each.strip().startswith("SQLSTATE")][-1]


@pytest.mark.parametrize(
    ("schema", "column"),
    [
        ("id int, v interval day", "v"),
        ("id int, deep array<struct<v: void>>", "deep.element.v"),
        ("id int, m map<int, string>", "m"),
    ],
)
def test_types_are_checked_at_load_with_an_explicit_schema(
    folder: Folder, schema: str, column: str
) -> None:
    """What no task can fill is refused by name, and our error is the last line."""
    with pytest.raises(PySparkException) as caught:
        folder.load(schema)

    last = last_line(caught.value)
    assert last.startswith("sluice.errors.UsageError: [SCHEMA_UNSUPPORTED]")
    assert f"column {column!r}" in last


def test_wrong_option_with_an_explicit_schema_is_the_last_line(folder: Folder) -> None:
    """Of a traceback that is what people read."""
    with pytest.raises(PySparkException) as caught:
        folder.load(DDL, **{"cloudFiles.schemaHints": "id int"})

    last = last_line(caught.value)
    assert last.startswith("sluice.errors.UsageError: [OPTION_INVALID]")
    assert "cloudFiles.schemaHints" in last
