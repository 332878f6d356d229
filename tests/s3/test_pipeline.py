"""A whole pipeline on S3: landing, ledger, checkpoints, bronze, silver and audit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sluice.schema.kept import list_versions
from support.command_line import command_line
from support.delta_rows import read_delta
from support.lakes import CURRENT, ROWS
from support.s3_lake import BucketLake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.needs_s3,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("s3_jars"),
]


def test_pipeline_on_s3_loads_every_row_once(
    tmp_path: Path,
    bucket: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two runs, the second with a new field, an empty one and an audit.

    What the runs left in the bucket is read by another process. Nothing of it ever
    touches the disk.
    """
    lake = BucketLake(tmp_path, bucket, schema=None)
    call = command_line(capsys, monkeypatch)

    def sluice(command: str) -> Any:
        """Call a command that starts no JVM, in this process."""
        code, printed, errors = call(command, str(lake.file), "--json")
        assert code == 0, errors
        return json.loads(printed)

    with lake.runs() as run:
        for files, new in ((3, {}), (2, {"tip": "1"})):
            lake.land(files, **new)
            done = run()
            assert done["found"]["new_files"] == files
            assert done["verdict"] in {"ok", "info"}
            assert lake.bronze_rows() == lake.landed_rows()
            assert lake.silver_windows() == lake.closed_windows()

    tips = Counter(read_delta(lake.bronze.table)["tip"].to_pylist())
    assert tips == {None: 3 * ROWS, "1": 2 * ROWS}
    _, grown = list_versions(lake.config.schema_location)
    assert set(grown.added) == {"tip"}
    assert sluice("run")["steps"] == []
    listed = sluice("files")
    assert {each["path"] for each in listed} == {path for path, _ in lake.landed_rows()}
    assert {(each["state"], each["rows"]) for each in listed} == {("ingested", ROWS)}
    assert sluice("audit")["verdict"] in {"ok", "info"}


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
