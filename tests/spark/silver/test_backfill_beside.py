"""A backfill in the middle of a live run: the table is what bronze gives."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.silver import merge
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.killing import JOBS
from support.oracle import Key, Values, all_windows, read_silver, snapshot_windows
from support.session_oracle import batch_sessions
from support.silver_lake import LANDED, SILVER, SilverLake, order

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


TUMBLING = {"duration": "5 minutes"}
KINDS = {
    "tumbling": {"window": TUMBLING},
    "tumbling, update": {"window": TUMBLING, "output_mode": "update"},
    "sliding": {"window": SLIDING},
    "sliding, update": {"window": SLIDING, "output_mode": "update"},
    "session": {"window": {"type": "session", "gap": "4 minutes"}},
}


def some_orders(chance: random.Random, *, until: int) -> list[dict]:
    """Return orders of the half hours before and after midnight, up to a minute."""
    methods = [chance.choice(["card", "cash", None]) for _ in range(12)]
    seconds = [chance.randint(-1800, until * 60) for _ in methods]
    return [
        order(
            f"{MIDNIGHT + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}",
            float(chance.randint(1, 9)),
            method,
        )
        for second, method in zip(seconds, methods, strict=True)
    ]


def due_windows(lake: SilverLake) -> dict[Key, Values]:
    """Return what a query over bronze gives, under ``append`` of closed windows."""
    grid, until = (
        lake.silver.window.grid,
        closed_up_to(read_checkpoint(lake.checkpoint)),
    )
    if lake.silver.window.is_session:
        everything = batch_sessions(lake.bronze_location, grid.duration)
    else:
        everything = snapshot_windows(
            lake.bronze_location, window=grid.duration, slide=grid.slide
        )
    if lake.silver.output_mode == "update":
        return everything
    return {key: row for key, row in everything.items() if key[1] <= until}


@pytest.mark.long
@pytest.mark.needs_java
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_in_another_process_beside_live_runs(
    tmp_path: Path, kind: str, seed: int
) -> None:
    """Of any interval over the day's boundary: the table is what bronze gives.

    Live runs take in rows and repair late ones until the backfill is over. It may find
    that they were first, and says so; then it is repeated.
    """
    chance = random.Random(seed)
    keys = {**KINDS[kind], "late_data": "repair", "watermark": "2 minutes"}
    lake = SilverLake.at(tmp_path, **keys)
    file = tmp_path / "orders.yaml"
    bronze = {"source": {"schema": LANDED}}
    raw = {"name": "orders", "lake": str(tmp_path), "bronze": bronze}
    file.write_text(json.dumps({**raw, "silver": [{**SILVER, **keys}]}))
    lake.put(*some_orders(chance, until=5))
    run_silver(lake.config, lake.silver, run_id="first")

    start = MIDNIGHT + timedelta(seconds=chance.randint(-1800, -1))
    end = MIDNIGHT + timedelta(seconds=chance.randint(1, 1800))
    interval = ["--from", start.isoformat(), "--to", end.isoformat()]
    job = [sys.executable, str(JOBS / "backfill.py"), "--pipeline", str(file)]
    done, runs = 0, 0
    while done < 2:
        with subprocess.Popen([*job, "--run-id", "beside", *interval]) as beside:
            while beside.poll() is None:
                runs += 1
                lake.put(*some_orders(chance, until=min(5 + runs, 30)))
                run_silver(lake.config, lake.silver, run_id="live")
        assert beside.returncode in {0, 75}
        done += not beside.returncode
    run_silver(lake.config, lake.silver, run_id="last")

    assert runs
    assert read_silver(lake.silver_location) == due_windows(lake)
