"""A micro-batch whose records are dropped, planned again by another driver."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pyspark.sql.streaming.datasource import ReadAllAvailable
from pyspark.sql.types import IntegerType, StructField, StructType

from sluice.ledger.ledger import Ledger
from sluice.source.datasource import (
    CloudFilesDataSource,
    CloudFilesStreamReader,
    SlicePartition,
)

SCHEMA = StructType([StructField("i", IntegerType())])


@pytest.fixture(autouse=True)
def _landed(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"i": 1}\nnope\n{"i": "x"}')
    (landing / "b.json").write_text('{"i": 2}')


def start(lake: Path, **options: str) -> CloudFilesStreamReader:
    """Return the reader of a driver that has just started."""
    given = {
        "path": str(lake / "landing"),
        "cloudFiles.format": "json",
        "cloudFiles.schemaLocation": str(lake / "schemas"),
    }
    reader = CloudFilesDataSource(given | options).streamReader(SCHEMA)
    assert isinstance(reader, CloudFilesStreamReader)
    reader.prepareForTriggerAvailableNow()
    return reader


def plan(reader: CloudFilesStreamReader) -> list[SlicePartition]:
    """Plan the first micro-batch, as Spark sends it to its workers."""
    begin = reader.initialOffset()
    end = reader.latestOffset(begin, ReadAllAvailable())
    tasks: list[SlicePartition] = pickle.loads(
        pickle.dumps(reader.partitions(begin, end))
    )
    return tasks


def run(reader: CloudFilesStreamReader) -> int:
    """Run the tasks of the first micro-batch; return how many rows they give."""
    return sum(batch.num_rows for task in plan(reader) for batch in reader.read(task))


def dropped(lake: Path) -> dict[str, int]:
    """Return how many records of each file are counted as dropped."""
    ledger = Ledger.open(str(lake / "schemas"))
    assert ledger is not None
    names = {file.seq: Path(file.path).name for file in ledger.files()}
    return {names[seq]: n for seq, n in ledger.dropped(ledger.high_seq()).items()}


def kept(lake: Path) -> list[Path]:
    """Return the files of records that are kept."""
    return sorted((lake / "bad").glob("*/bad_records/part-*"))


def test_batch_that_is_in_the_table_is_planned_once_more(tmp_path: Path) -> None:
    """Delta passes over it, so no task runs: what was counted has to stay."""
    assert run(start(tmp_path, mode="DROPMALFORMED")) == 2

    plan(start(tmp_path))

    assert dropped(tmp_path) == {"a.json": 2}


def test_attempt_of_another_driver_writes_the_same_files(tmp_path: Path) -> None:
    """Their folder is of the time at which the micro-batch was claimed."""
    options = {"badRecordsPath": str(tmp_path / "bad")}
    assert run(start(tmp_path, **options)) == 2
    (before,) = kept(tmp_path)
    content = before.read_bytes()

    assert run(start(tmp_path, **options)) == 2

    assert kept(tmp_path) == [before]
    assert before.read_bytes() == content
    assert dropped(tmp_path) == {"a.json": 2}


def test_attempt_that_keeps_all_records_takes_back_what_was_dropped(
    tmp_path: Path,
) -> None:
    """The one before did not come into the table, and its options were changed."""
    run(start(tmp_path, badRecordsPath=str(tmp_path / "bad")))

    assert run(start(tmp_path)) == 4

    assert dropped(tmp_path) == {}
    assert kept(tmp_path) == []
