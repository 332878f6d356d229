"""A backfill beside the live stream: closed windows replaced, open ones left."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from sluice.errors import Condition, ExitCode, FatalError, RetryableError, UsageError
from sluice.model import StepSummary
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.oracle import all_windows, read_silver
from support.silver_lake import SilverLake, order
from support.tree import contents

MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def original(spark, tmp_path_factory) -> Path:
    """Make, once, a lake with windows closed and still open, and late rows.

    00:00     00:05     00:10     00:15     00:20     00:25     00:30
    |---------|---------|---------|---------|---------|---------|
    run 1: 00:01, 00:06 and 00:30 → closed up to 00:20
    run 2: 00:02 and 00:07 late, 00:21 and 00:31 accepted → closed up to 00:21
    """
    folder = tmp_path_factory.mktemp("original")
    lake = SilverLake.at(folder)
    lake.put(order("00:01:00"), order("00:06:00"), order("00:30:00"))
    run_silver(lake.config, lake.silver, run_id="run-1")
    lake.put(order("00:02:00", 5.0), order("00:07:00", 7.0, "cash"))
    lake.put(order("00:21:00"), order("00:31:00"))
    run_silver(lake.config, lake.silver, run_id="run-2")
    return folder


@pytest.fixture
def lake(original, tmp_path) -> SilverLake:
    """Return a copy of the lake: tables and checkpoint hold no absolute path."""
    return SilverLake.at(shutil.copytree(original, tmp_path / "lake"))


@pytest.fixture(scope="module")
def done(original, tmp_path_factory) -> tuple[Path, StepSummary]:
    """Backfill, once, the whole hour in a copy of that lake."""
    folder = tmp_path_factory.mktemp("done")
    lake = SilverLake.at(shutil.copytree(original, folder / "lake"))
    return Path(lake.config.lake), backfill(lake, minutes(0), minutes(60))


@pytest.fixture
def backfilled(done, tmp_path) -> SilverLake:
    """Return a copy of the lake after that backfill."""
    return SilverLake.at(shutil.copytree(done[0], tmp_path / "backfilled"))


def minutes(count: float) -> datetime:
    """Return so many minutes after midnight."""
    return MIDNIGHT + timedelta(minutes=count)


def backfill(lake: SilverLake, start: datetime, end: datetime):
    """Backfill the lake's silver table."""
    return run_backfill(lake.config, lake.silver, start=start, end=end, run_id="b-1")


def checkpoint_files(lake: SilverLake) -> dict[Path, bytes]:
    """Return what each file of the live checkpoint holds."""
    root = Path(lake.checkpoint)
    return {path.relative_to(root): held for path, held in contents(root).items()}


def bounds(windows) -> list[datetime]:
    """Return the starts of ``windows``."""
    return sorted({key[0] for key in windows})


def test_a_backfill_brings_late_rows_into_their_windows(backfilled, done):
    """Afterwards the closed windows are those of all rows, and the open ones absent."""
    _, summary = done
    truth = all_windows(backfilled.bronze_location)

    closed = {key: truth[key] for key in truth if key[1] <= minutes(21)}
    assert read_silver(backfilled.silver_location) == closed
    assert summary.counts == {"windows_replaced": 3, "windows_open": 2, "rows_read": 7}


def test_a_backfill_twice_leaves_the_same_table(backfilled):
    """A user who is not sure that it ran may run it again."""
    once = read_silver(backfilled.silver_location)
    backfill(backfilled, minutes(0), minutes(60))

    assert read_silver(backfilled.silver_location) == once


def test_a_window_belongs_to_the_interval_that_it_starts_in(lake):
    """A bound inside a window leaves out the window that has begun before it.

    00:00     00:05     00:10
    |---------|---------|
        [00:01 ——————— 00:06)   holds the start of [00:05, 00:10) and no other
    """
    before = read_silver(lake.silver_location)
    summary = backfill(lake, minutes(1), minutes(6))
    after = read_silver(lake.silver_location)
    changed = {key for key in after if after[key] != before.get(key)}

    assert bounds(changed) == [minutes(5)]
    assert summary.counts["windows_replaced"] == 2


def test_the_interval_is_half_open(lake):
    """A window that starts at its end is not in it, one that starts at its start is."""
    summary = backfill(lake, minutes(0), minutes(5))

    assert summary.counts == {"windows_replaced": 1, "windows_open": 0, "rows_read": 2}


def test_one_commit_says_which_backfill_it_was(lake, backfilled):
    """The table's history has the interval and the run."""
    before = DeltaTable(lake.silver_location).version()
    table = DeltaTable(backfilled.silver_location)
    metadata = json.loads(table.history(1)[0]["userMetadata"])

    assert table.version() == before + 1
    assert metadata["run_id"] == "b-1"
    assert metadata["from"] == "2025-01-01T00:00:00+00:00"


