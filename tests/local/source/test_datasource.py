"""The source's own steps, called as Spark calls them, without a JVM."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql.streaming.datasource import ReadAllAvailable
from pyspark.sql.types import StringType, StructField, StructType

from sluice.errors import Condition, FatalError, UsageError
from sluice.ledger.ledger import Ledger
from sluice.source.datasource import (
    CloudFilesDataSource,
    CloudFilesStreamReader,
    SlicePartition,
)
from sluice.versions import FORMAT_VERSION
from support.tree import contents

SCHEMA = StructType([StructField("order_id", StringType())])


@pytest.fixture
def reader(tmp_path: Path) -> CloudFilesStreamReader:
    """Return the reader of a folder in which one file has landed."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"order_id": "a"}')
    options = {
        "path": str(landing),
        "cloudFiles.format": "json",
        "cloudFiles.schemaLocation": str(tmp_path / "schemas"),
        "sluice.runId": "nightly",
    }
    reader = CloudFilesDataSource(options).streamReader(SCHEMA)
    assert isinstance(reader, CloudFilesStreamReader)
    return reader


def planned(reader: CloudFilesStreamReader) -> SlicePartition:
    """Return the one task of the first micro-batch, as Spark sends it to a worker."""
    start = reader.initialOffset()
    reader.prepareForTriggerAvailableNow()
    end = reader.latestOffset(start, ReadAllAvailable())
    (partition,) = pickle.loads(pickle.dumps(reader.partitions(start, end)))
    assert isinstance(partition, SlicePartition)
    return partition


def test_offset_names_ledger_file_and_version(reader: CloudFilesStreamReader) -> None:
    """In one spelling, for Spark compares offsets as text."""
    start = reader.initialOffset()
    reader.prepareForTriggerAvailableNow()
    end = reader.latestOffset(start, ReadAllAvailable())

    assert list(end) == ["ledger", "seq", "version"]
    assert (end["ledger"], end["seq"], end["version"]) == (start["ledger"], 1, 1)
    assert reader.latestOffset(end, ReadAllAvailable()) is end


def test_offset_without_a_version_ends_where_it_began(
    reader: CloudFilesStreamReader,
) -> None:
    """With nothing new the very text comes back, or Spark would plan a batch."""
    start = reader.initialOffset()
    reader.prepareForTriggerAvailableNow()
    end = reader.latestOffset(start, ReadAllAvailable())
    older = {"ledger": end["ledger"], "seq": end["seq"]}

    assert reader.latestOffset(older, ReadAllAvailable()) is older


def test_run_is_kept_with_each_file_and_claim(
    reader: CloudFilesStreamReader, tmp_path: Path
) -> None:
    """By it one finds which run discovered a file, and which one read it."""
    planned(reader)

    ledger = Ledger.open(str(tmp_path / "schemas"))
    assert ledger is not None
    files = DeltaTable(str(tmp_path / "schemas/_ledger/files")).to_pyarrow_table()
    assert files["run_id"].to_pylist() == ["nightly"]
    assert [claim.run_id for claim in ledger.claims()] == ["nightly"]


@pytest.mark.parametrize("step", ["latestOffset", "partitions", "commit"])
def test_newer_offset_is_refused_before_a_ledger_is_made(
    reader: CloudFilesStreamReader, tmp_path: Path, step: str
) -> None:
    """Its checkpoint belongs to a newer release, whatever lies under the schemas."""
    offset = {"ledger": "a", "seq": 1, "version": FORMAT_VERSION + 1}
    more = {"latestOffset": [ReadAllAvailable()], "partitions": [offset], "commit": []}
    reader._commits = 99  # the hundredth commit looks at the ledger
    before = contents(tmp_path)

    with pytest.raises(FatalError) as caught:
        getattr(reader, step)(offset, *more[step])

    assert caught.value.condition is Condition.VERSION_TOO_NEW
    assert contents(tmp_path) == before


def test_task_of_the_same_release_is_read(reader: CloudFilesStreamReader) -> None:
    """Driver and executor have one release."""
    (batch,) = reader.read(planned(reader))

    assert batch.to_pylist() == [{"order_id": "a"}]


@pytest.mark.parametrize("release", ["99.0.0", None])
def test_task_of_another_release_is_refused(
    reader: CloudFilesStreamReader, release: str | None
) -> None:
    """An executor that was updated before its driver, or after it, reads nothing."""
    partition = planned(reader)
    if release is None:
        del partition.release
    else:
        partition.release = release

    with pytest.raises(FatalError) as caught:
        reader.read(partition)

    assert caught.value.condition is Condition.INSTALLATION_BROKEN
    assert str(release or "an older one") in caught.value.message


def test_a_schema_whose_metadata_is_of_the_users_own_is_refused(tmp_path: Path) -> None:
    """When it is loaded, before a file is read."""
    options = {
        "path": str(tmp_path),
        "cloudFiles.format": "json",
        "cloudFiles.schemaLocation": str(tmp_path / "schemas"),
    }
    schema = StructType().add("_metadata", StructType().add("source", "string"))

    with pytest.raises(UsageError, match="'_metadata'"):
        CloudFilesDataSource(options).streamReader(schema)
