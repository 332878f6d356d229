"""A run that is killed while it evolves the schema: no value lost, no row twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sluice.schema.kept import list_versions
from support.delta_rows import read_delta
from support.held_writes import HeldRun, can_hold
from support.lakes import Lake

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs_java,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

KNOWN = ("order_id", "order_date")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline whose files have a field that its schema lacks."""
    lake = Lake(tmp_path, schema=None)
    lake.land(3)
    kept = Path(lake.config.schema_location, "_schemas", "0")
    kept.parent.mkdir(parents=True)
    fields = [
        {"name": name, "type": "string", "nullable": True, "metadata": {}}
        for name in KNOWN
    ]
    kept.write_text(json.dumps({"schema": {"type": "struct", "fields": fields}}))
    return lake


@pytest.mark.parametrize("after", [False, True])
def test_run_killed_around_the_new_version_goes_on(lake: Lake, *, after: bool) -> None:
    """Before it is kept the next run keeps it, behind that it reads in it."""
    version = Path(lake.config.schema_location, "_schemas", "1")
    command = [*lake.command()[:-1], "bronze"]

    with HeldRun.start(command, lake.folder) as run:
        for write in run.writes():
            if not after and write.path == version:
                break
            if after and version.exists():
                break
        else:
            raise AssertionError("the run ended without a new version")

    assert version.exists() is after
    assert subprocess.run(command, check=False).returncode == 0
    assert lake.bronze_rows() == lake.landed_rows()
    rows = read_delta(lake.bronze.table).to_pylist()
    assert all(row["payment_method"] for row in rows)
    assert [
        list(each.added) for each in list_versions(lake.config.schema_location)
    ] == [
        [],
        ["payment_method"],
    ]
