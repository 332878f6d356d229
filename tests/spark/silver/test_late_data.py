"""Late rows that are kept in a table of their own, or taken into their windows.

In all of these the first run sees 00:30, so that windows are closed up to 00:20.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sluice.silver import late, replayed
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.oracle import all_windows, read_silver
from support.silver_lake import SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

CLOSED = datetime(2025, 1, 1, 0, 20, tzinfo=UTC)


def run(lake: SilverLake):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run")


def lake_with_late_rows(folder: Path, late_data: str, **silver) -> SilverLake:
    """Return a lake whose next run finds three late rows and one that is not."""
    lake = SilverLake.at(folder, late_data=late_data, **silver)
    lake.put(order("00:00:00"), order("00:30:00"))
    run(lake)
    lake.put(order("00:01:00", 2.0), order("00:11:00", 3.0, "cash"))
    lake.put(order("00:12:00", 4.0, "cash"), order("00:31:00"))
    return lake


def closed_windows(lake: SilverLake) -> dict:
    """Return the windows of all rows that are closed."""
    windows = all_windows(lake.bronze_location, slide=lake.silver.window.grid.slide)
    return {key: row for key, row in windows.items() if key[1] <= CLOSED}


def cut_off(
    lake: SilverLake, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Begin a run and have it cut off where it calls ``name``."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(KeyboardInterrupt):
            run(lake)


SLIDING = {"type": "sliding", "slide": "1 minute"}


@pytest.mark.long
@pytest.mark.parametrize("window", [{}, SLIDING])
def test_repaired_windows_have_every_row_of_bronze(
    tmp_path: Path, window: dict[str, str]
) -> None:
    """Those that were emitted, and one whose rows all came late."""
    lake = lake_with_late_rows(tmp_path, "repair", window=window)
    summary = run(lake)

    assert summary.counts["late_rows"] == 3
    assert any("late rows: " in note for note in summary.notes)
    assert read_silver(lake.silver_location) == closed_windows(lake)
    version = DeltaTable(lake.silver_location).version()
    assert run(lake).notes == ()
    assert DeltaTable(lake.silver_location).version() == version


@pytest.mark.long
def test_rows_of_a_table_that_maps_its_columns_are_counted_too(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Its data files call the columns otherwise, nested ones as well."""
    silver = {"late_data": "repair", "where": "shop.open"}
    lake = SilverLake.at(tmp_path, **silver)
    columns = (
        "order_date string, total_amount double, payment_method string, "
        "_processing_time timestamp, shop struct<open: boolean>"
    )
    table = f"delta.`{lake.bronze_location}`"
    spark.sql(
        f"CREATE TABLE {table} ({columns}) USING delta "
        "TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
    )
    now = datetime(2025, 1, 2, tzinfo=UTC)

    def put(*times: str) -> None:
        rows = [
            (f"2025-01-01 {time}", 1.0, "card", now, (is_open,))
            for time in times
            for is_open in (True, False)
        ]
        frame = spark.createDataFrame(rows, columns)
        frame.write.format("delta").mode("append").save(lake.bronze_location)

    put("00:00:00", "00:30:00")
    run(lake)
    put("00:01:00", "00:31:00")
    spark.sql(f"OPTIMIZE {table}")
    summary = run(lake)

    assert summary.counts["late_rows"] == 1
    assert read_silver(lake.silver_location) == {
        (CLOSED.replace(minute=0), CLOSED.replace(minute=5), "card"): (2, 2.0, 1.0)
    }


@pytest.mark.long
def test_a_reader_of_the_table_sees_a_repair_in_its_change_feed(
    spark: SparkSession, tmp_path: Path
) -> None:
    """As a stream that began when the windows were first emitted would apply it."""
    lake = lake_with_late_rows(tmp_path, "repair")
    spark.sql(
        f"ALTER TABLE delta.`{lake.silver_location}` "
        "SET TBLPROPERTIES (delta.enableChangeDataFeed = true)"
    )
    emitted = read_silver(lake.silver_location)
    version = DeltaTable(lake.silver_location).version()

    run(lake)

    feed = (
        spark.read.format("delta")
        .option("readChangeFeed", "true")
        .option("startingVersion", version + 1)
        .load(lake.silver_location)
    )
    for change in feed.orderBy("_commit_version", "_change_type").collect():
        window = (change.window_start, change.window_end)
        key = (*(each.astimezone(UTC) for each in window), change.payment_method)
        if change["_change_type"] == "delete":
            del emitted[key]
        else:
            row = (change.order_count, change.total_revenue, change.avg_order_value)
            emitted[key] = row
    assert emitted == closed_windows(lake)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(late, "append_archived", marks=pytest.mark.long),
        (replayed, "recompute"),
    ],
)
def test_a_repair_that_is_cut_off_is_done_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Before the batch is archived, and after that, before the windows are written.

    Those that were emitted are mended, and one comes whose rows were all late.
    """
    lake = lake_with_late_rows(tmp_path, "repair", window=SLIDING)
    cut_off(lake, monkeypatch, module, name)
    assert read_silver(lake.silver_location) != closed_windows(lake)

    assert any("late rows: " in note for note in run(lake).notes)

    assert read_silver(lake.silver_location) == closed_windows(lake)
    version = DeltaTable(lake.silver_location).version()
    assert run(lake).notes == ()
    assert DeltaTable(lake.silver_location).version() == version


def test_late_rows_are_kept_once_with_the_window_that_they_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a run is cut off between the table and the archive."""
    lake = lake_with_late_rows(tmp_path, "quarantine")
    before = read_silver(lake.silver_location)
    cut_off(lake, monkeypatch, late, "append_archived")

    summary = run(lake)

    assert read_silver(lake.silver_location) == before
    rows = read_delta(lake.config.late_location(lake.silver)).to_pylist()
    kept = sorted(
        (row["total_amount"], f"{row['_window_start']:%H:%M}", row["_batch_id"])
        for row in rows
    )
    assert kept == [(2.0, "00:00", 2), (3.0, "00:10", 2), (4.0, "00:10", 2)]
    assert summary.counts["late_rows"] == 3
    assert {row["_watermark"] for row in rows} == {CLOSED}
