"""VARIANT columns, from a landed file to the table that Spark reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from support.plain_stream import Stream, full_name


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    """Return a stream whose folder has files of two days."""
    stream = Stream(spark, tmp_path)
    stream.land("day=1/a.json", {"id": 1, "v": {"a": [1, 2.50]}}, '{"id":')
    stream.land("day=2/b.json", {"id": 2, "v": "text"}, {"id": 3, "w": 0})
    return stream


def test_whole_records(stream: Stream) -> None:
    """Folders give their columns beside it, and what is malformed is rescued."""
    whole = stream.spark.readStream.option("singleVariantColumn", "v")
    options = {"format": "json", "schemaLocation": stream.root / "schemas"}
    for name, value in (options | {"inferColumnTypes": "true"}).items():
        whole = whole.option(full_name(name), str(value))
    frame = whole.format("cloudFiles").load(str(stream.landing))
    stream.start(frame).awaitTermination()
    table = stream.spark.read.format("delta").load(str(stream.root / "table"))
    columns = ["v:id::int", "day", "to_json(v:v)", "_rescued_data"]
    rows = table.selectExpr(*columns).collect()

    assert [(name, kind) for name, kind in table.dtypes if name != "_rescued_data"] == [
        ("v", "variant"),
        ("day", "int"),
    ]
    assert sorted(map(tuple, rows), key=str)[:3] == [
        (1, 1, '{"a":[1,2.5]}', None),
        (2, 2, '"text"', None),
        (3, 2, None, None),
    ]
    assert [row[1:3] for row in rows if row[3]] == [(1, None)]


@pytest.mark.long
def test_whole_records_of_csv(spark: SparkSession, tmp_path: Path) -> None:
    """As Spark's reader has them, which forgets at each file what others held."""
    cells = ["1", "-0", "+5", "00012", "2.50", ".5", "1e3", "9" * 20, "9" * 39, "1e400"]
    cells += ["TRUE", "false", "x y", '"a, ""b"""', "", '""', " 3", "NaN", "1,5", "é"]
    stream = Stream(spark, tmp_path)
    stream.landing.mkdir()
    for number, cell in enumerate(cells):
        text = f"n,a b,c\n{number},{cell},x\n" if cell != "1,5" else "n\n99\n"
        stream.landing.joinpath(f"{number}.csv").write_text(text)
    given = {"singleVariantColumn": "v", "escape": '"', "header": "true"}
    whole = spark.readStream.format("cloudFiles").options(**given)
    for name, value in {"format": "csv", "schemaLocation": tmp_path / "s"}.items():
        whole = whole.option(full_name(name), str(value))
    stream.start(whole.load(str(stream.landing))).awaitTermination()
    table = spark.read.format("delta").load(str(stream.root / "table"))
    own = spark.read.options(**given).csv(str(stream.landing))

    assert table.dtypes == [("v", "variant"), ("_rescued_data", "string")]
    found, expected = (
        sorted(row[0] for row in rows.selectExpr("to_json(v)").collect())
        for rows in (table, own)
    )
    assert found == expected


def written(stream: Stream) -> list[Row]:
    """Return the rows of the table; delta-rs does not read variants."""
    return stream.spark.read.format("delta").load(str(stream.root / "table")).collect()


def test_column_of_a_schema(stream: Stream) -> None:
    """Beside columns of other types, which csv has not."""
    stream.run("id int, v variant, _rescued_data string", partitionColumns="")

    rows = written(stream)
    assert {row.id: row.v and row.v.toPython() for row in rows if row.id} == {
        1: {"a": [1, 2.5]},
        2: "text",
        3: None,
    }
    with pytest.raises(PySparkException, match="column 'v' of type variant"):
        stream.read("v variant", format="csv")


@pytest.mark.long
def test_column_of_a_hint(stream: Stream) -> None:
    """It takes whatever comes, while other new fields become columns."""
    stream.run(None, schemaHints="v variant")
    stream.land("day=2/c.json", {"id": 4, "v": {"new": 1}})
    stream.run(None, schemaHints="v variant")

    rows = written(stream)
    assert {row.id: row.v and row.v.toJson() for row in rows if row.id} == {
        "1": '{"a":[1,2.5]}',
        "2": '"text"',
        "3": None,
        "4": '{"new":1}',
    }
