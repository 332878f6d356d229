"""A driver that is killed: no row lost and none twice, whichever side it fell on."""

from __future__ import annotations

from pathlib import Path

import pytest

from killing import Aim, Side, kill_job, run_job
from lakes import Lake

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(900)]

ATTEMPTS = 4
SIDES = [
    pytest.param(Side.BEFORE_DELTA_COMMIT, marks=pytest.mark.long),
    Side.AFTER_DELTA_COMMIT,
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with nothing landed yet."""
    return Lake(tmp_path)


@pytest.mark.parametrize("side", SIDES)
def test_bronze_killed_around_its_commit_writes_every_row_once(
    lake: Lake, side: Side
) -> None:
    """The restart repeats the batch with its files, and Delta skips what it has."""
    for attempt in range(ATTEMPTS):
        lake.land(6)
        arguments = [*lake.arguments(f"killed-{attempt}"), "--max-files", "1"]
        batch = kill_job(Aim(side, lake.bronze, least=2), "bronze.py", *arguments)
        if batch is not None:
            break
    assert batch is not None, f"in {ATTEMPTS} runs no batch was caught {side}"
    assert lake.bronze.cut_off() == (batch, side)

    lake.land(1)
    assert run_job("bronze.py", *lake.arguments("restarted")) == 0

    assert lake.bronze.cut_off() is None
    assert lake.bronze_rows() == lake.landed_rows()
    assert run_job("bronze.py", *lake.arguments("again")) == 99


@pytest.mark.parametrize("side", SIDES)
def test_silver_killed_around_its_commit_emits_every_window_once(
    lake: Lake, side: Side
) -> None:
    """The state is that of the last committed batch, and no window comes twice."""
    for attempt in range(ATTEMPTS):
        lake.land(3)
        arguments = lake.arguments(f"killed-{attempt}")
        assert run_job("bronze.py", *arguments) == 0
        batch = kill_job(Aim(side, lake.silver), "silver.py", *arguments)
        if batch is not None:
            break
    assert batch is not None, f"in {ATTEMPTS} runs no batch was caught {side}"
    assert lake.silver.cut_off() == (batch, side)

    lake.land(1)
    for job in ("bronze.py", "silver.py"):
        assert run_job(job, *lake.arguments("restarted")) == 0

    assert lake.silver.cut_off() is None
    assert lake.silver_windows() == lake.closed_windows()
