"""Parquet held against Spark's own reader, on generated files, by a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from support.parquet_tables import File, files

pytestmark = pytest.mark.needs_java
# The files of one example; all of them are read by one job.
FILES = st.lists(files(), min_size=4, max_size=12)
PARTS = st.sampled_from([1 << 10, 1 << 20])
# An example takes seconds: what is not as it should be names its file, unshrunk.
once = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def agree(spark: SparkSession, generated: Sequence[File], part: int) -> None:
    """Read all files by both, in parts of so many bytes."""
    columns = {
        f"{number} {name}": kind
        for number, file in enumerate(generated)
        for name, kind in file.columns.items()
    }
    ddl = "file int, row int, " + ", ".join(f"`{n}` {k}" for n, k in columns.items())
    with TemporaryDirectory() as root:
        landing = Path(root, "landing")
        landing.mkdir()
        for number, file in enumerate(generated):
            file.write(str(landing / f"{number}.parquet"), number)
        own = spark.read.schema(ddl).parquet(str(landing)).toArrow()
        found = stream(spark, Path(root), ddl, part)

    rows, texts = rows_of(found.drop_columns("_rescued_data")), rescued(found)
    assert differences(generated, rows, rows_of(own)) == []
    for row, text in zip(rows, texts, strict=True):
        names = set(json.loads(text) if text else ()) - columns.keys() - {"_file_path"}
        number = row["file"]
        unknown = generated[number].unknown(row["row"])
        assert names == {f"{number} {name}" for name in unknown}


def differences(
    generated: Sequence[File], rows: list[dict], sparks: list[dict]
) -> list[str]:
    """Return what is not as Spark has it, with the types and the layout of its file."""
    assert len(rows) == len(sparks)
    found = []
    for mine, other in zip(rows, sparks, strict=True):
        for column in (each for each in other if mine[each] != other[each]):
            file, name = generated[mine["file"]], column.partition(" ")[2]
            kinds = f"{file.table.schema} as {file.columns.get(name)}, {file.layout}"
            found.append(f"{column}: {mine[column]} for {other[column]}: {kinds}")
    return found


def stream(spark: SparkSession, root: Path, ddl: str, part: int) -> pa.Table:
    """Return the rows that a stream reads."""
    name = f"found_{uuid4().hex}"
    query = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "parquet")
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .option("sluice.maxPartitionBytes", str(part))
        .option("rescuedDataColumn", "_rescued_data")
        .schema(ddl)
        .load(str(root / "landing"))
        .writeStream.format("memory")
        .queryName(name)
        .option("checkpointLocation", str(root / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    found = spark.table(name).toArrow()
    spark.catalog.dropTempView(name)
    return found


def rows_of(found: pa.Table) -> list[dict]:
    """Return the rows of a table in the order of their files, to be compared."""
    return [_plain(row) for row in ordered(found).to_pylist()]


def rescued(found: pa.Table) -> list[str | None]:
    """Return what is rescued of each row, in the same order."""
    return ordered(found).column("_rescued_data").to_pylist()


def ordered(found: pa.Table) -> pa.Table:
    """Return rows in the order of their files."""
    return found.sort_by([("file", "ascending"), ("row", "ascending")])


def _plain(value: object) -> object:
    """Return a value that is itself, which NaN is not."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return repr(value) if isinstance(value, float) else value


@given(FILES, PARTS)
@settings(once, max_examples=2)
def test_rows_are_those_of_sparks_reader(
    spark: SparkSession, generated: list[File], part: int
) -> None:
    """Nested types, nulls, widened ones, row groups, pages, codecs."""
    agree(spark, generated, part)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(FILES, PARTS)
@settings(once, max_examples=80)
def test_many_files_are_read_as_by_spark(
    spark: SparkSession, generated: list[File], part: int
) -> None:
    """The same for longer."""
    agree(spark, generated, part)
