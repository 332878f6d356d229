"""Open windows beside the final ones, and both read as one."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.errors import Condition, FatalError
from sluice.history.live import find_live_due
from sluice.silver import run as silver_run
from sluice.silver.live import open_windows
from sluice.silver.run import run_silver
from sluice.silver.transform import aggregate_windows
from support.delta_rows import read_delta
from support.oracle import Key, Values, read_silver, snapshot_windows
from support.silver_lake import SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

PAGE = Path(__file__).parents[3] / "docs" / "silver.md"
SLIDE = timedelta(minutes=2)
SLIDING = {"type": "sliding", "duration": "5 minutes", "slide": "2 minutes"}


@pytest.fixture
def lake(tmp_path: Path) -> SilverLake:
    """Return an empty lake."""
    return SilverLake.at(tmp_path, live=True, window=SLIDING)


def run(lake: SilverLake, *, drain: bool = False) -> None:
    """Run silver."""
    run_silver(lake.config, lake.silver, run_id="run", drain=drain)


def live_location(lake: SilverLake) -> str:
    """Return the table of open windows."""
    return lake.config.live_location(lake.silver)


def expected(lake: SilverLake) -> dict[Key, Values]:
    """Return the open windows that bronze gives."""
    closed = closed_up_to(read_checkpoint(lake.checkpoint))
    found = snapshot_windows(lake.bronze_location, slide=SLIDE)
    return {key: row for key, row in found.items() if key[1] > closed}


def has_work(lake: SilverLake) -> bool:
    """Return whether the table of open windows is to be computed."""
    closed = closed_up_to(read_checkpoint(lake.checkpoint))
    return find_live_due(lake.config, lake.silver, closed) is not None


def read_view(spark: SparkSession, lake: SilverLake) -> dict[Key, Values]:
    """Return what the view of the docs has, each window once."""
    (sql,) = re.findall(
        r"```sql\n(CREATE TEMPORARY VIEW .*?)```", PAGE.read_text(), re.S
    )
    table = "lake/silver/orders_windowed_aggregates"
    spark.sql(sql.replace(table, lake.silver_location))
    rows = spark.table("orders_now").collect()
    spark.catalog.dropTempView("orders_now")
    found = {
        (
            row.window_start.astimezone(UTC),
            row.window_end.astimezone(UTC),
            row.payment_method,
        ): (row.order_count, row.total_revenue, row.avg_order_value)
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def test_open_windows_are_beside_the_final_ones(
    spark: SparkSession, lake: SilverLake, tmp_path: Path
) -> None:
    """Marked, with the watermark; with nothing new nothing is done.

    A rule that came since marks them at once, and damage of the table is named.
    """
    lake.put(order("00:00:00"), order("00:30:00", 2.0), order("00:31:00", method=None))
    run(lake)
    assert read_silver(live_location(lake)) == expected(lake)
    rows = read_delta(live_location(lake)).to_pylist()
    closed = datetime(2025, 1, 1, 0, 21, tzinfo=UTC)
    assert {(row["_provisional"], row["_closed_up_to"]) for row in rows} == {
        (True, closed)
    }
    final = read_silver(lake.silver_location)
    assert read_view(spark, lake) == final | expected(lake)

    version = DeltaTable(live_location(lake)).version()
    assert not has_work(lake)
    run(lake)
    assert DeltaTable(live_location(lake)).version() == version

    rule = {"several": {"expect": "order_count > 1"}}
    marking = SilverLake.at(tmp_path, live=True, window=SLIDING, expectations=rule)
    counts = run_silver(marking.config, marking.silver, run_id="run").counts
    assert counts["live_refreshed"] == 1
    rows = read_delta(live_location(lake)).to_pylist()
    assert {row["_violations"] for row in rows} == {"several"}
    assert "_violations" not in read_delta(lake.silver_location).column_names
    assert read_view(spark, lake) == final | expected(lake)
    log = Path(live_location(lake), "_delta_log")
    max(log.glob("*.json")).write_text("no commit")
    with pytest.raises(FatalError, match="cannot be read") as caught:
        run(lake)
    assert caught.value.condition is Condition.TABLE_UNREADABLE


def test_a_run_that_is_killed_before_they_are_written_leaves_them_to_the_next(
    spark: SparkSession, lake: SilverLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as one, the two tables lack no window meanwhile; late rows count."""
    lake.put(order("00:00:00"), order("00:30:00", 2.0))
    run(lake)
    before = read_silver(live_location(lake))
    lake.put(order("00:32:00"), order("00:20:30"), order("00:59:00", 5.0))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(silver_run, "refresh_live", killed)
        with pytest.raises(KeyboardInterrupt):
            run(lake)
    assert len(read_silver(lake.silver_location)) > 3
    assert read_view(spark, lake) == before | read_silver(lake.silver_location)
    assert has_work(lake)

    run(lake)
    assert read_silver(live_location(lake)) == expected(lake)
    assert read_view(spark, lake) == read_silver(lake.silver_location) | expected(lake)


