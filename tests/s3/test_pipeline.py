"""A whole pipeline on S3: landing, ledger, checkpoints, bronze, silver and audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lakes import CURRENT, ROWS
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


@pytest.mark.long
def test_current_rows_on_s3(tmp_path: Path, bucket: str) -> None:
    """Two runs merge, and the table says in the bucket how far it has come."""
    lake = BucketLake(tmp_path, bucket)
    with lake.file.open("a") as file:
        file.write(CURRENT)
    lake = BucketLake(tmp_path, bucket)
    for _ in range(2):
        lake.land(2)
        assert lake.sluice("run")["verdict"] in {"ok", "info"}
        assert lake.current() == lake.newest()
    assert lake.sluice("run")["steps"] == []
