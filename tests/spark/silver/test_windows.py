"""Kinds of windows, filters and event times, and a definition that changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.errors import Condition, FatalError, UsageError
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.oracle import all_windows, expected_silver, read_silver
from support.silver_lake import SILVER, SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

SLIDE = timedelta(minutes=2)
SLIDING = {"type": "sliding", "duration": "5 minutes", "slide": "2 minutes"}


def run(lake: SilverLake):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run")


def at(hour: int, minute: int) -> datetime:
    """Return a moment of 2025-01-01."""
    return datetime(2025, 1, 1, hour, minute, tzinfo=UTC)


def test_sliding_windows_equal_the_oracle_and_a_backfill_all_of_bronze(
    tmp_path: Path,
) -> None:
    """Five minutes long, one every two: the bounds are no multiples of each other.

    Of 00:20:30 the second run finds one window open, [00:20, 00:25), and two closed.
    """
    lake = SilverLake.at(tmp_path, window=SLIDING)
    lake.put(order("00:00:00"), order("00:01:59", 2.0), order("00:32:00"))
    run(lake)
    lake.put(order("00:20:30", 3.0), order("00:01:00"), order("no time"))
    lake.put(order("00:33:00"), order("01:00:00"))
    summary = run(lake)

    expected = expected_silver(lake.bronze_location, lake.checkpoint, slide=SLIDE)
    assert read_silver(lake.silver_location) == expected.windows
    assert summary.counts["late_rows"] == expected.late_rows == 2
    assert summary.counts["windows_open"] == len(expected.open_windows)

    start, end = at(0, 0) - timedelta(hours=1), at(0, 50)
    run_backfill(lake.config, lake.silver, start=start, end=end, run_id="backfill")
    everything = all_windows(lake.bronze_location, slide=SLIDE)
    closed = {key: row for key, row in everything.items() if key[1] <= at(0, 50)}
    assert read_silver(lake.silver_location) == closed


def test_a_row_from_the_future_is_put_aside_and_closes_nothing(tmp_path: Path) -> None:
    """The rows were read on 2025-01-02; one is of 2062, and the others go on."""
    lake = SilverLake.at(tmp_path)
    lake.put(order("2062-01-01 00:00:00"), order("00:30:00"))
    first = run(lake)
    lake.put(order("00:31:00"), order("2025-01-03 00:00:00"))
    second = run(lake)

    assert first.counts["future_rows"] == 1
    assert second.counts["late_rows"] == second.counts["future_rows"] == 0
    assert read_silver(lake.silver_location) == {
        (at(0, 30), at(0, 35), "card"): (2, 2.0, 1.0)
    }


@pytest.mark.long
def test_the_future_may_be_let_in(tmp_path: Path) -> None:
    """Bookings lie ahead; without a limit they are rows as any other."""
    lake = SilverLake.at(
        tmp_path, event_time={"column": "order_date", "max_ahead": None}
    )
    lake.put(order("2062-01-01 00:00:00"), order("00:30:00"))

    assert run(lake).counts["future_rows"] == 0
    assert len(read_silver(lake.silver_location)) == 1


def test_a_filter_and_several_formats(tmp_path: Path) -> None:
    """What the filter leaves out is neither late nor without a time."""
    lake = SilverLake.at(
        tmp_path,
        where="payment_method <> 'test'",
        event_time={
            "column": "order_date",
            "format": ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ssXXX"],
        },
    )
    lake.put(order("00:30:00"), order("2025-01-01T01:31:00+01:00"), order("01:00:00"))
    run(lake)
    lake.put(order("00:01:00"), order("00:01:00", method="test"), order("02:00:00"))
    lake.put(order("never", method="test"))
    second = run(lake)

    assert second.counts["late_rows"] == 1
    assert second.counts["null_event_time_rows"] == 0
    assert read_silver(lake.silver_location) == {
        (at(0, 30), at(0, 35), "card"): (2, 2.0, 1.0),
        (at(1, 0), at(1, 5), "card"): (1, 1.0, 1.0),
    }


def test_open_windows_may_be_kept_in_rocksdb(tmp_path: Path) -> None:
    """The stream goes on from there, and its windows are counted there."""
    lake = SilverLake.at(tmp_path, state_store="rocksdb")
    lake.put(order("00:00:00"), order("00:30:00"))
    run(lake)
    lake.put(order("00:31:00"), order("01:00:00"))
    second = run(lake)

    expected = expected_silver(lake.bronze_location, lake.checkpoint)
    assert read_silver(lake.silver_location) == expected.windows
    assert second.counts["windows_open"] == len(expected.open_windows) == 1
    assert run(lake).counts["windows_open"] == 1
    assert list(Path(lake.checkpoint, "state").rglob("*.changelog"))


def test_a_row_that_an_aggregate_cannot_take_is_named(tmp_path: Path) -> None:
    """By aggregate and file, of two aggregates and three files; bronze goes on."""
    share = {"n": "count(*)", "share": "sum(1 / total_amount)"}
    lake = SilverLake.at(tmp_path, aggregates=share)
    for name, amount in {"a.json": 1.0, "b.json": 0.0, "c.json": 2.0}.items():
        lake.land(name, order("00:00:00", amount))
    run_bronze(lake.config, run_id="run")

    with pytest.raises(FatalError) as caught:
        run(lake)

    assert caught.value.condition is Condition.QUERY_FAILED
    assert "aggregate 'share', 'sum(1 / total_amount)'" in caught.value.message
    assert "DIVIDE_BY_ZERO" in caught.value.message
    path = f"{lake.config.landing_location}/b.json"
    assert caught.value.context["path"] == path

    tried = {"n": "count(*)", "share": "sum(try_divide(1, total_amount))"}
    mended = SilverLake.at(tmp_path, aggregates=tried, output_mode="update")
    carry_out(mended.config, plan_repair(mended.config))
    run(mended)
    (row,) = read_delta(mended.silver_location).to_pylist()
    assert (row["n"], row["share"]) == (3, 1.5)


def test_another_definition_is_refused_until_the_table_is_computed_again(
    tmp_path: Path,
) -> None:
    """Spark would go on with the old state, and count an order in both windows."""
    begun = SilverLake.at(tmp_path)
    begun.land("a.json", *map(order, ("00:00:00", "00:06:00", "01:00:00")))
    run_bronze(begun.config, run_id="run")
    run(begun)
    assert len(read_silver(begun.silver_location)) == 2
    changed = SilverLake.at(
        tmp_path,
        window={"duration": "30 minutes"},
        aggregates=SILVER["aggregates"] | {"latest": "max(order_date)"},
    )
    with pytest.raises(FatalError) as caught:
        preflight(changed.config, run_id="run")
    assert caught.value.condition is Condition.DEFINITION_CHANGED
    assert 'window.duration was "0:05:00", now "0:30:00"' in caught.value.message
    with pytest.raises(FatalError, match="began with another definition"):
        run_backfill(
            changed.config, changed.silver, start=at(0, 0), end=at(1, 0), run_id="run"
        )
    (found,) = run_audit(changed.config).findings
    assert found.code == "DEFINITION_CHANGED"
    assert run(begun).counts["batches"] == 0

    carry_out(changed.config, plan_repair(changed.config))
    run(changed)

    assert read_silver(changed.silver_location) == {
        (at(0, 0), at(0, 30), "card"): (2, 2.0, 1.0)
    }
    (row,) = read_delta(changed.silver_location).to_pylist()
    assert row["latest"] == "2025-01-01 00:06:00"
    assert run_audit(changed.config).verdict == "ok"


@pytest.mark.parametrize(
    ("mode", "window"),
    [
        ("append", SLIDING),
        pytest.param("update", {"duration": "5 minutes"}, marks=pytest.mark.long),
    ],
)
def test_a_row_that_comes_again_counts_once(tmp_path: Path, mode: str, window) -> None:
    """In its micro-batch, in a later one, behind the watermark, and in a backfill.

    Rows without a key are copies of nothing, and one of another time is another row.
    """
    lake = SilverLake.at(
        tmp_path, deduplicate=["order_id"], output_mode=mode, window=window
    )
    once, again = keyed("a", "00:00:00"), keyed("a", "00:03:00")
    lake.put(once, once, again, order("00:00:00"), order("00:00:00"))
    first = run(lake)
    lake.put(once, keyed("b", "00:30:00"), keyed("b", "00:30:00"))
    second = run(lake)
    lake.put(once, keyed("b", "00:30:00"), keyed("c", "01:00:00"))
    third = run(lake)

    grid = lake.silver.window.grid
    expected = expected_silver(
        lake.bronze_location, lake.checkpoint, slide=grid.slide, once=True
    )
    seen = expected.windows | (expected.open_windows if mode == "update" else {})
    assert read_silver(lake.silver_location) == seen
    assert seen[at(0, 0), at(0, 5), "card"] == (4, 4.0, 1.0)
    late = [each.counts["late_rows"] for each in (first, second, third)]
    assert late == [0, 0, 1]
    assert third.counts["windows_open"] == len(expected.open_windows)

    start, end = at(0, 0) - timedelta(hours=1), at(0, 50)
    run_backfill(lake.config, lake.silver, start=start, end=end, run_id="backfill")
    assert read_silver(lake.silver_location) == seen


def test_a_key_that_bronze_lacks_is_refused(tmp_path: Path) -> None:
    """By the name that the file gives it."""
    lake = SilverLake.at(tmp_path, deduplicate=["number"])
    lake.put(order("00:00:00"))

    with pytest.raises(UsageError, match="deduplicate names 'number', which bronze"):
        run(lake)


def keyed(order_id: str, time: str) -> dict:
    """Return an order with a number."""
    return {**order(time), "order_id": order_id}


@pytest.mark.long
def test_copies_of_other_groups_are_rows_of_their_own(tmp_path: Path) -> None:
    """A drain takes any copy of a group, and none of another: sums stay the same."""
    lake = SilverLake.at(tmp_path, deduplicate=["order_id"])
    card, cash = (
        {**order("00:00:00", method=method), "order_id": "a"}
        for method in ("card", "cash")
    )
    lake.put(card)
    run(lake)
    lake.put(cash, card)
    run_silver(lake.config, lake.silver, run_id="drain", drain=True)
    lake.put({**order("00:01:00"), "order_id": "b"}, card, cash)
    lake.put(order("01:00:00"))
    run(lake)

    assert read_silver(lake.silver_location) == {
        (at(0, 0), at(0, 5), "card"): (2, 2.0, 1.0),
        (at(0, 0), at(0, 5), "cash"): (1, 1.0, 1.0),
    }


@pytest.mark.long
def test_aggregates_may_use_the_event_time(tmp_path: Path) -> None:
    """Beside a key, it is no second column by which rows are late."""
    aggregates = SILVER["aggregates"] | {"newest": "max(_event_time)"}
    lake = SilverLake.at(tmp_path, deduplicate=["order_id"], aggregates=aggregates)
    lake.put(keyed("a", "00:02:00"), keyed("b", "00:11:00"))
    run(lake)
    # Behind the watermark of 00:01, in a window that is open.
    lake.put(keyed("c", "00:00:30"), keyed("d", "01:00:00"))
    second = run(lake)

    (first, _) = read_delta(lake.silver_location).sort_by("window_start").to_pylist()
    assert first["order_count"] == 2
    assert first["newest"] == at(0, 2)
    assert second.counts["late_rows"] == 0
