"""Formats beside JSON, by a stream into Delta, held against Spark's own reader."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from sluice.ledger.ledger import Ledger

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


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"lineSep": "b"}, marks=pytest.mark.long),
        {"wholeText": "true"},
    ],
)
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


# A type of a file, and the types of columns that Spark reads it as.
WIDER = {
    "tinyint": ["tinyint", "smallint", "int", "bigint", "double", "decimal(12,2)"],
    "int": ["int", "bigint", "double", "decimal(10,0)"],
    "bigint": ["bigint", "decimal(22,2)"],
    "float": ["float", "double"],
    "boolean": ["boolean"],
    "decimal(5,2)": ["decimal(5,2)", "decimal(7,4)", "decimal(22,2)"],
    "date": ["date", "timestamp_ntz"],
    "timestamp": ["timestamp", "timestamp_ntz"],
    "timestamp_ntz": ["timestamp_ntz", "timestamp"],
    "string": ["string", "binary"],
    "array<int>": ["array<int>", "array<bigint>"],
    "struct<a:int,b:string>": ["struct<a:bigint,b:string>", "struct<b:string,z:int>"],
    "map<string,int>": ["map<string,int>", "map<string,bigint>"],
}

VALUES = {
    "boolean": "n % 2 = 0",
    "decimal(5,2)": "IF(n % 7 = 0, NULL, n / 8)",
    "date": "date_add(DATE'1969-12-01', int(n))",
    "timestamp": "timestamp_micros(n * 1234567891 - 5)",
    "timestamp_ntz": "timestamp_micros(n * 1234567891 - 5)",
    "array<int>": "IF(n % 5 = 0, NULL, array(n, NULL, 3))",
    "struct<a:int,b:string>": "IF(n % 5 = 0, NULL, named_struct('a', n, 'b', 'x'))",
    "map<string,int>": "map(string(n), n)",
}
NARROW = f"c{sum(map(len, WIDER.values())) - 3}"
# A part of a file that Spark splits too.
SPLIT = {"sluice.maxPartitionBytes": "2k"}


def test_parquet_is_as_spark_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    """Every type that Spark widens, over row groups and two files."""
    pairs = [(kind, wide) for kind, kinds in WIDER.items() for wide in kinds]
    made = ", ".join(
        f"{VALUES.get(kind, 'n - 50')} AS c{number}"
        for number, (kind, _) in enumerate(pairs)
    )
    typed = [
        f"CAST(c{number} AS {kind}) AS c{number}"
        for number, (kind, _) in enumerate(pairs)
    ]
    rows = spark.sql(f"SELECT {made} FROM (SELECT id AS n FROM range(100))")
    folder = str(tmp_path / "landing")
    rows.selectExpr(*typed).repartition(2).write.parquet(folder)
    schema = ", ".join(f"c{number} {wide}" for number, (_, wide) in enumerate(pairs))
    own = spark.read.schema(schema).parquet(folder)

    found = stream(
        spark, tmp_path, "Parquet", f"{schema}, _rescued_data string", **SPLIT
    )

    # One struct of the schema lacks a field of the files.
    rescued = [json.loads(row._rescued_data) for row in found if row._rescued_data]
    assert {tuple(each) for each in rescued} == {(NARROW, "_file_path")}
    assert len(rescued) == 80
    found = [Row(**{name: row[name] for name in own.columns}) for row in found]
    assert sorted(map(str, found)) == sorted(map(str, own.collect()))


def test_foreign_file_goes_to_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    """It is recorded, and the others are read at once."""
    folder = tmp_path / "landing"
    spark.range(3).coalesce(1).write.parquet(str(folder))
    (folder / "json.parquet").write_bytes(b'{"id": 1}\n')

    rows = stream(spark, tmp_path, "parquet", ignoreCorruptFiles="true")

    assert sorted(row.id for row in rows) == [0, 1, 2]
    ledger = Ledger.open(str(tmp_path / "schemas"))
    assert ledger is not None
    (record,) = ledger.left_out().values()
    assert record.path == str(folder / "json.parquet")
