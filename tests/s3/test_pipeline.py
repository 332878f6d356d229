"""A whole pipeline on S3: landing, ledger, checkpoints, bronze, silver and audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lakes import ROWS
from support.s3_lake import BucketLake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("s3_jars"),
]


@pytest.fixture
def lake(tmp_path: Path, bucket: str) -> BucketLake:
    """Return a pipeline in a bucket with nothing landed yet."""
    return BucketLake(tmp_path, bucket)


def test_pipeline_on_s3_loads_every_row_once(lake: BucketLake) -> None:
    """Two runs, an empty one and an audit: nothing of it ever touches the disk."""
    for files in (3, 2):
        lake.land(files)
        done = lake.sluice("run")
        assert done["found"]["new_files"] == files
        assert done["verdict"] in {"ok", "info"}
        assert lake.bronze_rows() == lake.landed_rows()
        assert lake.silver_windows() == lake.closed_windows()

    assert lake.sluice("run")["steps"] == []
    files = lake.sluice("files")
    assert {each["path"] for each in files} == {path for path, _ in lake.landed_rows()}
    assert {(each["state"], each["rows"]) for each in files} == {("ingested", ROWS)}
    assert lake.sluice("audit")["verdict"] in {"ok", "info"}
