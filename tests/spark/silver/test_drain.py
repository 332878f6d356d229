"""Open windows that are brought out, and a stream that goes on after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.silver import drain
from sluice.silver.run import run_silver
from support.oracle import expected_silver, read_silver, snapshot_windows
from support.silver_lake import SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def lake(tmp_path: Path) -> SilverLake:
    """Return a lake with rows of closed and of open windows, which silver has not."""
    lake = SilverLake.at(tmp_path, window={"duration": "20 minutes"})
    lake.put(order("00:00:00"), order("00:30:00"), order("00:31:00", method=None))
    return lake


def run(lake: SilverLake, *, drains: bool = False):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run", drain=drains)


def test_all_windows_are_there_and_the_stream_goes_on(lake: SilverLake) -> None:
    """One of them gets a row more, is closed, and is in the table once."""
    window = lake.silver.window.grid.duration
    first = run(lake, drains=True)
    assert first.counts["windows_drained"] == 2
    everything = snapshot_windows(lake.bronze_location, window=window)
    assert read_silver(lake.silver_location) == everything
    assert run(lake, drains=True).counts["windows_drained"] == 2
    assert read_silver(lake.silver_location) == everything

    lake.put(order("00:33:00", 5.0), order("01:10:00"))
    run(lake)

    expected = expected_silver(lake.bronze_location, lake.checkpoint, window=window)
    assert len(expected.open_windows) == 1
    assert read_silver(lake.silver_location) == expected.windows


@pytest.mark.parametrize(
    "is_behind",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["before", "behind"],
)
def test_a_drain_that_is_cut_off_around_its_merge_doubles_nothing(
    lake: SilverLake, monkeypatch: pytest.MonkeyPatch, *, is_behind: bool
) -> None:
    """The record of it is there, and the windows are or are not."""
    original = drain.merge_until_won

    def cut_off(*arguments: object, **more: object) -> None:
        if is_behind:
            original(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(drain, "merge_until_won", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(lake, drains=True)
    lake.put(order("01:10:00"))
    run(lake)

    window = lake.silver.window.grid.duration
    expected = expected_silver(lake.bronze_location, lake.checkpoint, window=window)
    assert read_silver(lake.silver_location) == expected.windows
