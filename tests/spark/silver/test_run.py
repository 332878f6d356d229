"""Silver over several runs, held against the oracle."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from sluice.control import query as control_query
from sluice.errors import Condition, FatalError, UsageError
from sluice.history import read_steps
from sluice.sample import land_next_hour
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.killing import leave_unplanned
from support.oracle import expected_silver, read_silver
from support.silver_lake import SilverLake, order


@pytest.fixture
def lake(tmp_path) -> SilverLake:
    """Return an empty lake, its path not a plain one."""
    return SilverLake.at(tmp_path / "a lake")


def at(hour: int, minute: int) -> datetime:
    """Return a moment of 2025-01-01."""
    return datetime(2025, 1, 1, hour, minute, tzinfo=UTC)


def run(lake: SilverLake, run_id: str = "run", **options):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id=run_id, **options)


def test_a_row_is_late_when_its_window_ended_at_the_watermark(spark, lake):
    """A window that ends on the watermark is closed, one tick of time later it is not.

    Run 1 sees 00:30:00, so its last batch closes up to 00:20, ten minutes before.

        00:05     00:10     00:15     00:20     00:25     00:30     00:35
        |---------|---------|---------|---------|---------|---------|
                            ^                   ^                   run 1's newest row
                            00:15:00            |
                                      00:19:59 late, its window ends on the watermark
                                                00:20:00 accepted, first of the next one
    """
    lake.put(order("00:30:00"))
    run(lake)
    lake.put(order("00:15:00"), order("00:19:59"), order("00:20:00"), order("01:00:00"))
    summary = run(lake)

    assert summary.counts["late_rows"] == 2
    assert read_silver(lake.silver_location) == {
        (at(0, 20), at(0, 25), "card"): (1, 1.0, 1.0),
        (at(0, 30), at(0, 35), "card"): (1, 1.0, 1.0),
    }


def test_a_window_is_emitted_when_the_watermark_reaches_its_end(spark, lake):
    """One tick before its end it stays open, on its end it comes out.

    00:00     00:05     00:10     00:15
    |---------|---------|---------|
                        ^00:14:59 closes up to 00:04:59: nothing
                         ^00:15:00 closes up to 00:05:00: [00:00, 00:05)
    """
    lake.put(order("00:00:00"), order("00:04:59"), order("00:14:59"))
    before = run(lake)
    lake.put(order("00:15:00"))
    after = run(lake)

    assert (before.counts["windows_emitted"], before.counts["windows_open"]) == (0, 2)
    assert (after.counts["windows_emitted"], after.counts["windows_open"]) == (1, 2)
    assert list(read_silver(lake.silver_location)) == [(at(0, 0), at(0, 5), "card")]


def test_several_runs_equal_the_oracle_to_the_row(spark, lake):
    """Out of order, late, twice, without a time: every row is in one place exactly."""
    landing = Path(lake.config.landing_location)
    summaries = []
    for hour in range(2):
        landed = land_next_hour(str(landing), files=3, rows=40)
        for path in landed.paths:
            lines = Path(path).read_text().splitlines()
            lake.put(*map(json.loads, lines))
        lake.put(order("no time"), order(None), order("2025-02-30 00:00:00"))
        summaries.append(run(lake, f"run-{hour}"))
    expected = expected_silver(lake.bronze_location, lake.checkpoint)
    silver = read_silver(lake.silver_location)
    counts = {
        key: sum(each.counts[key] for each in summaries) for key in summaries[0].counts
    }

    assert silver.keys() == expected.windows.keys()
    for key, values in expected.windows.items():
        assert silver[key] == pytest.approx(values)
    assert expected.late_rows > 0
    assert counts["late_rows"] == expected.late_rows
    assert counts["null_event_time_rows"] == expected.null_rows == 6
    assert counts["input_rows"] == expected.rows == 246
    assert counts["windows_emitted"] == len(silver)
    assert summaries[-1].counts["windows_open"] == len(expected.open_windows)
    still_open = sum(count for count, _, _ in expected.open_windows.values())
    in_silver = sum(count for count, _, _ in silver.values())
    assert (
        in_silver + still_open + counts["late_rows"] + counts["null_event_time_rows"]
        == read_delta(lake.bronze_location).num_rows
    )
    assert read_steps(lake.config, "run-1") == [summaries[-1]]


def test_a_first_run_over_an_old_bronze_drops_no_row(spark, lake):
    """In whatever order bronze has its files, they are not late to each other.

    Also behind a run that was killed while it planned the very first batch: Spark alone
    refuses what its own driver left of a file of the offset log.
    """
    leave_unplanned(lake.config.silver_checkpoint_location(lake.silver))
    for hour in (5, 3, 4, 1, 2):
        lake.put(order(f"{hour:02d}:00:00"))
    summary = run(lake)

    assert summary.counts["late_rows"] == 0
    assert len(read_silver(lake.silver_location)) == 4
    assert summary.counts["windows_open"] == 1


def test_a_run_with_nothing_new_does_nothing(spark, tmp_path):
    """An hour without files makes no micro-batch and no table version."""
    lake = SilverLake.at(tmp_path)
    lake.put(order("00:00:00"), order("01:00:00"))
    first = run(lake)
    version = DeltaTable(lake.silver_location).version()
    second = run(lake)

    assert second.counts == {
        "batches": 0,
        "input_rows": 0,
        "windows_emitted": 0,
        "late_rows": 0,
        "null_event_time_rows": 0,
        "future_rows": 0,
        "windows_open": first.counts["windows_open"],
    }
    assert DeltaTable(lake.silver_location).version() == version


def test_without_a_bronze_table_there_is_nothing_to_do(lake):
    """Silver may be scheduled before the first file has ever landed."""
    summary = run(lake)

    assert set(summary.counts.values()) == {0}
    assert "does not exist yet" in summary.notes[0]


def test_a_bronze_table_without_rows_is_no_error(spark, lake):
    """A bronze that a failed first run has left behind holds a schema and no row."""
    lake.put()
    summary = run(lake)

    assert summary.counts["input_rows"] == 0
    assert summary.counts["windows_open"] == 0


@pytest.mark.long
def test_new_columns_in_bronze_do_not_stop_silver(spark, lake):
    """Bronze evolves under a stream that has already read from it."""
    lake.put(order("00:00:00"))
    run(lake)
    wider = read_delta(lake.bronze_location).append_column("coupon", [["X"]])
    write_deltalake(lake.bronze_location, wider, mode="append", schema_mode="merge")
    lake.put(order("01:00:00"))
    summary = run(lake)

    assert summary.counts["input_rows"] == 2
    assert read_silver(lake.silver_location) == {
        (at(0, 0), at(0, 5), "card"): (2, 2.0, 1.0)
    }


def test_trigger_once_works_and_says_what_it_costs(spark, lake):
    """The legacy trigger runs one micro-batch; closed windows wait for more rows."""
    lake.put(order("00:00:00"), order("01:00:00"))
    summary = run(lake, trigger="once")

    assert summary.counts["input_rows"] == 2
    assert summary.counts["windows_emitted"] == 0
    assert "available-now" in summary.notes[0]


def test_a_standing_query_is_archived_while_it_runs(spark, lake, monkeypatch):
    """Spark forgets all but 100 batches, and such a query may run for months."""
    monkeypatch.setattr(control_query, "_MEANWHILE_SECONDS", 0.2)
    lake.put(order("00:00:00"), order("01:00:00"))

    def stop_once_archived() -> None:
        while len(lake.archived_batches()) < 2:
            time.sleep(0.1)
        for query in spark.streams.active:
            query.stop()

    watcher = threading.Thread(target=stop_once_archived, daemon=True)
    watcher.start()
    summary = run(lake, trigger="processing-time=1s")

    assert summary.counts["batches"] == 2
    assert summary.counts["windows_emitted"] == 1


def test_a_wrong_configuration_is_refused_before_the_query_starts(spark, tmp_path):
    """A column that bronze lacks is an error of the pipeline file, not of Spark."""
    lake = SilverLake.at(tmp_path, group_by=["payment_metod"])
    lake.put(order("00:00:00"))

    with pytest.raises(UsageError) as caught:
        run(lake)
    assert caught.value.condition is Condition.CONFIG_INVALID
    assert not Path(lake.checkpoint).exists()


def test_a_query_that_fails_is_a_fatal_error(spark, tmp_path):
    """What a row makes of an aggregate is found only when it is run."""
    lake = SilverLake.at(
        tmp_path, aggregates={"worst": "max(assert_true(total_amount > 0))"}
    )
    lake.put(order("00:00:00", amount=-1.0))

    with pytest.raises(FatalError) as caught:
        run(lake)
    assert caught.value.condition is Condition.QUERY_FAILED
