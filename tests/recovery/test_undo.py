"""An undo that is killed: each value is in one place, and the same command goes on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.schema.kept import list_versions
from support.delta_rows import read_delta
from support.held_writes import HeldRun, Write, can_hold
from support.lakes import SLUICE, Lake, order

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs_java,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with a field ``tip`` that came by evolution."""
    lake = Lake(tmp_path, schema=None)
    kept = Path(lake.config.schema_location, "_schemas", "0")
    kept.parent.mkdir(parents=True)
    fields = [
        {"name": name, "type": "string", "nullable": True, "metadata": {}}
        for name in order(0, 0)
    ]
    kept.write_text(json.dumps({"schema": {"type": "struct", "fields": fields}}))
    land(lake, range(3))
    subprocess.run(lake.command(), check=True)
    return lake


def land(lake: Lake, files: range) -> None:
    """Land files of one order with a tip."""
    for number in files:
        record = order(number, 0) | {"tip": str(number)}
        (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))


def places(lake: Lake) -> list[tuple[str | None, str | None]]:
    """Return the tip of each row, as its column and as the rescued data have it."""
    rows = read_delta(lake.bronze.table).to_pylist()
    rescued = [json.loads(row["_rescued_data"] or "{}") for row in rows]
    tips = [row.get("tip") for row in rows]
    found = [(tip, other.get("tip")) for tip, other in zip(tips, rescued, strict=True)]
    return sorted(found, key=str)


def test_undo_killed_anywhere_is_finished_by_the_same_command(lake: Lake) -> None:
    """Around the version it keeps, and around its commit; a run in between is right."""
    version = Path(lake.config.schema_location, "_schemas", "2")
    table = DeltaTable(lake.bronze.table).version()
    commit = Path(lake.bronze.table, "_delta_log", f"{table + 2:020d}.json")
    in_column = [(str(number), None) for number in range(3)]
    rescued = [(None, str(number)) for number in range(4)]
    between = sorted([*in_column, rescued[3]], key=str)

    assert killed(lake, lambda write: write.path == version)
    assert not version.exists()
    assert places(lake) == in_column

    assert killed(lake, lambda _: version.exists())
    assert places(lake) == in_column

    land(lake, range(3, 4))
    subprocess.run(lake.command(), check=True)
    assert places(lake) == between

    assert killed(lake, lambda write: write.path == commit)
    assert places(lake) == between

    assert killed(lake, lambda _: commit.exists())
    assert places(lake) == rescued

    subprocess.run([*SLUICE, "schema", str(lake.file), "undo", "--yes"], check=True)
    subprocess.run(lake.command(), check=True)
    assert DeltaTable(lake.bronze.table).version() == table + 2
    assert len(list_versions(lake.config.schema_location)) == 3
    assert places(lake) == rescued
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()


def killed(lake: Lake, at: Callable[[Write], bool]) -> bool:
    """Undo, and kill that before the first write for which ``at`` is true."""
    command = [*SLUICE, "schema", str(lake.file), "undo", "--yes"]
    with HeldRun.start(command, lake.folder) as run:
        return any(at(write) for write in run.writes())
