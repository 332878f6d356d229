"""Sessions: in time, late, next to one that is closed, drained, in an interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.any_order import CUTS, TAKEN, VERSION, Order, cut_off_stream, put
from support.oracle import Key, Values, read_silver
from support.session_oracle import batch_sessions, streamed_sessions
from support.silver_lake import SilverLake, order
from support.taken_rows import taken_rows

pytestmark = pytest.mark.usefixtures("spark")

GAP = timedelta(minutes=10)
MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


def lake_at(folder: Path, **silver: object) -> SilverLake:
    """Return an empty lake of sessions."""
    window = {"type": "session", "gap": "10 minutes"}
    return SilverLake.at(
        folder, **{"window": window, "watermark": "0 seconds", **silver}
    )


def run(lake: SilverLake, *, drain: bool = False):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run", drain=drain)


def closed_sessions(lake: SilverLake) -> dict[Key, Values]:
    """Return what a query over bronze gives of sessions that are closed."""
    until = closed_up_to(read_checkpoint(lake.checkpoint))
    everything = batch_sessions(lake.bronze_location, lake.silver.window.grid.duration)
    return {key: row for key, row in everything.items() if key[1] <= until}


def test_a_row_in_time_that_joins_closed_sessions_is_repaired(tmp_path: Path) -> None:
    """00:17 is in time, and next to 00:10, whose session was closed before it came.

    Cash has no such row. What is joined is not closed yet: it is in the table once it
    is, and nothing is left to do then.
    """
    lake = lake_at(tmp_path, late_data="repair")
    lake.put(order("00:00:00"), order("00:05:00", 2.0), order("00:26:00"))
    lake.put(order("00:00:00", 5.0, "cash"), order("00:05:00", 3.0, "cash"))
    run(lake)
    assert len(read_silver(lake.silver_location)) == 2

    lake.put(order("00:15:01"), order("00:01:00"), order("00:17:00", 4.0), order(None))
    lake.put(order("00:10:00", 7.0), order("00:27:00", 1.5, "cash"))
    summary = run(lake)
    assert summary.counts["late_rows"] == 3
    assert summary.counts["windows_open"] == 2
    assert read_silver(lake.silver_location) == closed_sessions(lake)

    lake.put(order("02:00:00"))
    run(lake)
    joined = closed_sessions(lake)
    assert (MIDNIGHT, MIDNIGHT + timedelta(minutes=36), "card") in joined
    assert read_silver(lake.silver_location) == joined
    version = DeltaTable(lake.silver_location).version()
    assert run(lake).notes == ()
    assert DeltaTable(lake.silver_location).version() == version


@pytest.mark.long
def test_a_drained_session_goes_on(tmp_path: Path) -> None:
    """It is in the table once, with other bounds; to drain again changes nothing."""
    lake = lake_at(tmp_path)
    lake.put(order("00:00:00"), order("00:30:00"), order("00:31:00", 2.0, "cash"))
    assert run(lake, drain=True).counts["windows_drained"] == 2
    everything = batch_sessions(lake.bronze_location, GAP)
    assert read_silver(lake.silver_location) == everything
    run(lake, drain=True)
    assert read_silver(lake.silver_location) == everything

    lake.put(order("00:35:00"))
    run(lake)
    lake.put(order("01:00:00"))
    run(lake)
    assert read_silver(lake.silver_location) == closed_sessions(lake)


@pytest.mark.long
def test_a_backfill_takes_late_rows_in_and_leaves_what_is_open(tmp_path: Path) -> None:
    """Rows are counted late by the stream; copies of rows count once in both."""
    lake = lake_at(tmp_path, deduplicate=["order_id"])
    first = {**order("00:00:00"), "order_id": "a"}
    lake.put(first, first, order("00:05:00"), order("00:26:00"))
    run(lake)
    lake.put(first, order("00:14:00", 3.0), order("00:27:00"), order("00:50:00"))
    assert run(lake).counts["late_rows"] == 2
    seen = streamed_sessions(lake.bronze_location, lake.checkpoint, GAP, once=True)
    assert read_silver(lake.silver_location) == seen.windows

    for _ in range(2):
        end = MIDNIGHT + timedelta(minutes=1)
        run_backfill(lake.config, lake.silver, start=MIDNIGHT, end=end, run_id="b")
        everything = batch_sessions(lake.bronze_location, GAP, once=True)
        closed = {key: each for key, each in everything.items() if key[1].minute != 0}
        assert read_silver(lake.silver_location) == closed


def backfill(lake: SilverLake, minute: int) -> None:
    """Backfill one minute after midnight."""
    start = MIDNIGHT + timedelta(minutes=minute)
    end = start + timedelta(minutes=1)
    run_backfill(lake.config, lake.silver, start=start, end=end, run_id="backfill")


def remove(lake: SilverLake, *times: str) -> None:
    """Remove the orders of HH:MM:SS from bronze, as a replay or a user does."""
    listed = ", ".join(f"'2025-01-01 {time}'" for time in times)
    DeltaTable(lake.bronze_location).delete(f"order_date IN ({listed})")


@pytest.mark.long
def test_a_second_drain_takes_out_what_bronze_no_longer_has(tmp_path: Path) -> None:
    """Also where no open session is left. Those that are closed are not drained."""
    lake = lake_at(tmp_path)
    lake.put(order("00:00:00"), order("00:10:00", 1.0, "cash"), order("00:20:00"))
    run(lake)
    assert run(lake, drain=True).counts["windows_drained"] == 1

    remove(lake, "00:20:00")
    assert run(lake, drain=True).counts["windows_drained"] == 0
    assert read_silver(lake.silver_location) == batch_sessions(
        lake.bronze_location, GAP
    )


@pytest.mark.long
def test_a_backfill_replaces_whatever_overlaps(tmp_path: Path) -> None:
    """What it takes out joins sessions that the interval does not touch.

        00:00 00:10 00:20 00:30 00:40 00:50 00:60 00:70
    was |-----------|     |-----------------------|
    is  |-----------------------|           |-----|   late: 20; removed: 40, 50

    A row that is there twice is there once after it.
    """
    lake = lake_at(tmp_path)
    lake.put(*(order(f"00:{minute}:00") for minute in ("00", "10", "30", "40", "50")))
    lake.put(order("01:00:00"), order("01:30:00"))
    run(lake)
    lake.put(order("00:20:00", 3.0))
    assert run(lake).counts["late_rows"] == 1
    remove(lake, "00:40:00", "00:50:00")
    rows = DeltaTable(lake.silver_location).to_pyarrow_table()
    write_deltalake(lake.silver_location, rows, mode="append")

    backfill(lake, 0)
    assert read_silver(lake.silver_location) == closed_sessions(lake)
    assert DeltaTable(lake.silver_location).to_pyarrow_table().num_rows == 2


SESSIONS = st.fixed_dictionaries(
    {
        "window": st.integers(1, 20).map(
            lambda minutes: {"type": "session", "gap": f"{minutes} minutes"}
        ),
        "late_data": st.sampled_from(["count", "repair"]),
        "deduplicate": st.sampled_from([False, ["order_id"]]),
        "state_store": st.sampled_from(["memory", "rocksdb"]),
        "watermark": st.integers(0, 30).map(lambda minutes: f"{minutes} minutes"),
        **TAKEN,
    }
)


FEW_RUNS = st.lists(
    st.tuples(st.lists(VERSION, min_size=1, max_size=2), CUTS), min_size=2, max_size=3
).map(lambda runs: [*runs, runs[0]])


@pytest.mark.long
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(runs=FEW_RUNS, silver=SESSIONS, data=st.data())
def test_sessions_equal_a_query_over_bronze(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[list[list[Order]], str | None]],
    silver: dict[str, object],
    data: st.DataObject,
) -> None:
    """In any order, files, runs and kills; then a backfill of any interval, a drain.

    What is expected is computed by DuckDB, and of late rows by the offset log. A drain
    before that takes out again what goes on: what it left is compared at the end.
    """
    lake = SilverLake.at(tmp_path_factory.mktemp("lake"), **silver)
    gap, once = lake.silver.window.grid.duration, bool(lake.silver.deduplicate)
    bronze, take = lake.bronze_location, partial(taken_rows, silver=lake.silver)
    repairs = lake.silver.late_data == "repair"
    is_drained = False
    for versions, cut in runs:
        for rows in versions:
            put(lake, rows)
        if cut is not None:
            cut_off_stream(lake, cut)
        drains = repairs and data.draw(st.booleans(), "drains")
        run(lake, drain=drains)
        is_drained |= drains
        seen = streamed_sessions(bronze, lake.checkpoint, gap, once=once, take=take)
        assert late_rows(lake) == seen.late_rows
        everything = batch_sessions(bronze, gap, once=once, take=take)
        closed, still_open = split(lake, everything)
        emitted = closed if repairs else seen.windows
        if drains or not is_drained:
            expected = everything if drains else emitted
            assert read_silver(lake.silver_location) == expected

    there = backfilled(lake, data, closed)
    run(lake, drain=True)
    kept = {key: row for key, row in there.items() if not overlaps(key, still_open)}
    expected = everything if repairs else kept | still_open
    assert read_silver(lake.silver_location) == expected


def split(
    lake: SilverLake, everything: dict[Key, Values]
) -> tuple[dict[Key, Values], dict[Key, Values]]:
    """Return the sessions that are closed, and the others."""
    until = closed_up_to(read_checkpoint(lake.checkpoint))
    closed = {key: each for key, each in everything.items() if key[1] <= until}
    return closed, {key: each for key, each in everything.items() if key[1] > until}


def late_rows(lake: SilverLake) -> int:
    """Return how many rows of all micro-batches are counted as late."""
    return sum(int(str(row["late_rows"])) for row in lake.archived_batches())


def backfilled(
    lake: SilverLake, data: st.DataObject, closed: dict[Key, Values]
) -> dict[Key, Values]:
    """Backfill any interval; return the table, with the ``closed`` ones near it."""
    start = MIDNIGHT + timedelta(minutes=data.draw(st.integers(-30, 120)))
    end = start + timedelta(minutes=data.draw(st.integers(1, 60)))
    run_backfill(lake.config, lake.silver, start=start, end=end, run_id="backfill")
    there = read_silver(lake.silver_location)
    gap = lake.silver.window.grid.duration
    near = {key for key in closed if key[0] <= end + gap and key[1] > start}
    assert {key: there.get(key) for key in near} == {key: closed[key] for key in near}
    return there


def overlaps(key: Key, others: dict[Key, Values]) -> bool:
    """Return True if one of ``others`` has a moment and the group of ``key``."""
    return any(
        key[2] == other[2] and key[0] <= other[1] and key[1] >= other[0]
        for other in others
    )