@pytest.mark.long
def test_the_logs_are_read_while_the_query_runs(
    spark: SparkSession, lake: SilverLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refresh then has fewer jobs to run: it reads them from the snapshots."""
    context, refresh = spark.sparkContext, silver_run.refresh_live
    groups: list[str] = []

    def grouped(*arguments) -> bool:
        groups.append(f"{live_location(lake)} {len(groups)}")
        context.setJobGroup(groups[-1], "refresh")
        try:
            return refresh(*arguments)
        finally:
            context.setLocalProperty("spark.jobGroup.id", None)

    monkeypatch.setattr(silver_run, "refresh_live", grouped)
    lake.put(order("00:00:00"))
    with monkeypatch.context() as patch:
        patch.setattr(silver_run, "logs_read_ahead", lambda *_: nullcontext())
        run(lake)
    lake.put(order("00:30:00"))
    run(lake)
    jobs = [len(context.statusTracker().getJobIdsForGroup(each)) for each in groups]
    # Also than the first, which had but the log of bronze to read.
    assert 0 < jobs[1] < jobs[0], jobs
    assert read_silver(live_location(lake)) == expected(lake)


@pytest.mark.long
def test_a_drain_and_a_bronze_that_changes_leave_no_window_twice(
    spark: SparkSession, lake: SilverLake
) -> None:
    """What was drained is read with the rows that came since."""
    lake.put(order("00:00:00"), order("00:30:00", 2.0))
    run(lake)
    final = read_silver(lake.silver_location)
    run(lake, drain=True)
    assert read_view(spark, lake) == final | expected(lake)
    lake.put(order("00:31:00", 7.0))
    run(lake)
    drained = read_silver(lake.silver_location)
    assert read_silver(live_location(lake)) == expected(lake) != drained
    assert read_view(spark, lake) == expected(lake) | drained

    DeltaTable(lake.bronze_location).delete("total_amount = 7.0")
    assert has_work(lake)
    run(lake)
    assert read_silver(live_location(lake)) == expected(lake)


@pytest.mark.long
def test_a_table_without_open_windows_is_written_once(lake: SilverLake) -> None:
    """Though Delta makes no commit of nothing over nothing by itself."""
    lake.put(order("00:00:00"), order("00:30:00", 2.0))
    run(lake)
    for _ in range(2):
        DeltaTable(lake.bronze_location).delete()
        assert has_work(lake)
        run(lake)
        assert read_silver(live_location(lake)) == {}
        assert not has_work(lake)
        lake.put(order("00:00:01"))


def test_a_row_that_was_read_long_before_its_window_is_in_it(lake: SilverLake) -> None:
    """Up to ``max_ahead``, a day; files of before then are not looked at."""
    early = {"_processing_time": datetime(2024, 12, 31, 0, 30, tzinfo=UTC)}
    lake.put({**order("00:30:00"), **early}, order("00:31:00", method=None))
    lake.put(
        {**order("00:30:01"), **early}, {**order("00:30:02"), "_processing_time": None}
    )
    run(lake)

    counts = {
        key[2]: row[0]
        for key, row in read_silver(live_location(lake)).items()
        if key[0].minute == 30
    }
    assert counts == {"card": 2, None: 1}


@pytest.mark.parametrize(
    "event_time",
    [
        pytest.param({}, marks=pytest.mark.long),
        {"time_zone": "Pacific/Kiritimati"},
        {"time_zone": "Etc/GMT+12"},
        pytest.param({"format": "yyyy-MM-dd'T'HH:mm:ss"}, marks=pytest.mark.long),
        {"format": ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss"]},
    ],
)
def test_what_is_left_out_is_in_no_open_window(
    spark: SparkSession, tmp_path: Path, event_time: dict[str, object]
) -> None:
    """Whatever zone the text is of; what cannot be sorted is all read."""
    lake = SilverLake.at(
        tmp_path, live=True, event_time={"column": "order_date", **event_time}
    )
    times = [
        f"2025-01-{day:02}{between}{hour:02}:30:00"
        for day in (1, 2)
        for hour in range(24)
        for between in " T"
    ]
    read = {"_processing_time": datetime(2025, 1, 2, tzinfo=UTC)}
    lake.put(
        *({**order(time), **read} for time in times), order("+12025-01-01 00:00:00")
    )
    bronze = spark.read.format("delta").load(lake.bronze_location)
    closed = datetime(2025, 1, 1, 20, 30, tzinfo=UTC)
    everything = aggregate_windows(bronze, lake.silver).where(
        f"window_end > '{closed}'"
    )

    found = open_windows(bronze, lake.silver, closed).collect()

    assert len(found) > 2
    assert sorted(found) == sorted(everything.collect())
