"""``mode=DROPMALFORMED`` and ``badRecordsPath`` on a real Spark."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.history.files import list_files
from sluice.ledger.ledger import Ledger
from support.builders import PipelineBuilder, pipeline_config
from support.delta_rows import read_delta
from support.replays import DDL, replay

pytestmark = pytest.mark.needs_java

JSON = "i int, s struct<a: int>, l array<int>, d date"
CSV = "i int, d date, t string"
CONTENTS = {
    "json": [
        *('{"i": 1, "s": {"a": 1, "new": 2}, "new": 3}', "nope", '{"i": "x"}', "[1]"),
        *('{"i": 2, "s": {"a": "x"}}', '{"i": 3, "l": [1, "x"]}', '{"i": 4', "{}"),
        *('{"i": 5, "d": "2020-02-30"}', '{"i": 6, "d": "2020-02-03"}', '[{"i": 7}]'),
    ],
    "csv": [
        "1,2020-01-01,a",
        "x,2020-01-01,b",
        "2,no,c",
        "3,2020-01-01,d,e",
        ",,",
        "4,,f",
    ],
}


@pytest.mark.parametrize(("source_format", "schema"), [("json", JSON), ("csv", CSV)])
def test_rows_are_those_that_sparks_reader_gives(
    spark: SparkSession, tmp_path: Path, source_format: str, schema: str
) -> None:
    """With an explicit schema and ``mode`` DROPMALFORMED: by parsing and by types."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a").write_text("\n".join(CONTENTS[source_format]))
    given = {"mode": "DROPMALFORMED"}
    reader = spark.read.schema(schema).options(**given).format(source_format)

    rows = taken_in(spark, tmp_path, schema, source_format, **given)

    expected = sorted(reader.load(str(landing)).collect(), key=str)
    assert sorted(rows, key=str) == expected
    ledger = Ledger.open(str(tmp_path / "schemas"))
    assert ledger is not None
    assert ledger.dropped(1) == {1: len(CONTENTS[source_format]) - len(expected)}


def test_malformed_records_are_kept_as_databricks_keeps_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Below a time, lines of JSON; ``badRecordsPath`` alone asks for it."""
    landing = tmp_path / "landing"
    landing.mkdir()
    good, bad = landing / "a.json", landing / "b.json.gz"
    good.write_text('{"i": 1}\nnope\n{"i": "é"}\n')
    bad.write_bytes(b"\x1f\x8b nonsense")
    given = {"badRecordsPath": str(tmp_path / "bad")}

    rows = taken_in(spark, tmp_path, "i int", "json", **given)

    assert rows == [Row(i=1)]
    (folder,) = (tmp_path / "bad").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}", folder.name)
    (records,) = (folder / "bad_records").glob("part-*")
    found = list(map(json.loads, records.read_text().splitlines()))
    assert [(each["path"], each["record"]) for each in found] == [
        (str(good), "nope"),
        (str(good), '{"i": "é"}'),
    ]
    assert all(each["reason"] for each in found)
    (files,) = (folder / "bad_files").glob("part-*")
    assert json.loads(files.read_text())["path"] == str(bad)


def taken_in(
    spark: SparkSession, root: Path, schema: str, source_format: str, **given: str
) -> list[Row]:
    """Return the rows of a stream with an explicit schema, run to its end."""
    frame = (
        spark.readStream.format("cloudFiles")
        .schema(schema)
        .option("cloudFiles.format", source_format)
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .options(**given)
        .load(str(root / "landing"))
    )
    writer = frame.writeStream.format("delta").trigger(availableNow=True)
    writer = writer.option("checkpointLocation", str(root / "checkpoint"))
    writer.start(str(root / "table")).awaitTermination()
    return spark.read.format("delta").load(str(root / "table")).collect()


def pipeline(lake: Path, **options: str) -> PipelineBuilder:
    """Return a pipeline over ``lake`` whose source has these options."""
    source = {"schema": DDL, "options": options}
    return PipelineBuilder(pipeline_config(lake, bronze={"source": source}))


@pytest.mark.long
@pytest.mark.usefixtures("spark")
def test_bronze_is_whole_without_what_was_dropped(tmp_path: Path) -> None:
    """Over an attempt that fails, a replay, and another option: the audit agrees."""
    bad = tmp_path / "bad"
    options = {"badRecordsPath": str(bad), "sluice.maxPartitionBytes": "64k"}
    dropping = pipeline(tmp_path, **options)
    landed = Path(dropping.land("a.json", rows=3))
    landed.write_text(f'nope\n{landed.read_text()}\n{{"order_id"')
    # Read by several tasks, of which each may fail the attempt after ``a`` was read.
    torn = Path(dropping.land("b.json", rows=2))
    torn.write_bytes(b"PK\3\4" + b"\n" * 200_000)

    summary = run_bronze(dropping.config, run_id="run-1")

    counts = {"batches": 1, "files": 2, "rows": 3, "rescued_rows": 0}
    assert summary.counts == counts | {"dropped_records": 2}
    assert dropped(dropping) == {"a.json": 2, "b.json": 0}
    assert len(records(bad)) == 2
    report = run_audit(dropping.config)
    codes = {"RECORDS_DROPPED", "FILE_QUARANTINED"}
    assert {each.code for each in report.findings} == codes
    assert report.counts["dropped records"] == 2

    landed.write_text(landed.read_text().replace("nope\n", ""))
    (replayed,) = replay(dropping, "a.json").files

    assert (replayed.rows_in, replayed.dropped_records) == (3, 1)
    assert dropped(dropping)["a.json"] == 1
    assert len(records(bad)) == 3
    assert {each.code for each in run_audit(dropping.config).findings} == codes

    keeping = pipeline(tmp_path)
    (replayed,) = replay(keeping, "a.json").files

    assert (replayed.rows_in, replayed.dropped_records) == (4, 0)
    assert [each.code for each in run_audit(keeping.config).findings] == [
        "FILE_QUARANTINED"
    ]
    assert read_delta(keeping.config.bronze_location).num_rows == 4


def dropped(builder: PipelineBuilder) -> dict[str, int | None]:
    """Return how many records of each file ``sluice files`` says were dropped."""
    return {
        Path(each.path).name: each.dropped_records
        for each in list_files(builder.config)
    }


def records(bad: Path) -> list[str]:
    """Return the records that are kept, of all micro-batches and replays."""
    files = sorted(bad.glob("*/bad_records/part-*"))
    return [line for file in files for line in file.read_text().splitlines()]
