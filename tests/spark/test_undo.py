"""A pipeline whose schema grew by mistake: back, with nothing lost, and silver live."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql.types import StructType

from sluice.audit.run import run_audit
from sluice.bronze.run import run_bronze
from sluice.bronze.undo import UndoResult, run_undo
from sluice.config import load_pipeline
from sluice.control.hold import hold_lease
from sluice.errors import Condition, RetryableError, UsageError
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from sluice.silver.run import run_silver_tables
from support.builders import PipelineBuilder, pipeline_config
from support.delta_rows import read_delta
from support.lakes import Lake, order

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

S0 = {"s": {"x": 0}, "l": [{"x": 0}]}
NEW = {
    3: {"tip": 1.5, "id": "odd"},
    4: {"s": {"x": 1, "zip": "2"}, "tags": ["a"]},
    5: {"s": {"x": "odd", "zip": "1"}, "tip": 2.5, "l": [{"x": 1}, {"y": 2}]},
}
FIELDS = {"tip", "s.zip", "tags", "l.y"}


def land(lake: Lake, files: range, new: dict[int, dict[str, object]]) -> None:
    """Land files of one order, some of which have more fields."""
    for number in files:
        record = order(number, 0) | {"id": number, **S0} | new.get(number, {})
        (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))


def run(lake: Lake, run_id: str) -> None:
    """Run bronze and silver."""
    run_bronze(lake.config, run_id=run_id)
    tuple(run_silver_tables(lake.config, run_id=run_id))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline whose second run brought new fields, silver behind it."""
    lake = Lake(tmp_path, schema=None, **{"cloudFiles.inferColumnTypes": "true"})
    land(lake, range(3), {})
    run(lake, "run-1")
    land(lake, range(3, 8), NEW)
    run_bronze(lake.config, run_id="run-2")
    return lake


def rescued(lake: Lake) -> dict[int, dict[str, object]]:
    """Return the rescued data of each file that has some, without its path."""
    found = {}
    for row in read_delta(lake.bronze.table).to_pylist():
        if row["_rescued_data"]:
            fields = json.loads(row["_rescued_data"])
            assert fields.pop("_file_path") == row["_source_file"]
            found[int(Path(row["_source_file"]).stem)] = fields
    return found


def assert_whole(lake: Lake) -> None:
    """Hold table, windows and audit against what has landed."""
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()
    assert run_audit(lake.config).findings == ()


def versions(lake: Lake) -> tuple[int, int]:
    """Return how many versions the schema and the table have."""
    kept = list_versions(lake.config.schema_location)
    return len(kept), DeltaTable(lake.bronze.table).version()


UNDONE = {
    3: {"tip": 1.5, "id": "odd"},
    4: {"s": {"zip": "2"}, "tags": ["a"]},
    5: {"s": {"x": "odd", "zip": "1"}, "tip": 2.5, "l": [None, {"y": 2}]},
}