def test_an_interval_with_nothing_closed_changes_nothing(lake):
    """Windows that the stream has yet to emit are its own, and counted."""
    before = DeltaTable(lake.silver_location).version()
    summary = backfill(lake, minutes(20), minutes(60))

    assert DeltaTable(lake.silver_location).version() == before
    assert summary.counts == {"windows_replaced": 0, "windows_open": 2, "rows_read": 3}
    assert "nothing was replaced" in summary.notes[0]


def test_the_stream_goes_on_without_noticing(lake, backfilled):
    """The live checkpoint stays byte for byte, and no window comes twice."""
    assert checkpoint_files(backfilled) == checkpoint_files(lake)
    backfilled.put(order("02:00:00"))
    summary = run_silver(backfilled.config, backfilled.silver, run_id="run-3")

    assert summary.counts["input_rows"] == 1
    assert read_silver(backfilled.silver_location) == {
        key: values
        for key, values in all_windows(backfilled.bronze_location).items()
        if key[0] < minutes(60)
    }


def test_windows_of_a_pending_no_data_batch_are_left_to_the_stream(spark, tmp_path):
    """A run that died before its last micro-batch still emits windows when it is back.

    00:00     00:05     00:10     00:15     00:20     00:25     00:30
    |---------|---------|---------|---------|---------|---------|
    batch 0 has read 00:01 and 00:30 and is committed; batch 1, not run yet, will close
    up to 00:20 and emit [00:00, 00:05). A backfill by batch 1's watermark would write
    that window, too.
    """
    lake = SilverLake.at(tmp_path)
    lake.put(order("00:01:00"), order("00:30:00"))
    run_silver(lake.config, lake.silver, run_id="run-1", trigger="once")
    assert read_silver(lake.silver_location) == {}

    summary = backfill(lake, minutes(0), minutes(60))
    assert summary.counts["windows_replaced"] == 0
    lake.put(order("00:31:00"))
    run_silver(lake.config, lake.silver, run_id="run-2")

    assert bounds(read_silver(lake.silver_location)) == [minutes(0)]


def test_a_planned_batch_closes_nothing_before_it_is_committed(spark, tmp_path):
    """A run killed inside the batch that emits has its watermark in the log only."""
    lake = SilverLake.at(tmp_path)
    lake.put(order("00:01:00"), order("00:30:00"))
    run_silver(lake.config, lake.silver, run_id="run-1")
    Path(lake.checkpoint, "commits", "1").unlink()
    Path(lake.checkpoint, "commits", ".1.crc").unlink(missing_ok=True)
    before = DeltaTable(lake.silver_location).version()
    backfill(lake, minutes(0), minutes(60))

    assert DeltaTable(lake.silver_location).version() == before


def test_a_concurrent_commit_means_to_try_again(lake):
    """What came in between might belong to the interval, so nothing is replaced."""
    rows = read_delta(lake.silver_location).slice(0, 1)
    stop = threading.Event()

    def append_all_the_time() -> None:
        while not stop.is_set():
            write_deltalake(lake.silver_location, rows, mode="append")

    writer = threading.Thread(target=append_all_the_time)
    writer.start()
    try:
        with pytest.raises(RetryableError) as caught:
            backfill(lake, minutes(0), minutes(60))
    finally:
        stop.set()
        writer.join()

    assert caught.value.exit_code is ExitCode.TEMPORARY
    operations = {
        each["operation"] for each in DeltaTable(lake.silver_location).history()
    }
    assert operations == {"STREAMING UPDATE", "WRITE"}


def test_a_lost_table_is_not_made_again(lake):
    """A backfill of some windows would look like a table that has lost all others."""
    shutil.rmtree(lake.silver_location)

    with pytest.raises(FatalError) as caught:
        backfill(lake, minutes(0), minutes(60))
    assert caught.value.condition is Condition.TABLE_UNREADABLE


def test_before_silver_has_run_nothing_is_replaced(spark, tmp_path):
    """Without a checkpoint every window is still the stream's to emit."""
    lake = SilverLake.at(tmp_path)
    lake.put(order("00:01:00"))
    summary = backfill(lake, minutes(0), minutes(60))

    assert summary.counts == {"windows_replaced": 0, "windows_open": 1, "rows_read": 1}
    assert not Path(lake.silver_location).exists()


def test_without_a_bronze_table_nothing_is_replaced(tmp_path):
    """A backfill may be asked for before the first file has ever landed."""
    summary = backfill(SilverLake.at(tmp_path), minutes(0), minutes(60))

    assert set(summary.counts.values()) == {0}
    assert "does not exist yet" in summary.notes[0]


def test_an_interval_is_checked_first(tmp_path):
    """A bound without a time zone could mean any hour."""
    with pytest.raises(UsageError) as caught:
        backfill(SilverLake.at(tmp_path), datetime(2025, 1, 1), minutes(5))  # noqa: DTZ001
    assert caught.value.condition is Condition.USAGE
