"""Sessions computed again: after a replay, a reload, and a repair that is cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.bronze.run import run_bronze
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.config import PipelineConfig
from sluice.history.replays import has_sessions, list_touched
from sluice.intervals import Interval
from sluice.replay.reload import reload_interval
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.silver import sessions
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.oracle import Key, Values, read_silver
from support.session_oracle import batch_sessions
from support.silver_lake import LANDED, SILVER, SilverLake, order

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


def lake_at(folder: Path, **silver: object) -> SilverLake:
    """Return an empty lake of sessions of ten minutes."""
    window = {"type": "session", "gap": "10 minutes"}
    raw = {
        "name": "orders",
        "lake": str(folder),
        "bronze": {"source": {"schema": f"order_id string, {LANDED}"}},
        "silver": [{**SILVER, "window": window, "watermark": "0 seconds", **silver}],
    }
    lake = SilverLake(PipelineConfig.model_validate(raw))
    Path(lake.config.landing_location).mkdir(parents=True)
    return lake


def run(lake: SilverLake):
    """Run bronze, if anything landed, and silver."""
    run_bronze(lake.config, run_id="run")
    return run_silver(lake.config, lake.silver, run_id="run")


def at(minute: int) -> datetime:
    """Return a moment after midnight."""
    return MIDNIGHT + timedelta(minutes=minute)


def waits(lake: SilverLake) -> bool:
    """Return whether sessions are to be computed again, as a run asks before it."""
    until = closed_up_to(read_checkpoint(lake.checkpoint))
    return has_sessions(lake.config, lake.silver.name, until)


def closed_sessions(lake: SilverLake) -> dict[Key, Values]:
    """Return what a query over bronze gives of sessions that are closed."""
    until = closed_up_to(read_checkpoint(lake.checkpoint))
    gap = lake.silver.window.grid.duration
    everything = batch_sessions(lake.bronze_location, gap)
    return {key: row for key, row in everything.items() if key[1] <= until}


def test_a_replay_parts_a_session_and_joins_two(tmp_path: Path) -> None:
    """The row between two others goes where it joins the next ones.

        00:00     00:08     00:16     00:40     00:56     02:00
    was |---------|---------|.....    |....     |....     open
    is  |....               |....     |----48---|....
    """
    lake = lake_at(tmp_path)
    lake.land("a.json", order("00:00:00"), order("00:16:00"), order("00:40:00"))
    lake.land("b.json", order("00:08:00", 5.0))
    lake.land("c.json", order("00:56:00"), order("02:00:00"))
    run(lake)
    assert {key[:2] for key in read_silver(lake.silver_location)} == {
        (at(0), at(26)),
        (at(40), at(50)),
        (at(56), at(66)),
    }

    lake.land("b.json", order("00:48:00", 5.0))
    result = run_replay(lake.config, Selection(globs=("b.json",)), run_id="replay")

    assert result.windows[0].windows == 2
    parted = read_silver(lake.silver_location)
    assert parted == closed_sessions(lake)
    assert {key[:2] for key in parted} == {
        (at(0), at(10)),
        (at(16), at(26)),
        (at(40), at(66)),
    }


@pytest.mark.long
def test_a_reload_reads_the_files_of_sessions_that_reach_into_the_interval(
    tmp_path: Path,
) -> None:
    """A row is in its session until its gap, here ten minutes, is over."""
    lake = lake_at(tmp_path)
    lake.land("a.json", order("00:00:00"), order("00:30:00"))
    lake.land("b.json", order("00:11:00"))
    lake.land("c.json", order("02:00:00"))
    run(lake)
    lake.land("a.json", order("00:00:00", 7.0), order("00:30:00"))
    reached, behind = Interval(at(9), at(11)), Interval(at(10), at(11))

    assert reload_interval(lake.config, behind, run_id="reload") is None
    result = reload_interval(lake.config, reached, run_id="reload")

    assert result is not None
    assert [Path(each.path).name for each in result.files] == ["a.json"]
    found = read_silver(lake.silver_location)
    assert found == closed_sessions(lake)
    assert found[at(0), at(10), "card"] == (1, 7.0, 7.0)


@pytest.mark.parametrize(
    "is_behind",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["before", "behind"],
)
def test_a_repair_that_is_killed_around_its_commit_is_done_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_behind: bool
) -> None:
    """That has work though nothing is new, until nothing is left to be repaired."""
    lake = lake_at(tmp_path, late_data="repair")
    lake.put(order("00:00:00"), order("00:16:00"), order("01:00:00"))
    run_silver(lake.config, lake.silver, run_id="run")
    lake.put(order("00:08:00", 3.0), order("02:00:00"))
    original = sessions._merge

    def cut_off(*arguments: object) -> None:
        if is_behind:
            original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "_merge", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run_silver(lake.config, lake.silver, run_id="killed")
    assert (at(0), at(26), "card") in closed_sessions(lake)
    is_there = (at(0), at(26), "card") in read_silver(lake.silver_location)
    assert is_there == is_behind
    assert waits(lake)

    run_silver(lake.config, lake.silver, run_id="run")

    assert read_silver(lake.silver_location) == closed_sessions(lake)
    assert not list_touched(lake.config, lake.silver.name)
    assert not waits(lake)


def test_late_rows_of_sessions_are_kept_with_the_session_that_they_would_be(
    tmp_path: Path,
) -> None:
    """One behind the watermark by less than its gap is in time, and in the table."""
    lake = lake_at(tmp_path, late_data="quarantine")
    lake.put(order("00:00:00"), order("00:20:00"))
    run_silver(lake.config, lake.silver, run_id="run")
    lake.put(order("00:05:00", 3.0), order("00:15:00", 4.0), order("01:00:00"))
    summary = run_silver(lake.config, lake.silver, run_id="run")

    assert summary.counts["late_rows"] == 1
    (row,) = read_delta(lake.config.late_location(lake.silver)).to_pylist()
    assert (row["total_amount"], row["_watermark"]) == (3.0, at(20))
    assert (row["_window_start"], row["_window_end"]) == (at(5), at(15))
    assert read_silver(lake.silver_location) == {
        (at(0), at(10), "card"): (1, 1.0, 1.0),
        (at(15), at(30), "card"): (2, 5.0, 2.5),
    }