def test_values_of_a_column_are_moved(tmp_path: Path) -> None:
    """The table keeps the column, and the audit finds nothing."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch()
    location = pipeline.config.schema_location
    first = StructType().add("order_id", "string").add("order_date", "string")
    keep_version(location, SchemaVersion(schema=first))
    second = StructType(list(first)).add("payment_method", "string")
    keep_version(location, SchemaVersion(number=1, schema=second))
    before = read_delta(pipeline.config.bronze_location).to_pylist()

    done = run_undo(pipeline.config, run_id="undo-1")

    rows = read_delta(pipeline.config.bronze_location).to_pylist()
    assert (done.rows, done.version, done.table_version) == (3, 2, 1)
    assert [row["payment_method"] for row in rows] == [None] * 3
    assert sorted(
        json.loads(row["_rescued_data"])["payment_method"] for row in rows
    ) == (sorted(row["payment_method"] for row in before))
    assert run_undo(pipeline.config, run_id="undo-2").is_nothing
    assert not [
        each
        for each in run_audit(pipeline.config).findings
        if each.code == "UNDO_UNFINISHED"
    ]


@pytest.mark.long
def test_undo_moves_the_values_in_one_commit(lake: Lake) -> None:
    """Once: repeated, there is nothing to undo. Silver reads on behind it."""
    before = versions(lake)
    assert_refused(lake)
    asked: list[UndoResult] = []
    run_undo(
        lake.config, run_id="dry", confirmed=lambda found: bool(asked.append(found))
    )
    assert versions(lake) == before

    done = run_undo(lake.config, run_id="undo-1")

    assert {each.field: each.rows for each in asked[0].fields} == {
        "tip": 2,
        "s.zip": 2,
        "tags": 1,
        "l.y": 1,
    }
    assert (done.rows, done.files, done.version) == (3, 3, 2)
    assert versions(lake) == (before[0] + 1, before[1] + 1)
    assert done.table_version == before[1] + 1
    assert rescued(lake) == UNDONE
    rows = read_delta(lake.bronze.table).to_pylist()
    assert not any(row["tip"] or row["tags"] or row["s"]["zip"] for row in rows)
    tuple(run_silver_tables(lake.config, run_id="run-2"))
    assert_whole(lake)
    assert run_undo(lake.config, run_id="undo-2").is_nothing
    assert versions(lake) == (before[0] + 1, before[1] + 1)


def assert_refused(lake: Lake) -> None:
    """Refuse before anything is written: a silver table, a hint, a key, a run."""
    text = lake.file.read_text()
    for old, new, reason in (
        ("count(*)}", "sum(tip)}", "silver 'windows' is computed from them"),
        ("count(*)}", "max(s.zip)}", "silver 'windows' is computed from them"),
        ("unique_key: [order_id]", "unique_key: [tip]", "bronze.unique_key names them"),
        ('{"cloud', '{"cloudFiles.schemaHints": "tip double", "cloud', "schemaHints"),
    ):
        assert old in text
        lake.file.write_text(text.replace(old, new))
        with pytest.raises(UsageError, match=reason):
            run_undo(load_pipeline(str(lake.file)), run_id="undo-1")
    lake.file.write_text(text)
    with (
        hold_lease(lake.silver.checkpoint, query="windows", run_id="other"),
        pytest.raises(RetryableError) as caught,
    ):
        run_undo(lake.config, run_id="undo-1")
    assert caught.value.condition is Condition.LEASE_HELD


@pytest.mark.long
def test_undone_fields_are_rescued_until_they_are_brought_back(lake: Lake) -> None:
    """An evolution behind the undo adds what is new; an undo to it brings all back."""
    run_undo(lake.config, run_id="undo-1")
    more = {8: {"tip": 3}, 9: {"other": 1, "tip": 4, "s": {"zip": "3"}}}
    land(lake, range(8, 12), more)
    run(lake, "run-3")

    assert list(list_versions(lake.config.schema_location)[-1].added) == ["other"]
    assert rescued(lake) == UNDONE | {8: {"tip": 3}, 9: {"tip": 4, "s": {"zip": "3"}}}
    assert_whole(lake)

    back = run_undo(lake.config, run_id="undo-3", to=1)
    run_replay(lake.config, Selection(globs=("*.json",)), run_id="replay-1")

    assert [each.field for each in back.fields] == ["other"]
    assert set(back.returned) == FIELDS
    assert rescued(lake) == {3: {"id": "odd"}, 5: {"s": {"x": "odd"}}, 9: {"other": 1}}
    found = {row["id"]: row for row in read_delta(lake.bronze.table).to_pylist()}
    assert (found[8]["tip"], found[9]["s"]["zip"]) == (3, "3")
    assert_whole(lake)

    again = run_undo(lake.config, run_id="undo-4", to=0)
    land(lake, range(12, 13), {12: {"tip": 5}})
    run(lake, "run-4")

    assert {each.field for each in again.fields} == FIELDS
    assert rescued(lake) == UNDONE | {
        8: {"tip": 3},
        9: {"tip": 4, "s": {"zip": "3"}, "other": 1},
        12: {"tip": 5},
    }
    assert_whole(lake)
