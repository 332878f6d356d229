"""Two drivers on one checkpoint in a bucket: every row once, whichever is late."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support.killing import Claimed, Moment, Query, run_job, running
from support.leases import shorten_lease
from support.s3_lake import BucketLake
from support.s3_server import S3Server

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("s3_jars"),
]

ATTEMPTS = 4
SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Settled:
    """A moment that holds also when the server has done what it was asked before."""

    moment: Moment

    def seems_hit(self) -> bool:
        """Guess as the moment does."""
        return self.moment.seems_hit()

    def is_hit(self) -> bool:
        """Let the server finish requests of the stopped driver, then prove it."""
        time.sleep(SETTLE_SECONDS)
        return self.moment.is_hit()


def claimed(server: S3Server, lake: BucketLake) -> Settled:
    """Return the moment between a claim and its offset log, read from the disk."""
    # The server keeps objects as files, and names on a disk are found a lot faster.
    checkpoint, table, schemas = (
        str(server.data / location.removeprefix("s3://"))
        for location in (
            lake.config.bronze_checkpoint_location,
            lake.config.bronze_location,
            lake.config.schema_location,
        )
    )
    return Settled(Claimed(Query(checkpoint, table), schemas))


def test_driver_paused_before_its_offset_log_doubles_nothing(
    tmp_path: Path, s3_server: S3Server, bucket: str
) -> None:
    """Stopped after its claim, it goes on when its successor is done with all."""
    lake = BucketLake(tmp_path, bucket)
    arguments = ["--pipeline", str(lake.file), "--run-id"]
    for attempt in range(ATTEMPTS):
        lake.land(4)
        paused = [*arguments, f"paused-{attempt}", "--max-files", "1"]
        with running("bronze.py", *paused) as first:
            if not first.stop_at(claimed(s3_server, lake)):
                continue
            shorten_lease(lake.config.bronze_checkpoint_location)
            lake.land(1)
            assert run_job("bronze.py", *arguments, "successor") == ExitCode.DONE
            assert lake.bronze_rows() == lake.landed_rows()
            first.go_on()
            assert first.wait() in {ExitCode.DONE, ExitCode.TEMPORARY}
            break
    else:
        pytest.fail(f"in {ATTEMPTS} runs no driver was caught")

    assert lake.bronze_rows() == lake.landed_rows()
    lake.land(1)
    assert run_job("bronze.py", *arguments, "after") == ExitCode.DONE
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.sluice("audit")["verdict"] in {"ok", "info"}
