"""A driver that is paused, outlives its lease and goes on beside its successor."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from support.held_writes import HeldRun, can_hold
from support.killing import (
    JOBS,
    Claimed,
    signal_session,
    stop_session,
)
from support.lakes import Lake
from support.leases import shorten_lease

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

# What the first driver is about to write when it is paused: the file in the offset log
# of its very first batch; of its second one that file, begun or named; the Delta
# commit; the file in the commit log.
FIRST_NAMED = re.compile(r"checkpoints/orders/bronze/offsets/0")
BEGUN = re.compile(r"checkpoints/orders/bronze/offsets/\.1\..*\.tmp")
NAMED = re.compile(r"checkpoints/orders/bronze/offsets/1")
DELTA_COMMIT = re.compile(rf"bronze/orders/_delta_log/{1:020}\.json")
COMMIT_LOG = re.compile(r"checkpoints/orders/bronze/commits/1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with four files, two in a batch."""
    lake = Lake(tmp_path, **{"cloudFiles.maxFilesPerTrigger": 2})
    lake.land(4)
    return lake


@pytest.mark.parametrize(
    "about_to_write",
    [
        BEGUN,
        pytest.param(FIRST_NAMED, marks=pytest.mark.long),
        pytest.param(NAMED, marks=pytest.mark.long),
        pytest.param(DELTA_COMMIT, marks=pytest.mark.long),
        pytest.param(COMMIT_LOG, marks=pytest.mark.long),
    ],
)
def test_driver_paused_beside_its_successor_writes_every_row_once(
    lake: Lake, about_to_write: re.Pattern[str]
) -> None:
    """A plan from a claimed start writes what the other driver does, or nothing."""
    first = [sys.executable, str(JOBS / "bronze.py"), *lake.arguments("first")]
    least = 0 if about_to_write is FIRST_NAMED else 1
    claimed = Claimed(lake.bronze, lake.config.schema_location, least)
    with HeldRun.start(first, lake.folder) as run:
        for write in run.writes():
            if about_to_write.fullmatch(str(write.path.relative_to(lake.folder))):
                break
        stop_session(run.process.pid)
        assert claimed.is_hit() == (about_to_write in {BEGUN, FIRST_NAMED, NAMED})
        assert not write.path.exists()
        shorten_lease(lake.config.bronze_checkpoint_location)

        lake.run("second", "bronze")
        assert lake.bronze_rows() == lake.landed_rows()

        signal_session(run.process.pid, signal.SIGCONT)
        for _ in run.writes():
            pass
        # It may have found nothing to do, or learnt that another one was there.
        assert run.process.wait() in {0, 75, 99}

    assert lake.bronze.cut_off() is None
    assert lake.bronze_rows() == lake.landed_rows()
    lake.land(1)
    lake.run("third", "bronze")
    assert lake.bronze_rows() == lake.landed_rows()
