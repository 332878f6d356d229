"""Replay, repair and compaction on S3, where nothing can be renamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.ledger.compact import compact_ledger
from support.s3_lake import BucketLake

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("s3_jars"),
]


@pytest.fixture
def lake(tmp_path: Path, bucket: str) -> BucketLake:
    """Return a pipeline in a bucket that has loaded three files."""
    lake = BucketLake(tmp_path, bucket)
    lake.land(3)
    lake.sluice("run")
    return lake


def test_replayed_file_has_its_new_rows_alone(lake: BucketLake) -> None:
    """One commit replaces the rows, and silver's windows follow."""
    path = lake.rewrite(1, rows=3)

    lake.sluice("replay", "--files", path)

    assert lake.bronze_rows() == lake.landed_rows()
    lake.land(1)
    lake.sluice("run")
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()


def test_lost_checkpoint_is_repaired(lake: BucketLake) -> None:
    """The new checkpoint begins after what the table holds."""
    lake.lose(lake.config.bronze_checkpoint_location)
    lake.land(1)
    refused = lake.attempt("run")
    assert refused.returncode == 65
    assert "sluice checkpoint repair" in refused.stderr

    lake.sluice("checkpoint repair", "--yes")
    lake.sluice("run")

    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()


def test_lost_ledger_is_rebuilt(lake: BucketLake) -> None:
    """Table and archive show what has been read."""
    lake.lose(f"{lake.config.schema_location}/_ledger")
    lake.land(1)
    refused = lake.attempt("run")
    assert refused.returncode == 65
    assert "sluice checkpoint repair" in refused.stderr

    lake.sluice("checkpoint repair", "--yes")
    lake.sluice("run")
    assert compact_ledger(f"{lake.config.schema_location}/_ledger", above=1)
    assert lake.sluice("audit")["verdict"] in {"ok", "info"}

    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()
