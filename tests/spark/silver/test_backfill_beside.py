"""A backfill in the middle of a live run: the table is what bronze gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.silver import merge
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.oracle import all_windows, read_silver
from support.silver_lake import SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

SLIDE = timedelta(minutes=2)
SLIDING = {"type": "sliding", "duration": "5 minutes", "slide": "2 minutes"}
MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.long
@pytest.mark.parametrize("is_behind", [False, True], ids=["before", "behind"])
def test_around_the_merge_of_a_live_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_behind: bool
) -> None:
    """Twice, over the day's boundary: the run's own MERGE stands, none is doubled."""
    lake = SilverLake.at(
        tmp_path, output_mode="update", late_data="repair", window=SLIDING
    )
    lake.put(order("2024-12-31 23:59:30"), order("00:00:00"), order("00:30:00"))
    run_silver(lake.config, lake.silver, run_id="first")
    lake.put(order("00:31:00"), order("00:01:00", 3.0), order("2024-12-31 23:58:00"))
    original = merge.merge_rows
    done: list[int] = []

    def beside(*arguments: object) -> None:
        if is_behind:
            original(*arguments)
        for _ in range(0 if done else 2):
            start, end = MIDNIGHT - timedelta(minutes=7), MIDNIGHT + timedelta(hours=1)
            run_backfill(lake.config, lake.silver, start=start, end=end, run_id="b")
            done.append(1)
        if not is_behind:
            original(*arguments)

    monkeypatch.setattr(merge, "merge_rows", beside)
    run_silver(lake.config, lake.silver, run_id="live")

    assert len(done) == 2
    assert read_silver(lake.silver_location) == all_windows(
        lake.bronze_location, slide=SLIDE
    )
