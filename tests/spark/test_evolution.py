"""A pipeline whose files bring new fields: one run, green, every value in a column."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sluice.audit.run import run_audit
from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.schema.kept import list_versions
from support.delta_rows import read_delta
from support.lakes import Lake, order

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

NEW = {
    3: {"tip": 1.5},
    5: {"address": {"zip": "1"}, "tip": 2},
    7: {"address": {"zip": "2", "street": {"no": 7}}, "tags": ["a"]},
}


def land(lake: Lake, files: range, new: dict[int, dict[str, object]]) -> None:
    """Land files of one order, some of which have more fields."""
    for number in files:
        record = order(number, 0) | new.get(number, {})
        (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))


def fields(config: PipelineConfig) -> list[dict[str, object]]:
    """Return what the table has of each order beside what all orders have."""
    rows = read_delta(config.bronze_location).to_pylist()
    known = set(order(0, 0))
    return [
        {k: v for k, v in row.items() if k not in known and not k.startswith("_")}
        for row in sorted(rows, key=lambda row: row["order_date"])
    ]


@pytest.mark.long
@pytest.mark.parametrize("files", [10, 1000])
def test_run_takes_in_new_fields_by_itself(tmp_path: Path, files: int) -> None:
    """Of the files of one micro-batch three bring five fields, some of them nested.

    Runs that are killed around the new version show it each time, and where types
    widen as well silver goes on.
    """
    lake = Lake(tmp_path, schema=None, **{"cloudFiles.inferColumnTypes": "true"})
    land(lake, range(2), {})
    run_bronze(lake.config, run_id="run-1")
    land(lake, range(2, files), NEW)

    summary = run_bronze(lake.config, run_id="run-2")

    _, version = list_versions(lake.config.schema_location)
    brought = {name: Path(path).name for name, path in version.added.items()}
    assert brought == {"tip": "003.json", "address": "005.json", "tags": "007.json"}
    assert summary.counts["files"] == files - 2
    assert len(summary.notes) == len(brought)
    assert lake.bronze_rows() == lake.landed_rows()
    found = fields(lake.config)
    assert [row["tip"] for row in found][:8] == [None] * 3 + [1.5, None, 2, None, None]
    assert found[5]["address"] == {"street": None, "zip": "1"}
    assert found[7]["address"] == {"street": {"no": 7}, "zip": "2"}
    assert found[7]["tags"] == ["a"]
    assert run_audit(lake.config).verdict == "ok"

    land(lake, range(files, files + 1), {files: {"late": 1}})
    run_bronze(lake.config, run_id="run-3")
    run_replay(lake.config, Selection(globs=("003.json",)), run_id="run-4")

    assert lake.bronze_rows() == lake.landed_rows()
    assert Counter(row["tip"] for row in fields(lake.config))[1.5] == 1
    assert fields(lake.config)[-1]["late"] == 1


def test_landed_column_of_bronze_is_rescued(tmp_path: Path) -> None:
    """A table that was exported as JSON and lands again has such fields."""
    lake = Lake(tmp_path, schema=None)
    land(lake, range(1), {0: {"_Source_file": "theirs"}})
    run_bronze(lake.config, run_id="run-1")
    land(lake, range(1, 2), {1: {"_processing_date": "theirs"}})

    run_bronze(lake.config, run_id="run-2")

    rows = read_delta(lake.bronze.table).to_pylist()
    rescued = [json.loads(row["_rescued_data"]) for row in rows]
    assert sorted(name for each in rescued for name in each) == [
        "_Source_file",
        "_file_path",
        "_file_path",
        "_processing_date",
    ]
    assert {Path(row["_source_file"]).name for row in rows} == {"000.json", "001.json"}
