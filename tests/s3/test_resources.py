"""`sluice resources --delete` in a bucket: all that the pipeline made, and no more."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from support.s3_lake import BucketLake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("s3_jars"),
]


def keys(bucket: str) -> set[str]:
    """Return the key of every object in a bucket but Hadoop's marks of folders.

    Those cannot be named through obstore: they stay, empty.
    """
    pages = obstore.list(from_url(bucket))
    return {each["path"] for page in pages for each in page if each["size"]}


@pytest.mark.long
def test_deletion_leaves_what_landed_and_what_others_put(
    tmp_path: Path, bucket: str
) -> None:
    """Refused while another's object lies in a folder of ours, then nothing is left."""
    lake = BucketLake(tmp_path, bucket)
    lake.land(2)
    landed = keys(bucket)
    lake.sluice("run")
    table = lake.config.bronze_location.removeprefix(f"{bucket}/")
    beside = {"another/table.parquet", f"{table}-2/part.parquet"}
    for key in (*beside, f"{table}/notes.txt"):
        obstore.put(from_url(bucket), key, b"another's")
    before = keys(bucket)
    assert before > landed | beside

    refused = lake.attempt("resources", "--delete", "--yes")

    assert refused.returncode == 65
    assert "DELETION_REFUSED" in refused.stderr
    assert "notes.txt" in refused.stderr
    leases = {key for key in before if "/lease/" in key}
    assert keys(bucket) >= before - leases
    obstore.delete(from_url(bucket), f"{table}/notes.txt")
    assert lake.attempt("resources", "--delete", "--yes").returncode == 0
    ops = {key for key in keys(bucket) if "/ops/" in key}
    assert keys(bucket) - ops == landed | beside
