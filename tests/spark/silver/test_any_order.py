"""Orders in any order, in any files and runs, by any kind of window: silver is right.

What is compared is computed without Spark. With ``late_data: repair`` it is a plain
query over bronze, for windows that are closed; else the late rows of each micro-batch
are left out as its offset log says.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.silver.run import run_silver
from support.any_order import RUNS, Order, put
from support.oracle import Key, Values, expected_silver, read_silver, snapshot_windows
from support.silver_lake import SilverLake

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.long]

WINDOWS = st.one_of(
    st.builds(lambda minutes: {"duration": f"{minutes} minutes"}, st.integers(1, 20)),
    st.builds(
        lambda slide, longer: {
            "type": "sliding",
            "slide": f"{slide} minutes",
            "duration": f"{slide + longer} minutes",
        },
        st.integers(1, 7),
        st.integers(0, 15),
    ),
)


@dataclass(frozen=True)
class Case:
    """Versions of bronze by run, and how silver is defined."""

    runs: list[list[list[Order]]]
    silver: dict[str, object]


SILVERS = st.fixed_dictionaries(
    {
        "window": WINDOWS,
        "output_mode": st.sampled_from(["append", "update"]),
        "late_data": st.sampled_from(["count", "repair"]),
        "deduplicate": st.sampled_from([False, ["order_id"]]),
        "state_store": st.sampled_from(["memory", "rocksdb"]),
        "watermark": st.integers(0, 30).map(lambda minutes: f"{minutes} minutes"),
    }
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=st.builds(Case, RUNS, SILVERS))
def test_silver_equals_a_query_over_bronze(tmp_path: Path, case: Case) -> None:
    """Each run appends some versions to bronze, and silver takes them in."""
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)
    lake = SilverLake.at(tmp_path / "lake", **case.silver)
    late = 0
    for versions in case.runs:
        for rows in versions:
            put(lake, rows)
        summary = run_silver(lake.config, lake.silver, run_id="run")
        late += summary.counts["late_rows"]

        assert read_silver(lake.silver_location) == expected(lake)
        grid = lake.silver.window.grid
        seen = expected_silver(
            lake.bronze_location,
            lake.checkpoint,
            window=grid.duration,
            slide=grid.slide,
            once=bool(lake.silver.deduplicate),
        )
        assert late == seen.late_rows
    run_silver(lake.config, lake.silver, run_id="drain", drain=True)
    assert read_silver(lake.silver_location) == expected(lake, drained=True)


def expected(lake: SilverLake, *, drained: bool = False) -> dict[Key, Values]:
    """Return what the table must hold now."""
    grid = lake.silver.window.grid
    lengths = {"window": grid.duration, "slide": grid.slide}
    lengths["once"] = bool(lake.silver.deduplicate)
    seen = expected_silver(lake.bronze_location, lake.checkpoint, **lengths)
    until = closed_up_to(read_checkpoint(lake.checkpoint))
    everything = snapshot_windows(lake.bronze_location, **lengths)
    closed = seen.windows
    if lake.silver.late_data == "repair":
        closed = {key: row for key, row in everything.items() if key[1] <= until}
    if drained:
        return closed | {key: row for key, row in everything.items() if key[1] > until}
    return closed if lake.silver.output_mode == "append" else closed | seen.open_windows
