"""Runs that are killed, or race, while the schema grows: each value once."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from support import growing
from support.held_writes import HeldRun, can_hold
from support.killing import JOBS, signal_session, stop_session
from support.lakes import Lake
from support.leases import shorten_lease

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

# What the first driver is about to write: the version with the new fields; the rows.
VERSION = re.compile(r"schemas/orders/.*_schemas/1")
ROWS = re.compile(rf"bronze/orders/_delta_log/{2:020}\.json")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline whose files bring five fields that its schema lacks."""
    lake = Lake(tmp_path, schema=None, **growing.OPTIONS)
    growing.begin(lake)
    return lake


def held(lake: Lake, run_id: str) -> HeldRun:
    """Start a run whose writes are held."""
    bronze = [sys.executable, str(JOBS / "bronze.py"), *lake.arguments(run_id)]
    return HeldRun.start(bronze, lake.folder)


@pytest.mark.parametrize(
    ("after", "files"),
    [
        (True, 7),
        pytest.param(False, 7, marks=pytest.mark.long),
        pytest.param(True, 1000, marks=pytest.mark.long),
    ],
)
def test_run_killed_around_the_new_version_goes_on(
    lake: Lake, files: int, *, after: bool
) -> None:
    """Before it is kept the next run keeps it, behind that it reads in it."""
    growing.land(lake, files)
    version = Path(lake.config.schema_location, "_schemas", "1")

    with held(lake, "killed") as run:
        for write in run.writes():
            if version.exists() if after else write.path == version:
                break
        else:
            raise AssertionError("the run ended without a new version")

    assert version.exists() is after
    lake.run("next", "bronze")
    kept_by = "killed" if after else "next"
    growing.assert_grown(lake.config, files, kept_by=kept_by)


@pytest.mark.long
@pytest.mark.parametrize(
    ("about_to_write", "files"), [(VERSION, 7), (ROWS, 7), (VERSION, 1000)]
)
def test_runs_that_race_grow_the_schema_once(
    lake: Lake, about_to_write: re.Pattern[str], files: int
) -> None:
    """The paused run finds the version taken, and its fields in it."""
    growing.land(lake, files)

    with held(lake, "first") as run:
        for write in run.writes():
            if about_to_write.fullmatch(str(write.path.relative_to(lake.folder))):
                break
        stop_session(run.process.pid)
        assert not write.path.exists()
        shorten_lease(lake.config.bronze_checkpoint_location)

        lake.run("second", "bronze")
        kept_by = "second" if about_to_write is VERSION else "first"
        growing.assert_grown(lake.config, files, kept_by=kept_by)

        signal_session(run.process.pid, signal.SIGCONT)
        for _ in run.writes():
            pass
        # It may have found nothing to do, or learnt that another one was there.
        assert run.process.wait() in {0, 75, 99}

    growing.assert_grown(lake.config, files, kept_by=kept_by)
