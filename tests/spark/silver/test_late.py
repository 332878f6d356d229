"""The count of late rows, exact and kept once."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.history.late import TABLE, read_needed
from sluice.silver.late import archive_batches
from sluice.silver.run import run_silver
from support.oracle import expected_silver, read_silver
from support.silver_lake import SilverLake, order


@pytest.fixture
def lake(tmp_path) -> SilverLake:
    """Return an empty lake."""
    return SilverLake.at(tmp_path)


@pytest.fixture(scope="module")
def original(spark, tmp_path_factory) -> Path:
    """Make, once, a lake that has run over a single order."""
    folder = tmp_path_factory.mktemp("original")
    lake = SilverLake.at(folder)
    lake.put(order("00:30:00"))
    run(lake)
    return folder


@pytest.fixture
def ran(original, tmp_path) -> SilverLake:
    """Return a copy of that lake: tables and checkpoint hold no absolute path."""
    return SilverLake.at(shutil.copytree(original, tmp_path / "ran"))


def run(lake: SilverLake):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run")


def test_each_batch_is_archived_with_what_it_read(spark, lake):
    """Range, watermarks and counts of every batch, the empty ones included."""
    lake.put(order("00:30:00"), order("never"))
    run(lake)
    lake.put(order("00:01:00"), order("00:31:00"))
    lake.put(order("00:02:00"))
    run(lake)
    rows = lake.archived_batches()
    expected = expected_silver(lake.bronze_location, lake.checkpoint)

    assert [row["batch_id"] for row in rows] == [0, 1, 2, 3]
    assert [row["bronze_end_version"] for row in rows] == [1, 1, 3, 3]
    assert [row["bronze_start_version"] for row in rows] == [None, 1, 1, 3]
    assert [row["input_rows"] for row in rows] == [2, 0, 3, 0]
    assert [row["late_rows"] for row in rows] == [0, 0, 2, 0]
    assert {row["batch_id"]: row["late_rows"] for row in rows} == expected.late_by_batch
    assert [row["null_event_time_rows"] for row in rows] == [1, 0, 0, 0]
    needed = read_needed(lake.config, lake.silver.name, since=rows[0]["archived_at"])
    assert needed == {26: 2}
    closed = datetime(2025, 1, 1, 0, 20, tzinfo=UTC)
    assert rows[2]["late_watermark"] == rows[1]["watermark"] == closed


def test_archiving_again_adds_nothing(spark, ran):
    """Every run archives what others have left, so it must not count twice."""
    version = DeltaTable(ran.config.ops_location(TABLE)).version()

    assert archive_batches(spark, ran.config, ran.silver, run_id="x").rows == ()
    assert DeltaTable(ran.config.ops_location(TABLE)).version() == version


def test_a_run_counts_the_batches_of_one_that_died_before_archiving(ran):
    """No batch is lost to the archive, whichever process ran it."""
    shutil.rmtree(ran.config.ops_location(TABLE))
    ran.put(order("00:31:00"))
    summary = run(ran)

    assert summary.counts["input_rows"] == 2
    assert [row["batch_id"] for row in ran.archived_batches()] == [0, 1, 2, 3]


def test_rows_before_1970_are_late_at_once(spark, lake):
    """Before any watermark Spark drops by one of 1970, and so must the count."""
    lake.put(
        order("1969-12-31 23:59:59"), order("1970-01-01 00:00:00"), order("01:00:00")
    )
    summary = run(lake)

    assert summary.counts["late_rows"] == 1
    assert len(read_silver(lake.silver_location)) == 1
    assert summary.counts["windows_open"] == 1


def test_compaction_and_replaced_rows_are_not_read(ran):
    """The stream passes over both, so their rows must not be counted again."""
    ran.put(order("00:01:00", 2.0))
    ran.put(order("00:02:00", 3.0))
    table = DeltaTable(ran.bronze_location)
    table.optimize.compact()
    table.update(updates={"total_amount": "9.0"}, predicate="total_amount = 3.0")
    summary = run(ran)

    assert summary.counts["input_rows"] == 2
    assert summary.counts["late_rows"] == 2
    assert summary.counts["windows_open"] == 1


def test_what_cannot_be_counted_any_more_is_unknown_and_said(spark, ran):
    """Files that were vacuumed before the archive came leave a note, never a zero."""
    shutil.rmtree(ran.config.ops_location(TABLE))
    table = DeltaTable(ran.bronze_location)
    table.delete()
    table.vacuum(0, enforce_retention_duration=False, dry_run=False)
    archived = archive_batches(spark, ran.config, ran.silver, run_id="late")

    assert archived.rows[0]["late_rows"] is None
    assert "batches [0] are unknown" in archived.notes[0]
