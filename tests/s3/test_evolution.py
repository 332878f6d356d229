"""A bucket whose files bring new fields and a wider type: killed, paused, each once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support import growing
from support.killing import run_job, running
from support.leases import shorten_lease
from support.s3_lake import BucketLake
from support.s3_server import S3Server

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("s3_jars"),
]


@dataclass(frozen=True)
class Kept:
    """The version with the new fields is kept, and no row is in the table yet."""

    version: Path
    rows: Path

    def seems_hit(self) -> bool:
        """Look for the version."""
        return self.version.is_file()

    def is_hit(self) -> bool:
        """Look for rows."""
        return not self.rows.exists()


@pytest.mark.parametrize(
    ("files", "killed"),
    [
        pytest.param(7, True, marks=pytest.mark.long),
        pytest.param(7, False, marks=pytest.mark.long),
        pytest.param(1000, True, marks=pytest.mark.long),
        pytest.param(1000, False, marks=pytest.mark.long),
    ],
)
def test_run_caught_between_version_and_rows_loses_nothing(
    tmp_path: Path, s3_server: S3Server, bucket: str, files: int, *, killed: bool
) -> None:
    """Its successor reads in the version; paused, it goes on beside that."""
    lake = BucketLake(tmp_path, bucket, schema=None, **growing.OPTIONS)
    growing.begin(lake)
    growing.land(lake, files)
    config = lake.config
    # The server keeps objects as files, and names on a disk are found a lot faster.
    schemas, table = (
        s3_server.data / location.removeprefix("s3://")
        for location in (config.schema_location, config.bronze_location)
    )
    rows = table / "_delta_log" / f"{2:020}.json"

    with running("bronze.py", *lake.arguments("first")) as first:
        assert first.stop_at(Kept(schemas / "_schemas" / "1", rows))
        if killed:
            first.kill()
        else:
            shorten_lease(config.bronze_checkpoint_location)
        assert run_job("bronze.py", *lake.arguments("second")) == ExitCode.DONE
        growing.assert_grown(config, files, kept_by="first")
        if not killed:
            first.go_on()
            ended = first.wait()
            assert ended in {ExitCode.DONE, ExitCode.TEMPORARY, ExitCode.NOTHING_NEW}

    growing.assert_grown(config, files, kept_by="first")
