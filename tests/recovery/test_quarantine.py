"""A run killed around the commits of its two tables: every row in one of them, once."""

from __future__ import annotations

import json
import sys
from collections import Counter
from enum import Enum
from pathlib import Path

import pytest

from sluice.audit.run import run_audit
from support.delta_rows import read_delta
from support.held_writes import HeldRun, Write, can_hold
from support.killing import JOBS, newest
from support.lakes import SCHEMA, Lake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

RULE = {"expect": "payment_method = 'card'", "on_violation": "quarantine"}


class Moment(Enum):
    """When the second batch is cut off: its newest versions of the two tables."""

    BEFORE_QUARANTINE = (0, 0)
    AFTER_QUARANTINE = (1, 0)
    BEFORE_BRONZE = (1, 0, "bronze")
    AFTER_BRONZE = (1, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with two files, one in a batch, of which cash is refused."""
    source = {"schema": SCHEMA, "options": {"cloudFiles.maxFilesPerTrigger": 1}}
    bronze = {"source": source, "expectations": {"card": RULE}}
    content = {"name": "orders", "lake": str(tmp_path / "lake"), "bronze": bronze}
    (tmp_path / "orders.yaml").write_text(json.dumps(content))
    lake = Lake(tmp_path)
    lake.land(2)
    return lake


@pytest.mark.long
@pytest.mark.parametrize("moment", Moment)
def test_run_killed_around_its_commits_writes_every_row_once(
    lake: Lake, moment: Moment
) -> None:
    """The batch is repeated; a table that has its part of it passes over it."""
    command = [sys.executable, str(JOBS / "bronze.py"), *lake.arguments("killed")]
    with HeldRun.start(command, lake.folder) as run:
        kill_at(run, lake, moment)
    assert versions(lake) == moment.value[:2]
    report = run_audit(lake.config)
    # Of a commit that the commit log has not yet it warns, as without quarantine.
    assert not report.fails, report.findings

    lake.land(1)
    lake.run("again", "bronze")

    landed = lake.landed()
    assert rows(lake.config.bronze_location) == named(landed, "card")
    assert rows(lake.config.quarantine_location) == named(landed, "cash")
    report = run_audit(lake.config)
    assert [each.code for each in report.findings] == ["ROWS_QUARANTINED"]


def kill_at(run: HeldRun, lake: Lake, moment: Moment) -> None:
    """Kill a run at a moment of its second batch."""
    for write in run.writes():
        if write.source is None or not is_reached(write, lake, moment):
            continue
        if moment is Moment.AFTER_QUARANTINE:
            run.finish(write)
        run.kill()
        return
    raise AssertionError(f"the run ended without {moment}")


def is_reached(write: Write, lake: Lake, moment: Moment) -> bool:
    """Return True if a write is the one by which, or before which, a run is killed."""
    version = f"_delta_log/{1:020}.json"
    quarantine = Path(lake.config.quarantine_location, version)
    names = {
        Moment.BEFORE_QUARANTINE: quarantine,
        Moment.AFTER_QUARANTINE: quarantine,
        Moment.BEFORE_BRONZE: Path(lake.config.bronze_location, version),
        Moment.AFTER_BRONZE: Path(lake.bronze.checkpoint, "commits", "1"),
    }
    return write.path == names[moment]


def versions(lake: Lake) -> tuple[int, int]:
    """Return the newest versions of quarantine and bronze."""
    config = lake.config
    tables = config.quarantine_location, config.bronze_location
    quarantine, bronze = (newest(f"{each}/_delta_log") for each in tables)
    return quarantine, bronze


def rows(location: str) -> Counter[tuple[str, str]]:
    """Return file and order id of each row of a table, read by delta-rs."""
    found = read_delta(location).to_pylist()
    return Counter((row["_source_file"], row["order_id"]) for row in found)


def named(landed: list[tuple[str, dict[str, str]]], method: str) -> Counter:
    """Return file and order id of each landed order that was paid so."""
    return Counter(
        (path, order["order_id"])
        for path, order in landed
        if order["payment_method"] == method
    )
