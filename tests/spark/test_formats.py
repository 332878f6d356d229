"""Formats beside JSON, by a stream into Delta, held against Spark's own reader."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

pytestmark = pytest.mark.needs_java


def land(root: Path, **contents: bytes) -> str:
    """Write files into a landing folder and return it."""
    folder = root / "landing"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return str(folder)


def stream(
    spark: SparkSession,
    root: Path,
    source_format: str,
    schema: str | None = None,
    **options: str,
) -> list[Row]:
    """Return the rows of the Delta table into which a stream reads what has landed."""
    reader = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", source_format)
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .options(**options)
    )
    reader = reader if schema is None else reader.schema(schema)
    query = (
        reader.load(str(root / "landing"))
        .writeStream.format("delta")
        .option("checkpointLocation", str(root / "checkpoint"))
        .trigger(availableNow=True)
        .start(str(root / "table"))
    )
    query.awaitTermination()
    return spark.read.format("delta").load(str(root / "table")).collect()


@pytest.mark.parametrize("options", [{}, {"lineSep": "b"}, {"wholeText": "true"}])
def test_text_is_as_spark_reads_it(
    spark: SparkSession, tmp_path: Path, options: dict[str, str]
) -> None:
    """Line ends of three kinds, blank lines, a byte-order mark, a compressed file."""
    folder = land(
        tmp_path,
        a__txt=b"a\r\n\nb\rc",
        b__txt=b"\xef\xbb\xbfd\n",
        c__txt=b"",
        d__txt__gz=gzip.compress(b"e\nf\n"),
    )

    rows = stream(spark, tmp_path, "text", "line string", **options)

    own = spark.read.format("text").schema("line string").options(**options)
    assert sorted(rows) == sorted(own.load(folder).collect())


def test_text_without_a_schema_has_one_column_of_its_own(
    spark: SparkSession, tmp_path: Path
) -> None:
    """It is called ``value``, as with Spark; the others are the source's."""
    land(tmp_path, a__txt=b"a\n")

    (row,) = stream(spark, tmp_path, "TEXT")

    assert row.asDict().keys() - {"_metadata"} == {"value", "_rescued_data"}
    assert row.value == "a"


def test_binary_file_is_as_spark_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    """Bytes are never decompressed, and names may have spaces."""
    names = {"a b__png": b"\x00\xff", "b__gz": gzip.compress(b"x"), "c__bin": b""}
    folder = land(tmp_path, **names)
    own = spark.read.format("binaryFile").load(folder)

    rows = stream(spark, tmp_path, "binaryfile")

    wanted = [Row(**{name: row[name] for name in own.columns}) for row in rows]
    assert sorted(wanted) == sorted(own.collect())


@pytest.mark.parametrize("source_format", ["text", "binaryFile"])
def test_columns_that_no_file_has_are_refused(
    spark: SparkSession, tmp_path: Path, source_format: str
) -> None:
    """By name, before anything is read."""
    land(tmp_path, a=b"a")

    with pytest.raises(PySparkException, match=r"SCHEMA_UNSUPPORTED.*'wrong'"):
        stream(spark, tmp_path, source_format, "wrong int")
